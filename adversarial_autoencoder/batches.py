"""The batch of each step, a function of the seed and the step alone."""

from adversarial_autoencoder import devices, randomness
from adversarial_autoencoder.datasets import Dataset, Split
from adversarial_autoencoder.errors import UserError

import tensorflow as tf


def steps_per_epoch(data: Dataset, batch_size: int) -> int:
    """Returns how many whole batches the training images make.

    Raises:
      UserError: not one.
    """
    if batch_size > len(data.train):
        raise UserError(
            f"--batch_size={batch_size}, but {data.name} has only {len(data.train)} training images"
        )
    return len(data.train) // batch_size


class Batches:
    """The training images of each step; which they are depends on the seed and the step alone.

    Each epoch goes through a permutation of its own. Images left over at its end, fewer than a
    batch, are others in the next epoch. Images stay uint8 and are scaled batch by batch.
    """

    def __init__(self, split: Split, n_classes: int, batch_size: int, seed: int):
        self.images = tf.constant(split.images.reshape(len(split), -1))
        self.labels = tf.constant(split.labels)
        self.n_classes, self.batch_size, self.seed = n_classes, batch_size, seed
        self.per_epoch = len(split) // batch_size

    def order(self, step: int) -> tf.Tensor:
        """Returns the order of the images, int32 [n], in the epoch to which the step belongs."""
        purpose = f"order of images in epoch {step // self.per_epoch}"
        generator = randomness.numpy_generator(self.seed, purpose)
        return tf.constant(generator.permutation(len(self.labels)), tf.int32)

    def batch(self, step: tf.Tensor, order: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the images and labels of a step.

        Args:
          step: int64 scalar.
          order: `order(step)`.

        Returns:
          float32 [batch_size, input_dim] in [0, 1] and one-hot float32 [batch_size, n_classes].
        """
        first = tf.cast(step % self.per_epoch, tf.int32) * self.batch_size
        indices = order[first : first + self.batch_size]
        # The shape is static, which a slice at a tensor's place loses.
        indices = tf.ensure_shape(indices, [self.batch_size])
        return self._examples(indices)

    def draw(self, step: tf.Tensor, purpose: str) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns images and labels drawn at random, with replacement, from all of them.

        Args:
          step: int64 scalar.
          purpose: what they are for; see `randomness`.

        Returns:
          As `batch` does; in a train step on several devices, this device's rows of it.
        """
        seed = randomness.stateless_seed(self.seed, purpose, step)
        n_own = self.batch_size // devices.count()
        return self._examples(
            randomness.uniform([n_own], seed, 0, len(self.labels), dtype=tf.int32)
        )

    def _examples(self, indices: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.device(self.images.device):  # Only the batch goes to another device, if one asks.
            images, labels = tf.gather(self.images, indices), tf.gather(self.labels, indices)
        return tf.cast(images, tf.float32) / 255.0, tf.one_hot(labels, self.n_classes)
