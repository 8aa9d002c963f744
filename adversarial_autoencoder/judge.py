"""The judge: an independent classifier that predicts the labels of generated images.

It is a convolutional network, trained on the training images of a data set and kept in a file. It
is the same for all runs on the same data, whatever their seeds.
"""

import dataclasses
import functools
import hashlib
import math
import os
import pathlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from adversarial_autoencoder import files, optimizers, randomness, runs
from adversarial_autoencoder.datasets import Dataset
from adversarial_autoencoder.inference import classify

import keras
import numpy as np
import tensorflow as tf

if TYPE_CHECKING:
    from adversarial_autoencoder import readers

VERSION = 1  # Of network and training: a new number trains it again where one is cached.
N_STEPS = 3000  # Of 128 images; seven epochs of MNIST.


@dataclasses.dataclass(frozen=True)
class Classifier:
    """Predicts the labels of images.

    Attributes:
      network: float32 images [n, height, width, channels] in [0, 1] to logits [n, n_classes].
      accuracy: the share of the data set's test images whose label it predicts, 0 to 1.
    """

    network: keras.Model
    accuracy: float

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Returns the predicted labels, int64 [n], of images uint8 or in [0, 1], flat or not."""
        return _predict(self.network, images)


class Judge:
    """The cached classifier of a data set, trained or read from its file when first needed.

    Attributes:
      accuracy: as of `Classifier`.
    """

    def __init__(self, data: Dataset, cache_dir: str | os.PathLike):
        self.data, self.cache_dir = data, cache_dir

    @functools.cached_property
    def classifier(self) -> Classifier:
        return cached_classifier(self.data, self.cache_dir)

    @functools.cached_property
    def reader(self) -> "readers.Reader":
        """The cached network that reads factors and pose of images; see `readers`."""
        from adversarial_autoencoder import readers

        return readers.cached_reader(self.data, self.cache_dir)

    def of(self, data: Dataset) -> "Judge":
        """Returns the judge of another data set, cached in the same folder."""
        return Judge(data, self.cache_dir)

    @property
    def accuracy(self) -> float:
        return self.classifier.accuracy

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Returns the predicted labels, as `Classifier` does."""
        return self.classifier(images)


def cached_classifier(data: Dataset, cache_dir: str | os.PathLike) -> Classifier:
    """Returns the classifier of a data set, trained the first time and then read from a file.

    The name of the file depends on the training images, their labels and the names of the classes.

    Args:
      data: as for `train_classifier`.
      cache_dir: folder of the file, made if need be.

    Raises:
      UserError: the folder cannot be written.
    """

    def load(path: pathlib.Path) -> Classifier:
        return _with_accuracy(load_network(path, data.image_shape, data.n_classes), data)

    path = pathlib.Path(cache_dir) / f"classifier-{_checksum(data)}.keras"
    what = f"a classifier on {data.name}, a minute or so"
    found = cached(path, load, lambda: train_classifier(data), what)
    print(f"The classifier's accuracy is {found.accuracy:.2%} on {data.name}'s test images.")
    return found


