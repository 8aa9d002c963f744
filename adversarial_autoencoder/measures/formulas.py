"""Measures of images, codes and labels: arrays in, numbers out.

Most measures return their figures by name, a dict of floats, which goes into `metrics.json`. A
figure that is a mean over test images comes with its standard error, as `<name>_standard_error`.
Images are uint8 [n, height, width, channels] or flat float [n, input_dim] in [0, 1], whichever is
at hand.
"""

import math
from collections.abc import Callable

from adversarial_autoencoder.inference import generate, pixels

import numpy as np
import tensorflow as tf

Metrics = dict[str, float]

STANDARD_ERROR = "_standard_error"  # Ends the name of a figure's standard error.
BANDWIDTHS = np.logspace(-1, 0, 10)  # Of the Parzen window: Goodfellow et al.'s grid.

_BLOCK = 500  # Rows of a distance matrix held at a time: 40 MB beside 10,000 columns.


def mean_with_error(name: str, values: np.ndarray) -> Metrics:
    """Returns the mean of values, one an image [n], as `name`, and its standard error."""
    values = np.asarray(values, np.float64)
    error = float(values.std() / math.sqrt(len(values)))
    return {name: float(values.mean()), name + STANDARD_ERROR: error}


# Reconstruction and classification.


def reconstruction_mse(x: np.ndarray, x_hat: np.ndarray) -> Metrics:
    """Returns the mean square over pixels of images and reconstructions as `reconstruction_mse`."""

    def errors(x: np.ndarray, x_hat: np.ndarray) -> np.ndarray:
        return np.mean(np.square(pixels(x) - pixels(x_hat)), axis=1)

    return mean_with_error("reconstruction_mse", generate(errors, x, x_hat, batch_size=_BLOCK))


def classification_error(predicted: np.ndarray, labels: np.ndarray) -> Metrics:
    """Returns the share of predicted labels, int [n], that are wrong, as `test_error`."""
    return mean_with_error("test_error", np.asarray(predicted) != np.asarray(labels))


# How well the codes fit the prior.


def code_fit(z: np.ndarray, prior: np.ndarray, prior_again: np.ndarray) -> Metrics:
    """Compares codes with samples of the prior, and the prior with itself as a reference.

    Args:
      z, prior, prior_again: codes of test images; samples of the prior, twice independently drawn;
        float [n, z_dim] each.

    Returns:
      - `code_mean`: the largest |mean| of a dimension,
      - `code_stddev`, `code_stddev_min`, `code_stddev_max`: standard deviation of a dimension, the
        mean, smallest and largest over dimensions,
      - `code_ks`: the largest two-sample Kolmogorov-Smirnov distance of a dimension, 0 to 1,
      - `energy_distance` of the joint distributions,
      - each of these again with `_of_prior` appended, of `prior_again` in place of the codes: what
        a perfect encoder would reach with this number of images.
    """
    codes, reference = _fit(z, prior), _fit(prior_again, prior)
    return codes | {f"{name}_of_prior": value for name, value in reference.items()}


def ks_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Returns the Kolmogorov-Smirnov distance of two samples, [n] and [m], 0 to 1.

    It is the largest difference of their cumulative distribution functions.
    """
    both = np.concatenate([a, b])
    cdf_a, cdf_b = (np.searchsorted(np.sort(s), both, side="right") / len(s) for s in (a, b))
    return float(np.max(np.abs(cdf_a - cdf_b)))


def energy_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Returns the energy distance 2 E|a - b| - E|a - a'| - E|b - b'| of two samples.

    It is 0 only where the joint distributions are the same, so it also detects dependence between
    dimensions, holes and clusters that no single dimension shows. Averages are over all pairs,
    also those of a point with itself: the distance is never negative, and for two samples of n
    points of one distribution it is 2 E|a - a'| / n on average. In units of the codes, [n, dim] and
    [m, dim].

    Székely and Rizzo 2013, "Energy statistics", section 2.
    """
    return 2 * _mean_distance(a, b) - _mean_distance(a, a) - _mean_distance(b, b)


