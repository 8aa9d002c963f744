"""Files that hold images: MNIST's packed idx files, and the user's own `.npz`.

Whatever a file holds, it ends in images or in a `UserError`. What an array promises (its shape, its
type, its bytes) is checked before anything is allocated for it.
"""

import contextlib
import dataclasses
import gzip
import hashlib
import io
import math
import os
import pathlib
import struct
import unicodedata
import warnings
import zipfile
import zlib
from collections.abc import Iterator

from adversarial_autoencoder.datasets import dataset
from adversarial_autoencoder.datasets.dataset import Split
from adversarial_autoencoder.system.errors import UserError, one_line

import numpy as np

PIECE = 1 << 20  # Bytes read at once.

# How many times an array may be larger than what it was packed into. Deflate does not get beyond
# 1032; of large files, no images do beyond a tenth of that, and a few MB can be made to be GB.
MAX_RATIO, MAX_RATIO_OF_LARGE = 1032, 200
LARGE = 1 << 30

MAX_HEADER = 10_000  # What NumPy takes.
MAX_DIMENSIONS = 32
MAX_NAME = 100  # Characters.
MAX_NAMES = 64 << 20  # Bytes of all.

# What an `.npz` may tell of each image, called as the fields of a `Split`: the key of its names,
# the types that it may have, and what messages ask for.
COLUMNS = {
    "factors": ("factor_names", "biuf", "finite numbers: number what has names"),
    "visible": ("factor_names", "b", "true or false: store it as bool"),
    "pose": ("pose_names", "iu", "integers: number what has names"),
}

# MNIST's own files.


def read_idx(path: pathlib.Path, max_values: int) -> tuple[np.ndarray, str]:
    """Reads a packed file in the format of MNIST's.

    The format: two zero bytes, 8 for unsigned bytes, the number of dimensions; then each dimension
    as four bytes, the high one first; then the values (LeCun, "The MNIST database", 1998).

    Args:
      path: a gzip file.
      max_values: how many values there may be, so that no small file unpacks to a huge one.

    Returns:
      The values, uint8 in the shape that the header gives; the MD5 sum of the unpacked bytes.

    Raises:
      UserError: it cannot be unpacked, or is no such file, or holds more or less than it promises.
    """
    try:
        with gzip.open(path) as file:
            header = file.read(4)
            n_dimensions = header[3] if len(header) == 4 and header[:3] == b"\0\0\x08" else 0
            header += file.read(4 * n_dimensions)
            if not 1 <= n_dimensions <= 3 or len(header) < 4 + 4 * n_dimensions:
                raise UserError(
                    f"{path} is no idx file of bytes, as MNIST's are: download it again"
                )
            shape = struct.unpack_from(f">{n_dimensions}I", header, 4)
            promised = math.prod(shape)
            if promised > max_values:
                raise UserError(
                    f"{path} promises {promised} values, and MNIST's files have at most "
                    f"{max_values}: download it again"
                )
            values = bytearray()
            # One more than is promised, which also makes gzip compare its checksum at the end.
            while piece := file.read(min(PIECE, promised + 1 - len(values))):
                values += piece
    except EOFError:
        raise UserError(f"{path} is truncated: download it again") from None
    except (OSError, zlib.error) as error:
        raise UserError(
            f"{path} cannot be unpacked ({one_line(error)}): download it again"
        ) from error
    if len(values) != promised:
        count = "more" if len(values) > promised else len(values)
        raise UserError(
            f"{path} holds {count} values, but its header promises {promised}: download it again"
        )
    checksum = hashlib.md5(header, usedforsecurity=False)
    checksum.update(values)
    return np.frombuffer(values, np.uint8).reshape(shape), checksum.hexdigest()


# The user's own file.


@dataclasses.dataclass(frozen=True)
class _Member:
    """An array in an `.npz`, of which the header alone was read."""

    info: zipfile.ZipInfo
    where: str  # What messages call it.
    shape: tuple[int, ...]
    dtype: np.dtype
    order: str
    start: int  # Where its values begin.

    @property
    def n_bytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize


def read_npz(path: str) -> tuple[Split, Split, np.ndarray | None]:
    """Reads images and labels from a file as `numpy.savez` and `numpy.savez_compressed` write it.

    Args:
      path: of a file with `x_train`, `y_train`, `x_test`, `y_test`, and perhaps `class_names` (text
        [n_classes]); `factor_names` (text [n_factors]), `factors_train` and `factors_test`
        (numbers [n, n_factors]); with these `visible_train` and `visible_test` (bool
        [n, n_factors]); `pose_names` (text [n_pose]), `pose_train` and `pose_test` (integers
        [n, n_pose]).

    Returns:
      Training and test images with the labels of the file, and the class names or None.

    Raises:
      UserError: it is no such file, damaged, or larger than the memory that is there.
    """
    if not os.path.isfile(path):
        problem = "is a folder" if os.path.isdir(path) else "does not exist"
        raise UserError(f"{path} {problem}: give --dataset the path of an .npz")
    with _readable(path):
        try:
            archive = zipfile.ZipFile(path)
        except zipfile.BadZipFile:
            raise UserError(
                f"{path} is no .npz, or not a whole one: write it with numpy.savez"
            ) from None
        with archive:
            return _read(archive, path)


