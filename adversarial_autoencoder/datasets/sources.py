"""Where image data sets with labels come from, by the name that `--dataset` gives.

Whatever the source, `load` returns the same thing: uint8 images in memory (47 MB for MNIST, where
float32 would take 188 MB and every copy as much again) and labels 0 to n_classes - 1, cut into
training, validation and test images. The training loop scales them batch by batch.

A source is a module with a function that takes a `Request` and returns a `Dataset`, and a line in
`SOURCES`.
"""

import dataclasses
import os
import textwrap
from collections.abc import Callable, Sequence

from adversarial_autoencoder.datasets import arrays, folders, glyphs, mnist, npz, tfds
from adversarial_autoencoder.datasets.dataset import Dataset, Request, Split
from adversarial_autoencoder.system.errors import UserError, one_line

import numpy as np
from absl import logging

MAX_PATH = 1024  # Characters of --dataset and --data_dir; some systems take no more.


def mnist_or_glyphs(request: Request) -> Dataset:
    """Loads MNIST where it can be had, else, with a warning that cannot be missed, the glyphs."""
    try:
        return mnist.load(dataclasses.replace(request, name="mnist"))
    except tfds.Unavailable as error:
        text = f"NOT MNIST: this run uses the built-in glyphs, digits drawn from fonts. {error}"
        lines = textwrap.wrap(text, 86, break_long_words=False, break_on_hyphens=False)
        stars = "*" * 90
        logging.warning("\n%s\n*  %s\n%s", stars, "\n*  ".join(lines), stars)
        return glyphs.load(dataclasses.replace(request, name="glyphs"))


# By name, or by the ending of a file's. Other names are folders of images, or TFDS data sets.
SOURCES: dict[str, Callable[[Request], Dataset]] = {
    "auto": mnist_or_glyphs,
    "mnist": mnist.load,
    **dict.fromkeys(mnist.LIKE_MNIST, mnist.load),
    **dict.fromkeys(glyphs.CHARACTERS, glyphs.load),
    ".npz": npz.load,
}

# What only some sources can do: the flag, and what else is told where one cannot.
SPECIAL = {
    "image_size": ("--image_size", (folders.load,), "is for a folder of images"),
    "ground": ("--ground", (folders.load,), "is for a folder of images"),
    "on_disk": ("--streaming", (tfds.load, mnist.load), "reads TFDS data sets"),
}


def load(name: str, data_dir: str | None = None, n_images: int = 0, **more: object) -> Dataset:
    """Loads a data set. The same arguments give the same images in the same order.

    Args:
      name: `mnist`; `glyphs`, `glyphs_letters`, `glyphs_all` or `glyphs_scripts` (drawn here);
        `auto` (MNIST where it lies on disk or can be fetched, else, with a warning, `glyphs`); a
        TFDS image data set with one class label (`cifar10`, `emnist/letters`); a path that ends in
        `.npz`; or a folder with a folder of images for each class.
      data_dir: where the four MNIST files, `mnist.npz` or TFDS' folders lie; None: TFDS' default.
      n_images: 0, or how many training images to keep, the first N.
      **more: the other attributes of `Request`.

    Returns:
      A `Dataset`. Its validation images are the first twelfth of the training images, at most
      5,000: for MNIST, the 55,000 / 5,000 / 10,000 of the 2017 tutorial loader. Where training
      images come class after class, they are shuffled before, the same way each time.

    Raises:
      UserError: no such data set, it cannot be fetched, or its files are not what they should be.
    """
    for flag, value in (("--dataset", name), ("--data_dir", data_dir or "")):
        if flaw := arrays.flaw_of_text(value, MAX_PATH):
            raise UserError(f"{flag}={one_line(ascii(value)[1:-1], 60)} {flaw}: give another")
    data_dir = data_dir and os.path.expanduser(data_dir)
    if data_dir and os.path.isfile(data_dir):
        raise UserError(f"--data_dir={data_dir} is a file: give the folder that it lies in")
    request = Request(name, data_dir, n_images, **more)
    source = find(name)
    for field, (flag, sources, told) in SPECIAL.items():
        value = getattr(request, field)
        if value != getattr(Request, field) and source not in sources:
            flag = flag if value is True else f"{flag}={value}"
            raise UserError(f"{flag} {told}, and --dataset={name} is none of these: omit it")
    data = source(request)
    if request.unseen:
        data = _hold_out(data, request.unseen)
    if not 0 <= n_images <= data.n_training:
        raise UserError(
            f"--n_images={n_images}, but {data.name} has {data.n_training} training images: "
            f"give at most that many, or 0 for all"
        )
    if not n_images:
        return data
    unlabelled = data.unlabelled and data.unlabelled[: max(n_images - len(data.train), 0)]
    return dataclasses.replace(data, train=data.train[:n_images], unlabelled=unlabelled)


def find(name: str) -> Callable[[Request], Dataset]:
    """Returns the source of the data set with this name."""
    ending = "." + name.rpartition(".")[2]
    if named := SOURCES.get(name) or SOURCES.get(ending):
        return named
    if folders.is_one(os.path.expanduser(name)):
        return folders.load
    return SOURCES.get(name.lower(), tfds.load)  # As TFDS takes it.


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
