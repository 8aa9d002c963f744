"""Data sets: where they come from, what they hold, the batch of a step."""

from adversarial_autoencoder.datasets.batches import labeled_batches, steps_per_epoch
from adversarial_autoencoder.datasets.dataset import Dataset, Split
from adversarial_autoencoder.datasets.labels import as_classes, hide_labels
from adversarial_autoencoder.datasets.sources import load

__all__ = [
    "Dataset",
    "Split",
    "as_classes",
    "hide_labels",
    "labeled_batches",
    "load",
    "steps_per_epoch",
]
