"""How good is this run? Measures of images, codes and labels, and which of them a model has.

Every measure returns its figures by name (a dict of floats), so that all of them go into one flat
`metrics.json`. A figure that is a mean over test images comes with its standard error, under
`<name>_standard_error`. Images are uint8 [n, height, width, channels] or flat float [n, input_dim]
in [0, 1], whichever is at hand. Random draws depend on `seed` alone.
"""

import dataclasses
import hashlib
import json
import math
import numbers
import os
import pathlib
import subprocess
from collections.abc import Callable, Mapping

from adversarial_autoencoder import layers, optimizers, randomness, runs
from adversarial_autoencoder.datasets import Dataset
from adversarial_autoencoder.errors import UserError

import keras
import numpy as np
import tensorflow as tf

Metrics = dict[str, float]

# The classifier that reads generated images. A new number trains it anew where one is cached.
CLASSIFIER_VERSION = 1
CLASSIFIER_STEPS = 3000  # Of 128 images; seven epochs of MNIST.

BANDWIDTHS = np.logspace(-1, 0, 10)  # The grid of the Parzen window, as is usual.
PROBE_EPOCHS, PROBE_PATIENCE = 40, 10

_ERROR = "_standard_error"
_BLOCK = 500  # Rows of a distance matrix held at a time: 40 MB beside 10,000 columns.


# Running a network over many images or codes.


def encode(encode_batch: Callable, images: np.ndarray, batch_size: int = 1000) -> np.ndarray:
    """Returns the codes of the images, float32 [n, z_dim], batch by batch.

    Args:
      encode_batch: flat float32 images [batch, input_dim] in [0, 1] to codes [batch, z_dim].
      images: see the module's docstring.
      batch_size: images at a time.
    """
    return generate(lambda part: encode_batch(_pixels(part)), images, batch_size=batch_size)


def draw_codes(model: tf.Module, images: np.ndarray) -> np.ndarray:
    """Returns codes as training has them, float32 [n, z_dim]; the same each time.

    Those of a `gaussian` encoder are drawn around their mean, so that together they are spread like
    the prior; `encode` gives the mean.

    Args:
      model: as in the module `training`.
      images: see the module's docstring.
    """
    z = encode(model.encode, images)
    stddev = layers.code_stddev(model.encoder)
    if stddev is None:
        return z
    noise = randomness.numpy_generator(0, "codes").standard_normal(z.shape, np.float32)
    return z + noise * encode(stddev, images)


def generate(decode: Callable, *inputs: np.ndarray, batch_size: int = 1000) -> np.ndarray:
    """Returns what `decode` makes of its inputs, float32 [n, ...], batch by batch.

    Args:
      decode: called with a slice of every input; returns one row for each of the slice.
      inputs: arrays [n, ...]: codes alone, or labels (as `decode` wants them) and codes.
      batch_size: rows at a time.
    """
    parts = [
        np.asarray(decode(*(values[i : i + batch_size] for values in inputs)), np.float32)
        for i in range(0, len(inputs[0]), batch_size)
    ]
    return np.concatenate(parts)


# Reconstruction and classification.


def reconstruction_mse(x: np.ndarray, x_hat: np.ndarray) -> Metrics:
    """Returns the mean squared error over pixels, the series' loss, as `reconstruction_mse`.

    Args:
      x: images, see the module's docstring.
      x_hat: their reconstructions, the same.
    """
    errors = [
        np.mean(np.square(_pixels(x[i : i + _BLOCK]) - _pixels(x_hat[i : i + _BLOCK])), axis=1)
        for i in range(0, len(x), _BLOCK)
    ]
    return _mean("reconstruction_mse", np.concatenate(errors))


def classification_error(predicted: np.ndarray, labels: np.ndarray) -> Metrics:
    """Returns the share of images given a wrong label, as `test_error`.

    Args:
      predicted: int [n], the labels given by the model.
      labels: int [n], the true ones.
    """
    return _mean("test_error", np.asarray(predicted) != np.asarray(labels))


# How well the codes fit the prior.


