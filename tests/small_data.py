"""Small data sets in files, and what loading a bad one says."""

import io
import struct
import zipfile

from adversarial_autoencoder import datasets
from adversarial_autoencoder.system.errors import UserError

import numpy as np
import pytest


def images(n, shape=(6, 5), seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, *shape), dtype=np.uint8)


def labels(n, n_classes=3):
    """0, 1, 2, 0, 1, 2, ... beginning with 1, so that they are not sorted."""
    return ((np.arange(n) + 1) % n_classes).astype(np.int64)


def good_arrays():
    """What a good file of 48 + 12 images holds."""
    return {
        "x_train": images(48),
        "y_train": labels(48),
        "x_test": images(12, seed=1),
        "y_test": labels(12),
    }


def write_npz(folder, name="own.npz", drop=(), **changes):
    """A good file, but for the changes."""
    arrays = good_arrays() | changes
    path = folder / name
    np.savez(path, **{key: value for key, value in arrays.items() if key not in drop})
    return str(path)


def npy(array, header=None, version=1, **changes):
    """The bytes of an array as NumPy stores it, but for what its header says."""
    promised = np.lib.format.header_data_from_array_1_0(array) | changes
    header = repr(promised).encode() if header is None else header
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    begin = np.lib.format.MAGIC_PREFIX + bytes([version, 0]) + struct.pack("<H", len(header))
    return begin + header + array.tobytes("F" if promised["fortran_order"] else "C")


def zipped(members, method=zipfile.ZIP_STORED):
    """An archive of these bytes, as `numpy.savez` names its members."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", method) as file:
        for key, content in members.items():
            file.writestr(f"{key}.npy", content)
    return archive.getvalue()


def idx_bytes(array):
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    return header + array.astype(np.uint8).tobytes()


def complaint(name, data_dir=None, n_images=0):
    """The one line of the `UserError` that loading ends in."""
    with pytest.raises(UserError) as caught:
        datasets.load(name, data_dir, n_images)
    message = str(caught.value)
    assert "\n" not in message
    return message
