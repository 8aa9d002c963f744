"""Measures of trained models, for a script's `MEASURES`: each gives figures for `metrics.json`."""

from adversarial_autoencoder.measures.disentangling import (
    measure_disentangling,
    measure_neighbours,
    measure_swaps,
    measure_true_swaps,
)
from adversarial_autoencoder.measures.evaluation import (
    measure_classification,
    measure_clusters,
    measure_codes,
    measure_map,
    measure_reconstruction,
    measure_style_and_content,
    measure_style_transfer,
)

__all__ = [
    "measure_classification",
    "measure_clusters",
    "measure_codes",
    "measure_disentangling",
    "measure_map",
    "measure_neighbours",
    "measure_reconstruction",
    "measure_style_and_content",
    "measure_style_transfer",
    "measure_swaps",
    "measure_true_swaps",
]
