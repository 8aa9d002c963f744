"""Pictures of images, codes and clusters: uint8 arrays [height, width, channels]."""

from adversarial_autoencoder.pictures.clusters import draw_clusters
from adversarial_autoencoder.pictures.grids import (
    MOST_CLASSES,
    as_uint8,
    grid,
    manifold_codes,
    reconstructions,
    say_how_many,
    style_grid,
    styles,
    styles_of,
    swap_grid,
)
from adversarial_autoencoder.pictures.of_models import asked_for, check, manifolds, usual

__all__ = [
    "MOST_CLASSES",
    "as_uint8",
    "asked_for",
    "check",
    "draw_clusters",
    "grid",
    "manifold_codes",
    "manifolds",
    "reconstructions",
    "say_how_many",
    "style_grid",
    "styles",
    "styles_of",
    "swap_grid",
    "usual",
]
