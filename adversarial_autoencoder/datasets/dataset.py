"""What a data set is, whatever its source: images with labels, to train, validate and test on."""

import dataclasses
import hashlib
import math
from collections.abc import Sequence

from adversarial_autoencoder import randomness

import numpy as np
import tensorflow as tf

LABELS = ("all", "some", "none")  # Which labels a model needs, see `Request`.

# What a fingerprint has a part for. Those of earlier versions have the first alone.
FINGERPRINTED = ("training images", "validation images", "test images", "names or factors")


@dataclasses.dataclass(frozen=True)
class Request:
    """What a data source is asked for.

    Attributes:
      name: the data set, as `--dataset` names it.
      data_dir: folder of prepared data; None: the source's own.
      n_images: number of training images needed, 0: all. A source may return more.
      image_size: height and width to which images of a folder are scaled; 0: they are of one size.
      ground: `white` or `black`, behind transparent images of a folder.
      on_disk: leave the training images of a TFDS data set on disk, see `streaming`.
      by_identity: a label says which images show the same thing. Those of test images need not be
        among the training labels, and `smallnorb` has the toys, not their categories, as labels.
      unseen: names of classes to keep for testing: no training image shows them, and test images
        show nothing else.
      labels: `all`: the model needs the label of each training image, and images without are left
        out; `some`: they are used without; `none`: the model uses no labels.
    """

    name: str
    data_dir: str | None = None
    n_images: int = 0
    image_size: int = 0
    ground: str = "white"
    on_disk: bool = False
    by_identity: bool = False
    unseen: Sequence[str] = ()
    labels: str = "all"


@dataclasses.dataclass(frozen=True)
class Split:
    """Images that belong together.

    Attributes:
      images: uint8 [n, height, width, channels], channels 1 or 3; an array, or `StreamedImages`.
      labels: int32 [n], in 0 to n_classes - 1; before a data set is made of it, int64 and any, as
        in the file (`checked`).
      factors: what else is known of each image (slant, size, hair, ...), name to array [n].
      pose: what tells the images of one identity apart (action, frame, ...), name to int array [n];
        empty if not known.
      visible: of factors, whether an image shows them, name to bool array [n]; empty if all do.
    """

    images: np.ndarray
    labels: np.ndarray
    factors: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    pose: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    visible: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, rows: slice | np.ndarray) -> "Split":
        columns = (
            {name: values[rows] for name, values in known.items()}
            for known in (self.factors, self.pose, self.visible)
        )
        return Split(self.images[rows], self.labels[rows], *columns)

    def spread(self, n: int) -> "Split":
        """Returns n images, or all if there are fewer, from first to last: it may be sorted."""
        return self[np.linspace(0, len(self) - 1, min(n, len(self))).astype(int)]

    def one_of_each(self, n: int, seed: int) -> "Split":
        """Returns n images drawn by the seed: one of each class, then a second of each, and so on.

        Within a round they come in the order of their labels. A class that has no more images is
        passed over; of the last round, the classes are drawn too. More rounds change none before.

        All are returned if there are fewer than n.
        """
        drawn = randomness.numpy_generator(seed, "one of each class").permutation(len(self))
        labels = self.labels[drawn]
        by_class = np.argsort(labels, kind="stable")
        _, starts, counts = np.unique(labels[by_class], return_index=True, return_counts=True)
        rounds = np.empty(len(self), np.int64)
        rounds[by_class] = np.arange(len(self)) - np.repeat(starts, counts)
        chosen = np.argsort(rounds, kind="stable")[:n]
        return self[drawn[chosen[np.lexsort((labels[chosen], rounds[chosen]))]]]


