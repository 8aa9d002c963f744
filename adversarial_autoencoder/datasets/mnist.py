"""MNIST, from whichever of its homes: the same images in the same order for everybody.

Fashion-MNIST and KMNIST come in four files of the same names; their contents tell them apart.
"""

import dataclasses
import gzip
import hashlib
import math
import os
import pathlib
import struct
import zlib

from adversarial_autoencoder.datasets import arrays, npz, tfds
from adversarial_autoencoder.datasets.dataset import Dataset, Request, Split
from adversarial_autoencoder.system.errors import UserError, one_line

import numpy as np
from absl import logging

# The MD5 sums of the unpacked files; those of the packed ones depend on who packed them.
MD5 = {
    "train-images-idx3-ubyte.gz": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte.gz": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte.gz": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte.gz": "27ae3e4e09519cfbb04c329615203637",
}
NPZ = "mnist.npz"  # Keras' file.
MAX_VALUES = 60000 * 28 * 28  # Of one file.
# Asked before Keras is, whose download knows no time limit.
URL = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz"
PIECE = 1 << 20  # Bytes read at once.

# Data sets in MNIST's format: the MD5 sum of the training images, packed, as they are published;
# and the names of the classes.
LIKE_MNIST = {
    "fashion_mnist": (
        "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "T-shirt/top,Trouser,Pullover,Dress,Coat,Sandal,Shirt,Sneaker,Bag,Ankle boot".split(","),
    ),
    "kmnist": ("bdb82020997e1d708af4cf47b453dcf7", "o,ki,su,tsu,na,ha,ma,ya,re,wo".split(",")),
}


def load(request: Request) -> Dataset:
    """Loads MNIST, or one of `LIKE_MNIST`, from the first place where any of it lies.

    The four files or `mnist.npz` in `data_dir`; Keras' copy; TFDS' copy; Keras' download; TFDS'
    download. Fashion-MNIST and KMNIST: the four files, or else TFDS.

    Raises:
      UserError: it is found and is not what it should be.
      tfds.Unavailable: it is found nowhere.
    """
    request = dataclasses.replace(request, name=request.name.lower())
    folder = pathlib.Path(request.data_dir or os.devnull)
    if request.on_disk:
        return _from_tfds(request)
    if any(os.path.exists(folder / file) for file in MD5):
        return _from_files(request, folder)
    if request.name != "mnist":
        return tfds.load(request)
    keras_home = pathlib.Path(os.environ.get("KERAS_HOME", os.path.expanduser("~/.keras")))
    for path in (folder / NPZ, keras_home / "datasets" / NPZ):
        if os.path.exists(path):
            return _from_npz(request, path)
    tfds_dir = tfds.folder(request.data_dir)
    try:
        if os.path.isdir(os.path.join(tfds_dir, "mnist")):
            return _from_tfds(request)
        # An answer at once, and no TFDS to import, where there is nothing to get from it.
        tfds.require_answer(URL)
        return _from_keras(request) or _from_tfds(request)
    except tfds.Unavailable as error:
        raise tfds.Unavailable(
            f"Looked for MNIST's four .gz files and {NPZ} in --data_dir "
            f"({request.data_dir or 'none'}), for Keras' copy in {keras_home}, for TFDS' copy in "
            f"{tfds_dir}, and on the network: {error}. Put the four files or {NPZ} into a folder "
            f"and give it as --data_dir, or use --dataset=glyphs"
        ) from error


def _from_files(request: Request, folder: pathlib.Path) -> Dataset:
    if missing := [file for file in MD5 if not os.path.exists(folder / file)]:
        raise UserError(
            f"{folder} lacks {', '.join(missing)}: put all four files of --dataset={request.name} "
            f"there"
        )
    paths = [folder / file for file in MD5]
    read = [read_idx(path, MAX_VALUES) for path in paths]
    train, test = (arrays.checked(*read[k : k + 2], *map(str, paths[k : k + 2])) for k in (0, 2))
    differing = _differing(train, test)
    sum_of_packed = hashlib.md5(paths[0].read_bytes(), usedforsecurity=False).hexdigest()
    known = {packed: name for name, (packed, _) in LIKE_MNIST.items()} | {"": "mnist"}
    found = known.get(sum_of_packed if differing else "")
    if found and found != request.name:
        raise UserError(
            f"{folder} holds {found}, not {request.name}: give --dataset={found}, or another "
            f"--data_dir"
        )
    if request.name in LIKE_MNIST:
        names = LIKE_MNIST[request.name][1]
        return arrays.from_splits(request, train, test, name_of=lambda label: names[label])
    for file, own in differing.items():
        raise UserError(
            f"{folder / file} is not MNIST's: unpacked, its MD5 sum is {own} and should be "
            f"{MD5[file]}; files of Fashion-MNIST or KMNIST are read as --dataset=fashion_mnist or "
            f"kmnist"
        )
    return arrays.from_splits(request, train, test)