def code_fit(z: np.ndarray, prior: np.ndarray, prior_again: np.ndarray) -> Metrics:
    """Compares codes with samples of the prior; beside it, the prior with itself.

    Args:
      z: codes of test images, float [n, z_dim].
      prior: samples of the prior, float [n, z_dim].
      prior_again: other samples of the prior, drawn independently, float [n, z_dim].

    Returns:
      - `code_mean`: the largest |mean| of a dimension,
      - `code_stddev`, `code_stddev_min`, `code_stddev_max`: standard deviation of a dimension, the
        mean, smallest and largest over dimensions,
      - `code_ks`: the largest two-sample Kolmogorov-Smirnov distance of a dimension, 0 to 1,
      - `energy_distance`: of the joint distributions, see `energy_distance`,
      - each of these again with `_of_prior` appended, of `prior_again` in place of the codes: what
        a perfect encoder would reach with so many images.
    """
    codes, reference = _fit(z, prior), _fit(prior_again, prior)
    return codes | {f"{name}_of_prior": value for name, value in reference.items()}


def ks_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Returns the largest distance between the distribution functions of two samples, [n], [m]."""
    both = np.concatenate([a, b])
    cdf_a, cdf_b = (np.searchsorted(np.sort(s), both, side="right") / len(s) for s in (a, b))
    return float(np.max(np.abs(cdf_a - cdf_b)))


def energy_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Returns the energy distance 2 E|a - b| - E|a - a'| - E|b - b'| of two samples.

    It is 0 only where the joint distributions are the same, and so sees dependence between
    dimensions, holes and clusters that no single dimension shows. Averages are over all pairs,
    those of a sample with itself too: never negative, and above 0 for two samples of one
    distribution, by 2 E|a - a'| / n on average. In units of the codes.

    Args:
      a: float [n, dim].
      b: float [m, dim].

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

    A Gaussian is put on every generated image, with the one of ten bandwidths (0.1 to 1, evenly
    spaced in their logarithm) under which the validation images are likeliest.

    Args:
      samples: generated images, 10,000 in the paper; see the module's docstring.
      validation_images: images to choose the bandwidth on.
      test_images: images to measure, 10,000 in the paper.
      n_validation: how many of the validation images are used, the first.

    Returns:
      `parzen_log_likelihood` and `parzen_bandwidth`.

    Makhzani et al. 2015, section 3; the protocol is that of Goodfellow et al. 2014.
    """
    of_bandwidths = _parzen(samples, validation_images[:n_validation], BANDWIDTHS)
    bandwidth = BANDWIDTHS[np.argmax(of_bandwidths.mean(axis=1))]
    (likelihoods,) = _parzen(samples, test_images, [bandwidth])
    return _mean("parzen_log_likelihood", likelihoods) | {"parzen_bandwidth": float(bandwidth)}


def _parzen(samples: np.ndarray, images: np.ndarray, bandwidths: np.ndarray) -> np.ndarray:
    """Log densities of the images under each bandwidth, float64 [bandwidths, images]."""
    samples = tf.constant(_pixels(samples))
    centre = tf.reduce_mean(samples, axis=0)
    samples -= centre
    parts = []
    for i in range(0, len(images), _BLOCK):
        distances = _squared_distances(_pixels(images[i : i + _BLOCK]) - centre, samples)
        parts.append([_log_mean_exp(distances * float(-0.5 / s**2)) for s in bandwidths])
    dim = samples.shape[1]
    normalizers = [dim * math.log(s * math.sqrt(2 * math.pi)) for s in bandwidths]
    return np.concatenate(parts, axis=1).astype(np.float64) - np.array(normalizers)[:, np.newaxis]


@tf.function(reduce_retracing=True)
def _log_mean_exp(x: tf.Tensor) -> tf.Tensor:
    return tf.reduce_logsumexp(x, axis=1) - tf.math.log(tf.cast(tf.shape(x)[1], x.dtype))


# What generated images show.


