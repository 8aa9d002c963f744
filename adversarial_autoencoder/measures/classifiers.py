"""Independent classifiers that look at generated images: their network, training and files.

A classifier is a convolutional network with outputs for one or more attributes. The judge's
predicts the label; another one predicts categorical factors and pose, such as hair or action. Each
is trained on the training images of a data set, once, and kept in a file. It is the same for all
runs on the same data, whatever their seeds.
"""

import dataclasses
import functools
import hashlib
import math
import os
import pathlib
from collections.abc import Callable, Mapping

from adversarial_autoencoder import optimizers, randomness
from adversarial_autoencoder.datasets import Dataset, Split
from adversarial_autoencoder.inference import encode
from adversarial_autoencoder.measures import probes
from adversarial_autoencoder.system import files

import keras
import numpy as np
import tensorflow as tf
from tqdm import tqdm

# Of network and training: a new number trains it again where one is cached.
LABEL_VERSION, ATTRIBUTE_VERSION = 1, 2
LABEL_STEPS, ATTRIBUTE_STEPS = 3000, 2000  # Of 128 images; 3000 are seven epochs of MNIST.
TRUSTED = 0.98  # Accuracy from which an attribute's predictions on generated images count.


@dataclasses.dataclass(frozen=True)
class Attribute:
    """What a classifier learns about each image: its label, a factor or a part of its pose.

    Attributes:
      values: int [n_values], the values to tell apart, in increasing order.
      train, test: int [n], the value of each training and of each test image.
      shown_in_train, shown_in_test: bool [n], the images that show it.
    """

    values: np.ndarray
    train: np.ndarray
    test: np.ndarray
    shown_in_train: np.ndarray
    shown_in_test: np.ndarray