def _from_npz(request: Request, path: pathlib.Path) -> Dataset:
    """Keras' file. Others of that name are refused, for they would pass for MNIST ever after."""
    train, test, _ = npz.read(str(path))
    for file, own in _differing(train, test).items():
        raise UserError(
            f"{path} is not MNIST: the MD5 sum of its {file.removesuffix('-ubyte.gz')} is {own} "
            f"and should be {MD5[file]}; for your own images give --dataset={path}"
        )
    return arrays.from_splits(request, train, test)


def _from_keras(request: Request) -> Dataset | None:
    """MNIST as Keras downloads it; None where that fails."""
    import keras

    try:
        parts = keras.datasets.mnist.load_data()
    except Exception as error:  # Connections, checksums, full disks, ...
        logging.warning("Keras could not download MNIST (%s).", one_line(error))
        return None
    train, test = (arrays.checked(x, y, URL, URL) for x, y in parts)
    return arrays.from_splits(request, train, test)


def _from_tfds(request: Request) -> Dataset:
    """TFDS shuffles images as it stores them: this puts MNIST's back into the files' order."""
    from tensorflow_datasets.core import hashing

    parts, name_of = tfds.read(request)
    sums = [MD5[file] for file in MD5 if "labels" in file]
    for k, part in enumerate(("train", "test")):
        if request.name == "mnist":
            # It sorts them by the hash of their place, salted with the split's name.
            hasher = hashing.Hasher(part)
            places = sorted(range(len(parts[k])), key=hasher.hash_key)
            ordered = parts[k][np.argsort(places)]
            if _md5(ordered.labels) == sums[k]:
                parts[k] = ordered
            else:
                logging.warning("MNIST's %s images come in TFDS' order, not in MNIST's.", part)
    return tfds.to_dataset(request, parts, name_of)


def _differing(train: Split, test: Split) -> dict[str, str]:
    """The MD5 sums that are not MNIST's, by the name of the file to which they belong."""
    parts = train.images, train.labels, test.images, test.labels
    sums = dict(zip(MD5, map(_md5, parts), strict=True))
    return {file: found for file, found in sums.items() if found != MD5[file]}


def _md5(values: np.ndarray) -> str:
    """The MD5 sum of images [n, height, width, 1] or labels [n] as an unpacked idx file."""
    values = values[..., 0] if values.ndim == 4 else values
    header = struct.pack(f">HBB{values.ndim}I", 0, 8, values.ndim, *values.shape)
    checksum = hashlib.md5(header, usedforsecurity=False)
    checksum.update(np.ascontiguousarray(values, np.uint8))
    return checksum.hexdigest()


def read_idx(path: pathlib.Path, max_values: int) -> np.ndarray:
    """Reads a packed file in the format of MNIST's.

    The format: two zero bytes, 8 for unsigned bytes, the number of dimensions; then each dimension
    as four bytes, the high one first; then the values (LeCun, "The MNIST database", 1998).

    Args:
      path: a gzip file.
      max_values: how many values there may be, so that no small file unpacks to a huge one.

    Returns:
      The values, uint8 in the shape that the header gives.

    Raises:
      UserError: it cannot be unpacked, or is no such file, or holds more or less than it promises.
    """
    try:
        with gzip.open(path) as file:
            header = file.read(4)
            n_dimensions = header[3] if len(header) == 4 and header[:3] == b"\0\0\x08" else 0
            lengths = file.read(4 * n_dimensions)
            if not 1 <= n_dimensions <= 3 or len(lengths) < 4 * n_dimensions:
                raise ValueError("it is no idx file of bytes")
            shape = struct.unpack(f">{n_dimensions}I", lengths)
            promised = math.prod(shape)
            if promised > max_values:
                raise ValueError(f"it promises {promised} values, where {max_values} are the most")
            values = bytearray()
            # One more than is promised, which also makes gzip compare its checksum at the end.
            while piece := file.read(min(PIECE, promised + 1 - len(values))):
                values += piece
        if len(values) != promised:
            count = "more" if len(values) > promised else len(values)
            raise ValueError(f"it holds {count} values, but its header promises {promised}")
    except (EOFError, OSError, ValueError, zlib.error) as error:
        raise UserError(f"{path} cannot be read ({one_line(error)}): download it again") from error
    return np.frombuffer(values, np.uint8).reshape(shape)
