"""The batch of each step, a function of the seed and the step alone."""

import concurrent.futures

from adversarial_autoencoder import randomness
from adversarial_autoencoder.datasets import streaming
from adversarial_autoencoder.datasets.dataset import Dataset, Split, network_inputs
from adversarial_autoencoder.datasets.labels import labeled_subset
from adversarial_autoencoder.system import devices
from adversarial_autoencoder.system.errors import UserError

import numpy as np
import tensorflow as tf

STEPS_PER_CALL = 10  # Steps inside one call of a tf.function; a signal waits until they are done.


def steps_per_epoch(data: Dataset, batch_size: int) -> int:
    """Returns how many whole batches the training images make.

    Raises:
      UserError: not one.
    """
    if batch_size > data.n_training:
        raise UserError(
            f"--batch_size={batch_size}, but {data.name} has only {data.n_training} training images"
        )
    return data.n_training // batch_size


class Batches:
    """The training images of each step; which they are depends on the seed and the step alone.

    Each epoch goes through a permutation of its own. Images left over at its end, fewer than a
    batch, are others in the next epoch. Images stay uint8 and are scaled batch by batch.
    """

    def __init__(self, split: Split, n_classes: int, batch_size: int, seed: int):
        self._epoch, self._order = None, None
        self.images = self._images(split)
        self.labels = tf.constant(split.labels)
        self.n_classes, self.batch_size, self.seed = n_classes, batch_size, seed
        self.per_epoch = len(split) // batch_size

    @staticmethod
    def of(split: Split, n_classes: int, batch_size: int, seed: int) -> "Batches":
        """Returns the batches of images in memory, or of those that lie on disk."""
        on_disk = isinstance(split.images, streaming.StreamedImages)
        return (StreamedBatches if on_disk else Batches)(split, n_classes, batch_size, seed)

    def _images(self, split: Split) -> tf.Tensor:
        return tf.constant(split.images.reshape(len(split), -1))

    def order(self, step: int) -> tf.Tensor:
        """Returns the order of the images, int32 [n], in the epoch to which the step belongs."""
        epoch = step // self.per_epoch
        if epoch != self._epoch:
            self._epoch, self._order = epoch, tf.constant(self._permutation(epoch), tf.int32)
        return self._order

    def _permutation(self, epoch: int) -> np.ndarray:
        generator = randomness.numpy_generator(self.seed, f"order of images in epoch {epoch}")
        return generator.permutation(len(self.labels))

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
        return network_inputs(images, labels, self.n_classes)


class StreamedBatches(Batches):
    """The same batches, of images on disk: those of the next steps are read meanwhile."""

    def __init__(self, split: Split, n_classes: int, batch_size: int, seed: int):
        super().__init__(split, n_classes, batch_size, seed)
        self._shuffled: tuple[int, np.ndarray | None] = -1, None  # Of an epoch.
        self._reader = concurrent.futures.ThreadPoolExecutor(1)
        self._ahead: dict[int, concurrent.futures.Future] = {}

    def _images(self, split: Split) -> streaming.StreamedImages:
        return split.images

    def order(self, step: int) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Returns the images of this step and of those after it in a call.

        Returns:
          The step, int64; images, uint8 [n, input_dim], and labels, int32 [n], of as many steps as
          a call has, the last ones anything where the epoch ends before.
        """
        found = self._ahead.get(step)
        window = found.result() if found else self._read(step)
        after = min(step - step % STEPS_PER_CALL + STEPS_PER_CALL, self._end_of_epoch(step))
        if after not in self._ahead:
            self._ahead = {step: found} if found else {}
            self._ahead[after] = self._reader.submit(self._read, after)
        return window

    def batch(self, step: tf.Tensor, order: tuple[tf.Tensor, ...]) -> tuple[tf.Tensor, tf.Tensor]:
        """As `Batches.batch`."""
        first, images, labels = order
        start = tf.cast(step - first, tf.int32) * self.batch_size
        x, y = (rows[start : start + self.batch_size] for rows in (images, labels))
        x = tf.ensure_shape(x, [self.batch_size, images.shape[1]])
        y = tf.ensure_shape(y, [self.batch_size])
        return network_inputs(x, y, self.n_classes)

    def _end_of_epoch(self, step: int) -> int:
        return (step // self.per_epoch + 1) * self.per_epoch

    def _read(self, step: int) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        epoch, within = divmod(step, self.per_epoch)
        known, order = self._shuffled
        if known != epoch:
            order = self._permutation(epoch)
            self._shuffled = epoch, order
        n = STEPS_PER_CALL * self.batch_size
        chosen = order[within * self.batch_size :][:n]
        chosen = chosen[: (self.per_epoch - within) * self.batch_size]
        images = np.asarray(self.images[chosen]).reshape(len(chosen), -1)
        images = np.pad(images, [(0, n - len(chosen)), (0, 0)])
        labels = np.pad(self.labels.numpy()[chosen], (0, n - len(chosen)))
        return tf.constant(step, tf.int64), tf.constant(images), tf.constant(labels)


def labeled_batches(data: Dataset, n_labeled: int, batch_size: int, seed: int) -> Batches:
    """Returns batches of those training images whose labels may be used.

    Args, and what is raised: see `labeled_subset`.
    """
    labeled = labeled_subset(data.train, n_labeled, seed)
    return Batches(labeled, data.n_classes, batch_size, seed)
