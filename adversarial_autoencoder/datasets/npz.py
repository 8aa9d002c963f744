"""The user's own images in an `.npz`, as `numpy.savez` and `numpy.savez_compressed` write it.

NumPy's own reader reads it. Before, what each array promises (its shape, its type, its bytes) is
compared with what is stored, so that nothing is allocated for a promise.
"""

import contextlib
import dataclasses
import io
import math
import os
import pathlib
import pickle
import warnings
import zipfile
from collections.abc import Iterator

from adversarial_autoencoder.datasets import arrays
from adversarial_autoencoder.datasets.dataset import Dataset, Request, Split
from adversarial_autoencoder.system.errors import UserError, one_line

import numpy as np

# How many times an array may be larger than what it was packed into. Deflate does not get beyond
# 1032; of large files, no images do beyond a tenth of that, and a few MB can be made to be GB.
MAX_RATIO, MAX_RATIO_OF_LARGE = 1032, 200
LARGE = 1 << 30

MAX_HEADER = 10_000  # What NumPy takes.
MAX_NAMES = 64 << 20  # Bytes of all.

# What an `.npz` may tell of each image, called as the fields of a `Split`: the key of its names,
# and the types that it may have.
COLUMNS = {
    "factors": ("factor_names", "biuf", "finite numbers"),
    "visible": ("factor_names", "b", "true or false (bool)"),
    "pose": ("pose_names", "iu", "integers"),
}


def load(request: Request) -> Dataset:
    """Loads the data set in an `.npz`.

    Raises:
      UserError: it is no such file, damaged, or larger than the memory that is there.
    """
    path = os.path.expanduser(request.name)
    train, test, class_names = read(path)
    train, test = arrays.without_colour(train, test)
    data = arrays.from_splits(request, train, test, name=path)
    if class_names is None:
        return data
    if class_names.shape != (len(data.class_names),):
        raise UserError(
            f"{path}: class_names has shape {class_names.shape}, but the labels have "
            f"{len(data.class_names)} classes: give one name for each, in the order of the labels"
        )
    if (train.labels == arrays.UNLABELLED).all():
        return data
    places = np.argsort(np.argsort([int(value) for value in data.class_names]))
    return dataclasses.replace(data, class_names=tuple(class_names[places].tolist()))


def read(path: str) -> tuple[Split, Split, np.ndarray | None]:
    """Reads the arrays of a file.

    Args:
      path: of a file with `x_train`, `x_test` and, unless no image has a label, `y_train` and
        `y_test`; and perhaps `class_names` (text [n_classes]); `factor_names` (text [n_factors]),
        `factors_train` and `factors_test` (numbers [n, n_factors]); with these `visible_train` and
        `visible_test` (bool [n, n_factors]); `pose_names` (text [n_pose]), `pose_train` and
        `pose_test` (integers [n, n_pose]).

    Returns:
      Training and test images with the labels of the file, and the class names or None.

    Raises:
      UserError: it is no such file, damaged, or larger than the memory that is there.
    """
    if not os.path.isfile(path):
        problem = "is a folder" if os.path.isdir(path) else "does not exist"
        raise UserError(f"{path} {problem}: give --dataset the path of an .npz")
    with _one_line_each(path), zipfile.ZipFile(path) as archive:
        members = _members(archive, path)
        return _split(members, "train"), _split(members, "test"), _names(members, "class_names")