@dataclasses.dataclass(frozen=True)
class Classifier:
    """Predicts attributes of images.

    Attributes:
      network: float32 images [n, height, width, channels] in [0, 1] to logits [n, n_outputs], one
        output for each value of each attribute.
      values: the values of each attribute, in the order of the outputs.
      accuracy: for each attribute, the share of the test images showing it whose value is
        predicted, 0 to 1.
    """

    network: keras.Model
    values: dict[str, np.ndarray]
    accuracy: dict[str, float]

    def __call__(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """Predicts by attribute, [n] each, from images uint8 or in [0, 1], flat or not."""
        shape = (-1, *self.network.input_shape[1:])
        logits = encode(lambda x: self.network(tf.reshape(x, shape), training=False), images)
        ends = np.cumsum([len(values) for values in self.values.values()])[:-1]
        parts = zip(self.values.items(), np.split(logits, ends, axis=1), strict=True)
        return {name: values[np.argmax(part, axis=1)] for (name, values), part in parts}


class Judge:
    """The label classifier of a data set, trained or read from its file when first needed.

    Attributes:
      classifier: the classifier itself.
      attributes: the classifier of factors and pose; it too is made when first needed.
      accuracy: the share of the test images whose label is predicted, 0 to 1.
    """

    def __init__(self, data: Dataset, cache_dir: str | os.PathLike):
        self.data, self.cache_dir = data, cache_dir

    @functools.cached_property
    def classifier(self) -> Classifier:
        return cached_label_classifier(self.data, self.cache_dir)

    @functools.cached_property
    def attributes(self) -> Classifier:
        return cached_attribute_classifier(self.data, self.cache_dir)

    def judge_of(self, data: Dataset) -> "Judge":
        """Returns the judge of another data set, cached in the same folder."""
        return Judge(data, self.cache_dir)

    @property
    def accuracy(self) -> float:
        return self.classifier.accuracy["label"]

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Returns the predicted labels, int64 [n], of images uint8 or in [0, 1], flat or not."""
        return self.classifier(images)["label"]


# Labels.


def cached_label_classifier(data: Dataset, cache_dir: str | os.PathLike) -> Classifier:
    """Returns the label classifier of a data set, trained once and then read from a file.

    The name of the file in `cache_dir` depends on the training images, their labels and the names
    of the classes.

    Raises:
      UserError: the folder cannot be written.
    """
    class_names = data.class_names[: data.n_classes]
    about = f"{LABEL_VERSION} {data.train.images.shape} {data.n_classes} {class_names}"
    checksum = _checksum(about, data.train.images, data.train.labels)
    return _cached(
        pathlib.Path(cache_dir) / f"classifier-{checksum}.keras",
        data,
        _label(data),
        lambda: train_label_classifier(data),
        "a classifier, a minute or so",
    )


def train_label_classifier(data: Dataset, seed: int = 0, n_steps: int = LABEL_STEPS) -> Classifier:
    """Trains a convolutional classifier of labels; MNIST takes a minute on 2 cores.

    Images are shifted by up to a fourteenth of their side, so that the place of a generated digit
    matters less.

    Args:
      data: its training images are learned, and on its test images the accuracy is measured.
      seed: draws the initial weights, the order of images, and the shifts.
      n_steps: steps of Adam, with batches of 128.
    """
    return _train(data, _label(data), seed, n_steps, reach=min(data.image_shape[:2]) // 14)


def _label(data: Dataset) -> dict[str, Attribute]:
    shown = (np.ones(len(split), bool) for split in (data.train, data.test))
    labels = data.train.labels, data.test.labels
    return {"label": Attribute(np.arange(data.n_classes), *labels, *shown)}


# Factors and pose.


def cached_attribute_classifier(data: Dataset, cache_dir: str | os.PathLike) -> Classifier:
    """Returns the classifier of `attributes` of a data set, as `cached_label_classifier` does."""
    train = data.train
    columns = [*train.factors.items(), *train.visible.items(), *train.pose.items()]
    checksum = _checksum(f"{ATTRIBUTE_VERSION} {train.images.shape}", train.images, *columns)
    targets = attributes(data)
    return _cached(
        pathlib.Path(cache_dir) / f"reader-{checksum}.keras",
        data,
        targets,
        lambda: train_attribute_classifier(data),
        f"a classifier of {', '.join(targets)}, some minutes",
    )


def train_attribute_classifier(
    data: Dataset, seed: int = 0, n_steps: int = ATTRIBUTE_STEPS
) -> Classifier:
    """Trains a convolutional classifier of `attributes`, on the images that show each.

    Args as of `train_label_classifier`, but images are not shifted: made pictures have everything
    in its place, and a frame of an action may differ from the next by a pixel.
    """
    return _train(data, attributes(data), seed, n_steps)


def attributes(data: Dataset) -> dict[str, Attribute]:
    """Returns the categorical factors and the parts of the pose, those that vary, by name.

    An image shows a factor that `Split.visible` does not deny. It shows a part of the pose unless
    some identity looks exactly as in a pose of another value, since standing still may belong to
    any action.
    """
    train, test = (split.factors | split.pose for split in (data.train, data.test))
    shown_in_train, shown_in_test = _shown(data)
    return {
        name: Attribute(
            np.unique(values), values, test[name], shown_in_train[name], shown_in_test[name]
        )
        for name, values in train.items()
        if probes.is_categorical(values) and np.ptp(values) > 0
    }


def _shown(data: Dataset) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Training and test images that show each factor and each part of the pose, bool [n]."""
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

    def shown(split: Split) -> dict[str, np.ndarray]:
        everywhere = np.ones(len(split), bool)
        found = {name: split.visible.get(name, everywhere) for name in split.factors}
        poses = list(zip(*(column.tolist() for column in split.pose.values()), strict=True))
        for name in split.pose:
            found[name] = np.array([pose not in unclear[name] for pose in poses], bool)
        return found

    return shown(data.train), shown(data.test)


# The network, its training, and its file.


def _train(
    data: Dataset, targets: Mapping[str, Attribute], seed: int, n_steps: int, reach: int = 0
) -> Classifier:
    """Trains a network on the sum of the attributes' losses, with Adam on batches of 128.

    The learning rate falls to 0 along a cosine. By up to `reach` pixels the images of a batch are
    shifted, all alike: a function of the seed and the step, hence no `fit`.
    """
    sizes = [len(target.values) for target in targets.values()]
    network = _network(data.image_shape, sum(sizes), seed)
    classes_and_weights = [
        (
            tf.constant(np.searchsorted(target.values, target.train), tf.int32),
            tf.constant(target.shown_in_train, tf.float32),
        )
        for target in targets.values()
    ]
    schedule = keras.optimizers.schedules.CosineDecay(3e-3, n_steps)
    optimizer = optimizers.adam(schedule, 0.9, network.trainable_variables)
    images = tf.constant(data.train.images)
    n, batch_size = len(images), min(128, len(images))
    generator = randomness.numpy_generator(seed, "order of the classifier's images")
    n_epochs = math.ceil(n_steps * batch_size / n)
    order = np.concatenate([generator.permutation(n) for _ in range(n_epochs)])
    batches = order[: n_steps * batch_size].reshape(n_steps, batch_size)

    def shifted(x: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
        shift_seed = randomness.stateless_seed(seed, "moves of the classifier's images", step)
        corner = tf.random.stateless_uniform([2], shift_seed, 0, 2 * reach + 1, tf.int32)
        padded = tf.pad(x, [[0, 0], [reach, reach], [reach, reach], [0, 0]])
        begin = tf.stack([0, corner[0], corner[1], 0])
        return tf.slice(padded, begin, [batch_size, *data.image_shape])

    @tf.function(input_signature=[tf.TensorSpec([None, batch_size], batches.dtype)])
    def train(batches: tf.Tensor) -> None:
        for rows in batches:
            x = shifted(tf.gather(images, rows), optimizer.iterations.value)
            with tf.GradientTape() as tape:
                logits = network(tf.cast(x, tf.float32) / 255.0, training=True)
                loss = tf.constant(0.0)
                parts = tf.split(logits, sizes, axis=1)
                for (classes, weights), part in zip(classes_and_weights, parts, strict=True):
                    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
                        tf.gather(classes, rows), part
                    )
                    loss += tf.reduce_mean(losses * tf.gather(weights, rows))
            optimizer.apply(tape.gradient(loss, network.trainable_variables))

    with tqdm(desc="Classifier", total=n_steps, leave=False, disable=None) as bar:
        for first in range(0, n_steps, 50):
            part = batches[first : first + 50]
            train(part)
            bar.update(len(part))
    return _with_accuracy(network, data, targets)


def _with_accuracy(
    network: keras.Model, data: Dataset, targets: Mapping[str, Attribute]
) -> Classifier:
    classifier = Classifier(network, {name: target.values for name, target in targets.items()}, {})
    predicted = classifier(data.test.images)
    for name, target in targets.items():
        right = (predicted[name] == target.test)[target.shown_in_test]
        classifier.accuracy[name] = float(np.mean(right)) if len(right) else 0.0
    return classifier


def _cached(
    path: pathlib.Path,
    data: Dataset,
    targets: Mapping[str, Attribute],
    train: Callable[[], Classifier],
    what: str,
) -> Classifier:
    """Reads a classifier from its file; if there is none that can be used, trains and stores it."""
    classifier = None
    if os.path.exists(path):
        try:
            network = keras.models.load_model(path, compile=False)
            n_outputs = sum(len(target.values) for target in targets.values())
            if network.input_shape[1:] != data.image_shape or network.output_shape[1] != n_outputs:
                raise ValueError("it is a classifier of other images or classes")
            classifier = _with_accuracy(network, data, targets)
        except Exception as error:  # A damaged file can raise anything; it is only a cache.
            print(f"{path} cannot be used ({type(error).__name__}); it is made again.")
    if classifier is None:
        with files.saving(path.parent):
            path.parent.mkdir(parents=True, exist_ok=True)
        print(f"Training {what}, once for {data.name} ...")
        classifier = train()
        with files.saving(path.parent), files.replacing(path) as partial:
            classifier.network.save(partial)
    shares = ", ".join(f"{name} {share:.2%}" for name, share in classifier.accuracy.items())
    print(f"The classifier's accuracy on {data.name}'s test images: {shares}.")
    return classifier


def _checksum(about: str, images: np.ndarray, *columns: np.ndarray | tuple[str, np.ndarray]) -> str:
    """A digest of the training images and what is known of them, arrays with or without a name."""
    digest = hashlib.blake2b(about.encode(), digest_size=8)
    digest.update(np.ascontiguousarray(images))
    for column in columns:
        name, values = column if isinstance(column, tuple) else ("", column)
        digest.update(name.encode() + np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()


def _network(shape: tuple[int, int, int], n_outputs: int, seed: int) -> keras.Model:
    """Images [n, *shape] in [0, 1] to logits [n, n_outputs], untrained.

    Three or more convolutions halve the image to at most 4 × 4, with batch normalization.
    """

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
