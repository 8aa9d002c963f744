"""MNIST is the same MNIST from wherever it comes, and nothing else passes for it."""

import gzip
import hashlib
import pathlib

from adversarial_autoencoder import datasets
from adversarial_autoencoder.datasets import mnist

import keras
import numpy as np
import pytest
from conftest import unsearchable
from small_data import complaint, idx_bytes, images, labels, write_npz

IDX_FILES = tuple(mnist.MD5)
TRAIN_X, TRAIN_Y, TEST_X, TEST_Y = IDX_FILES
REAL_MNIST = pathlib.Path(__file__).parents[3] / "shared" / "data" / "mnist"


def good_arrays():
    return {
        "x_train": images(48, (28, 28)),
        "y_train": labels(48),
        "x_test": images(12, (28, 28), seed=1),
        "y_test": labels(12),
    }


@pytest.fixture
def idx_folder(tmp_path, monkeypatch):
    """A folder with four small files in MNIST's format, whose sums pass for MNIST's."""
    for file, array in zip(IDX_FILES, good_arrays().values(), strict=True):
        data = idx_bytes(array)
        (tmp_path / file).write_bytes(gzip.compress(data, 1))
        monkeypatch.setitem(mnist.MD5, file, hashlib.md5(data).hexdigest())
    return tmp_path


# The four files, and Keras' one.


def test_four_files_are_read_as_mnist(idx_folder):
    dataset = datasets.load("mnist", str(idx_folder))
    assert (dataset.name, len(dataset.train), len(dataset.validation)) == ("mnist", 44, 4)
    np.testing.assert_array_equal(dataset.train.images[..., 0], images(48, (28, 28))[4:])
    np.testing.assert_array_equal(dataset.test.labels, labels(12))


def test_auto_takes_the_files_where_they_lie(idx_folder):
    assert datasets.load("auto", str(idx_folder)).name == "mnist"


@pytest.mark.parametrize("file", IDX_FILES)
@pytest.mark.parametrize("name", ["mnist", "auto"])
def test_a_missing_file_is_named(idx_folder, name, file):
    (idx_folder / file).unlink()
    message = complaint(name, str(idx_folder))
    assert f"lacks {file}:" in message and str(idx_folder) in message


@pytest.mark.parametrize("name", ["mnist", "auto"])
def test_a_truncated_file_is_named_in_one_line(idx_folder, name):
    path = idx_folder / TRAIN_X
    path.write_bytes(path.read_bytes()[:-20])
    message = complaint(name, str(idx_folder))
    assert str(path) in message and "download it again" in message


@pytest.mark.parametrize(
    "content",
    # A name that holds the time of packing would differ between the tests' processes.
    [
        b"",
        b"not gzip",
        *(gzip.compress(b"\0\0\x08\x03 short"[:n], mtime=0) for n in (0, 3, 4, 10)),
    ],
)
def test_a_file_that_is_no_packed_idx_file_is_named(idx_folder, content):
    (idx_folder / TEST_Y).write_bytes(content)
    assert str(idx_folder / TEST_Y) in complaint("auto", str(idx_folder))


