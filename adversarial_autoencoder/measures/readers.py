"""Readers: independent networks that read factors and pose of images, such as hair or action.

One convolutional network, as the judge's, has an output for each value of each of them. It learns
from real training images and is kept in a file. What it says of generated images counts only where
it is right on real test images, `TRUSTED` of them.
"""

import dataclasses
import hashlib
import os
import pathlib

from adversarial_autoencoder.datasets import Dataset, Split
from adversarial_autoencoder.inference import generate, pixels
from adversarial_autoencoder.measures import convnets, probes

import keras
import numpy as np
import tensorflow as tf

VERSION = 2  # Of network and training: a new number trains it again where one is cached.
N_STEPS = 2000  # Of 128 images.
TRUSTED = 0.98


@dataclasses.dataclass(frozen=True)
class Reader:
    """Reads factors and pose of images.

    Attributes:
      network: float32 images [n, height, width, channels] in [0, 1] to logits [n, n_outputs].
      values: by name, the values that it tells apart, int; its outputs come in their order.
      accuracy: by name, the share of the data set's test images, of those that are
        `informative`, whose value it reads, 0 to 1.
    """

    network: keras.Model
    values: dict[str, np.ndarray]
    accuracy: dict[str, float]

    def __call__(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """Returns the values read, by name, [n], of images uint8 or in [0, 1], flat or not."""
        shape = (-1, *self.network.input_shape[1:])
        x = pixels(images)
        logits = generate(lambda part: self.network(tf.reshape(part, shape), training=False), x)
        ends = np.cumsum([len(values) for values in self.values.values()])[:-1]
        return {
            name: values[np.argmax(part, axis=1)]
            for (name, values), part in zip(
                self.values.items(), np.split(logits, ends, axis=1), strict=True
            )
        }


def cached_reader(data: Dataset, cache_dir: str | os.PathLike) -> Reader:
    """Returns the reader of a data set, trained the first time and then read from a file.

    Args:
      data: as for `train_reader`.
      cache_dir: folder of the file, made if need be.

    Raises:
      UserError: the folder cannot be written.
    """
    values = values_read(data)
    n_outputs = sum(map(len, values.values()))

    def load(path: pathlib.Path) -> Reader:
        network = convnets.load_network(path, data.image_shape, n_outputs)
        return _with_accuracy(network, values, data)

    path = pathlib.Path(cache_dir) / f"reader-{_checksum(data)}.keras"
    what = f"a reader of {', '.join(values)} on {data.name}, some minutes"
    reader = convnets.cached(path, load, lambda: train_reader(data), what)
    shares = ", ".join(f"{name} {share:.2%}" for name, share in reader.accuracy.items())
    print(f"The reader's accuracy on {data.name}'s test images: {shares}.")
    return reader


def train_reader(data: Dataset, seed: int = 0, n_steps: int = N_STEPS) -> Reader:
    """Trains a reader on the training images that tell each of what is read.

    Unlike the judge's, they are not shifted: made pictures have everything in its place, and a
    frame of an action may differ from the next by a pixel.

    Args:
      data: with categorical factors or pose; accuracies are measured on its test images.
      seed: as for `judge.train_classifier`.
      n_steps: steps of Adam, with batches of 128.
    """
    values = values_read(data)
    network = convnets.convolutional_network(data.image_shape, sum(map(len, values.values())), seed)
    known, tells = data.train.factors | data.train.pose, informative(data)[0]
    targets = {
        name: (
            tf.constant(np.searchsorted(values[name], known[name]), tf.int32),
            tf.constant(tells[name], tf.float32),
        )
        for name in values
    }

    def loss(logits: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
        total = tf.constant(0.0)
        parts = tf.split(logits, [len(of_name) for of_name in values.values()], axis=1)
        for (classes, weights), part in zip(targets.values(), parts, strict=True):
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(tf.gather(classes, rows), part)
            total += tf.reduce_mean(losses * tf.gather(weights, rows))
        return total

    convnets.fit(network, data.train.images, loss, n_steps, seed)
    return _with_accuracy(network, values, data)


def values_read(data: Dataset) -> dict[str, np.ndarray]:
    """Returns the values of what can be read: categorical factors and pose that vary, by name."""
    known = data.train.factors | data.train.pose
    return {
        name: np.unique(values)
        for name, values in known.items()
        if probes.is_categorical(values) and np.ptp(values) > 0
    }


def informative(data: Dataset) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Returns which images tell each factor and each part of the pose.

    A factor: those that show it. A part of the pose: all but the poses in which an identity looks
    exactly as in one of another value, since standing still may belong to any action.

    Returns:
      Of training and of test images, name to bool [n].
    """
    unclear = {name: set() for name in data.test.pose}
    for split in (data.train, data.test):
        if not split.pose:
            continue
        poses = np.column_stack(list(split.pose.values()))
        alike: dict[tuple, list[int]] = {}
        for row, (label, image) in enumerate(zip(split.labels, split.images, strict=True)):
            alike.setdefault((int(label), image.tobytes()), []).append(row)
        for rows in alike.values():
            for k, name in enumerate(unclear):
                if np.ptp(poses[rows, k]) > 0:
                    unclear[name] |= set(map(tuple, poses[rows].tolist()))

    def of(split: Split) -> dict[str, np.ndarray]:
        shown = np.ones(len(split), bool)
        found = {name: split.visible.get(name, shown) for name in split.factors}
        poses = list(zip(*(column.tolist() for column in split.pose.values()), strict=True))
        for name in split.pose:
            found[name] = np.array([pose not in unclear[name] for pose in poses], bool)
        return found

    return of(data.train), of(data.test)


def _with_accuracy(network: keras.Model, values: dict[str, np.ndarray], data: Dataset) -> Reader:
    read = Reader(network, values, {})(data.test.images)
    known, tells = data.test.factors | data.test.pose, informative(data)[1]
    accuracy = {
        name: float(np.mean((read[name] == known[name])[tells[name]])) if tells[name].any() else 0.0
        for name in values
    }
    return Reader(network, values, accuracy)


def _checksum(data: Dataset) -> str:
    digest = hashlib.blake2b(f"{VERSION} {data.train.images.shape}".encode(), digest_size=8)
    digest.update(np.ascontiguousarray(data.train.images))
    for columns in (data.train.factors, data.train.visible, data.train.pose):
        for name, column in columns.items():
            digest.update(name.encode() + np.ascontiguousarray(column).tobytes())
    return digest.hexdigest()