@dataclasses.dataclass(frozen=True)
class Classifier:
    """Reads the class off an image.

    Attributes:
      network: float32 images [n, height, width, channels] in [0, 1] to logits [n, n_classes].
      accuracy: the share of the data set's test images that it reads rightly, 0 to 1.
    """

    network: keras.Model
    accuracy: float

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Returns the labels that the images show, int64 [n]."""
        return _read(self.network, images)


def train_classifier(data: Dataset, seed: int = 0, n_steps: int = CLASSIFIER_STEPS) -> Classifier:
    """Trains a convolutional classifier on the training images; MNIST takes a minute on 2 cores.

    Three or more convolutions halve the image to at most 4 × 4; batch normalization; images are
    moved by up to a fourteenth of their side, so that the place of a generated digit matters less.

    Args:
      data: whose training images to learn and whose test images to measure its accuracy on.
      seed: of first weights, order of images, and moves.
      n_steps: steps of Adam, with batches of 128.
    """
    height, width, channels = data.image_shape
    network = _classifier_network(data.image_shape, data.n_classes, seed)
    n, batch_size = len(data.train), min(128, len(data.train))
    reach = min(height, width) // 14

    def prepare(images: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
        move_seed = randomness.stateless_seed(seed, "moves of the classifier's images", step)
        corner = tf.random.stateless_uniform([2], move_seed, 0, 2 * reach + 1, tf.int32)
        padded = tf.pad(images, [[0, 0], [reach, reach], [reach, reach], [0, 0]])
        begin = tf.stack([0, corner[0], corner[1], 0])
        moved = tf.slice(padded, begin, [batch_size, height, width, channels])
        return tf.cast(moved, tf.float32) / 255.0

    train = _trainer(
        network, _cross_entropy, data.train.images, data.train.labels, 3e-3, n_steps, prepare
    )
    generator = randomness.numpy_generator(seed, "order of the classifier's images")
    train(_shuffled_batches(np.arange(n), batch_size, n_steps, generator))
    return _with_accuracy(network, data)


def cached_classifier(data: Dataset, cache_dir: str | os.PathLike) -> Classifier:
    """Returns the classifier of a data set, trained once and read from a file ever after.

    The file is named by the training images and labels themselves: other data, other classifier.
    It is always the same for the same data, whatever seeds the runs have that it measures.

    Args:
      data: as for `train_classifier`.
      cache_dir: folder of the file, made if need be.

    Raises:
      UserError: the folder cannot be written.
    """
    cache_dir = pathlib.Path(cache_dir)
    path = cache_dir / f"classifier-{_checksum(data)}.keras"
    if path.exists():
        try:
            found = _with_accuracy(keras.models.load_model(path, compile=False), data)
        except Exception as error:  # A damaged file can raise anything; it is only a cache.
            print(f"{path} cannot be read ({type(error).__name__}); it is made anew.")
        else:
            return _announced(found, data)
    with runs.saving(cache_dir):
        cache_dir.mkdir(parents=True, exist_ok=True)
    print(f"Training a classifier on {data.name}, a minute or so, once per data set ...")
    found = train_classifier(data)
    partial = cache_dir / f"partial-{os.getpid()}-{path.name}"
    with runs.saving(cache_dir):
        try:
            found.network.save(partial)
            os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)
    return _announced(found, data)


def content_accuracy(classifier: Callable, images: np.ndarray, labels: np.ndarray) -> Metrics:
    """Returns the share of generated images that show the label asked for, as `content_accuracy`.

    Args:
      classifier: images to labels, int [n].
      images: generated images; see the module's docstring.
      labels: int [n], what each was asked to show.

    To be read with `sample_diversity`: one good image per label scores 1 here.
    """
    return _mean("content_accuracy", np.asarray(classifier(images)) == np.asarray(labels))


def sample_diversity(
    images: np.ndarray,
    labels: np.ndarray,
    real_images: np.ndarray,
    real_labels: np.ndarray,
    n_per_label: int = 1000,
) -> Metrics:
    """Returns how diverse generated images are beside real ones, as `sample_diversity`.

    The root mean square difference of two images over pixels, averaged over all pairs of images of
    one label, then over labels; divided by the same figure for real images. 0: one image per label.
    1: as diverse as real ones. Noise is diverse too, so read it with `content_accuracy`.

    Args:
      images: generated images; see the module's docstring.
      labels: int [n], what each was asked to show.
      real_images: test images.
      real_labels: int [m].
      n_per_label: how many images of a label count, the first.

    Raises:
      ValueError: no label has two generated and two real images.
    """
    generated = _differences(images, labels, n_per_label)
    real = _differences(real_images, real_labels, n_per_label)
    shared = sorted(generated.keys() & real.keys())
    if not shared:
        raise ValueError("sample_diversity: no label has two generated and two real images")
    ratio = sum(generated[k] for k in shared) / sum(real[k] for k in shared)
    return {"sample_diversity": ratio}


def _differences(images: np.ndarray, labels: np.ndarray, n_per_label: int) -> dict[int, float]:
    """The mean root mean square difference of two images of a label, by label."""
    found = {}
    for label in np.unique(labels):
        chosen = _pixels(images[np.flatnonzero(labels == label)[:n_per_label]])
        n, dim = chosen.shape
        if n > 1:
            # The n pairs of an image with itself, all 0, do not count.
            found[int(label)] = _mean_distance(chosen, chosen) * n / (n - 1) / math.sqrt(dim)
    return found


def _classifier_network(shape: tuple[int, int, int], n_classes: int, seed: int) -> keras.Model:
    def initializer(name: str) -> keras.Initializer:
        return keras.initializers.HeNormal(randomness.initializer_seed(seed, f"classifier {name}"))

    # float32 whatever the policy of the run that is measured.
    options = {"dtype": "float32"}
    x = inputs = keras.Input(shape, name="images", **options)
    for k in range(max(3, math.ceil(math.log2(max(shape[:2]) / 4)))):
        x = keras.layers.Conv2D(
            filters=min(32 * 2**k, 128),
            kernel_size=5 if k < 2 else 3,
            strides=2,
            padding="same",
            use_bias=False,
            kernel_initializer=initializer(f"convolution {k}"),
            **options,
        )(x)
        x = keras.layers.BatchNormalization(momentum=0.9, **options)(x)
        x = keras.layers.ReLU(**options)(x)
    x = keras.layers.Flatten(**options)(x)
    logits = keras.layers.Dense(n_classes, kernel_initializer=initializer("logits"), **options)(x)
    return keras.Model(inputs, logits, name="classifier")


def _read(network: keras.Model, images: np.ndarray) -> np.ndarray:
    shape = (-1, *network.input_shape[1:])
    logits = generate(lambda part: network(_pixels(part).reshape(shape), training=False), images)
    return np.argmax(logits, axis=1)


def _with_accuracy(network: keras.Model, data: Dataset) -> Classifier:
    right = _read(network, data.test.images) == data.test.labels
    return Classifier(network, float(right.mean()))


def _announced(classifier: Classifier, data: Dataset) -> Classifier:
    print(f"The classifier reads {classifier.accuracy:.2%} of {data.name}'s test images rightly.")
    return classifier


def _checksum(data: Dataset) -> str:
    about = f"{CLASSIFIER_VERSION} {data.train.images.shape} {data.n_classes}"
    digest = hashlib.blake2b(about.encode(), digest_size=8)
    digest.update(np.ascontiguousarray(data.train.images))
    digest.update(np.ascontiguousarray(data.train.labels))
    return digest.hexdigest()


# What the code still says.


def z_probe_accuracy(
    z_train: np.ndarray,
    y_train: np.ndarray,
    z_test: np.ndarray,
    y_test: np.ndarray,
    seed: int = 0,
) -> Metrics:
    """Returns what a small network reads of the label from the code, beside chance.

    The network has two hidden layers of 256 units (with one, it reads far less) and is trained with
    early stopping on a tenth of the training codes that it does not learn from.

    Args:
      z_train: codes of training images, float [n, z_dim].
      y_train: int [n], their labels, from 0.
      z_test: codes of test images, float [m, z_dim].
      y_test: int [m], their labels.
      seed: of first weights, the tenth held out, and the order of codes.

    Returns:
      `z_probe_accuracy` on the test codes and `z_probe_chance`, the share of the largest class.

    Mathieu et al. 2016, table 1 (which gives errors).
    """
    predicted = _probed_classes(z_train, y_train, z_test, seed)
    chance = float(np.bincount(y_test).max() / len(y_test))
    return _mean("z_probe_accuracy", predicted == y_test) | {"z_probe_chance": chance}


def style_factor_r2(
    z_train: np.ndarray,
    factors_train: Mapping[str, np.ndarray],
    z_test: np.ndarray,
    factors_test: Mapping[str, np.ndarray],
    seed: int = 0,
) -> Metrics:
    """Returns how well a small network predicts each true factor of the images from their codes.

    The network is that of `z_probe_accuracy`. A factor of whole numbers alone is taken for a choice
    (font, hair), any other for a measure (slant, size).

    Args:
      z_train: codes of training images, float [n, z_dim].
      factors_train: by name, [n]; may be empty.
      z_test: codes of test images, float [m, z_dim].
      factors_test: the same factors, [m].
      seed: as for `z_probe_accuracy`.

    Returns:
      For a measure `style_factor_r2_<name>`, the share of its variance on test images that is
      predicted: 1 at best, about 0 where the code does not tell. For a choice
      `style_factor_accuracy_<name>` and, the share of its commonest value,
      `style_factor_chance_<name>`. Nothing for a factor that does not vary.
    """
    varying = [name for name in factors_train if np.ptp(factors_test[name]) > 0]
    choices = [name for name in varying if is_choice(factors_train[name])]
    measures = [name for name in varying if name not in choices]
    metrics = {}
    if measures:
        train, test = (
            np.column_stack([factors[name] for name in measures]).astype(np.float64)
            for factors in (factors_train, factors_test)
        )
        mean, stddev = train.mean(axis=0), _stddev(train)
        targets = ((train - mean) / stddev).astype(np.float32)
        probe = _fit_probe(z_train, targets, len(measures), _squared_error, _squared_error, seed)
        residuals = test - (probe(z_test) * stddev + mean)
        r2 = 1 - np.mean(residuals**2, axis=0) / test.var(axis=0)
        metrics = {f"style_factor_r2_{k}": float(v) for k, v in zip(measures, r2, strict=True)}
    for name in choices:
        values, train = np.unique(factors_train[name], return_inverse=True)
        predicted = values[_probed_classes(z_train, train, z_test, seed)]
        _, counts = np.unique(factors_test[name], return_counts=True)
        metrics |= _mean(f"style_factor_accuracy_{name}", predicted == factors_test[name])
        metrics[f"style_factor_chance_{name}"] = float(counts.max() / counts.sum())
    return metrics


def probe_errors(
    z_train: np.ndarray,
    y_train: np.ndarray,
    z_test: np.ndarray,
    y_test: np.ndarray,
    seed: int = 0,
) -> tuple[float, float]:
    """Returns how often a small network reads a wrong label, of training and of test codes, 0 to 1.

    Args:
      z_train: codes of training images, or anything else of one row each, [n, z_dim].
      y_train: int [n], their labels, of any numbers.
      z_test: those of test images, [m, z_dim].
      y_test: int [m], their labels.
      seed: as for `z_probe_accuracy`, whose network this is.

    Mathieu et al. 2016, table 1.
    """
    values, classes = np.unique(y_train, return_inverse=True)
    probe = _fit_probe(z_train, classes, len(values), _cross_entropy, _mistakes, seed)
    train, test = (
        float(np.mean(values[np.argmax(probe(z), axis=1)] != y))
        for z, y in ((z_train, y_train), (z_test, y_test))
    )
    return train, test


def neighbours(codes: np.ndarray, queries: np.ndarray, n: int = 1) -> np.ndarray:
    """Returns which n codes are nearest to each of some of them, itself left out, nearest first.

    Args:
      codes: float [m, dim].
      queries: int [k], which of the codes.
      n: how many.

    Returns:
      int [k, n], indices into codes.
    """
    codes = np.asarray(codes - np.mean(codes, axis=0, dtype=np.float64), np.float32)
    parts = []
    for i in range(0, len(queries), _BLOCK):
        rows = queries[i : i + _BLOCK]
        distances = _squared_distances(codes[rows], codes).numpy()
        distances[np.arange(len(rows)), rows] = np.inf
        parts.append(np.argsort(distances, axis=1, kind="stable")[:, :n])
    return np.concatenate(parts)


def is_choice(values: np.ndarray) -> bool:
    """Whether a factor of images is a choice (font, hair), and not a measure (slant, size)."""
    return bool(np.all(np.asarray(values) == np.round(values)))


def _probed_classes(z: np.ndarray, labels: np.ndarray, z_test: np.ndarray, seed: int) -> np.ndarray:
    """The classes that a probe trained on (z, labels) reads from z_test, int64 [m]."""
    probe = _fit_probe(z, labels, int(labels.max()) + 1, _cross_entropy, _mistakes, seed)
    return np.argmax(probe(z_test), axis=1)


def _fit_probe(
    z: np.ndarray, targets: np.ndarray, n_outputs: int, loss: Callable, score: Callable, seed: int
) -> Callable[[np.ndarray], np.ndarray]:
    """Trains a network with two hidden layers of 256 units, up to where held-out codes are best.

    Args:
      z: codes, float [n, z_dim].
      targets: [n] or [n, n_outputs].
      n_outputs: units of the last layer.
      loss: what is descended, of targets and outputs, [batch] or [batch, n_outputs].
      score: what is stopped by, the same way round; low is good.
      seed: see `z_probe_accuracy`.

    Returns:
      The function from codes to the outputs of the best epoch.
    """
    mean, stddev = np.mean(z, axis=0, dtype=np.float64), _stddev(z)

    def standardized(codes: np.ndarray) -> np.ndarray:
        return ((codes - mean) / stddev).astype(np.float32)

    generator = randomness.numpy_generator(seed, "order of the probe's codes")
    held_out, kept = np.split(generator.permutation(len(z)), [max(1, len(z) // 10)])
    # Small data sets need smaller batches, to have enough of them in an epoch.
    batch_size = min(max(len(kept) // 100, 32), 500, len(kept))
    n_steps = len(kept) // batch_size

    x = standardized(z)
    network = _probe_network(x.shape[1], n_outputs, seed)
    train = _trainer(network, loss, x, targets, 3e-3, PROBE_EPOCHS * n_steps)
    best_score, best_epoch, best_weights = math.inf, -1, []
    for epoch in range(PROBE_EPOCHS):
        train(_shuffled_batches(kept, batch_size, n_steps, generator))
        outputs = generate(network, x[held_out], batch_size=10000)
        held_out_score = float(np.mean(score(targets[held_out], outputs)))
        if held_out_score < best_score:
            best_score, best_epoch, best_weights = held_out_score, epoch, network.get_weights()
        if epoch - best_epoch >= PROBE_PATIENCE:
            break
    network.set_weights(best_weights)
    return lambda codes: generate(network, standardized(codes), batch_size=10000)


def _probe_network(n_inputs: int, n_outputs: int, seed: int) -> keras.Model:
    stack = [keras.Input([n_inputs])]
    for name, units, activation in (
        ("hidden 1", 256, "relu"),
        ("hidden 2", 256, "relu"),
        ("outputs", n_outputs, None),
    ):
        weights = keras.initializers.HeNormal(randomness.initializer_seed(seed, f"probe {name}"))
        stack.append(
            keras.layers.Dense(units, activation, kernel_initializer=weights, dtype="float32")
        )
    return keras.Sequential(stack)


def _stddev(values: np.ndarray) -> np.ndarray:
    """Standard deviation of each column, 1 for a column that does not vary."""
    stddev = np.std(values, axis=0, dtype=np.float64)
    return np.where(stddev > 0, stddev, 1.0)


# Training a network that measures.


def _trainer(
    network: keras.Model,
    loss: Callable,
    x: np.ndarray,
    targets: np.ndarray,
    learning_rate: float,
    n_steps: int,
    prepare: Callable = lambda x, step: x,
) -> Callable[[np.ndarray], None]:
    """Returns the function that takes a step of Adam for each row of indices, int [steps, batch].

    The learning rate falls to 0 along a cosine over `n_steps`; `prepare` gets a batch of x and the
    step.
    """
    schedule = keras.optimizers.schedules.CosineDecay(learning_rate, n_steps)
    optimizer = optimizers.adam(schedule, 0.9, network.trainable_variables)
    x, targets = tf.constant(x), tf.constant(targets)

    @tf.function
    def train(batches: tf.Tensor) -> None:
        for indices in batches:
            batch = prepare(tf.gather(x, indices), optimizer.iterations.value)
            with tf.GradientTape() as tape:
                outputs = network(batch, training=True)
                error = tf.reduce_mean(loss(tf.gather(targets, indices), outputs))
            optimizer.apply(tape.gradient(error, network.trainable_variables))

    return lambda batches: train(tf.constant(batches))


def _shuffled_batches(
    indices: np.ndarray, batch_size: int, n_batches: int, generator: np.random.Generator
) -> np.ndarray:
    """Batches from as many permutations of the indices as it takes, int [n_batches, batch_size]."""
    n_permutations = math.ceil(n_batches * batch_size / len(indices))
    order = np.concatenate([generator.permutation(indices) for _ in range(n_permutations)])
    return order[: n_batches * batch_size].reshape(n_batches, batch_size)


def _cross_entropy(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)


def _mistakes(labels: np.ndarray, logits: np.ndarray) -> np.ndarray:
    return np.argmax(logits, axis=1) != labels


def _squared_error(targets: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
    return (targets - outputs) ** 2


def _pixels(images: np.ndarray) -> np.ndarray:
    """Images as the networks see them: flat float32 [n, input_dim] in [0, 1]."""
    flat = np.asarray(images).reshape(len(images), -1)
    return flat / np.float32(255) if flat.dtype == np.uint8 else flat.astype(np.float32)


def _mean(name: str, values: np.ndarray) -> Metrics:
    """The mean of values that were measured image by image, and its standard error."""
    values = np.asarray(values, np.float64)
    return {name: float(values.mean()), name + _ERROR: float(values.std() / math.sqrt(len(values)))}


# What of this is measured of a model: its `MEASURES` name those that it has something for.

N_GENERATED = 10_000  # Images drawn from the prior, as in the AAE paper's protocol.


def measure_reconstruction(model: tf.Module, data: Dataset, cache_dir: pathlib.Path) -> Metrics:
    """Returns the measures of any autoencoder.

    Args:
      model: as in the module `training`.
      data: its data set.
      cache_dir: not used.
    """
    x, y = data.test_examples(len(data.test))
    return reconstruction_mse(x.numpy(), generate(model.reconstruct, x, y))


def measure_codes(model: tf.Module, data: Dataset, cache_dir: pathlib.Path) -> Metrics:
    """Returns how well codes fit the prior, and the likelihood of test images.

    Args:
      model: as in the module `training`, with `sample_prior(n, step)` and `decode(z, y)`.
      data: its data set.
      cache_dir: not used.
    """
    z = draw_codes(model, data.test.images)
    # Samples of steps before the first, which the discriminator never saw.
    prior, prior_again = (model.sample_prior(len(z), step).numpy() for step in (-2, -3))
    x, _ = _generate_evenly(model, data)
    return code_fit(z, prior, prior_again) | parzen_log_likelihood(
        x, data.validation.images, data.test.images
    )


def measure_style_and_content(model: tf.Module, data: Dataset, cache_dir: pathlib.Path) -> Metrics:
    """Returns whether generated images show the label asked for, and whether z is free of it.

    Args:
      model: as for `measure_codes`.
      data: its data set.
      cache_dir: where the classifier that reads the images is kept.
    """
    x, labels = _generate_evenly(model, data)
    classifier = cached_classifier(data, cache_dir)
    train, test = data.train, data.test
    z_train, z_test = (encode(model.encode, split.images) for split in (train, test))
    return (
        content_accuracy(classifier, data.as_images(x), labels)
        | {"classifier_accuracy": classifier.accuracy}
        | sample_diversity(x, labels, test.images, test.labels)
        | z_probe_accuracy(z_train, train.labels, z_test, test.labels)
        | style_factor_r2(z_train, train.factors, z_test, test.factors)
    )


def measure_classification(model: tf.Module, data: Dataset, cache_dir: pathlib.Path) -> Metrics:
    """Returns the share of images that the model itself gives a wrong label.

    Args:
      model: as in the module `training`, with `classify(x)`, how likely each label is.
      data: its data set.
      cache_dir: not used.
    """
    return classification_error(classify(model.classify, data.test.images), data.test.labels)


def classify(classify_batch: Callable, images: np.ndarray) -> np.ndarray:
    """Returns the likeliest label of each image, int64 [n].

    Args:
      classify_batch: flat float32 images [batch, input_dim] to how likely each label is, float
        [batch, n_classes].
      images: see the module's docstring.
    """
    return np.argmax(encode(classify_batch, images), axis=1)


def _generate_evenly(model: tf.Module, data: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Images drawn from the prior, flat [n, input_dim], and the labels asked for, all as often."""
    labels = np.arange(N_GENERATED) % data.n_classes
    y = np.eye(data.n_classes, dtype=np.float32)[labels]
    return generate(model.decode, model.sample_prior(N_GENERATED, -4).numpy(), y), labels


