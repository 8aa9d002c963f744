"""From the arrays of a source to a data set: what they must be, and how they are divided."""

import dataclasses
import sys
import unicodedata
from collections.abc import Callable

from adversarial_autoencoder import randomness
from adversarial_autoencoder.datasets.dataset import Dataset, Request, Split
from adversarial_autoencoder.system.errors import UserError, one_line

import numpy as np
from absl import logging

MAX_LABEL = np.iinfo(np.int64).max
UNLABELLED = -1  # In the place of a label.
MAX_VALIDATION = 5000
MAX_NAME = 100  # Characters in the name of a class or factor.
DARK = 64  # Images whose brightest pixel is below this, of 255, are probably scaled wrongly.


# Checks.


def checked(images: np.ndarray, labels: np.ndarray, x_name: str, y_name: str) -> Split:
    """Returns images as uint8 [n, height, width, channels], and labels as int64 [n].

    Raises:
      UserError: see `check_images` and `check_labels`; it names the one of both that is at fault.
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

    Images are numbers [n, height, width] or [n, height, width, channels], channels 1 or 3; vectors
    [n, length] count as images of one row.
    """
    has_channels = len(shape) == 4 and shape[3] in (1, 3)
    if not (len(shape) in (2, 3) or has_channels) or dtype.kind not in "uif":
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
    if images.ndim == 2:
        logging.warning("%s holds vectors, not images: shown as one row of pixels each.", name)
        images = images[:, np.newaxis]
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
    if isinstance(train.images, np.ndarray) and (brightest := train.images.max()) < DARK:
        logging.warning(
            "%s: the brightest pixel is %d of 255, almost black: scale the pixels so that white "
            "is 255 (in floats, 1).",
            name,
            brightest,
        )
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