def _fit(z: np.ndarray, prior: np.ndarray) -> Metrics:
    z = np.asarray(z, np.float64)
    stddev = z.std(axis=0)
    return {
        "code_mean": float(np.max(np.abs(z.mean(axis=0)))),
        "code_stddev": float(stddev.mean()),
        "code_stddev_min": float(stddev.min()),
        "code_stddev_max": float(stddev.max()),
        "code_ks": max(ks_distance(a, b) for a, b in zip(z.T, prior.T, strict=True)),
        "energy_distance": energy_distance(z, prior),
    }


def _mean_distance(a: np.ndarray, b: np.ndarray) -> float:
    """The mean Euclidean distance over all pairs of rows.

    In float64: what matters is a small difference of such means.
    """
    b = tf.constant(b, tf.float64)
    centre = tf.reduce_mean(b, axis=0)  # The nearer to 0, the less rounding in the squares.
    b -= centre
    total = 0.0
    for i in range(0, len(a), _BLOCK):
        part = tf.constant(a[i : i + _BLOCK], tf.float64) - centre
        total += float(tf.reduce_sum(tf.sqrt(_squared_distances(part, b))))
    return total / (len(a) * len(b))


@tf.function(reduce_retracing=True)
def _squared_distances(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    """Squared Euclidean distances of all pairs of rows, [len(a), len(b)]."""
    squares_a, squares_b = (tf.reduce_sum(tf.square(rows), axis=1) for rows in (a, b))
    products = tf.matmul(a, b, transpose_b=True)
    return tf.maximum(squares_a[:, tf.newaxis] + squares_b - 2 * products, 0)


# The likelihood of test images.


def parzen_log_likelihood(
    samples: np.ndarray,
    validation_images: np.ndarray,
    test_images: np.ndarray,
    n_validation: int = 1000,
) -> Metrics:
    """Returns the mean log-likelihood of test images, in nats, under a Parzen window.

    The density is a mean of Gaussians, one around every generated image. Of ten bandwidths (0.1
    to 1, evenly spaced in their logarithm) it has the one under which the validation images have
    the highest likelihood. The ten are coarse: halfway between two of them lies a bandwidth that
    gives images of 784 pixels up to 13 nats more. So nineteen finer ones are tried around the best
    of the ten, and theirs is a figure of its own, since the papers' figures are of the ten.

    Args:
      samples, test_images: 10,000 each in the paper.
      validation_images: on the first `n_validation` of them the bandwidth is chosen.

    Returns:
      `parzen_log_likelihood` and `parzen_bandwidth`, of the ten; `parzen_fine_log_likelihood` and
      `parzen_fine_bandwidth`, of the nineteen.

    Makhzani et al. 2015, section 3; the protocol is that of Goodfellow et al. 2014.
    """

    def best(bandwidths):
        of_bandwidths = _parzen(samples, validation_images[:n_validation], bandwidths)
        return bandwidths[np.argmax(of_bandwidths.mean(axis=1))]

    coarse = best(BANDWIDTHS)
    step = BANDWIDTHS[1] / BANDWIDTHS[0]
    fine = best(coarse * step ** np.linspace(-0.9, 0.9, 19))
    of_coarse, of_fine = _parzen(samples, test_images, [coarse, fine])
    return (
        mean_with_error("parzen_log_likelihood", of_coarse)
        | {"parzen_bandwidth": float(coarse)}
        | mean_with_error("parzen_fine_log_likelihood", of_fine)
        | {"parzen_fine_bandwidth": float(fine)}
    )


def _parzen(samples: np.ndarray, images: np.ndarray, bandwidths: np.ndarray) -> np.ndarray:
    """Log densities of the images under each bandwidth, float64 [bandwidths, images]."""
    samples = tf.constant(pixels(samples))
    centre = tf.reduce_mean(samples, axis=0)
    samples -= centre
    parts = []
    for i in range(0, len(images), _BLOCK):
        distances = _squared_distances(pixels(images[i : i + _BLOCK]) - centre, samples)
        parts.append([_log_mean_exp(distances * float(-0.5 / s**2)) for s in bandwidths])
    dim = samples.shape[1]
    normalizers = [dim * math.log(s * math.sqrt(2 * math.pi)) for s in bandwidths]
    return np.concatenate(parts, axis=1).astype(np.float64) - np.array(normalizers)[:, np.newaxis]


@tf.function(reduce_retracing=True)
def _log_mean_exp(x: tf.Tensor) -> tf.Tensor:
    return tf.reduce_logsumexp(x, axis=1) - tf.math.log(tf.cast(tf.shape(x)[1], x.dtype))


# Generated images.


def content_accuracy(classifier: Callable, images: np.ndarray, labels: np.ndarray) -> Metrics:
    """Returns the content accuracy of generated images, as `content_accuracy`.

    It is the share of images whose label, as an independent classifier predicts it, is the label
    that they were generated with. Read it with `sample_diversity`: one good image per label has a
    content accuracy of 1.
    """
    return mean_with_error("content_accuracy", np.asarray(classifier(images)) == np.asarray(labels))


def sample_diversity(
    images: np.ndarray,
    labels: np.ndarray,
    real_images: np.ndarray,
    real_labels: np.ndarray,
    n_per_label: int = 1000,
) -> Metrics:
    """Returns the diversity of generated images relative to real ones, as `sample_diversity`.

    The root mean square difference of two images over pixels, averaged over all pairs of images of
    one label, then over labels; divided by the same figure for real images. 0: one image per label.
    1: as diverse as real ones. Noise is diverse too, so read it with `content_accuracy`.

    The first `n_per_label` images of each label are used. Nothing is returned if no label has two
    generated and two different real images.
    """
    generated = _differences(images, labels, n_per_label)
    real = _differences(real_images, real_labels, n_per_label)
    shared = sorted(generated.keys() & real.keys())
    of_generated, of_real = (sum(found[k] for k in shared) for found in (generated, real))
    if of_real < 1e-9:  # 0, but for rounding.
        return {}
    return {"sample_diversity": of_generated / of_real}


def _differences(images: np.ndarray, labels: np.ndarray, n_per_label: int) -> dict[int, float]:
    """The mean root mean square difference of two images of a label, by label."""
    found = {}
    for label in np.unique(labels):
        chosen = pixels(images[np.flatnonzero(labels == label)[:n_per_label]])
        n, dim = chosen.shape
        if n > 1:
            # Without the n pairs of an image with itself, which are all 0.
            found[int(label)] = _mean_distance(chosen, chosen) * n / (n - 1) / math.sqrt(dim)
    return found


# Nearest neighbours.


def nearest_neighbour_error(
    codes: np.ndarray, labels: np.ndarray, test_codes: np.ndarray, test_labels: np.ndarray
) -> Metrics:
    """Returns the share of test codes whose nearest neighbour among codes has another label.

    Codes are float, [n, z_dim] of training and [m, z_dim] of test images; labels int [n] and [m].
    """
    centre = np.mean(codes, axis=0, dtype=np.float64)
    codes, test_codes = (np.asarray(z - centre, np.float32) for z in (codes, test_codes))
    parts = [
        tf.argmin(_squared_distances(test_codes[i : i + _BLOCK], codes), axis=1).numpy()
        for i in range(0, len(test_codes), _BLOCK)
    ]
    found = np.asarray(labels)[np.concatenate(parts)]
    return mean_with_error("nearest_neighbour_error", found != test_labels)


def smallest_distance(points: np.ndarray) -> float:
    """Returns the smallest Euclidean distance of two different rows of float [n, dim]."""
    points = np.asarray(points, np.float64)
    distances = np.linalg.norm(points[:, np.newaxis] - points, axis=-1)
    return float(distances[~np.eye(len(points), dtype=bool)].min())


def neighbours(codes: np.ndarray, queries: np.ndarray, n: int = 1) -> np.ndarray:
    """Returns the n nearest neighbours of some of the codes, without the code itself.

    Args:
      codes: float [m, dim].
      queries: int [k], indices of the codes whose neighbours are wanted.
      n: number of neighbours.

    Returns:
      int [k, n], indices into codes, the nearest first.
    """
    codes = np.asarray(codes - np.mean(codes, axis=0, dtype=np.float64), np.float32)
    parts = []
    for i in range(0, len(queries), _BLOCK):
        rows = queries[i : i + _BLOCK]
        distances = _squared_distances(codes[rows], codes).numpy()
        distances[np.arange(len(rows)), rows] = np.inf
        parts.append(np.argsort(distances, axis=1, kind="stable")[:, :n])
    return np.concatenate(parts)
