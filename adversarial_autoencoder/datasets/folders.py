"""The user's own images, as everybody has them: a folder with a folder of images for each class.

Hidden files and folders, and those that systems leave behind, are passed over.
"""

import os
import pathlib
import sys
from collections.abc import Callable, Iterable

from adversarial_autoencoder.datasets import arrays, image_files, npz
from adversarial_autoencoder.datasets.dataset import Dataset, Request
from adversarial_autoencoder.system.errors import UserError, one_line

import numpy as np
import tensorflow as tf

NAMED = 5  # Files that a message names; of more, the number.
TESTED = 7  # Where there is no folder of test images, every seventh of each class is one.
MAX_DEPTH = 4  # How far below its root images are looked for.

# What folders of a whole data set are called, in any case.
PARTS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation"), "validation"),
    **dict.fromkeys(("test", "testing"), "test"),
    **dict.fromkeys(("unlabeled", "unlabelled"), "unlabeled"),
}
LEFT_BEHIND = ("__MACOSX", "@eaDir", "$RECYCLE.BIN", "System Volume Information", "lost+found")

Files = dict[str, list[pathlib.Path]]  # The images by class; those without one by "".


def is_one(path: str) -> bool:
    """Whether `--dataset` means a folder of images, and not a TFDS data set of the same name."""
    if not os.path.isdir(path):
        return False
    plainly = os.path.isabs(path) or path.startswith(".") or path.endswith(("/", os.sep))
    return plainly or _with_images(pathlib.Path(path)) is not None


def load(request: Request) -> Dataset:
    """Loads the images in `<folder>/<class>/` or in `<folder>/train/<class>/`, `val/`, `test/`.

    Classes are numbered in the order of their names, as numbers where all are. Images are grey (one
    channel) where all are. With an image size, of each image the middle square is scaled to it.
    Images in a folder `unlabeled`, or in no folder of a class, have no label.

    Raises:
      UserError: images or a folder cannot be read, the sizes of images differ, or there are too
        few classes or images.
    """
    root = pathlib.Path(os.path.expanduser(request.name))
    files = _find(root)
    names = [name for name in files["train"] if name]
    if len(names) < 2 and (request.labels != "none" or not any(files["train"].values())):
        raise UserError(_no_classes(root, files["train"], names))
    for name in names:
        if flaw := arrays.flaw_of_text(name, arrays.MAX_NAME):
            raise UserError(f"the folder {one_line(ascii(name), 60)} in {root} {flaw}: rename it")
    for part in ("validation", "test"):
        _check_part(root, part, files)
    if "test" not in files:
        files["train"], files["test"] = _every_seventh(root, files["train"])
    paths = [path for part in files.values() for own in part.values() for path in own]
    _say_what_is_passed_over(root, paths)
    images = _read(root, paths, request)
    splits, start = {}, 0
    for part, own in files.items():
        labels = [names.index(name) if name else arrays.UNLABELLED for name in own]
        labels = np.repeat(np.array(labels, int), list(map(len, own.values())))
        rows = images[start : start + len(labels)]
        splits[part] = arrays.checked(rows, labels, f"{root}: {part}", f"{root}: {part}")
        start += len(labels)
    return arrays.from_splits(
        request, **splits, name=os.path.abspath(root), name_of=lambda label: names[label]
    )


# Which files there are.


def _find(root: pathlib.Path) -> dict[str, Files]:
    """The images by part and class; only the parts for which there are folders."""
    folders = {PARTS.get(folder.name.lower()): folder for folder in _folders(root)}
    if "train" in folders and None not in folders and len(folders) == len(_folders(root)) > 1:
        found = {part: _classes(folder) for part, folder in folders.items() if part != "unlabeled"}
        if "unlabeled" in folders:
            found["train"].setdefault("", []).extend(_all_images(folders["unlabeled"]))
        found = {part: found[part] for part in ("train", "validation", "test") if part in found}
    else:
        found = {"train": _classes(root)}
    return found


def _classes(root: pathlib.Path) -> Files:
    folders = _folders(root)
    found = {folder.name: images for folder in folders if (images := _images(folder))}
    if not found:  # A folder for each year, in those of the classes?
        nested = {folder.name: images for folder in folders if (images := _all_images(folder))}
        found = nested if len(nested) > 1 else {}
    if not found:
        return {"": images} if (images := _images(root)) else {}
    unlabelled = [found.pop(name) for name in list(found) if PARTS.get(name.lower()) == "unlabeled"]
    if all(name.isdecimal() for name in found):
        found = dict(sorted(found.items(), key=lambda item: int(item[0])))
    return found | ({"": sum(unlabelled, [])} if unlabelled else {})


def _folders(root: pathlib.Path) -> list[pathlib.Path]:
    return _those(root, pathlib.Path.is_dir)


def _images(folder: pathlib.Path) -> list[pathlib.Path]:
    return _those(
        folder, lambda path: path.suffix.lower() in image_files.ENDINGS and path.is_file()
    )


def _all_images(folder: pathlib.Path) -> list[pathlib.Path]:
    """The images in a folder and in the folders in it."""
    return sum(map(_images, _folders(folder)), _images(folder))