@contextlib.contextmanager
def _readable(path: str) -> Iterator[None]:
    """Turns each way in which an archive or an array can be broken into one line."""
    try:
        yield
    except UserError:
        raise
    except MemoryError:
        raise UserError(f"{path} takes more memory than there is: store fewer images") from None
    except Exception as error:  # zipfile, zlib, NumPy and Python's parser each raise their own.
        raise UserError(
            f"{path} cannot be read ({one_line(error)}): write it with numpy.savez"
        ) from error


def _read(archive: zipfile.ZipFile, path: str) -> tuple[Split, Split, np.ndarray | None]:
    infos = {}
    for info in archive.infolist():
        key = info.filename.removesuffix(".npy")
        if key in infos:
            raise UserError(f"{path} holds {one_line(key)} twice: write it with numpy.savez")
        infos[key] = info
    keys = ["x_train", "y_train", "x_test", "y_test"]
    if any(key.startswith("factors_") for key in infos):
        keys += ["factor_names", "factors_train", "factors_test"]
        if any(key.startswith("visible_") for key in infos):
            keys += ["visible_train", "visible_test"]
    if "pose_names" in infos:
        keys += ["pose_names", "pose_train", "pose_test"]
    if missing := [key for key in keys if key not in infos]:
        present = one_line(", ".join(infos) or "nothing")
        raise UserError(f"{path} lacks {missing[0]}: it holds {present}")
    if "class_names" in infos:
        keys.append("class_names")
    members = {key: _member(archive, infos[key], f"{path}: {key}") for key in keys}
    for key, member in members.items():
        if key[:2] == "x_":
            dataset.check_images(member.shape, member.dtype, member.where)
        elif key[:2] == "y_":
            dataset.check_labels(member.shape, member.dtype, member.where)
        _check_size(member, os.path.getsize(path))
    n_labels = sum(math.prod(members[f"y_{part}"].shape) for part in ("train", "test"))
    for member in (members[key] for key in keys if key.endswith("_names")):
        if math.prod(member.shape) > n_labels or member.n_bytes > MAX_NAMES:
            raise UserError(
                f"{member.where} has shape {one_line(member.shape, 80)} and {member.n_bytes} "
                f"bytes, more than names take: give one short name for each"
            )
    # Images are kept as bytes; while they are converted, they are there twice.
    needed = sum(member.n_bytes for member in members.values())
    needed += sum(math.prod(m.shape) for m in members.values() if m.dtype.kind in "uif")
    if needed > (available := _available_memory()):
        raise UserError(
            f"{path} takes {needed} bytes of memory, and {available:.0f} are free: "
            f"store fewer images, or store them as uint8"
        )

    def read_part(part: str) -> Split:
        x, y = (members[f"{key}_{part}"] for key in "xy")
        split = dataset.checked(_values(archive, x), _values(archive, y), x.where, y.where)
        found = {
            field: _columns(archive, members, field, part, len(split), path)
            for field in COLUMNS
            if f"{field}_{part}" in members
        }
        if both := sorted(found.get("factors", {}).keys() & found.get("pose", {}).keys()):
            raise UserError(
                f"{path}: {both[0]} stands in factor_names and in pose_names: rename one of them"
            )
        return dataclasses.replace(split, **found)

    class_names = _text(archive, members["class_names"]) if "class_names" in members else None
    return read_part("train"), read_part("test"), class_names


def _columns(
    archive: zipfile.ZipFile,
    members: dict[str, _Member],
    field: str,
    part: str,
    n_images: int,
    path: str,
) -> dict[str, np.ndarray]:
    """The columns of an array [n_images, n_names] by name; `field` is one of `COLUMNS`."""
    key, kinds, wanted = COLUMNS[field]
    names, values = _text(archive, members[key]), _values(archive, members[f"{field}_{part}"])
    if names.ndim != 1 or values.shape != (n_images, len(names)):
        raise UserError(
            f"{path}: {field}_{part} has shape {values.shape}, but {n_images} images and "
            f"{names.size} {key} are there: make it [{n_images}, {names.size}]"
        )
    if values.dtype.kind not in kinds or not np.all(np.isfinite(values)):
        raise UserError(f"{path}: {field}_{part} must be {wanted}")
    distinct, counts = np.unique(names, return_counts=True)
    if len(distinct) < len(names):
        raise UserError(f"{path}: {key} has {distinct[np.argmax(counts)]} twice: rename one")
    return dict(zip(names.tolist(), values.T, strict=True))


