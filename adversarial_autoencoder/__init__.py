"""Adversarial autoencoders in TensorFlow 2: what the parts of the series share."""

from adversarial_autoencoder.system import startup

startup.open_missing_streams()
startup.import_tensorflow()
