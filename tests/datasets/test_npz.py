"""Files of images: what is read, and the one line about each that is not as it should be."""

import gzip
import pathlib
import pickle
import re
import struct
import tracemalloc
import warnings
import zipfile

from adversarial_autoencoder import datasets
from adversarial_autoencoder.datasets import mnist, npz
from adversarial_autoencoder.system.errors import UserError

import numpy as np
import pytest
from small_data import complaint, good_arrays, idx_bytes, images, labels, npy, write_npz, zipped

PARTS = ("train", "test")

# The user's own .npz.


def test_floats_are_rounded_to_256_levels(tmp_path):
    levels = images(48)
    path = write_npz(tmp_path, x_train=((levels - 0.3) / 255).clip(0, 1).astype(np.float32))
    dataset = datasets.load(path)
    together = np.concatenate([dataset.validation.images, dataset.train.images])
    np.testing.assert_array_equal(together[..., 0], levels)


def test_wider_integers_within_range_are_taken(tmp_path):
    dataset = datasets.load(write_npz(tmp_path, x_train=images(48).astype(np.int64)))
    np.testing.assert_array_equal(dataset.train.images[..., 0], images(48)[4:])


def test_integers_0_and_1_are_taken_with_a_warning(tmp_path, caplog):
    datasets.load(write_npz(tmp_path, x_train=images(48) // 128))
    assert "almost black" in caplog.text


def test_labels_of_any_values_are_numbered_in_sorted_order(tmp_path):
    values = np.array([-3, 10, 700])
    path = write_npz(tmp_path, y_train=values[labels(48)], y_test=values[labels(12)][:, None])
    dataset = datasets.load(path)
    np.testing.assert_array_equal(dataset.train.labels, labels(48)[4:])
    np.testing.assert_array_equal(dataset.test.labels, labels(12))
    assert dataset.class_names == ("-3", "10", "700")


def test_class_names_are_taken_from_the_file(tmp_path):
    dataset = datasets.load(write_npz(tmp_path, class_names=np.array(["ape", "bee", "cat"])))
    assert dataset.class_names == ("ape", "bee", "cat")
    assert "class_names" in complaint(write_npz(tmp_path, class_names=np.array(["ape", "bee"])))


def test_names_of_dtype_object_are_taken_where_all_are_text(tmp_path):
    names = np.array(["ape", "bee", "cät"], object)
    assert datasets.load(write_npz(tmp_path, class_names=names)).class_names == tuple(names)
    message = complaint(write_npz(tmp_path, class_names=np.array(["ape", "bee", 3], object)))
    assert "class_names cannot be read" in message and "no text" in message


class Harmful:
    """Makes a file in the working directory when it is unpickled."""

    def __reduce__(self):
        return open, ("harm", "w")


@pytest.mark.parametrize("names", [[Harmful(), "bee", "cat"], [["ape"], "bee", "cat"]])
def test_what_a_pickle_names_is_neither_imported_nor_called(names, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    array = np.empty(3, object)
    array[:] = names
    assert "class_names cannot be read" in complaint(write_npz(tmp_path, class_names=array))
    for content in (pickle.dumps(Harmful()), pickle.dumps("ape"), b"", b"\x80\x04cos\nsystem\n."):
        member = npy(np.zeros(0), shape=(3,), descr="|O") + content
        assert "class_names cannot be read" in complaint(hostile(tmp_path, class_names=member))
    assert not (tmp_path / "harm").exists()


def test_grey_stored_in_colour_is_grey_and_a_pixel_of_colour_keeps_three(tmp_path):
    grey = {f"x_{part}": np.repeat(good_arrays()[f"x_{part}"][..., None], 3, -1) for part in PARTS}
    data = datasets.load(write_npz(tmp_path, **grey))
    assert data.fingerprint == datasets.load(write_npz(tmp_path, "plain.npz")).fingerprint
    grey["x_test"][-1, -1, -1, 2] ^= 1
    assert datasets.load(write_npz(tmp_path, **grey)).image_shape == (6, 5, 3)


def test_factors_are_cut_with_their_images(tmp_path):
    factors = {"factors_train": np.arange(96).reshape(48, 2), "factors_test": np.ones((12, 2))}
    path = write_npz(tmp_path, factor_names=np.array(["hair", "eyes"]), **factors)
    dataset = datasets.load(path, n_images=5)
    np.testing.assert_array_equal(dataset.train.factors["hair"], [8, 10, 12, 14, 16])
    np.testing.assert_array_equal(dataset.validation.factors["eyes"], [1, 3, 5, 7])
    assert set(dataset.test.factors) == {"hair", "eyes"}
    assert datasets.load(write_npz(tmp_path)).train.factors == {}


POSE = {"pose_train": np.arange(48)[:, np.newaxis], "pose_test": np.ones((12, 1), np.uint8)}
VISIBLE = {"visible_train": np.arange(48)[:, np.newaxis] > 9, "visible_test": np.ones((12, 1)) > 0}
FACTORS = {"factors_train": np.ones((48, 1)), "factors_test": np.ones((12, 1))}
NAMES = {"factor_names": np.array(["hair"]), "pose_names": np.array(["frame"])}


def test_pose_and_what_is_visible_are_cut_with_their_images(tmp_path):
    dataset = datasets.load(write_npz(tmp_path, **POSE, **VISIBLE, **FACTORS, **NAMES))
    np.testing.assert_array_equal(dataset.train[:2].pose["frame"], [4, 5])
    np.testing.assert_array_equal(dataset.train.visible["hair"][4:8], [False, False, True, True])
    plain = write_npz(tmp_path, "plain.npz", **POSE, **FACTORS, factor_names=NAMES["factor_names"])
    plain = datasets.load(plain)  # Poses without names are not read.
    assert plain.test.pose == plain.test.visible == {}
    assert plain.fingerprint != dataset.fingerprint


@pytest.mark.parametrize(
    "changes, told",
    [
        (
            {"pose_train": np.ones((48, 2), int)},
            r"pose_train is int64 of shape \(48, 2\), but must be integers \[48, 1\]",
        ),
        ({"pose_test": np.full((12, 1), 0.5)}, "pose_test is float64 .* must be integers"),
        ({"visible_test": np.ones((12, 1))}, "visible_test is float64 .* must be true or false"),
        ({"visible_train": np.ones((4, 1)) > 0}, r"visible_train is bool of shape \(4, 1\)"),
        ({"pose_names": ["hair"]}, "pose_names has hair, another column's name: rename one"),
        (
            {"pose_names": ["a", "a"], "pose_train": np.ones((48, 2), int)},
            "pose_names has a, another column's name: rename one",
        ),
    ],
)
def test_poses_that_do_not_fit_are_an_error(changes, told, tmp_path):
    arrays = {**POSE, **VISIBLE, **FACTORS, **NAMES, **changes}
    assert re.search(told, complaint(write_npz(tmp_path, **arrays)))


def test_factors_that_do_not_fit_are_an_error(tmp_path):
    factors = {"factors_train": np.ones((48, 2)), "factors_test": np.ones((12, 2))}
    assert "factor_names" in complaint(write_npz(tmp_path, **factors))
    names = np.array(["hair"])
    assert "factors_train" in complaint(write_npz(tmp_path, factor_names=names, **factors))


def with_nan():
    pixels = images(48) / 255
    pixels[40, 2, 2] = np.nan
    return pixels


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"y_train": labels(47)}, ["x_train holds 48 images", "y_train 47"]),
        ({"y_test": labels(13)}, ["x_test", "y_test 13"]),
        ({"x_train": with_nan()}, ["x_train", "NaN"]),
        ({"x_train": images(48) / 255 - 0.5}, ["x_train", "-0.5"]),
        ({"x_train": images(48).astype(int) - 3}, ["x_train", "-3"]),
        ({"x_test": images(12) * 1.0}, ["x_test", "255.0"]),
        ({"x_train": images(48).astype(int) * 2}, ["x_train", "510"]),
        ({"x_train": np.full((48, 6, 5), np.inf)}, ["x_train", "inf"]),
        ({"x_train": images(0), "y_train": labels(0)}, ["x_train", "empty"]),
        ({"x_test": images(0), "y_test": labels(0)}, ["x_test", "empty"]),
        ({"x_train": images(48, (30,))}, ["(1, 30, 1)", "(6, 5, 1)"]),
        ({"x_train": images(48, ())}, ["x_train", "(48,)"]),
        ({"x_train": images(48, (6, 5, 4))}, ["x_train", "alpha"]),
        ({"x_train": images(48, (3, 6, 5))}, ["x_train", "(48, 3, 6, 5)"]),
        ({"x_train": np.full((48, 6, 5), "a")}, ["x_train", "<U1"]),
        ({"x_train": np.full((48, 6, 5), None)}, ["own.npz", "pickle"]),
        ({"x_test": images(12, (6, 6))}, ["(6, 5, 1)", "(6, 6, 1)"]),
        ({"y_train": np.zeros(48, int), "y_test": np.zeros(12, int)}, ["one class"]),
        ({"y_train": labels(48).astype(str)}, ["y_train", "<U21"]),
        ({"y_train": labels(48) * 1.0}, ["y_train", "float64"]),
        ({"y_train": np.eye(3, dtype=int)[labels(48)]}, ["y_train", "(48, 3)"]),
        ({"y_test": labels(12) + 1}, ["test labels", "such as 3"]),
        ({"x_train": images(11), "y_train": labels(11)}, ["11 training images"]),
    ],
)
def test_a_bad_array_is_named_in_one_line(tmp_path, changes, words):
    message = complaint(write_npz(tmp_path, **changes))
    assert all(word in message for word in ["own.npz", *words]), message