def _those(folder: pathlib.Path, wanted: Callable[[pathlib.Path], bool]) -> list[pathlib.Path]:
    def is_passed_over(name: str) -> bool:
        return name.startswith(".") or name in LEFT_BEHIND

    try:
        return sorted(p for p in folder.iterdir() if not is_passed_over(p.name) and wanted(p))
    except OSError as error:
        raise UserError(
            f"{folder} cannot be read ({error.strerror}): change who may read it, or take it away"
        ) from None


def _with_images(folder: pathlib.Path, depth: int = MAX_DEPTH) -> pathlib.Path | None:
    """The first folder at or below this one that has images in it."""
    if _images(folder):
        return folder
    below = (_with_images(inner, depth - 1) for inner in _folders(folder) if depth)
    return next(filter(None, below), None)


def _no_classes(root: pathlib.Path, files: Files, names: list[str]) -> str:
    """What is wrong where there are too few classes."""
    if not names and files:
        return (
            f"{root} has images, and no folder of them for each class, which this script needs: "
            f"make such folders (parts 1 and 2 take the images as they are)"
        )
    place = None if names else _with_images(root)
    if place and place != root:
        place = place.parent
        place = place.parent if place.name.lower() in PARTS and place != root else place
        return f"{root} has no images in its folders; they lie deeper: give --dataset={place}"
    return (
        f"{root} has {len(names)} folders with images, and two or more are needed, one for "
        f"each class: {root / '<class>' / '*.png'}{' (parts 1 and 2 take one)' * len(names)}"
    )


def _check_part(root: pathlib.Path, part: str, files: dict[str, Files]) -> None:
    """Compares the classes of the validation or test images with those that are trained on."""
    if part not in files:
        return
    if strange := sorted(files[part].keys() - files["train"].keys() - {""}):
        raise UserError(f"{root}: {part} has the class {strange[0]}, and train not")
    labelled = any(files["train"].values()) and set(files["train"]) != {""}
    if not files[part] or (labelled and set(files[part]) == {""}):
        raise UserError(
            f"{root}: {part} has no folder with images: put its images into folders named as "
            f"those in train, one for each class"
        )


def _every_seventh(root: pathlib.Path, files: Files) -> tuple[Files, Files]:
    """Divides the images of each class into those for training and those for testing."""
    flat = set(files) == {""}
    tested = {
        name: own[TESTED - 1 :: TESTED] if name or flat else [] for name, own in files.items()
    }
    kept = {name: [p for p in own if p not in set(tested[name])] for name, own in files.items()}
    if not any(tested.values()):
        raise UserError(f"{root} has fewer than {TESTED} images of each class: add some")
    if small := [name for name, own in tested.items() if name and not own]:
        print(
            f"{root}: every {TESTED}th image is for testing, and none shows {_listed(small)}: "
            f"fewer than {TESTED} images.",
            file=sys.stderr,
        )
    return kept, {name: own for name, own in tested.items() if own}


def _say_what_is_passed_over(root: pathlib.Path, taken: Iterable[pathlib.Path]) -> None:
    known = {root, *taken} | {folder for path in taken for folder in path.parents}
    folders = [path for path in known if path.is_dir() and (path == root or root in path.parents)]
    if others := sorted(p for folder in folders for p in folder.iterdir() if p not in known):
        names = _listed([str(path.relative_to(root)) for path in others])
        print(f"Passed over in {root}: {names}.", file=sys.stderr)


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return one_line(", ".join(names[:NAMED])) + more


# What they show.


def _read(root: pathlib.Path, paths: list[pathlib.Path], request: Request) -> np.ndarray:
    """The images, uint8 [n, height, width, channels], of the requested size or of one."""
    images, unreadable, transparent, n_bytes = [], [], 0, 0
    for path in paths:
        try:
            image, is_transparent = image_files.read(path, request.ground)
        except UserError as error:
            unreadable.append(str(error))
            continue
        images.append(_scaled(image, request.image_size))
        transparent += is_transparent
        n_bytes += images[-1].nbytes
        if n_bytes > (available := npz.available_memory()):
            raise UserError(
                f"{root} takes more than the {available:.0f} bytes of memory that are free: give "
                f"a smaller --image_size, or fewer images"
            )
    if unreadable:
        raise UserError(
            f"{len(unreadable)} of {len(paths)} images cannot be read: take them away: "
            f"{'; '.join(sorted(unreadable)[:NAMED])}"
        )
    for path, image in zip(paths, images, strict=True):
        if image.shape[:2] != images[0].shape[:2]:
            raise UserError(
                f"{paths[0]} is {_size(images[0])} and {path} {_size(image)}: give "
                f"--image_size to scale all to one size"
            )
    if transparent:
        print(
            f"{root}: {transparent} of {len(paths)} images are transparent and shown on "
            f"{request.ground} (--ground).",
            file=sys.stderr,
        )
    channels = max(image.shape[2] for image in images)
    stacked = np.empty((len(images), *images[0].shape[:2], channels), np.uint8)
    for k in range(len(images)):
        stacked[k], images[k] = images[k], None  # Grey becomes colour where any image has colour.
    return stacked


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


def _size(image: np.ndarray) -> str:
    return f"{image.shape[0]} x {image.shape[1]}"
