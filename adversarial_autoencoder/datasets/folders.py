"""The user's own images, as everybody has them: a folder with a folder of images for each class.

Hidden files and folders, whose names start with a dot, are passed over.
"""

import os
import pathlib
import sys
from collections.abc import Callable

from adversarial_autoencoder.datasets import dataset, npz
from adversarial_autoencoder.datasets.dataset import Split
from adversarial_autoencoder.system.errors import UserError, one_line

import numpy as np
import tensorflow as tf

ENDINGS = (".png", ".jpg", ".jpeg", ".gif", ".bmp")
NAMED = 5  # Files passed over that are named; of more, the number.
TESTED = 7  # Where there is no folder of test images, every seventh of each class is one.


def is_one(path: str) -> bool:
    """Whether `--dataset` means a folder of images, and not a TFDS data set of the same name."""
    if not os.path.isdir(path):
        return False
    plainly = os.path.isabs(path) or path.startswith(".") or path.endswith(("/", os.sep))
    return plainly or any(map(_images, _folders(pathlib.Path(path))))


def read(path: str, image_size: int = 0) -> tuple[Split, Split, tuple[str, ...]]:
    """Reads the images in `<path>/<class>/`, or in `<path>/train/<class>/` and `<path>/test/…`.

    Args:
      path: of the folder.
      image_size: what height and width become: of each image the middle square is scaled. 0: as
        they are, which must be of one size.

    Returns:
      Training and test images, uint8 [n, height, width, channels], with the classes numbered in the
      order of their names; and these names. Images are grey (one channel) where all are.

    Raises:
      UserError: an image or a folder cannot be read, the sizes of images differ, or there are fewer
        than two classes.
    """
    root = pathlib.Path(path)
    by_part = _folders(root)
    if {folder.name for folder in by_part} == {"train", "test"}:
        files = [_classes(folder) for folder in sorted(by_part, reverse=True)]
        if strange := sorted(files[1].keys() - files[0].keys()):
            raise UserError(f"{root / 'test'} has the class {strange[0]}, and {root / 'train'} not")
        if files[0] and not files[1]:
            raise UserError(
                f"{root / 'test'} has no folder with images: put its images into folders named as "
                f"those in {root / 'train'}, one for each class"
            )
        _say_what_is_passed_over(root, files[0] | {"": []}, by_part)
    else:
        found = _classes(root)
        files = [{}, {}]
        for name, images in found.items():
            files[0][name] = [image for k, image in enumerate(images, 1) if k % TESTED]
            files[1][name] = images[TESTED - 1 :: TESTED]
        _say_what_is_passed_over(root, found, [root])
    names = tuple(files[0])
    if len(names) < 2:
        raise UserError(
            f"{root} has {len(names)} folders with images, and two or more are needed, one for "
            f"each class: {root / '<class>' / '*.png'}"
        )
    for name in names:
        if flaw := npz.flaw_of_text(name, npz.MAX_NAME):
            raise UserError(f"the folder {one_line(ascii(name), 60)} in {root} {flaw}: rename it")
    if not any(files[1].values()):
        raise UserError(f"{root} has fewer than {TESTED} images of each class: add some")
    images, first, sizes = [], None, []
    for part in files:
        for file in (file for own in part.values() for file in own):
            image = _scaled(_decoded(file), image_size)
            first = first or (file, image.shape)
            if image.shape[:2] != first[1][:2]:
                raise UserError(
                    f"{first[0]} is {_size(first[1])} and {file} {_size(image.shape)}: give "
                    "--image_size to scale all to one size"
                )
            images.append(image)
        sizes.append(len(images) - sum(sizes))
    labels = [
        np.repeat(np.arange(len(names)), [len(part.get(name, ())) for name in names])
        for part in files
    ]
    channels = max(image.shape[2] for image in images)
    stacked = np.empty((len(images), *first[1][:2], channels), np.uint8)
    for k in range(len(images)):
        stacked[k], images[k] = images[k], None  # Grey becomes colour where any image has colour.
    parts = np.split(stacked, [sizes[0]])
    train, test = (
        dataset.checked(own, label, str(root), str(root))
        for own, label in zip(parts, labels, strict=True)
    )
    return train, test, names


def _folders(root: pathlib.Path) -> list[pathlib.Path]:
    return _those(root, pathlib.Path.is_dir)


def _images(folder: pathlib.Path) -> list[pathlib.Path]:
    return _those(folder, lambda path: path.suffix.lower() in ENDINGS and path.is_file())


def _those(folder: pathlib.Path, wanted: Callable[[pathlib.Path], bool]) -> list[pathlib.Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.name[0] != "." and wanted(path))
    except OSError as error:
        raise UserError(
            f"{folder} cannot be read ({error.strerror}): change who may read it, or take it away"
        ) from None


def _classes(root: pathlib.Path) -> dict[str, list[pathlib.Path]]:
    found = {folder.name: _images(folder) for folder in _folders(root)}
    return {name: images for name, images in found.items() if images}


def _say_what_is_passed_over(
    root: pathlib.Path, classes: dict[str, list], parts: list[pathlib.Path]
) -> None:
    others = [] if parts == [root] else [path for path in root.iterdir() if path not in parts]
    for part in parts:
        for path in part.iterdir():
            if path.name in classes and path.is_dir():
                taken = set(_images(path))
                others += [inner for inner in path.iterdir() if inner not in taken]
            else:
                others.append(path)
    if others:
        names = ", ".join(str(path.relative_to(root)) for path in sorted(others)[:NAMED])
        more = f" and {len(others) - NAMED} more" if len(others) > NAMED else ""
        print(f"Passed over in {root}: {one_line(names)}{more}.", file=sys.stderr)


def _decoded(file: pathlib.Path) -> np.ndarray:
    """The image, uint8 [height, width, 1 or 3], without transparency."""
    try:
        with tf.device("CPU"):
            image = tf.io.decode_image(file.read_bytes(), expand_animations=False).numpy()
    except (OSError, tf.errors.OpError) as error:
        reason = one_line(str(error).split("}} ")[-1].split(" [Op:")[0], 100)
        raise UserError(f"{file} cannot be read as an image ({reason}): take it away") from None
    return image[..., : 3 if image.shape[2] > 2 else 1]


def _scaled(image: np.ndarray, size: int) -> np.ndarray:
    height, width, _ = image.shape
    if not size or height == width == size:
        return image
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = image[top : top + side, left : left + side]
    with tf.device("CPU"):
        scaled = tf.image.resize(square, [size, size], antialias=True).numpy()
    return np.rint(np.clip(scaled, 0, 255)).astype(np.uint8)


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[0]} x {shape[1]}"
