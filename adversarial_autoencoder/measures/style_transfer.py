"""Measures of styles that carry over: test codes, each decoded with every label.

Images of rows are [n, n_classes, height, width, channels], uint8 or float in [0, 1], ink bright on
dark: row i holds what the decoder makes of the code of test image i, column k with label k.
"""

import math
from collections.abc import Callable

from adversarial_autoencoder.measures.formulas import Metrics, mean_with_error

import numpy as np
import tensorflow as tf

FEATURES = ("slant", "width", "height", "thickness")

_TAIL = 0.02  # Share of the ink beyond each end of its extent.
# Strokes are measured on a finer grid, by this factor: they are two to four pixels wide.
_FINER = 2
_BLOCK = 25  # Images measured at a time: 20 MB of distances.


def style_transfer(classifier: Callable, images: np.ndarray) -> Metrics:
    """Returns the share of decoded images that show the label asked for, and that of whole rows.

    Returns:
      `style_transfer_accuracy`, over all images, and `style_transfer_rows`, the share of rows in
      which all labels are right. Standard errors are over rows: one code fails with many labels.
    """
    n, n_classes = images.shape[:2]
    predicted = np.asarray(classifier(images.reshape(-1, *images.shape[2:])))
    right = predicted.reshape(n, n_classes) == np.arange(n_classes)
    return mean_with_error("style_transfer_accuracy", right.mean(axis=1)) | mean_with_error(
        "style_transfer_rows", right.all(axis=1)
    )


def style_agreement(
    images: np.ndarray, sources: np.ndarray, source_labels: np.ndarray | None = None
) -> Metrics:
    """Returns how well features of strokes agree between test images and what is decoded in style.

    For each label the Pearson correlation over rows of the decoded digit's feature with the test
    image's; then the mean over labels. 1: the style carries over; 0: the decoder ignores the code.

    Args:
      images: images of rows.
      sources: [n, height, width, channels], the test image of each row.
      source_labels: int [n], their labels. If given, a test image's feature counts relative to the
        mean of its class: a 1 is narrow as a digit, which is no style.

    Returns:
      `style_agreement_<feature>`, each of `FEATURES`, from -1 to 1.
    """
    n, n_classes = images.shape[:2]
    decoded = stroke_features(images.reshape(-1, *images.shape[2:]))
    of_sources = stroke_features(sources)
    metrics = {}
    for name in FEATURES:
        values = of_sources[name]
        if source_labels is not None:
            values = values - _class_means(values, source_labels)
        of_labels = [correlation(values, column) for column in decoded[name].reshape(n, -1).T]
        metrics[f"style_agreement_{name}"] = float(np.mean(of_labels))
    return metrics


def stroke_features(images: np.ndarray) -> dict[str, np.ndarray]:
    """Measures the strokes of digits; 0 where there is no ink.

    Returns:
      By name, float64 [n]:
      - `slant`: how far the ink leans to the right, pixels a pixel upwards: the covariance of
        ink's columns and rows over the variance of its rows,
      - `width`, `height`: pixels between the ends of the ink, 2% of which lies beyond either,
      - `thickness`: pixels across a stroke, four times the mean distance of ink to its edge.
    """
    ink = _ink(images)
    n, height, width = ink.shape
    mass = np.maximum(ink.sum(axis=(1, 2)), 1e-9)
    rows, columns = ink.sum(axis=2), ink.sum(axis=1)  # How much ink lies in each.
    y = np.arange(height) - (rows @ np.arange(height) / mass)[:, np.newaxis]
    x = np.arange(width) - (columns @ np.arange(width) / mass)[:, np.newaxis]
    covariance = np.einsum("nhw,nh,nw->n", ink, y, x)
    variance = np.einsum("nh,nh->n", rows, y**2)
    return {
        "slant": -covariance / np.maximum(variance, 1e-9),
        "width": _extent(columns),
        "height": _extent(rows),
        "thickness": np.concatenate(
            [_thickness(ink[i : i + _BLOCK]) for i in range(0, n, _BLOCK)] or [np.zeros(0)]
        ),
    }


def distance_to_background(ink: np.ndarray) -> np.ndarray:
    """Returns each pixel's Euclidean distance to the nearest one without ink, 0 there, exactly.

    Args:
      ink: bool [n, height, width]. What lies outside the image has no ink.

    Returns:
      float32 [n, height, width].

    First along columns, then along rows (Felzenszwalb and Huttenlocher 2012, section 3).
    """
    ink = np.pad(ink, ((0, 0), (1, 1), (1, 1)))
    far = np.float32(sum(ink.shape) ** 2)
    squares = tf.where(tf.constant(ink), far, np.float32(0))
    for _ in range(2):
        size = squares.shape[1]
        place = np.arange(size, dtype=np.float32)
        apart = tf.constant((place[:, np.newaxis] - place) ** 2)
        # [n, to, from, other axis], the least over `from`; then the axes change places.
        reached = apart[:, :, tf.newaxis] + squares[:, tf.newaxis]
        squares = tf.transpose(tf.reduce_min(reached, axis=2), [0, 2, 1])
    return tf.sqrt(squares).numpy()[:, 1:-1, 1:-1]


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Returns the Pearson correlation of two samples, [n] and [n]; 0 where one does not vary."""
    a, b = (np.asarray(values, np.float64) - np.mean(values) for values in (a, b))
    scale = math.sqrt((a @ a) * (b @ b))
    return float(a @ b / scale) if scale > 1e-9 * len(a) else 0.0


def _thickness(ink: np.ndarray) -> np.ndarray:
    """Mean thickness of the strokes of grey images, float [n, height, width] to [n]."""
    _, height, width = ink.shape
    finer = tf.image.resize(ink[..., np.newaxis], (_FINER * height, _FINER * width))[..., 0]
    is_ink = finer.numpy() > 0.5
    # The edge lies half a pixel before the first one without ink. Across a stroke of width w, the
    # distance to the edge is w / 4 on average.
    inside = np.where(is_ink, distance_to_background(is_ink) - 0.5, 0).sum(axis=(1, 2))
    return 4 / _FINER * inside / np.maximum(is_ink.sum(axis=(1, 2)), 1)


def _extent(profile: np.ndarray) -> np.ndarray:
    """The length that holds all ink but `_TAIL` at either end, [n, length] to [n]."""
    total = profile.sum(axis=1, keepdims=True)
    # The share of the ink before each border between pixels, which grows linearly inside a pixel.
    before = np.cumsum(profile, axis=1) / np.maximum(total, 1e-9)
    before = np.concatenate([np.zeros([len(profile), 1]), before], axis=1)
    borders = np.arange(before.shape[1])
    ends = [[np.interp(share, row, borders) for share in (_TAIL, 1 - _TAIL)] for row in before]
    extent = np.diff(np.array(ends).reshape(-1, 2), axis=1)[:, 0]
    return np.where(total[:, 0] > 0, extent, 0.0)


def _class_means(values: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The mean value of each one's class, [n]."""
    _, classes = np.unique(labels, return_inverse=True)
    return (np.bincount(classes, values) / np.bincount(classes))[classes]


def _ink(images: np.ndarray) -> np.ndarray:
    """Grey levels in [0, 1], float64 [n, height, width]."""
    images = np.asarray(images)
    scale = 255.0 if images.dtype == np.uint8 else 1.0
    return images.astype(np.float64).mean(axis=-1) / scale
