"""What a data set is, whatever its source: images with labels, for training, validation and test.

Here are also the checks that each source's arrays must pass, and how images are chosen.
"""

import dataclasses
import hashlib
import math

from adversarial_autoencoder import randomness
from adversarial_autoencoder.system.errors import UserError, one_line

import numpy as np
import tensorflow as tf
from absl import logging

MAX_LABEL = np.iinfo(np.int64).max

# What a fingerprint has a part for. Those of earlier versions have the first alone.
FINGERPRINTED = ("training images", "validation images", "test images", "names or factors")


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


@dataclasses.dataclass(frozen=True)
class Dataset:
    """Training, validation and test images, all of one shape, and the names of their classes.

    `name` is what was loaded: never `auto`, but what that came to. Test labels from n_classes on
    are of identities that no training image shows; `class_names` has their names too. `held_out`
    has images of them that are neither trained nor tested on, if there are any.
    """

    name: str
    train: Split
    validation: Split
    test: Split
    n_classes: int
    class_names: tuple[str, ...]
    held_out: Split | None = None

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
        return [*parts, f"{len(self.class_names)} classes, sha256 {names.hexdigest()[:16]}"]

    def test_inputs(self) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns all test images, in their order, as networks see them.

        Returns:
          float32 [n, input_dim] in [0, 1], and their one-hot labels, float32 [n, n_classes].
        """
        return self._inputs(self.test)

    def test_examples(self, n: int, seed: int = 0) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns n test images to look at: one of each class, then a second of each, and so on.

        Args:
          n: how many; from `len(test)` on the same as `test_inputs`.
          seed: chooses them, and the classes where n is not a multiple of their number.

        Returns:
          As `test_inputs`.
        """
        if n >= len(self.test):
            return self.test_inputs()
        return self._inputs(one_of_each(self.test, n, seed))

    def _inputs(self, split: Split) -> tuple[tf.Tensor, tf.Tensor]:
        images = split.images.reshape(-1, self.input_dim)
        return network_inputs(images, split.labels, self.n_classes)

    def as_images(self, x: tf.Tensor) -> np.ndarray:
        """Gives flat images [n, input_dim] their shape again, [n, height, width, channels]."""
        return np.reshape(x, (-1, *self.image_shape))


