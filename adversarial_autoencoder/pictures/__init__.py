"""Pictures of images, codes and clusters: uint8 arrays [height, width, channels]."""

from adversarial_autoencoder.pictures.clusters import draw_clusters
from adversarial_autoencoder.pictures.grids import (
    as_uint8,
    grid,
    manifold_codes,
    reconstructions,
    style_grid,
    styles,
)
from adversarial_autoencoder.pictures.of_models import asked_for, check, manifolds, usual

__all__ = [
    "as_uint8",
    "asked_for",
    "check",
    "draw_clusters",
    "grid",
    "manifold_codes",
    "manifolds",
    "reconstructions",
    "style_grid",
    "styles",
    "usual",
]