@pytest.mark.parametrize("key", ["x_train", "y_train", "x_test", "y_test"])
def test_a_missing_key_is_named_with_those_that_are_there(tmp_path, key):
    message = complaint(write_npz(tmp_path, drop=[key]))
    assert f"lacks {key}" in message and "own.npz" in message
    assert all(other in message for other in {"x_train", "y_train", "x_test", "y_test"} - {key})


def test_a_file_that_is_no_whole_npz_is_named(tmp_path):
    assert "does not exist" in complaint(str(tmp_path / "none.npz"))
    whole = pathlib.Path(write_npz(tmp_path)).read_bytes()
    flipped = bytearray(whole)
    flipped[300] ^= 255
    single = tmp_path / "single.npy"
    np.save(single, images(3))
    for content in (b"", b"no zip", whole[:-50], whole[: len(whole) // 2], single.read_bytes()):
        (tmp_path / "bad.npz").write_bytes(content)
        assert "bad.npz cannot be read" in complaint(str(tmp_path / "bad.npz"))
    (tmp_path / "bad.npz").write_bytes(flipped)
    assert "bad.npz: x_train cannot be read (Bad CRC-32" in complaint(str(tmp_path / "bad.npz"))


# Files that are made to do harm, or came to harm.


def hostile(folder, method=zipfile.ZIP_STORED, **members):
    """A good file but for these members, bytes as they come."""
    good = {key: npy(array) for key, array in good_arrays().items()}
    path = folder / "own.npz"
    path.write_bytes(zipped(good | members, method))
    return str(path)


HEADERS = {
    "more than is there": (npy(images(48), shape=(48, 600, 500)), "14400000 bytes"),
    "more than any machine has": (npy(images(48), shape=(2**40, 2**20, 3)), "3458764513820540928"),
    "more digits than Python prints": (npy(images(48), shape=(10**4000,) * 2), "4300 digits"),
    "less than is there": (npy(images(48), shape=(48, 2, 5)), "480 bytes"),
    "negative": (npy(images(48), shape=(48, -6, -5)), "promises"),
    "truth values": (npy(images(48), shape=(True, 6, 5)), "promises"),
    "hundreds of dimensions": (npy(images(48), shape=(1,) * 400), "promises"),
    "no numbers": (npy(images(48), shape=("a", "b", "c")), "cannot be read"),
    "no tuple": (npy(images(48), shape=48), "cannot be read"),
    "wider values": (npy(images(48), descr="<f8"), "11520 bytes"),
    "objects": (npy(images(48), descr="|O"), "pickle"),
    "no type": (npy(images(48), descr=7), "cannot be read"),
    "an unknown type": (npy(images(48), descr="<q9"), "cannot be read"),
    "fields": (npy(images(48), descr=[("a", "|u1"), ("b", "|u1")]), "promises"),
    "no dictionary": (npy(images(48), header=b"[1, 2]"), "cannot be read"),
    "nothing": (npy(images(48), header=b""), "cannot be read"),
    "no Python": (npy(images(48), header=b"{'shape': \\q(("), "cannot be read"),
    "nested": (npy(images(48), header=b"(" * 9000), "cannot be read"),
    "no text": (npy(images(48), header=b"\xff\xfe\0"), "cannot be read"),
    "too long": (npy(images(48), header=b" " * 60000), "cannot be read"),
    "another version": (npy(images(48), version=9), "cannot be read"),
    "no array": (b"text, not an array, of some length", "cannot be read"),
    "empty": (b"", "cannot be read"),
}


@pytest.mark.parametrize(("member", "words"), HEADERS.values(), ids=HEADERS)
def test_a_header_that_is_not_true_is_told(tmp_path, member, words):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        message = complaint(hostile(tmp_path, x_train=member))
    assert "own.npz: x_train" in message and words in message


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_damage_within_an_array_is_told(tmp_path, method):
    path = pathlib.Path(hostile(tmp_path, method))
    whole = path.read_bytes()
    for place in range(100, 1500, 97):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 255]) + whole[place + 1 :])
        assert "own.npz" in complaint(str(path))


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_packing_that_numpy_does_not_use_is_refused(tmp_path, method):
    """Of these Python unpacks a piece at once, however many bytes that gives."""
    message = complaint(hostile(tmp_path, method))
    assert "x_train cannot be read (it is packed in a way" in message and "savez" in message


