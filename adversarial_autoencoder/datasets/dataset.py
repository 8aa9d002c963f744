"""What a data set is, whatever its source: images with labels, for training, validation and test.

Here are also the checks that each source's arrays must pass, and how images are chosen.
"""

import dataclasses
import hashlib
import math
import sys
import unicodedata
from collections.abc import Callable, Sequence

from adversarial_autoencoder import randomness
from adversarial_autoencoder.system.errors import UserError, one_line

import numpy as np
import tensorflow as tf
from absl import logging

MAX_LABEL = np.iinfo(np.int64).max
UNLABELLED = -1  # In the place of a label.
MAX_VALIDATION = 5000
MAX_NAME = 100  # Characters in the name of a class or factor.
DARK = 64  # Images whose brightest pixel is below this, of 255, are probably scaled wrongly.
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
        return images.astype(np.uint8, copy=False)
    levels = np.empty(images.shape, np.uint8)
    for start in range(0, len(images), 1000):  # In pieces, to hold no second copy as floats.
        rows = slice(start, start + 1000)
        levels[rows] = np.rint(images[rows] * 255.0)
    return levels


def flaw_of_text(text: str, max_length: int) -> str:
    """Returns why text cannot stand in a line of a file or a table ("has ..."), or "" if it can."""
    if len(text) > max_length:
        return f"has {len(text)} characters, where {max_length} are the most"
    categories = set(map(unicodedata.category, text))
    if "Cs" in categories:
        return "is no valid Unicode"
    return "has a line break or another control character" * bool(categories & {"Cc", "Zl", "Zp"})


def without_colour(*splits: Split) -> list[Split]:
    """Returns the splits with one channel where R = G = B in all images, else as they are."""
    pieces = (split.images[k : k + 1000] for split in splits for k in range(0, len(split), 1000))
    if splits[0].images.shape[3] == 1 or any((x != x[..., :1]).any() for x in pieces):
        return list(splits)
    return [dataclasses.replace(split, images=split.images[..., :1]) for split in splits]


# From a source's images and labels to a data set.


def from_splits(
    request: Request,
    train: Split,
    test: Split,
    validation: Split | None = None,
    name: str = "",
    name_of: Callable[[int], str] = str,
) -> Dataset:
    """Numbers the classes from 0 and sets the validation images aside.

    Args:
      request: what was asked for.
      train: training images with the source's labels, int64; `UNLABELLED` for none.
      test: test images.
      validation: validation images; None: the first twelfth of the training images, at most
        `MAX_VALIDATION`. Training images that come class after class are shuffled before.
      name: the data set's, if it is not the request's.
      name_of: the name of the class with this label.

    Raises:
      UserError: the images or the labels are not what is needed.
    """
    name = name or request.name
    shape = train.images.shape[1:]
    for split in (test, validation or test):
        if split.images.shape[1:] != shape:
            raise UserError(
                f"{name}: training images are {shape} and others {split.images.shape[1:]}: "
                f"make them of one size"
            )
    if not np.any(train.labels != UNLABELLED):
        if request.labels != "none":
            raise UserError(
                f"{name} has no labels, and this script needs classes: give them (parts 1 and 2 "
                f"need none)"
            )
        train, test = _as_one_class(train), _as_one_class(test)
        validation, name_of = validation and _as_one_class(validation), lambda label: "unlabelled"
    train, unlabelled = _apart(train)
    test, left_out = _apart(test)
    n_used, n_left_out = len(unlabelled), len(left_out)
    if validation:
        validation, left_out = _apart(validation)
        n_left_out += len(left_out)
    if request.labels == "all" or not isinstance(train.images, np.ndarray):
        n_used, n_left_out = 0, n_left_out + n_used
    for n, what in ((n_used, "used without one"), (n_left_out, "left out")):
        if n:
            print(f"{name}: {n} images have no label and are {what}.", file=sys.stderr)
    values = np.unique(train.labels)
    strange = np.setdiff1d(test.labels, values)
    if len(values) < 2 and request.labels != "none":
        raise UserError(
            f"{name}: all training labels are {name_of(values[0])}, one class only, and this "
            f"script needs two or more (parts 1 and 2 take one; -1 stands for no label)"
        )
    if len(strange) and not request.by_identity:
        raise UserError(
            f"{name}: {len(strange)} of the test labels' classes, such as {name_of(strange[0])}, "
            f"are not among the training labels: give training images of them too, or leave them "
            f"out"
        )
    if not len(test):
        raise UserError(f"{name}: no test image has a label: give test images with labels")
    n_validation = 0 if validation else min(len(train) // 12, MAX_VALIDATION)
    if not (validation or n_validation):
        raise UserError(
            f"{name} has {len(train)} training images, and at least 12 are needed, since a twelfth "
            f"is kept for validation: add images"
        )
    _tell_dark(name, train.images)
    if _is_ordered(train.labels, n_validation):
        train = train[randomness.numpy_generator(0, "sorted images").permutation(len(train))]
    n_classes = len(values)
    values = np.concatenate([values, strange])
    order = np.argsort(values).astype(np.int32)

    def numbered(split: Split) -> Split:
        labels = order[np.searchsorted(values, split.labels, sorter=order)]
        return dataclasses.replace(split, labels=labels)

    train, test = numbered(train), numbered(test)
    return Dataset(
        name=name,
        train=train[n_validation:],
        validation=numbered(validation) if validation else train[:n_validation],
        test=test,
        n_classes=n_classes,
        class_names=tuple(map(name_of, values)),
        unlabelled=unlabelled if n_used else None,
    )


def _apart(split: Split) -> tuple[Split, Split]:
    """The images with a label, and those without."""
    known = split.labels != UNLABELLED
    return (split, split[:0]) if known.all() else (split[known], split[~known])


def _as_one_class(split: Split) -> Split:
    return dataclasses.replace(split, labels=np.zeros_like(split.labels))


def _tell_dark(name: str, images: np.ndarray) -> None:
    if isinstance(images, np.ndarray) and (brightest := images.max()) < DARK:
        logging.warning(
            "%s: the brightest pixel is %d of 255, almost black: scale the pixels so that white "
            "is 255 (in floats, 1).",
            name,
            brightest,
        )


def _is_ordered(labels: np.ndarray, n_validation: int) -> bool:
    """Whether images come by class, so that the first of them cannot stand for all."""
    values, counts = np.unique(labels, return_counts=True)
    one_run_each = np.count_nonzero(labels[1:] != labels[:-1]) == len(values) - 1
    in_validation, in_rest = (
        np.isin(values, part) for part in (labels[:n_validation], labels[n_validation:])
    )
    # A class that would have twenty images if they were drawn lacks them once in 10^8 times.
    missing = ~in_validation & (counts * n_validation >= 20 * len(labels))
    return bool(one_run_each or missing.any() or not in_rest.all())


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

    0 clusters: as it is.

    Raises:
      UserError: one cluster, or more than training images.
    """
    if not n_clusters:
        return data
    if n_clusters < 2:
        raise UserError(f"--n_clusters={n_clusters}: one cluster tells nothing, take 2 or more")
    if n_clusters > data.n_training:
        raise UserError(
            f"--n_clusters={n_clusters}, but {data.name} has only {data.n_training} training images"
        )
    names = tuple(f"cluster {k}" for k in range(n_clusters))
    return dataclasses.replace(data, n_classes=n_clusters, class_names=names)
