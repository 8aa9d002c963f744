"""Pictures of models, as arrays: grids, plots, PNG files."""

from adversarial_autoencoder.pictures.of_models import asked_for, check, usual

__all__ = ["asked_for", "check", "usual"]
