"""Random draws as stateless functions of (seed, purpose, step).

No generator has a state that would have to be saved: a run that goes on from step 1234 draws what
the unbroken run drew at step 1234. Each purpose is named, so that a new draw never changes an old.
On several devices each draws for the whole batch and takes its rows, so that a step is the same.
"""

import zlib
from collections.abc import Sequence

from adversarial_autoencoder.system import devices

import numpy as np
import tensorflow as tf

# Uses of draws outside training which had a number before they had a name. They keep it, so that
# measures and pictures repeat; any other name will do for a new use.
_NUMBERED = (
    "pictures",
    "code fit",
    "code fit, again",
    "generated images",
    "samples",
    "plot of the prior",
    "explorer",
    "petals",
)


def _key(seed: int, purpose: str) -> int:
    """A number for this seed and purpose, the same on every machine and in every process."""
    return zlib.crc32(f"{seed}/{purpose}".encode())


def stateless_seed(
    seed: int, purpose: str, step: int | tf.Tensor | str = 0, device: int = 0
) -> tf.Tensor:
    """Returns the int64 [2] seed that TensorFlow's `stateless_*` functions take.

    Args:
      seed: the run's seed (`--seed`).
      purpose: what the draw is for; two purposes give independent draws.
      step: the training step, a Python int or an integer scalar tensor; outside training what the
        draw is used for, by name: then no step of training has it, and no two uses share theirs.
      device: gives each of several devices a seed of its own, below 65536.
    """
    if isinstance(step, str):
        step = _before_training(step)
    position = tf.cast(step, tf.int64) * 65536 + tf.cast(device, tf.int64)
    return tf.stack([tf.constant(_key(seed, purpose), tf.int64), position])


def _before_training(use: str) -> int:
    """A step before the first for each use of draws outside training."""
    if use in _NUMBERED:
        return -1 - _NUMBERED.index(use)
    return -1 - len(_NUMBERED) - zlib.crc32(use.encode())


def normal(shape: Sequence[int], seed: tf.Tensor) -> tf.Tensor:
    """Draws from N(0, 1) for each image of the batch, float32 in this shape.

    In a train step on several devices the shape, [n, ...], is that of this device's rows.
    """
    return devices.own(tf.random.stateless_normal(_of_all_devices(shape), seed))


def uniform(
    shape: Sequence[int],
    seed: tf.Tensor,
    minval: float | int = 0,
    maxval: float | int | None = None,
    dtype: tf.DType = tf.float32,
) -> tf.Tensor:
    """As `normal`, from the uniform distribution; see `tf.random.stateless_uniform`."""
    shape = _of_all_devices(shape)
    return devices.own(tf.random.stateless_uniform(shape, seed, minval, maxval, dtype))


def _of_all_devices(shape: Sequence[int]) -> list[int]:
    if devices.count() == 1:
        return shape
    n, *rest = tf.get_static_value(shape) if tf.is_tensor(shape) else shape
    return [n * devices.count(), *rest]


def numpy_generator(seed: int, purpose: str) -> np.random.Generator:
    """Returns a NumPy generator that starts from (seed, purpose) alone."""
    return np.random.default_rng(_key(seed, purpose))


def initializer_seed(seed: int, name: str) -> int:
    """Returns the seed with which the layer called `name` draws its initial weights."""
    return _key(seed, f"initial weights of {name}")