def test_an_encrypted_member_is_refused(tmp_path):
    path = pathlib.Path(hostile(tmp_path))
    data = bytearray(path.read_bytes())
    for place in range(len(data) - 8):  # Bit 0 of the flags, in the directory at the end.
        if data[place : place + 4] == b"PK\x01\x02":
            data[place + 8] |= 1
    path.write_bytes(data)
    message = complaint(str(path))
    assert "x_train cannot be read" in message and "encrypted" in message


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_an_array_that_is_there_twice_is_refused(tmp_path):
    path = hostile(tmp_path)
    for name in ("x_test", "x_test.npy"):
        with zipfile.ZipFile(path, "a") as file:
            file.writestr(name, npy(images(12)))
        assert "own.npz holds an array twice" in complaint(path)


def bomb(folder, n_images):
    """A good file but for its training images: zeros, 1 MB each."""
    path = folder / "own.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        for key, array in good_arrays().items():
            if key != "x_train":
                file.writestr(f"{key}.npy", npy(array))
        with file.open("x_train.npy", "w", force_zip64=True) as member:
            member.write(npy(np.zeros(0, np.uint8), shape=(n_images, 1024, 1024)))
            for _ in range(n_images):
                member.write(bytes(1 << 20))
    return str(path)


def peak_of(load):
    """The most bytes that were held at once meanwhile."""
    tracemalloc.start()
    try:
        load()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("n_images", [65, pytest.param(4096, marks=pytest.mark.slow)])
