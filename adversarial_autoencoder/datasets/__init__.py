"""Data sets: where they come from, what they hold, the batch of a step."""

from adversarial_autoencoder.datasets.dataset import (
    Dataset,
    Split,
    as_classes,
    hide_labels,
    labeled_subset,
)
from adversarial_autoencoder.datasets.sources import load

__all__ = ["Dataset", "Split", "as_classes", "hide_labels", "labeled_subset", "load"]