def cached(path: pathlib.Path, load: Callable, train: Callable, what: str):
    """Returns what `load` makes of a file, or if it cannot what `train` gives, and stores it.

    Args:
      path: the file; its folder is made if need be.
      load: the path to an object with a Keras model as `network`.
      train: makes such an object.
      what: is trained, for the screen.

    Raises:
      UserError: the folder cannot be written.
    """
    if os.path.exists(path):
        try:
            return load(path)
        except Exception as error:  # A damaged file can raise anything; it is only a cache.
            print(f"{path} cannot be used ({type(error).__name__}); it is made again.")
    with runs.saving(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    print(f"Training {what}, once per data set ...")
    found = train()
    with runs.saving(path.parent), files.replacing(path, f"{os.getpid()}-") as partial:
        found.network.save(partial)
    return found


def train_classifier(data: Dataset, seed: int = 0, n_steps: int = N_STEPS) -> Classifier:
    """Trains a convolutional classifier on the training images; MNIST takes a minute on 2 cores.

    Three or more convolutions halve the image to at most 4 × 4; batch normalization; images are
    shifted by up to a fourteenth of their side, so that the place of a generated digit matters
    less.

    Args:
      data: its training images are learnt, and on its test images the accuracy is measured.
      seed: of the initial weights, the order of images, and the shifts.
      n_steps: steps of Adam, with batches of 128.
    """
    network = convolutional_network(data.image_shape, data.n_classes, seed)
    labels = tf.constant(data.train.labels)

    def loss(logits: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(tf.gather(labels, rows), logits)
        return tf.reduce_mean(losses)

    reach = min(data.image_shape[:2]) // 14
    fit(network, data.train.images, loss, n_steps, seed, reach)
    return _with_accuracy(network, data)


def convolutional_network(shape: tuple[int, int, int], n_outputs: int, seed: int) -> keras.Model:
    """Returns the network of `train_classifier`, untrained: images in [0, 1] to logits."""

    def initializer(name: str) -> keras.Initializer:
        return keras.initializers.HeNormal(randomness.initializer_seed(seed, f"classifier {name}"))

    # float32 whatever the precision of the run that is measured.
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
    logits = keras.layers.Dense(n_outputs, kernel_initializer=initializer("logits"), **options)(x)
    return keras.Model(inputs, logits, name="classifier")


def fit(
    network: keras.Model,
    images: np.ndarray,
    loss_of: Callable,
    n_steps: int,
    seed: int,
    reach: int = 0,
) -> None:
    """Trains a `convolutional_network` with Adam, on batches of 128.

    The learning rate falls to 0 along a cosine. Written by hand, since a shift is a function of the
    seed and the step.

    Args:
      network: what to train.
      images: uint8 [n, height, width, channels].
      loss_of: logits [batch, n_outputs] and the rows of the images, int [batch], to the loss.
      n_steps: steps to take.
      seed: of the order of images, and the shifts.
      reach: by how many pixels, at most, the images of a batch are shifted, all alike.
    """
    batch_size = min(128, len(images))
    batches = _batches(len(images), batch_size, n_steps, seed)
    _, height, width, channels = images.shape
    schedule = keras.optimizers.schedules.CosineDecay(3e-3, len(batches))
    optimizer = optimizers.adam(schedule, 0.9, network.trainable_variables)
    images = tf.constant(images)

    def shifted(x: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
        shift_seed = randomness.stateless_seed(seed, "moves of the classifier's images", step)
        corner = tf.random.stateless_uniform([2], shift_seed, 0, 2 * reach + 1, tf.int32)
        padded = tf.pad(x, [[0, 0], [reach, reach], [reach, reach], [0, 0]])
        begin = tf.stack([0, corner[0], corner[1], 0])
        return tf.slice(padded, begin, [batches.shape[1], height, width, channels])

    @tf.function
    def train(batches: tf.Tensor) -> None:
        for rows in batches:
            x = shifted(tf.gather(images, rows), optimizer.iterations.value)
            with tf.GradientTape() as tape:
                logits = network(tf.cast(x, tf.float32) / 255.0, training=True)
                loss = loss_of(logits, rows)
            optimizer.apply(tape.gradient(loss, network.trainable_variables))

    train(tf.constant(batches))


def _batches(n: int, batch_size: int, n_steps: int, seed: int) -> np.ndarray:
    """Batches from permutations of n images, one after the other, int [n_steps, batch_size]."""
    generator = randomness.numpy_generator(seed, "order of the classifier's images")
    n_permutations = math.ceil(n_steps * batch_size / n)
    order = np.concatenate([generator.permutation(n) for _ in range(n_permutations)])
    return order[: n_steps * batch_size].reshape(n_steps, batch_size)


def load_network(path: pathlib.Path, shape: tuple[int, int, int], n_outputs: int) -> keras.Model:
    """Returns a stored network; raises ValueError if it is one of other images or outputs."""
    network = keras.models.load_model(path, compile=False)
    if network.input_shape[1:] != shape or network.output_shape[1:] != (n_outputs,):
        raise ValueError("it is a classifier of other images or classes")
    return network


def _predict(network: keras.Model, images: np.ndarray) -> np.ndarray:
    shape = (-1, *network.input_shape[1:])
    return classify(lambda x: network(tf.reshape(x, shape), training=False), images)


def _with_accuracy(network: keras.Model, data: Dataset) -> Classifier:
    correct = _predict(network, data.test.images) == data.test.labels
    return Classifier(network, float(correct.mean()))


def _checksum(data: Dataset) -> str:
    class_names = data.class_names[: data.n_classes]
    about = f"{VERSION} {data.train.images.shape} {data.n_classes} {class_names}"
    digest = hashlib.blake2b(about.encode(), digest_size=8)
    digest.update(np.ascontiguousarray(data.train.images))
    digest.update(np.ascontiguousarray(data.train.labels))
    return digest.hexdigest()
