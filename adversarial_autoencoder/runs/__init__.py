"""A run's folder: checkpoints, log, TensorBoard's events, pictures and figures."""

from adversarial_autoencoder.runs.finding import check_data, find, open_run
from adversarial_autoencoder.runs.run import Run, saving

__all__ = ["Run", "check_data", "find", "open_run", "saving"]