@dataclasses.dataclass(frozen=True)
class Dataset:
    """Training, validation and test images, all of one shape, and the names of their classes.

    `name` is what was loaded: never `auto`, but what that came to. Test labels from n_classes on
    are of identities that no training image shows; `class_names` has their names too. `held_out`
    has images of them that are neither trained nor tested on, if there are any; `unlabelled` has
    training images without a label.
    """

    name: str
    train: Split
    validation: Split
    test: Split
    n_classes: int
    class_names: tuple[str, ...]
    held_out: Split | None = None
    unlabelled: Split | None = None

    @property
    def n_training(self) -> int:
        """The number of training images, with and without a label."""
        return len(self.train) + (len(self.unlabelled) if self.unlabelled else 0)

    def all_training(self) -> Split:
        """Returns all training images; those without a label have the label n_classes.

        Of it `tf.one_hot(labels, n_classes)` makes a row of zeros.
        """
        if not self.unlabelled:
            return self.train
        images = np.concatenate([self.train.images, self.unlabelled.images])
        labels = np.full(len(images), self.n_classes, np.int32)
        labels[: len(self.train)] = self.train.labels
        return Split(images, labels)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of every image."""
        return tuple(self.train.images.shape[1:])

    @property
    def input_dim(self) -> int:
        """The length of an image laid out flat."""
        return math.prod(self.image_shape)

    @property
    def fingerprint(self) -> str:
        """What tells these data from others, in one line: a part for each of `FINGERPRINTED`."""
        return "; ".join(self._fingerprints())

    def differences(self, fingerprint: str) -> tuple[list[str], list[str]]:
        """Compares these data with those that another fingerprint is of.

        Returns:
          What differs, with both sides of it, such as "test images (12 x 6 x 5 x 1, sha256 … there,
          … here)", nothing where the data are the same; and what could not be compared, since the
          fingerprint was made by an earlier version.
        """
        there = fingerprint.split("; ")
        differing = [
            f"{what} ({stored} there, {found} here)"
            for what, stored, found in zip(FINGERPRINTED, there, self._fingerprints(), strict=False)
            if stored != found
        ]
        return differing, list(FINGERPRINTED[len(there) :])

    def _fingerprints(self) -> list[str]:
        names = hashlib.sha256(repr((self.n_classes, self.class_names)).encode())
        parts = []
        for split in (self.train, self.validation, self.test):
            checksum = hashlib.sha256()
            for start in range(0, len(split), 1000):  # In pieces, where images lie on disk.
                checksum.update(np.ascontiguousarray(split.images[start : start + 1000]))
            checksum.update(np.ascontiguousarray(split.labels))
            shape = " x ".join(map(str, split.images.shape))
            parts.append(f"{shape}, sha256 {checksum.hexdigest()[:16]}")
            columns = [*split.factors.items(), *split.pose.items(), *split.visible.items()]
            for name, values in columns:
                names.update(repr((name, values.dtype.str, values.shape)).encode())
                names.update(np.ascontiguousarray(values))
        if self.unlabelled:
            names.update(np.ascontiguousarray(self.unlabelled.images))
        return [*parts, f"{len(self.class_names)} classes, sha256 {names.hexdigest()[:16]}"]

    def test_inputs(self) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns all test images, in their order, as networks see them.

        Returns:
          float32 [n, input_dim] in [0, 1], and their one-hot labels, float32 [n, n_classes].
        """
        return self._inputs(self.test)

    def test_examples(self, n: int, seed: int = 0) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns n test images to look at: one of each class, then a second of each, and so on.

        The seed chooses them, and the classes where n is not a multiple of their number. The same
        as `test_inputs`, in their order, from `len(test)` on.
        """
        if n >= len(self.test):
            return self.test_inputs()
        return self._inputs(self.test.one_of_each(n, seed))

    def _inputs(self, split: Split) -> tuple[tf.Tensor, tf.Tensor]:
        images = split.images.reshape(-1, self.input_dim)
        return network_inputs(images, split.labels, self.n_classes)

    def as_images(self, x: tf.Tensor) -> np.ndarray:
        """Gives flat images [n, input_dim] their shape again, [n, height, width, channels]."""
        return np.reshape(x, (-1, *self.image_shape))


def network_inputs(
    images: tf.Tensor, labels: tf.Tensor, n_classes: int
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns images, uint8 [n, input_dim], and labels, int [n], as networks take them.

    Returns:
      float32 [n, input_dim] in [0, 1], and one-hot float32 [n, n_classes].
    """
    return tf.cast(images, tf.float32) / 255.0, tf.one_hot(labels, n_classes)