def test_a_small_file_that_unpacks_to_a_huge_one_is_refused_by_its_size(
    tmp_path, monkeypatch, n_images
):
    if n_images < 1000:
        monkeypatch.setattr(npz, "LARGE", 64 << 20)
    path = pathlib.Path(bomb(tmp_path, n_images))
    assert path.stat().st_size < n_images << 13
    peak = peak_of(lambda: complaint(str(path)))
    assert f"to {(n_images << 20) + 128} bytes" in complaint(str(path))
    assert peak < 2 << 20


def test_a_declared_size_that_no_packing_reaches_is_refused(tmp_path):
    lie = npy(np.zeros(0, np.uint8), shape=(200 << 20,))
    path = pathlib.Path(hostile(tmp_path, zipfile.ZIP_DEFLATED, class_names=lie))
    data = path.read_bytes()
    true, false = struct.pack("<I", len(lie)), struct.pack("<I", len(lie) + (200 << 20))
    begin = data.rindex(b"PK\x01\x02")
    path.write_bytes(data[:begin] + data[begin:].replace(true, false, 1))
    peak = peak_of(lambda: complaint(str(path)))
    assert f"to {len(lie) + (200 << 20)} bytes" in complaint(str(path))
    assert peak < 2 << 20


def test_arrays_that_memory_does_not_hold_are_refused_with_both_sizes(tmp_path, monkeypatch):
    assert npz.available_memory() > 1 << 20
    monkeypatch.setattr(npz, "available_memory", lambda: 3000)
    message = complaint(write_npz(tmp_path))
    # Images once more as bytes, and labels of eight bytes.
    assert f"takes {2 * 60 * 30 + 60 * 9} bytes of memory, and 3000 are free" in message


