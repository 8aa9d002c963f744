"""Image data sets with labels: MNIST, the built-in glyphs, any of TFDS, the user's own.

Whatever the source, `load` returns the same thing: uint8 images in memory (47 MB for MNIST, where
float32 would take 188 MB and every copy as much again) and labels 0 to n_classes - 1, cut into
training, validation and test images. The training loop scales them batch by batch.
"""

import dataclasses
import os
import pathlib
import textwrap
from collections.abc import Sequence

from adversarial_autoencoder import randomness
from adversarial_autoencoder.datasets import dataset, folders, npz, tfds
from adversarial_autoencoder.datasets.dataset import Dataset, Split, hide_labels, labeled_subset
from adversarial_autoencoder.system.errors import UserError, one_line

import numpy as np
from absl import logging

__all__ = ["GLYPHS", "Dataset", "Split", "hide_labels", "labeled_subset", "load"]

# The MD5 sums of the unpacked files; those of the packed ones depend on who packed them.
MNIST_MD5 = {
    "train-images-idx3-ubyte.gz": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte.gz": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte.gz": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte.gz": "27ae3e4e09519cfbb04c329615203637",
}
MNIST_NPZ = "mnist.npz"
MNIST_SIZES = (60000, 10000)  # Training (with validation) and test images.
# Where TFDS gets MNIST from; asked before TFDS is, which retries for minutes without a network.
MNIST_URL = "https://storage.googleapis.com/cvdf-datasets/mnist/train-images-idx3-ubyte.gz"

GLYPHS = ("glyphs", "glyphs_letters", "glyphs_all", "glyphs_scripts")
GLYPHS_TRAIN, GLYPHS_TEST = 60000, 10000
MAX_VALIDATION = 5000
MAX_PATH = 1024  # Characters of --dataset and --data_dir; some systems take no more.


def load(
    name: str,
    data_dir: str | None = None,
    n_images: int = 0,
    *,
    image_size: int = 0,
    on_disk: bool = False,
    by_identity: bool = False,
    unseen: Sequence[str] = (),
) -> Dataset:
    """Loads a data set. The same arguments give the same images in the same order.

    Args:
      name: `mnist`; `glyphs`, `glyphs_letters`, `glyphs_all` or `glyphs_scripts` (drawn here);
        `auto` (MNIST where it lies on disk or can be fetched, else, with a warning, `glyphs`); a
        TFDS image data set with one class label (`cifar10`, `emnist/letters`); a path that ends in
        `.npz`; or a folder with a folder of images for each class.
      data_dir: where the four MNIST files, `mnist.npz` or TFDS' folders lie; None: TFDS' default.
      n_images: 0, or how many training images to keep, the first N.
      image_size: height and width to which images of a folder are scaled; 0: they are of one size.
      on_disk: leave the training images of a TFDS data set on disk, see `streaming`.
      by_identity: a label says which images show the same thing. Those of test images need not be
        among the training labels, and `smallnorb` has the toys, not their categories, as labels.
      unseen: names of classes to keep for testing: no training image shows them, and test images
        show nothing else.

    Returns:
      A `Dataset`. Its validation images are the first twelfth of the training images, at most
      5,000: for MNIST's own files, the 55,000 / 5,000 / 10,000 of the 2017 tutorial loader. Where
      training images come class after class, they are shuffled before, the same way each time.
      Data prepared by TFDS come in TFDS' order, so there the same images are divided otherwise.

    Raises:
      UserError: no such data set, it cannot be fetched, or its files are not what they should be.
    """
    for flag, value in (("--dataset", name), ("--data_dir", data_dir or "")):
        if flaw := npz.flaw_of_text(value, MAX_PATH):
            raise UserError(f"{flag}={one_line(ascii(value)[1:-1], 60)} {flaw}: give another")
    data_dir = data_dir and os.path.expanduser(data_dir)
    if data_dir and os.path.isfile(data_dir):
        raise UserError(f"--data_dir={data_dir} is a file: give the folder that it lies in")
    folder = os.path.expanduser(name)
    is_other = name in ("auto", "mnist", *GLYPHS) or name.endswith(".npz")
    is_folder = not is_other and folders.is_one(folder)
    if image_size and not is_folder:
        raise UserError(
            f"--image_size={image_size} is for a folder of images, and --dataset={name} is none: "
            "omit it"
        )
    from_tfds = not is_folder and not name.endswith(".npz") and name not in ("auto", *GLYPHS)
    if on_disk and (by_identity or not from_tfds):
        raise UserError(
            f"--streaming reads TFDS data sets, and --dataset={name} lies in memory: omit it"
        )
    if is_folder:
        dataset = _from_folder(folder, image_size, by_identity)
    elif name.endswith(".npz"):
        dataset = _from_npz(os.path.expanduser(name), by_identity)
    elif name == "auto":
        dataset = _auto(data_dir, 0 if unseen else n_images)
    elif name.lower() == "mnist" and not on_disk:  # As TFDS takes it.
        dataset = _mnist(data_dir)
    elif name in GLYPHS:
        dataset = _glyphs(name, 0 if unseen else n_images)
    else:
        dataset = _from_tfds(name, data_dir, by_identity, on_disk)
    if unseen:
        dataset = _hold_out(dataset, unseen)
    if not 0 <= n_images <= len(dataset.train):
        raise UserError(
            f"--n_images={n_images}, but {dataset.name} has {len(dataset.train)} training images: "
            f"give at most that many, or 0 for all"
        )
    return dataclasses.replace(dataset, train=dataset.train[: n_images or None])


