"""Convolutional networks that look at images for measures: their layers, training, and files.

`judge` has one that predicts labels, `readers` one that reads factors and pose.
"""

import math
import os
import pathlib
from collections.abc import Callable

from adversarial_autoencoder import optimizers, randomness
from adversarial_autoencoder.system import files

import keras
import numpy as np
import tensorflow as tf


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
    with files.saving(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    print(f"Training {what}, once per data set ...")
    found = train()
    with files.saving(path.parent), files.replacing(path) as partial:
        found.network.save(partial)
    return found


def load_network(path: pathlib.Path, shape: tuple[int, int, int], n_outputs: int) -> keras.Model:
    """Returns a stored network; raises ValueError if it is one of other images or outputs."""
    network = keras.models.load_model(path, compile=False)
    if network.input_shape[1:] != shape or network.output_shape[1:] != (n_outputs,):
        raise ValueError("it is a classifier of other images or classes")
    return network


def convolutional_network(shape: tuple[int, int, int], n_outputs: int, seed: int) -> keras.Model:
    """Returns a network, untrained: images [n, *shape] in [0, 1] to logits [n, n_outputs], float32.

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