def network_inputs(
    images: tf.Tensor, labels: tf.Tensor, n_classes: int
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns images and labels as networks take them.

    Args:
      images: uint8 [n, input_dim].
      labels: int [n].
      n_classes: size of the one-hot labels.

    Returns:
      float32 [n, input_dim] in [0, 1], and float32 [n, n_classes].
    """
    return tf.cast(images, tf.float32) / 255.0, tf.one_hot(labels, n_classes)


def in_memory(split: Split) -> Split:
    """Returns the split with its images in memory, where they lie on disk."""
    return dataclasses.replace(split, images=np.asarray(split.images))


# Checks.


def checked(images: np.ndarray, labels: np.ndarray, x_name: str, y_name: str) -> Split:
    """Returns images as uint8 [n, height, width, channels], and labels as int64 [n].

    Args:
      images: as `check_images` takes them.
      labels: as `check_labels` takes them.
      x_name: what messages call the images.
      y_name: what messages call the labels.

    Raises:
      UserError: names the one of both that is at fault.
    """
    check_labels(labels.shape, labels.dtype, y_name)
    check_images(images.shape, images.dtype, x_name)
    if len(images) != len(labels):
        raise UserError(
            f"{x_name} holds {len(images)} images, but {y_name} {len(labels)} labels: "
            f"give one label for each image"
        )
    if labels.max() > MAX_LABEL:  # As uint64 can.
        raise UserError(
            f"{y_name} holds {labels.max()}, and {MAX_LABEL} is the greatest label that can be "
            f"kept: number the classes from 0 (their names can go into class_names)"
        )
    # One type for all labels: of uint64 and int64 together NumPy makes float64.
    return Split(_as_uint8(images, x_name), labels.reshape(-1).astype(np.int64, copy=False))


def check_labels(shape: tuple[int, ...], dtype: np.dtype, name: str) -> None:
    """Raises UserError where an array of this shape and type cannot be labels: integers [n]."""
    if len(shape) not in (1, 2) or shape[1:] not in ((), (1,)) or dtype.kind not in "iu":
        raise UserError(
            f"{name} must be integers, one for each image, but is {one_line(dtype, 80)} of shape "
            f"{one_line(shape, 80)}: number the classes (their names can go into class_names)"
        )


def check_images(shape: tuple[int, ...], dtype: np.dtype, name: str) -> None:
    """Raises UserError where an array of this shape and type cannot be images.

    Images are numbers [n, height, width] or [n, height, width, channels], channels 1 or 3.
    """
    has_channels = len(shape) == 4 and shape[3] in (1, 3)
    if not (len(shape) == 3 or has_channels) or dtype.kind not in "uif":
        advice = "leave out the alpha channel, as in x[..., :3]" if shape[3:] == (4,) else ""
        raise UserError(
            f"{name} must be numbers [n, height, width] or [n, height, width, 1 or 3], but is "
            f"{one_line(dtype, 80)} of shape {one_line(shape, 80)}: "
            f"{advice or 'reshape or convert it'}"
        )
    if 0 in shape:
        raise UserError(f"{name} is empty (shape {one_line(shape, 80)}): store at least one image")


def _as_uint8(images: np.ndarray, name: str) -> np.ndarray:
    """Integers from 0 to 255 or floats from 0 to 1 as uint8 [n, height, width, channels]."""
    images = images[..., np.newaxis] if images.ndim == 3 else images
    low, high = images.min(), images.max()  # Both are NaN if any pixel is.
    if np.isnan(low):
        raise UserError(f"{name} holds NaN: replace it, pixels are numbers from 0 to 1")
    limit = 1 if images.dtype.kind == "f" else 255
    if low < 0 or high > limit:
        raise UserError(
            f"{name} is {images.dtype} from {low} to {high}: scale it to integers from 0 to 255 "
            f"or to floats from 0 to 1"
        )
    if images.dtype.kind != "f":
        if high == 1:
            logging.warning("%s is 0 and 1 out of 255, almost black; as floats 1 is white.", name)
        return images.astype(np.uint8, copy=False)
    levels = np.empty(images.shape, np.uint8)
    for start in range(0, len(images), 1000):  # In pieces, to hold no second copy as floats.
        rows = slice(start, start + 1000)
        levels[rows] = np.rint(images[rows] * 255.0)
    return levels


# Choosing.


def labeled_subset(split: Split, n_labeled: int, seed: int) -> Split:
    """Returns the images whose labels may be used, the same number from each class.

    Args:
      split: what to choose from.
      n_labeled: how many, a multiple of the number of classes; 0 or `len(split)`: all.
      seed: the run's seed, which chooses them.

    Raises:
      UserError: there are fewer, perhaps of one class, or they cannot be divided evenly.
    """
    return split[_labeled_rows(split, n_labeled, seed)]


def hide_labels(split: Split, n_labeled: int, n_classes: int, seed: int) -> Split:
    """Returns all images, those outside the `labeled_subset` with the label n_classes.

    Of it `tf.one_hot(labels, n_classes)` makes a row of zeros.

    Raises:
      UserError: as `labeled_subset`.
    """
    labels = np.full_like(split.labels, n_classes)
    rows = _labeled_rows(split, n_labeled, seed)
    labels[rows] = split.labels[rows]
    return dataclasses.replace(split, labels=labels)


def _labeled_rows(split: Split, n_labeled: int, seed: int) -> np.ndarray:
    if n_labeled in (0, len(split)):
        return np.arange(len(split))
    classes, counts = np.unique(split.labels, return_counts=True)
    per_class = n_labeled // len(classes)
    if n_labeled > len(split):
        raise UserError(
            f"--n_labeled={n_labeled}, but only {len(split)} labelled training images are there"
        )
    if n_labeled % len(classes):
        raise UserError(
            f"--n_labeled={n_labeled} cannot be divided evenly among {len(classes)} classes: "
            f"give {max(per_class, 1) * len(classes)}, for example, or 0 for all"
        )
    if per_class > counts.min():
        raise UserError(
            f"--n_labeled={n_labeled} takes {per_class} images of each class, but of one only "
            f"{counts.min()} are there: give at most {counts.min() * len(classes)}, or 0 for all"
        )
    generator = randomness.numpy_generator(seed, "labelled images")
    rows = [np.flatnonzero(split.labels == k) for k in classes]
    return np.concatenate([generator.choice(r, per_class, replace=False) for r in rows])


def one_of_each(split: Split, n: int, seed: int) -> Split:
    """Returns n images drawn by the seed: one of each class, then a second of each, and so on.

    Within a round they come in the order of their labels. A class that has no more images is
    passed over; of the last round, the classes are drawn too. More rounds change none before.

    Args:
      split: what to draw from.
      n: at most `len(split)`.
      seed: two seeds draw other images.
    """
    drawn = randomness.numpy_generator(seed, "one of each class").permutation(len(split))
    labels = split.labels[drawn]
    by_class = np.argsort(labels, kind="stable")
    _, starts, counts = np.unique(labels[by_class], return_index=True, return_counts=True)
    rounds = np.empty(len(split), np.int64)
    rounds[by_class] = np.arange(len(split)) - np.repeat(starts, counts)
    chosen = np.argsort(rounds, kind="stable")[:n]
    return split[drawn[chosen[np.lexsort((labels[chosen], rounds[chosen]))]]]


def as_classes(data: Dataset, n_clusters: int) -> Dataset:
    """Returns the data set with clusters in the place of classes, for the networks' sizes.

    Raises:
      UserError: one cluster, or more than training images.
    """
    if n_clusters < 2:
        raise UserError(f"--n_clusters={n_clusters}: one cluster tells nothing, take 2 or more")
    if n_clusters > len(data.train):
        raise UserError(
            f"--n_clusters={n_clusters}, but {data.name} has only {len(data.train)} training images"
        )
    names = tuple(f"cluster {k}" for k in range(n_clusters))
    return dataclasses.replace(data, n_classes=n_clusters, class_names=names)