def _text(archive: zipfile.ZipFile, member: _Member) -> np.ndarray:
    """Names, as str: each one short line, since they go into tables, pictures and files."""
    values = _values(archive, member)
    if values.dtype.kind == "S":
        values = np.char.decode(values, "utf-8")
    for name in values.astype(str).ravel().tolist():
        problem = flaw_of_text(name, MAX_NAME)
        if problem:
            raise UserError(
                f"{member.where} has the name {one_line(ascii(name), 60)}, which {problem}: "
                f"give short names of one line"
            )
    return values.astype(str)


def flaw_of_text(text: str, max_length: int) -> str:
    """Returns why text cannot stand in a line of a file or a table ("has ..."), or "" if it can."""
    if len(text) > max_length:
        return f"has {len(text)} characters, where {max_length} are the most"
    categories = set(map(unicodedata.category, text))
    if "Cs" in categories:
        return "is no valid Unicode"
    return "has a line break or another control character" * bool(categories & {"Cc", "Zl", "Zp"})


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, where: str) -> _Member:
    """Reads the array's header, in the format of `numpy.lib.format`."""
    if info.flag_bits & 1:
        raise UserError(f"{where} is encrypted: write it with numpy.savez")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        # Of the others Python unpacks a piece of the file at once, however much that gives.
        raise UserError(
            f"{where} is packed in a way that NumPy does not use (method {info.compress_type}): "
            f"write it with numpy.savez or numpy.savez_compressed"
        )
    with archive.open(info) as file:
        begin = io.BytesIO(file.read(MAX_HEADER + 12))
    if begin.getvalue()[:6] != np.lib.format.MAGIC_PREFIX:
        raise UserError(f"{where} is no array: write it with numpy.savez")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python's parser has opinions on text that is no header.
        try:
            version = np.lib.format.read_magic(begin)
            read = {
                (1, 0): np.lib.format.read_array_header_1_0,
                (2, 0): np.lib.format.read_array_header_2_0,
            }[version]
            shape, fortran_order, dtype = read(begin, max_header_size=MAX_HEADER)
        except Exception as error:  # A dozen types, from KeyError to RecursionError.
            raise UserError(
                f"{where} has a broken header ({one_line(error)}): write it with numpy.savez"
            ) from error
    is_shape = all(type(length) is int and 0 <= length < 2**63 for length in shape)
    if not is_shape or len(shape) > MAX_DIMENSIONS:
        raise UserError(
            f"{where} has the shape {one_line(shape, 80)}, which no array has: "
            f"write it with numpy.savez"
        )
    if dtype.hasobject:
        raise UserError(
            f"{where} holds Python objects, which need pickle and are not read: store numbers"
        )
    return _Member(info, where, shape, dtype, "F" if fortran_order else "C", begin.tell())


def _check_size(member: _Member, file_size: int) -> None:
    """Compares what the header promises, what the archive declares, and what is there."""
    stored = member.info.file_size - member.start
    if member.n_bytes != stored:
        raise UserError(
            f"{member.where} promises {one_line(member.n_bytes, 40)} bytes (shape "
            f"{one_line(member.shape, 80)}, {one_line(member.dtype, 80)}), but {stored} are "
            f"stored: write it with numpy.savez"
        )
    packed = min(member.info.compress_size, file_size)
    most = MAX_RATIO_OF_LARGE if member.info.file_size > LARGE else MAX_RATIO
    if member.info.compress_type == zipfile.ZIP_STORED:
        most = 1
    if member.info.file_size > packed * most:
        raise UserError(
            f"{member.where} unpacks from {packed} to {member.info.file_size} bytes, which no "
            f"images do: if that is what it should be, write it with numpy.savez, uncompressed"
        )


def _values(archive: zipfile.ZipFile, member: _Member) -> np.ndarray:
    values = bytearray(member.n_bytes)
    view = memoryview(values)
    with archive.open(member.info) as file:
        file.read(member.start)  # Not `seek`, after which Python may compare no checksum.
        n_read = 0
        while n := file.readinto(view[n_read : n_read + PIECE]):
            n_read += n
    if n_read != member.n_bytes:
        raise UserError(f"{member.where} is truncated: write it with numpy.savez")
    return np.ndarray(member.shape, member.dtype, values, order=member.order)


def _available_memory() -> float:
    """Bytes that can be had without swapping, where the system tells; else infinity."""
    try:
        lines = pathlib.Path("/proc/meminfo").read_text().splitlines()
        return 1024 * next(int(line.split()[1]) for line in lines if "MemAvailable" in line)
    except (OSError, ValueError, StopIteration):
        return math.inf