def test_running_out_of_memory_is_told(tmp_path, monkeypatch):
    def fail(*args, **_):
        raise MemoryError("Unable to allocate 3.00 GiB")

    monkeypatch.setattr(np.lib.format, "read_array", fail)
    assert "x_train cannot be read (Unable to allocate 3.00 GiB)" in complaint(write_npz(tmp_path))


def test_a_file_cut_anywhere_is_told(tmp_path):
    path = pathlib.Path(write_npz(tmp_path))
    whole = path.read_bytes()
    for n_bytes in range(0, len(whole), 71):
        path.write_bytes(whole[:n_bytes])
        assert "own.npz cannot be read" in complaint(str(path))


def test_a_folder_and_a_file_that_may_not_be_read_are_told(tmp_path, monkeypatch):
    (tmp_path / "folder.npz").mkdir()
    assert "folder.npz is a folder" in complaint(str(tmp_path / "folder.npz"))

    def refuse(*args):
        raise PermissionError(13, "Permission denied")

    path = write_npz(tmp_path)
    monkeypatch.setattr(zipfile, "ZipFile", refuse)
    assert "Permission denied" in complaint(path)


def test_column_order_big_endian_and_names_without_npy_are_read(tmp_path):
    x = np.asfortranarray(images(48)[..., None])
    path = hostile(
        tmp_path,
        x_train=npy(x),
        y_train=npy(labels(48).astype(">i2")),
        class_names=npy(np.array([b"ape", "f\u00eate".encode(), b"cat"])),
    )
    dataset = datasets.load(path)
    np.testing.assert_array_equal(dataset.train.images, x[4:])
    np.testing.assert_array_equal(dataset.train.labels, labels(48)[4:])
    assert dataset.class_names == ("ape", "f\u00eate", "cat")
    with zipfile.ZipFile(path, "w") as file:
        for key, array in good_arrays().items():
            file.writestr(key, npy(array))
    assert len(datasets.load(path).train) == 44


BAD_NAMES = {
    "a\nb": "line break",
    "a\0b": "control character",
    "a\x1b[2Jb": "control character",
    "a\u2028b": "line break",
    "a\ud800b": "no valid Unicode",
    "a" * 300: "300 characters",
    "9" * 5000: "5000 characters",
}