def _hold_out(dataset: Dataset, unseen: Sequence[str]) -> Dataset:
    """Keeps these classes for testing. They are numbered last."""
    names = np.array(dataset.class_names)
    unknown = sorted(set(unseen) - set(names[: dataset.n_classes]))
    held_out = np.isin(names, unseen)
    if unknown:
        known = one_line(", ".join(dataset.class_names[: dataset.n_classes]))
        raise UserError(f"{dataset.name} has no class {unknown[0]!r} to hold out: it has {known}")
    if dataset.n_classes - held_out.sum() < 2:
        raise UserError(
            f"{dataset.name} has {dataset.n_classes} classes, {held_out.sum()} of them held out: "
            f"leave two or more to train on"
        )
    order = np.argsort(held_out, kind="stable")
    number = np.argsort(order).astype(np.int32)

    def those(split: Split, wanted: np.ndarray) -> Split:
        kept = split[wanted[split.labels]]
        return dataclasses.replace(kept, labels=number[kept.labels])

    test = those(dataset.test, held_out)
    if not len(test):
        raise UserError(f"{dataset.name} has no test images of the classes that are held out")
    return dataclasses.replace(
        dataset,
        train=those(dataset.train, ~held_out),
        validation=those(dataset.validation, ~held_out),
        test=test,
        n_classes=int(dataset.n_classes - held_out.sum()),
        class_names=tuple(names[order].tolist()),
        held_out=those(dataset.train, held_out),
    )


# MNIST.


def _auto(data_dir: str | None, n_images: int) -> Dataset:
    try:
        return _mnist(data_dir)
    except tfds.Unavailable as error:
        text = f"NOT MNIST: this run uses the built-in glyphs, digits drawn from fonts. {error}"
        lines = textwrap.wrap(text, 86, break_long_words=False, break_on_hyphens=False)
        stars = "*" * 90
        logging.warning("\n%s\n*  %s\n%s", stars, "\n*  ".join(lines), stars)
        return _glyphs("glyphs", n_images)


def _mnist(data_dir: str | None) -> Dataset:
    """MNIST from the first of its homes where any of it lies, or else from the network."""
    if data_dir:
        folder = pathlib.Path(data_dir)
        if any(os.path.exists(folder / file) for file in MNIST_MD5):
            return _from_idx_files(folder)
        if os.path.exists(folder / MNIST_NPZ):
            return _mnist_npz(folder / MNIST_NPZ)
    tfds_dir = tfds.folder(data_dir)
    try:
        # An answer at once, and no TFDS to import, where there is nothing to get from it.
        if not os.path.isdir(os.path.join(tfds_dir, "mnist")):
            tfds.require_answer(MNIST_URL)
        return _from_tfds("mnist", data_dir)
    except tfds.Unavailable as error:
        raise tfds.Unavailable(
            f"Looked for MNIST's four .gz files and {MNIST_NPZ} in --data_dir ({data_dir or 'none'}"
            f"), for TFDS' copy in {tfds_dir}, and on the network: {error}. "
            f"Put the four files or {MNIST_NPZ} into a folder and give it as --data_dir, "
            f"or use --dataset=glyphs"
        ) from error


def _from_idx_files(folder: pathlib.Path) -> Dataset:
    missing = [file for file in MNIST_MD5 if not os.path.exists(folder / file)]
    if missing:
        raise UserError(f"{folder} lacks {', '.join(missing)}: put all four MNIST files there")
    paths = [folder / file for file in MNIST_MD5]
    n_pixels = MNIST_SIZES[0] * 28 * 28
    arrays, sums = zip(*(npz.read_idx(path, n_pixels) for path in paths), strict=True)
    # Before the sums, since two files that do not belong together is the more telling news.
    train = dataset.checked(arrays[0], arrays[1], *map(str, paths[:2]))
    test = dataset.checked(arrays[2], arrays[3], *map(str, paths[2:]))
    for path, found in zip(paths, sums, strict=True):
        if found != MNIST_MD5[path.name]:
            raise UserError(
                f"{path} is not MNIST's: unpacked, its MD5 sum is {found} and should be "
                f"{MNIST_MD5[path.name]}; download it again"
            )
    return _dataset("mnist", train, test)


