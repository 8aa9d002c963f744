"""Training: a script's `main`, the loop, stopping and going on."""

from adversarial_autoencoder.training.command import main

__all__ = ["main"]