# Reporting.


def format_table(metrics: Mapping[str, float]) -> str:
    """Returns the figures as lines of name and value, `± standard error` where there is one."""
    names = [name for name in metrics if not name.endswith(_ERROR)]
    width = max(map(len, names), default=0)
    lines = []
    for name in names:
        line = f"{name:{width}}  {metrics[name]:.4g}"
        if name + _ERROR in metrics:
            line += f" ± {metrics[name + _ERROR]:.2g}"
        lines.append(line)
    return "\n".join(lines)


def write_metrics(
    path: str | os.PathLike, metrics: Mapping[str, float], dataset_name: str, commit: str
) -> None:
    """Writes `metrics.json`, whole or not at all: the figures, flat, `dataset` and `commit`.

    Args:
      path: the file.
      metrics: finite numbers by name.
      dataset_name: what was measured on.
      commit: of the source that measured, see `commit_of_source`.

    Raises:
      UserError: a figure is not finite, or the file cannot be written.
      TypeError: a figure is no number.
    """
    path = pathlib.Path(path)
    content = {"dataset": dataset_name, "commit": commit}
    content |= {name: _number(name, value) for name, value in metrics.items()}
    with runs.saving(path.parent):
        runs.write_atomically(path, json.dumps(content, indent=2) + "\n")


def commit_of_source() -> str:
    """Returns the commit that the package's source tree is at, or "" where that cannot be told."""
    package = pathlib.Path(__file__).resolve().parent
    # A hook of some other repository would have git look there.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    command = ["git", "-C", str(package), "rev-parse", "--show-toplevel", "HEAD"]
    try:
        answer = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=10, check=True
        )
        root, commit = answer.stdout.splitlines()
    except (OSError, ValueError, subprocess.SubprocessError):
        return ""
    # Installed below somebody else's repository, the commit would be somebody else's.
    return commit if pathlib.Path(root).resolve() == package.parent else ""


def _number(name: str, value: float) -> float:
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name} is {value!r}, and only numbers go into metrics.json")
    if not math.isfinite(value):
        raise UserError(f"{name} is {value}, no finite number: train a new run, at a smaller rate")
    return int(value) if isinstance(value, numbers.Integral) else float(value)