@pytest.mark.parametrize(("name", "words"), BAD_NAMES.items(), ids=range(len(BAD_NAMES)))
@pytest.mark.parametrize("key", ["class_names", "factor_names"])
def test_names_are_short_and_of_one_line(tmp_path, key, name, words):
    names = np.array(["ape", name, "cat"])
    factors = {"factors_train": np.ones((48, 3)), "factors_test": np.ones((12, 3))}
    changes = {"factor_names": np.array(list("abc")), **factors, key: names}
    message = complaint(write_npz(tmp_path, **changes))
    assert f"{key} has the name 'a" in message or f"{key} has the name '9" in message
    assert words in message and len(message) < 400 and message.isprintable()


def test_more_names_than_labels_are_refused_unread(tmp_path):
    for names in (np.zeros(61, "U1"), np.full(3, "a" * (6 << 20))):
        path = write_npz(tmp_path, class_names=names)
        assert peak_of(lambda path=path: complaint(path)) < 1 << 20
        assert "class_names has shape" in complaint(path)


def test_text_that_is_no_text_is_told(tmp_path):
    beyond = np.full((3, 1), 0x110000, np.uint32).view("U1").ravel()
    assert "own.npz" in complaint(write_npz(tmp_path, class_names=beyond))
    latin = np.array([b"ape", "f\u00eate".encode("latin-1"), b"cat"])
    assert "own.npz" in complaint(write_npz(tmp_path, class_names=latin))


def test_member_names_are_shown_as_one_printable_line(tmp_path):
    path = tmp_path / "own.npz"
    path.write_bytes(zipped({"a\nb\x1b[2J": b"", "c" * 400: b""}))
    message = complaint(str(path))
    assert message.isprintable() and len(message) < 400


# MNIST's format.


def read_idx(folder, unpacked, max_values=1440):
    path = folder / "idx.gz"
    path.write_bytes(gzip.compress(unpacked))
    return mnist.read_idx(path, max_values)


def test_an_idx_file_is_not_unpacked_beyond_what_it_promises(tmp_path):
    values = read_idx(tmp_path, idx_bytes(images(48)))
    np.testing.assert_array_equal(values, images(48))
    with pytest.raises(UserError, match="holds more values, but its header promises 1440"):
        read_idx(tmp_path, idx_bytes(images(48)) + b"\0")

    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(idx_bytes(images(48)) + bytes(64 << 20), 1))

    def load():
        with pytest.raises(UserError, match="holds more values"):
            mnist.read_idx(path, 1440)

    assert peak_of(load) < 2 << 20


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (b"\0\0\x08\x03" + b"\xff" * 12, "promises 79228162458924105385300197375 values"),
        (b"\0\0\x08\x03" + struct.pack(">3I", 48, 30, 31), "where 1440 are the most"),
        (b"\0\0\x08\xff" + b"\xff" * 1020, "no idx file"),
        (b"\0\0\x08\0", "no idx file"),
        (b"\0\0\x0d\x01" + struct.pack(">I", 4), "no idx file"),
        (b"\0\0\x08\x03" + struct.pack(">3I", 0, 5, 5), "more values"),
    ],
)
def test_an_idx_header_that_is_not_mnists_is_told(tmp_path, header, words):
    with pytest.raises(UserError, match=words):
        read_idx(tmp_path, header + bytes(100))


def test_vectors_are_images_of_one_row(tmp_path, caplog):
    vectors = {f"x_{part}": images(n, (30,)) for part, n in (("train", 48), ("test", 12))}
    data = datasets.load(write_npz(tmp_path, **vectors))
    assert data.image_shape == (1, 30, 1)
    found = np.concatenate([data.validation.images, data.train.images])
    np.testing.assert_array_equal(found.reshape(48, 30), vectors["x_train"])
    assert "holds vectors, not images" in caplog.text
