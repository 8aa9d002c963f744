"""The judge: an independent classifier that predicts the labels of generated images.

It is a convolutional network, trained on the training images of a data set and kept in a file. It
is the same for all runs on the same data, whatever their seeds.
"""

import dataclasses
import functools
import hashlib
import os
import pathlib

from adversarial_autoencoder.datasets import Dataset
from adversarial_autoencoder.inference import classify
from adversarial_autoencoder.measures import convnets, readers

import keras
import numpy as np
import tensorflow as tf

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
      classifier: the classifier itself.
      reader: the cached network that reads factors and pose of images, see `readers`; it too is
        made when first needed.
      accuracy: as of `Classifier`.
    """

    def __init__(self, data: Dataset, cache_dir: str | os.PathLike):
        self.data, self.cache_dir = data, cache_dir

    @functools.cached_property
    def classifier(self) -> Classifier:
        return cached_classifier(self.data, self.cache_dir)

    @functools.cached_property
    def reader(self) -> readers.Reader:
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
        return _with_accuracy(convnets.load_network(path, data.image_shape, data.n_classes), data)

    path = pathlib.Path(cache_dir) / f"classifier-{_checksum(data)}.keras"
    what = f"a classifier on {data.name}, a minute or so"
    found = convnets.cached(path, load, lambda: train_classifier(data), what)
    print(f"The classifier's accuracy is {found.accuracy:.2%} on {data.name}'s test images.")
    return found


def train_classifier(data: Dataset, seed: int = 0, n_steps: int = N_STEPS) -> Classifier:
    """Trains a convolutional classifier on the training images; MNIST takes a minute on 2 cores.

    Images are shifted by up to a fourteenth of their side, so that the place of a generated digit
    matters less.

    Args:
      data: its training images are learnt, and on its test images the accuracy is measured.
      seed: of the initial weights, the order of images, and the shifts.
      n_steps: steps of Adam, with batches of 128.
    """
    network = convnets.convolutional_network(data.image_shape, data.n_classes, seed)
    labels = tf.constant(data.train.labels)

    def loss(logits: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(tf.gather(labels, rows), logits)
        return tf.reduce_mean(losses)

    reach = min(data.image_shape[:2]) // 14
    convnets.fit(network, data.train.images, loss, n_steps, seed, reach)
    return _with_accuracy(network, data)


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