@contextlib.contextmanager
def _one_line_each(where: str) -> Iterator[None]:
    """Turns each way in which an archive or an array can be broken into one line."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python's parser has opinions on what is no header.
            yield
    except UserError:
        raise
    except Exception as error:  # zipfile, zlib, NumPy and Python's parser each raise their own.
        raise UserError(
            f"{where} cannot be read ({one_line(error)}): write it with numpy.savez"
        ) from error


class _Member:
    """An array in an `.npz`, of which the header alone was read and its promise checked."""

    def __init__(self, archive: zipfile.ZipFile, info: zipfile.ZipInfo, where: str):
        self.archive, self.info, self.where = archive, info, where
        readers = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }
        with _one_line_each(where):
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                # Of the others Python unpacks a piece of the file at once, however much it gives.
                raise ValueError("it is packed in a way that NumPy does not use")
            with archive.open(info) as file:
                begin = io.BytesIO(file.read(MAX_HEADER + 12))
            read_header = readers[np.lib.format.read_magic(begin)]
            self.shape, _, self.dtype = read_header(begin, max_header_size=MAX_HEADER)
            if self.dtype.hasobject and not where.endswith("_names"):
                raise ValueError("it holds Python objects, which need pickle: store numbers")
            stored = info.file_size - begin.tell()
            promised = math.prod(self.shape) * self.dtype.itemsize
            self.n_bytes = stored if self.dtype.hasobject else promised
            packed = min(info.compress_size, os.path.getsize(archive.filename))
            most = MAX_RATIO_OF_LARGE if info.file_size > LARGE else MAX_RATIO
            most = 1 if info.compress_type == zipfile.ZIP_STORED else most
            if min(self.shape, default=0) < 0 or self.n_bytes != stored:
                raise ValueError(f"its header promises {promised} bytes, and {stored} are stored")
            if info.file_size > packed * most:
                raise ValueError(
                    f"it unpacks from {packed} to {info.file_size} bytes, which no images do"
                )

    def read(self) -> np.ndarray:
        with _one_line_each(self.where), self.archive.open(self.info) as file:
            return np.lib.format.read_array(file, allow_pickle=False)


def _members(archive: zipfile.ZipFile, path: str) -> dict[str, _Member]:
    """The arrays that are read, by their key, each and their sizes together checked."""
    infos = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
    if len(infos) < len(archive.infolist()):
        raise UserError(f"{path} holds an array twice: write it with numpy.savez")
    keys = ["x_train", "x_test"]
    keys += ["y_train", "y_test"] if {"y_train", "y_test"} & infos.keys() else []
    for field, (names, *_) in COLUMNS.items():
        given = {f"{field}_train", f"{field}_test"} & infos.keys()
        if names in infos if field == "pose" else given:  # Poses without names are not read.
            keys += [names, f"{field}_train", f"{field}_test"]
    if missing := [key for key in keys if key not in infos]:
        present = one_line(", ".join(infos) or "nothing")
        raise UserError(f"{path} lacks {missing[0]}: it holds {present}")
    keys += ["class_names"] if "class_names" in infos else []
    members = {key: _Member(archive, infos[key], f"{path}: {key}") for key in keys}
    needed = 0
    for key, member in members.items():
        if key[:2] == "x_":
            arrays.check_images(member.shape, member.dtype, member.where)
        elif key[:2] == "y_":
            arrays.check_labels(member.shape, member.dtype, member.where)
        elif key.endswith("_names"):
            n_images = members["x_train"].shape[0] + members["x_test"].shape[0]
            if math.prod(member.shape) > n_images or member.n_bytes > MAX_NAMES:
                raise UserError(
                    f"{member.where} has shape {one_line(member.shape, 80)} and {member.n_bytes} "
                    f"bytes, more than names take: give one short name for each"
                )
        # Images are kept as bytes; while they are converted, they are there twice.
        needed += member.n_bytes + math.prod(member.shape) * (member.dtype.kind in "uif")
    if needed > (available := available_memory()):
        raise UserError(
            f"{path} takes {needed} bytes of memory, and {available:.0f} are free: "
            f"store fewer images, or store them as uint8"
        )
    return members


def _split(members: dict[str, _Member], part: str) -> Split:
    """The images of a part, and all that is told of them."""
    x, y = members[f"x_{part}"], members.get(f"y_{part}")
    images = x.read()
    labels = y.read() if y else np.full(len(images), arrays.UNLABELLED)
    split = arrays.checked(images, labels, x.where, y.where if y else x.where)
    found = {}
    for field, (key, kinds, wanted) in COLUMNS.items():
        if (member := members.get(f"{field}_{part}")) is None:
            continue
        names, values = _names(members, key).ravel().tolist(), member.read()
        is_right = values.dtype.kind in kinds and values.shape == (len(split), len(names))
        if not is_right or not np.all(np.isfinite(values)):
            raise UserError(
                f"{member.where} is {values.dtype} of shape {values.shape}, but must be {wanted} "
                f"[{len(split)}, {len(names)}], a column for each of {key}"
            )
        others = found.get("factors", ()) if field == "pose" else ()
        if twice := [k for k, name in enumerate(names) if name in [*names[:k], *others]]:
            raise UserError(
                f"{members[key].where} has {names[twice[0]]}, another column's name: rename one"
            )
        found[field] = dict(zip(names, values.T, strict=True))
    return dataclasses.replace(split, **found)


def _names(members: dict[str, _Member], key: str) -> np.ndarray | None:
    """Names, as str: each one short line, since they go into tables, pictures and files."""
    if key not in members:
        return None
    member = members[key]
    with _one_line_each(member.where):
        values = _text_of_objects(member) if member.dtype.hasobject else member.read()
        values = np.char.decode(values, "utf-8") if values.dtype.kind == "S" else values.astype(str)
        for name in values.ravel().tolist():
            if flaw := arrays.flaw_of_text(name, arrays.MAX_NAME):
                raise UserError(
                    f"{member.where} has the name {one_line(ascii(name), 60)}, which {flaw}: "
                    f"give short names of one line"
                )
        return values


class _TextOnly(pickle.Unpickler):
    """Reads how NumPy pickles an array of str, as pandas makes them, and nothing else.

    Whatever the file names, nothing of it is imported or called: `_Stub` stands for it.
    """

    def find_class(self, module: str, name: str) -> type:
        return _Stub


class _Stub:
    def __init__(self, *args: object):
        self.state = None

    def __setstate__(self, state: object):
        self.state = state


def _text_of_objects(member: _Member) -> np.ndarray:
    """An array of Python objects that are all str."""
    with member.archive.open(member.info) as file:
        file.read(member.info.file_size - member.n_bytes)  # The header.
        array = _TextOnly(file).load()
    names = array.state[-1]
    if not isinstance(names, list) or not all(type(name) is str for name in names):
        raise ValueError("it holds Python objects that are no text")
    return np.array(names).reshape(member.shape)


def available_memory() -> float:
    """Returns how many bytes can be had without swapping, where the system tells; else infinity."""
    try:
        lines = pathlib.Path("/proc/meminfo").read_text().splitlines()
        return 1024 * next(int(line.split()[1]) for line in lines if "MemAvailable" in line)
    except (OSError, ValueError, StopIteration):
        return math.inf
