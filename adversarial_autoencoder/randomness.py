"""Random draws as stateless functions of (seed, purpose, step).

No generator has a state that would have to be saved: a run that goes on from step 1234 draws what
the unbroken run drew at step 1234. Each purpose is named, so that a new draw never changes an old.
"""

import zlib

import numpy as np
import tensorflow as tf


def _key(seed: int, purpose: str) -> int:
    """A number for this seed and purpose, the same on every machine and in every process."""
    return zlib.crc32(f"{seed}/{purpose}".encode())


def stateless_seed(seed: int, purpose: str, step: int | tf.Tensor = 0) -> tf.Tensor:
    """Returns the int64 [2] seed that TensorFlow's `stateless_*` functions take.

    Args:
      seed: the run's seed (`--seed`).
      purpose: what the draw is for; two purposes give independent draws.
      step: the training step, a Python int or an integer scalar tensor.

    Inside a `tf.distribute` strategy each replica gets a seed of its own.
    """
    replica = tf.distribute.get_replica_context()
    replica_id = 0 if replica is None else replica.replica_id_in_sync_group
    position = tf.cast(step, tf.int64) * 65536 + tf.cast(replica_id, tf.int64)
    return tf.stack([tf.constant(_key(seed, purpose), tf.int64), position])


def numpy_generator(seed: int, purpose: str) -> np.random.Generator:
    """Returns a NumPy generator that starts from (seed, purpose) alone."""
    return np.random.default_rng(_key(seed, purpose))


def initializer_seed(seed: int, name: str) -> int:
    """Returns the seed with which the layer called `name` draws its initial weights."""
    return _key(seed, f"initial weights of {name}")