def test_damage_inside_a_packed_file_is_found(idx_folder):
    content = bytearray((idx_folder / TEST_X).read_bytes())
    content[len(content) // 2] ^= 255
    (idx_folder / TEST_X).write_bytes(content)
    assert str(idx_folder / TEST_X) in complaint("mnist", str(idx_folder))


def test_unpacked_bytes_with_another_checksum_are_refused(idx_folder):
    other = images(48, seed=9)
    (idx_folder / TRAIN_X).write_bytes(gzip.compress(idx_bytes(other)))
    message = complaint("mnist", str(idx_folder))
    assert str(idx_folder / TRAIN_X) in message and "MD5" in message
    assert hashlib.md5(idx_bytes(other)).hexdigest() in message


def test_files_packed_anew_are_the_same_files(idx_folder):
    packed = (idx_folder / TRAIN_X).read_bytes()
    (idx_folder / TRAIN_X).write_bytes(gzip.compress(gzip.decompress(packed), 9, mtime=1))
    assert (idx_folder / TRAIN_X).read_bytes() != packed
    assert datasets.load("mnist", str(idx_folder)).n_classes == 3


def test_another_count_of_labels_than_images_is_told_with_both_counts(idx_folder):
    (idx_folder / TRAIN_Y).write_bytes(gzip.compress(idx_bytes(labels(47))))
    message = complaint("mnist", str(idx_folder))
    assert all(word in message for word in (TRAIN_X, "48 images", TRAIN_Y, "47 labels"))


def test_a_header_that_promises_more_than_is_there_is_told(idx_folder):
    (idx_folder / TRAIN_Y).write_bytes(gzip.compress(idx_bytes(labels(48))[:-1]))
    message = complaint("mnist", str(idx_folder))
    assert TRAIN_Y in message and "47" in message and "48" in message


def mnist_npz(folder, **changes):
    """Keras' file with what the four files of `idx_folder` hold, but for the changes."""
    return write_npz(folder, "mnist.npz", **(good_arrays() | changes))


def test_a_file_called_mnist_npz_that_holds_other_data_is_refused(idx_folder, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    for changes in ({"x_train": images(48, seed=9)}, {"y_test": labels(12)[::-1]}):
        path = mnist_npz(other, **changes)
        assert f"{path} is not MNIST" in (message := complaint("auto", str(other)))
        assert "MD5" in message and f"give --dataset={path}" in message
    mnist_npz(other, drop=["y_test"])
    assert f"{path} lacks y_test" in complaint("auto", str(other))


@pytest.fixture
def prepared_by_tfds(idx_folder, tmp_path_factory):
    """TFDS' folder with the same images, which it shuffles as it stores them."""
    tfds = pytest.importorskip("tensorflow_datasets")
    folder = tmp_path_factory.mktemp("tfds")

    class Mnist(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        VERSION = tfds.builder_cls("mnist").VERSION
        pkg_dir_path = folder

        def _info(self):
            label = tfds.features.ClassLabel(num_classes=10)
            features = {"image": tfds.features.Image(shape=(28, 28, 1)), "label": label}
            features = tfds.features.FeaturesDict(features)
            return tfds.core.DatasetInfo(builder=self, features=features)

        def _split_generators(self, dl_manager):
            parts = good_arrays()
            return {
                part: self._generate_examples(parts[f"x_{part}"], parts[f"y_{part}"])
                for part in ("train", "test")
            }

        def _generate_examples(self, x, y):
            for k in range(len(x)):
                yield k, {"image": x[k][..., np.newaxis], "label": int(y[k])}

    Mnist(data_dir=folder).download_and_prepare()
    return folder


def test_mnist_has_the_same_split_and_fingerprint_from_wherever_it_comes(
    idx_folder, prepared_by_tfds, tmp_path_factory, network, monkeypatch, caplog
):
    network(False)
    data = {"files": datasets.load("mnist", str(idx_folder))}
    own, nowhere = (tmp_path_factory.mktemp(name) for name in ("own", "nowhere"))
    mnist_npz(own)
    data["npz"] = datasets.load("mnist", str(own))
    data["tfds"] = datasets.load("mnist", str(prepared_by_tfds))
    assert "TFDS' order" not in caplog.text
    network(True)
    arrays = good_arrays()
    parts = [(arrays[f"x_{part}"], arrays[f"y_{part}"]) for part in ("train", "test")]
    monkeypatch.setattr(keras.datasets.mnist, "load_data", lambda: parts)
    data["download"] = datasets.load("auto", str(nowhere))
    network(False)
    home = tmp_path_factory.mktemp("keras")
    monkeypatch.setenv("KERAS_HOME", str(home))
    (home / "datasets").mkdir()
    mnist_npz(home / "datasets")
    data["cache"] = datasets.load("mnist")
    assert {one.name for one in data.values()} == {"mnist"}
    assert len({one.fingerprint for one in data.values()}) == 1, {
        place: one.fingerprint for place, one in data.items()
    }


def test_files_of_a_data_set_like_mnist_are_told_apart_and_read(idx_folder, monkeypatch):
    data = datasets.load("mnist", str(idx_folder))
    message = complaint("fashion_mnist", str(idx_folder))
    assert "holds mnist, not fashion_mnist: give --dataset=mnist" in message
    (idx_folder / TRAIN_X).write_bytes(gzip.compress(idx_bytes(images(48, (28, 28), 5)), mtime=0))
    message = complaint("mnist", str(idx_folder))
    assert "is not MNIST's" in message and "--dataset=fashion_mnist" in message
    assert "download" not in message
    other = datasets.load("kmnist", str(idx_folder))  # Of an unknown sum: what it is called.
    assert (other.name, other.class_names) == ("kmnist", ("o", "ki", "su"))
    assert other.fingerprint != data.fingerprint
    packed = hashlib.md5((idx_folder / TRAIN_X).read_bytes()).hexdigest()
    known = mnist.LIKE_MNIST | {"fashion_mnist": (packed, list("abc"))}
    monkeypatch.setattr(mnist, "LIKE_MNIST", known)
    assert datasets.load("fashion_mnist", str(idx_folder)).class_names == ("a", "b", "c")
    for name in ("mnist", "auto", "kmnist"):
        message = complaint(name, str(idx_folder))
        assert "holds fashion_mnist" in message and "give --dataset=fashion_mnist" in message


def test_a_data_dir_that_is_a_file_is_an_error(tmp_path):
    (tmp_path / "mnist.npz").write_bytes(b"")
    assert "is a file" in complaint("auto", str(tmp_path / "mnist.npz"))


@pytest.mark.skipif(not REAL_MNIST.exists(), reason="the real MNIST is not here")
def test_the_real_mnist_is_cut_as_the_2017_tutorial_cut_it():
    dataset = datasets.load("mnist", str(REAL_MNIST))
    assert (len(dataset.train), len(dataset.validation), len(dataset.test)) == (55000, 5000, 10000)
    assert dataset.train.labels[:10].tolist() == [7, 3, 4, 6, 1, 8, 1, 0, 9, 8]
    assert dataset.validation.labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert dataset.class_names == tuple("0123456789")


def test_mnist_without_a_network_fails_and_says_what_to_do(network):
    network(False)
    message = complaint("mnist")
    assert all(word in message for word in ("--data_dir", "mnist.npz", "--dataset=glyphs"))


def test_mnist_in_a_folder_that_cannot_be_searched_is_not_there(network, tmp_path):
    network(False)
    with unsearchable(tmp_path):
        assert f"--data_dir ({tmp_path})" in complaint("mnist", str(tmp_path))