def _mnist_npz(path: pathlib.Path) -> Dataset:
    """Keras' file. Others of that name are refused, for they would pass for MNIST ever after."""
    dataset = _from_npz(str(path))
    sizes = len(dataset.validation) + len(dataset.train), len(dataset.test)
    shape, n_classes = dataset.image_shape, dataset.n_classes
    if (sizes, shape, n_classes) != (MNIST_SIZES, (28, 28, 1), 10):
        raise UserError(
            f"{path} is not MNIST: it holds {sizes[0]} + {sizes[1]} images of shape {shape} in "
            f"{n_classes} classes; for your own images give --dataset={path}"
        )
    return dataclasses.replace(dataset, name="mnist")


# The other sources.


def _glyphs(name: str, n_images: int) -> Dataset:
    """The built-in data set, the same whatever the run's seed; draws no more than is asked for."""
    from adversarial_autoencoder.datasets import glyphs

    letters = glyphs.UPPER + glyphs.LOWER
    characters = {
        "glyphs": glyphs.DIGITS,
        "glyphs_letters": letters,
        "glyphs_all": glyphs.DIGITS + letters,
        "glyphs_scripts": glyphs.DIGITS + letters + glyphs.SCRIPTS,
    }[name]
    n_train = min(GLYPHS_TRAIN, MAX_VALIDATION + n_images) if n_images > 0 else GLYPHS_TRAIN

    def draw(n: int, purpose: str) -> Split:
        images, labels, factors = glyphs.make(n, 0, purpose, characters=characters)
        return Split(images, labels, dict(zip(glyphs.FACTOR_NAMES, factors.T, strict=True)))

    n_test = GLYPHS_TEST * (4 if name == "glyphs_scripts" else 1)  # More than 100 of each class.
    train, test = draw(n_train, "train"), draw(n_test, "test")
    validation, train = train[:MAX_VALIDATION], train[MAX_VALIDATION:]
    return Dataset(name, train, validation, test, len(characters), tuple(characters))


def _from_npz(path: str, by_identity: bool = False) -> Dataset:
    train, test, class_names = npz.read_npz(path)
    dataset = _dataset(path, train, test, by_identity)
    if class_names is None:
        return dataset
    n_names = len(dataset.class_names)
    if class_names.shape != (n_names,):
        labels = "y_train" if n_names == dataset.n_classes else "y_train and y_test"
        raise UserError(
            f"{path}: class_names has shape {class_names.shape}, but {labels} {n_names} "
            f"classes: give one name for each, in the order of the labels"
        )
    places = np.argsort(np.argsort([int(value) for value in dataset.class_names]))
    return dataclasses.replace(dataset, class_names=tuple(class_names[places].tolist()))


def _from_folder(path: str, image_size: int, by_identity: bool) -> Dataset:
    train, test, class_names = folders.read(path, image_size)
    dataset = _dataset(os.path.abspath(path), train, test, by_identity)
    return dataclasses.replace(dataset, class_names=class_names)


def _from_tfds(
    name: str, data_dir: str | None, by_identity: bool = False, on_disk: bool = False
) -> Dataset:
    others = ("auto", *GLYPHS)
    train, test, name_of = tfds.read(name, data_dir, by_identity, others, on_disk)
    dataset = _dataset(name, train, test, by_identity)
    if on_disk:  # All but the training images, which are the many.
        validation, test = map(dataset.in_memory, (dataset.validation, dataset.test))
        dataset = dataclasses.replace(dataset, validation=validation, test=test)
    if name_of is None:
        return dataset
    values = map(int, dataset.class_names)
    return dataclasses.replace(dataset, class_names=tuple(map(name_of, values)))


# What they have in common: the cut, and the numbers of the classes.


def _dataset(name: str, train: Split, test: Split, by_identity: bool = False) -> Dataset:
    """Numbers the classes from 0 and sets the validation images aside; see `load`."""
    values = np.unique(train.labels)
    strange = np.setdiff1d(test.labels, values)
    shapes = train.images.shape[1:], test.images.shape[1:]
    n_validation = min(len(train) // 12, MAX_VALIDATION)
    if shapes[0] != shapes[1]:
        raise UserError(
            f"{name}: training images are {shapes[0]} and test images {shapes[1]}: "
            f"make them of one size"
        )
    if len(values) < 2:
        raise UserError(
            f"{name}: all training labels are {values[0]}, one class only: give two classes or more"
        )
    if len(strange) and not by_identity:
        raise UserError(
            f"{name}: {len(strange)} of the test labels' classes, such as {strange[0]}, are not "
            f"among the training labels: give training images of them too, or leave them out"
        )
    if not n_validation:
        raise UserError(
            f"{name} has {len(train)} training images, and at least 12 are needed, since a twelfth "
            f"is kept for validation: add images"
        )
    if _is_ordered(train.labels, n_validation):
        train = train[randomness.numpy_generator(0, "sorted images").permutation(len(train))]
    n_classes = len(values)
    values = np.concatenate([values, strange])
    order = np.argsort(values).astype(np.int32)
    train, test = (
        dataclasses.replace(s, labels=order[np.searchsorted(values, s.labels, sorter=order)])
        for s in (train, test)
    )
    return Dataset(
        name=name,
        train=train[n_validation:],
        validation=train[:n_validation],
        test=test,
        n_classes=n_classes,
        class_names=tuple(map(str, values)),
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
