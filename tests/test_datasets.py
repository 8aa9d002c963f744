"""What `datasets.load` gives, and the one line that it says when it cannot."""

import gzip
import hashlib
import pathlib
import struct
import sys
import threading
import time
import types

import adversarial_autoencoder
from adversarial_autoencoder import datasets, tfds_data
from adversarial_autoencoder.errors import UserError

import numpy as np
import pytest

IDX_FILES = tuple(datasets.MNIST_MD5)
TRAIN_X, TRAIN_Y, TEST_X, TEST_Y = IDX_FILES
REAL_MNIST = pathlib.Path(__file__).parents[1] / ".." / "shared" / "data" / "mnist"


def images(n, shape=(6, 5), seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, *shape), dtype=np.uint8)


def labels(n, n_classes=3):
    """0, 1, 2, 0, 1, 2, ... beginning with 1, so that they are not sorted."""
    return ((np.arange(n) + 1) % n_classes).astype(np.int64)


def write_npz(folder, name="own.npz", drop=(), **changes):
    """A good file of 48 + 12 images, but for the changes."""
    arrays = {
        "x_train": images(48),
        "y_train": labels(48),
        "x_test": images(12, seed=1),
        "y_test": labels(12),
    } | changes
    path = folder / name
    np.savez(path, **{key: value for key, value in arrays.items() if key not in drop})
    return str(path)


def idx_bytes(array):
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    return header + array.astype(np.uint8).tobytes()


@pytest.fixture
def idx_folder(tmp_path, monkeypatch):
    """A folder with four small files in MNIST's format, whose sums pass for MNIST's."""
    arrays = images(48), labels(48), images(12, seed=1), labels(12)
    for file, array in zip(IDX_FILES, arrays, strict=True):
        data = idx_bytes(array)
        (tmp_path / file).write_bytes(gzip.compress(data, 1))
        monkeypatch.setitem(datasets.MNIST_MD5, file, hashlib.md5(data).hexdigest())
    return tmp_path


@pytest.fixture
def network(monkeypatch, tmp_path):
    """`network(False)` is a machine without a network, on which nothing was ever downloaded."""
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "nothing"))
    return lambda there: monkeypatch.setattr(tfds_data, "_answers", lambda url: there)


@pytest.fixture
def drawn(monkeypatch):
    """Stands for the glyphs, of which drawing thousands takes seconds; records what was asked."""
    asked = []

    def make(n, seed, purpose, characters):
        asked.append((n, seed, purpose, characters))
        pixels = np.full((n, 28, 28, 1), 7, np.uint8)
        return pixels, labels(n, len(characters)).astype(np.int32), np.zeros((n, 2), np.float32)

    fake = types.SimpleNamespace(
        make=make,
        FACTOR_NAMES=("slant", "size"),
        DIGITS="0123456789",
        UPPER="ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        LOWER="abcdefghijklmnopqrstuvwxyz",
    )
    monkeypatch.setitem(sys.modules, "adversarial_autoencoder.glyphs", fake)
    monkeypatch.setattr(adversarial_autoencoder, "glyphs", fake, raising=False)
    return asked


def complaint(name, data_dir=None, n_images=0):
    """The one line of the `UserError` that loading ends in."""
    with pytest.raises(UserError) as caught:
        datasets.load(name, data_dir, n_images)
    message = str(caught.value)
    assert "\n" not in message
    return message


# The cut, and what comes out.


def test_validation_is_the_first_twelfth_of_the_training_images(tmp_path):
    dataset = datasets.load(write_npz(tmp_path))
    assert (len(dataset.train), len(dataset.validation), len(dataset.test)) == (44, 4, 12)
    np.testing.assert_array_equal(dataset.validation.images[..., 0], images(48)[:4])
    np.testing.assert_array_equal(dataset.train.images[..., 0], images(48)[4:])
    np.testing.assert_array_equal(dataset.train.labels, labels(48)[4:])


def test_validation_is_at_most_5000_images(tmp_path):
    path = write_npz(tmp_path, x_train=images(72000, (1, 1)), y_train=labels(72000))
    message = complaint(path)  # Its test images are of another size, which is said after the cut.
    assert "one size" in message
    path = write_npz(
        tmp_path, x_train=images(72000, (1, 1)), y_train=labels(72000), x_test=images(12, (1, 1))
    )
    dataset = datasets.load(path)
    assert (len(dataset.train), len(dataset.validation)) == (67000, 5000)


def test_images_are_uint8_and_labels_int32(tmp_path):
    dataset = datasets.load(write_npz(tmp_path))
    for split in (dataset.train, dataset.validation, dataset.test):
        assert (split.images.dtype, split.labels.dtype) == (np.uint8, np.int32)
        assert len(split) == len(split.images) == len(split.labels)


def test_size_channels_and_classes_come_from_the_data(tmp_path):
    grey = datasets.load(write_npz(tmp_path))
    assert (grey.image_shape, grey.input_dim, grey.n_classes) == ((6, 5, 1), 30, 3)
    colour = write_npz(tmp_path, x_train=images(48, (4, 7, 3)), x_test=images(12, (4, 7, 3)))
    assert datasets.load(colour).image_shape == (4, 7, 3)
    assert datasets.load(colour).input_dim == 84


def test_n_images_keeps_the_first_training_images_and_all_the_others(tmp_path):
    path = write_npz(tmp_path)
    everything, some = datasets.load(path), datasets.load(path, n_images=7)
    assert (len(some.train), len(some.validation), len(some.test)) == (7, 4, 12)
    np.testing.assert_array_equal(some.train.images, everything.train.images[:7])


def test_more_images_than_there_are_is_an_error(tmp_path):
    path = write_npz(tmp_path)
    assert len(datasets.load(path, n_images=44).train) == 44
    assert "--n_images=45" in complaint(path, n_images=45)
    assert "--n_images=-1" in complaint(path, n_images=-1)


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


def test_factors_are_cut_with_their_images(tmp_path):
    factors = {"factors_train": np.arange(96).reshape(48, 2), "factors_test": np.ones((12, 2))}
    path = write_npz(tmp_path, factor_names=np.array(["hair", "eyes"]), **factors)
    dataset = datasets.load(path, n_images=5)
    np.testing.assert_array_equal(dataset.train.factors["hair"], [8, 10, 12, 14, 16])
    np.testing.assert_array_equal(dataset.validation.factors["eyes"], [1, 3, 5, 7])
    assert set(dataset.test.factors) == {"hair", "eyes"}
    assert datasets.load(write_npz(tmp_path)).train.factors == {}


def test_factors_that_do_not_fit_are_an_error(tmp_path):
    factors = {"factors_train": np.ones((48, 2)), "factors_test": np.ones((12, 2))}
    assert "factor_names" in complaint(write_npz(tmp_path, **factors))
    names = np.array(["hair"])
    assert "factors_train" in complaint(write_npz(tmp_path, factor_names=names, **factors))


def test_labels_sorted_by_class_are_warned_of(tmp_path, caplog):
    mixed = labels(48).astype(np.uint8)
    datasets.load(write_npz(tmp_path, y_train=mixed))
    assert "sorted" not in caplog.text
    datasets.load(write_npz(tmp_path, y_train=np.sort(mixed)))
    assert "sorted" in caplog.text


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
        ({"x_train": images(48, (30,))}, ["x_train", "(48, 30)"]),
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
        assert "bad.npz is no .npz" in complaint(str(tmp_path / "bad.npz"))
    (tmp_path / "bad.npz").write_bytes(flipped)
    assert "bad.npz cannot be read" in complaint(str(tmp_path / "bad.npz"))


# MNIST's four files, and Keras' one.


def test_four_files_are_read_as_mnist(idx_folder):
    dataset = datasets.load("mnist", str(idx_folder))
    assert (dataset.name, len(dataset.train), len(dataset.validation)) == ("mnist", 44, 4)
    np.testing.assert_array_equal(dataset.train.images[..., 0], images(48)[4:])
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
    assert f"{path} is truncated" in complaint(name, str(idx_folder))


@pytest.mark.parametrize(
    "content",
    [b"", b"not gzip", *(gzip.compress(b"\0\0\x08\x03 short"[:n]) for n in (0, 3, 4, 10))],
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
    shapes = {"x_train": images(48, (28, 28)), "x_test": images(12, (28, 28))}
    many = {"y_train": labels(48, 10), "y_test": labels(12, 10)}
    return write_npz(folder, "mnist.npz", **(shapes | many | changes))


def test_keras_file_is_read_as_mnist(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets, "MNIST_SIZES", (48, 12))
    mnist_npz(tmp_path)
    dataset = datasets.load("auto", str(tmp_path))
    assert (dataset.name, dataset.input_dim, dataset.n_classes) == ("mnist", 784, 10)


def test_a_file_called_mnist_npz_that_holds_other_data_is_refused(tmp_path, monkeypatch):
    path = mnist_npz(tmp_path)
    assert f"{path} is not MNIST" in complaint("auto", str(tmp_path))
    monkeypatch.setattr(datasets, "MNIST_SIZES", (48, 12))
    write_npz(tmp_path, "mnist.npz")
    assert f"{path} is not MNIST" in complaint("mnist", str(tmp_path))
    mnist_npz(tmp_path, drop=["y_test"])
    assert f"{path} lacks y_test" in complaint("auto", str(tmp_path))


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


# Without a network.


def test_auto_without_a_network_draws_glyphs_and_cannot_be_missed(network, drawn, tmp_path, caplog):
    network(False)
    dataset = datasets.load("auto", str(tmp_path))
    assert (dataset.name, dataset.n_classes) == ("glyphs", 10)
    assert caplog.records[-1].levelname == "WARNING"
    assert all(
        word in caplog.text for word in ("NOT MNIST", "mnist.npz", str(tmp_path), "storage.google")
    )
    assert caplog.text.count("*" * 40) >= 2


def test_auto_without_a_network_does_not_even_import_tfds(network, drawn, monkeypatch):
    network(False)
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)  # Importing it would fail.
    assert datasets.load("auto").name == "glyphs"


def test_mnist_without_a_network_fails_and_says_what_to_do(network):
    network(False)
    message = complaint("mnist")
    assert all(word in message for word in ("--data_dir", "mnist.npz", "--dataset=glyphs"))


def test_a_download_that_breaks_off_makes_auto_fall_back(network, drawn, monkeypatch, caplog):
    tfds = pytest.importorskip("tensorflow_datasets")
    network(True)

    def break_off(builder, **_):
        raise ConnectionError("reset by peer")

    monkeypatch.setattr(tfds.core.DatasetBuilder, "download_and_prepare", break_off)
    assert datasets.load("auto").name == "glyphs"
    assert "reset by peer" in caplog.text
    assert "reset by peer" in complaint("mnist")


def test_another_data_set_without_a_network_is_an_error(network):
    network(False)
    message = complaint("cifar10")
    assert "cifar10" in message and "toronto.edu does not answer" in message


def test_the_probe_ends_in_time_even_if_the_look_up_of_the_name_hangs(monkeypatch):
    import requests

    hang = threading.Event()

    def wait(*args, **kwargs):
        hang.wait(30)
        raise requests.ConnectionError

    monkeypatch.setattr(requests, "head", wait)
    monkeypatch.setattr(tfds_data, "PROBE_SECONDS", 0.1)
    begin = time.monotonic()
    assert not tfds_data._answers(datasets.MNIST_URL)
    assert time.monotonic() - begin < 5
    hang.set()


def test_the_probe_takes_a_server_in_trouble_for_no_answer(monkeypatch):
    import requests

    for status, expected in ((200, True), (405, True), (503, False)):
        answer = types.SimpleNamespace(status_code=status)
        monkeypatch.setattr(requests, "head", lambda *args, _answer=answer, **kwargs: _answer)
        assert tfds_data._answers(datasets.MNIST_URL) is expected

    def refuse(*args, **kwargs):
        raise requests.ConnectionError

    monkeypatch.setattr(requests, "head", refuse)
    assert not tfds_data._answers(datasets.MNIST_URL)


# Glyphs.


def test_glyphs_are_the_same_for_every_run_and_carry_their_factors(drawn):
    dataset = datasets.load("glyphs")
    assert drawn == [(60000, 0, "train", "0123456789"), (10000, 0, "test", "0123456789")]
    assert (len(dataset.train), len(dataset.validation), len(dataset.test)) == (55000, 5000, 10000)
    assert set(dataset.train.factors) == {"slant", "size"}
    assert dataset.class_names == tuple("0123456789")


def test_glyphs_draws_no_more_than_is_asked_for(drawn):
    dataset = datasets.load("glyphs", n_images=100)
    assert drawn[0][0] == 5100
    assert (len(dataset.train), len(dataset.validation)) == (100, 5000)
    assert "55000" in complaint("glyphs", n_images=55001)


@pytest.mark.parametrize(("name", "n_classes"), [("glyphs_letters", 52), ("glyphs_all", 62)])
def test_glyphs_serve_letters(drawn, name, n_classes):
    dataset = datasets.load(name, n_images=1)
    assert dataset.n_classes == len(dataset.class_names) == n_classes
    assert all("".join(dataset.class_names) == characters for *_, characters in drawn)
    assert "Q" in dataset.class_names and "q" in dataset.class_names


def test_the_real_glyphs_come_as_the_ones_above(monkeypatch):
    monkeypatch.setattr(datasets, "GLYPHS_TEST", 30)
    monkeypatch.setattr(datasets, "MAX_VALIDATION", 20)
    dataset = datasets.load("glyphs", n_images=10)
    assert (len(dataset.train), len(dataset.validation), len(dataset.test)) == (10, 20, 30)
    assert (dataset.image_shape, dataset.train.images.dtype) == ((28, 28, 1), np.uint8)
    assert dataset.train.labels.dtype == np.int32
    assert all(len(values) == 10 for values in dataset.train.factors.values())


# TFDS, on its own mocked data.


@pytest.mark.parametrize(("name", "shape"), [("mnist", (28, 28, 1)), ("cifar10", (32, 32, 3))])
def test_tfds_data_sets_are_read(network, name, shape):
    tfds = pytest.importorskip("tensorflow_datasets")
    network(True)
    with tfds.testing.mock_data(num_examples=240):
        dataset = datasets.load(name)
    assert (dataset.name, dataset.image_shape) == (name, shape)
    assert (len(dataset.train), len(dataset.validation), len(dataset.test)) == (220, 20, 240)
    assert dataset.train.images.dtype == np.uint8
    assert dataset.class_names == tuple("0123456789")  # Their names are not part of the mock.


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("cats_vs_dogs", "vary in size"),
        ("celeb_a", "0 class labels"),
        ("glue", "0 image features"),
        ("mnits", "did you mean mnist"),
        ("glyph", "did you mean glyphs"),
        ("no such", "no such"),
        ("", "auto"),
        ("emnist/foo", "letters"),
        ("digits.npy", ".npz"),
    ],
)
def test_a_tfds_data_set_that_does_not_serve_is_refused(network, name, word):
    network(False)
    message = complaint(name)
    assert f"--dataset={name}" in message and word in message


@pytest.fixture
def prepare(network, tmp_path):
    """Prepares on disk a real data set of TFDS' making, with a training split only."""
    tfds = pytest.importorskip("tensorflow_datasets")
    network(False)

    class Marks(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        VERSION = tfds.core.Version("1.0.0")
        pkg_dir_path = tmp_path
        kind = np.int64

        def _info(self):
            features = {"picture": tfds.features.Image(shape=(4, 6, 1)), "kind": self.kind}
            return tfds.core.DatasetInfo(
                builder=self, features=tfds.features.FeaturesDict(features)
            )

        def _split_generators(self, dl_manager):
            return {"train": self._generate_examples()}

        def _generate_examples(self):
            for i in range(70):
                yield i, {"picture": np.full((4, 6, 1), i, np.uint8), "kind": 1 + i % 2}

    def prepare(kind=np.int64):
        Marks.kind = kind
        builder = Marks(data_dir=tmp_path)
        builder.download_and_prepare()
        return builder

    return prepare


def test_of_a_lone_training_split_the_last_seventh_is_for_testing(prepare, tmp_path):
    prepare()
    dataset = datasets.load("marks", str(tmp_path))
    assert (len(dataset.train), len(dataset.validation), len(dataset.test)) == (55, 5, 10)
    seen = [set(s.images[:, 0, 0, 0]) for s in (dataset.train, dataset.validation, dataset.test)]
    assert len(set.union(*seen)) == 70
    assert (dataset.image_shape, dataset.class_names) == ((4, 6, 1), ("1", "2"))


def test_classes_without_images_are_left_out_and_the_others_keep_their_names(prepare, tmp_path):
    tfds = pytest.importorskip("tensorflow_datasets")
    prepare(tfds.features.ClassLabel(names=["ape", "bee", "cat"]))
    assert datasets.load("marks", str(tmp_path)).class_names == ("bee", "cat")


def test_prepared_data_that_are_damaged_are_named(prepare, tmp_path):
    (file,) = pathlib.Path(prepare().data_dir).glob("*.tfrecord*")
    file.write_bytes(file.read_bytes()[:-100])
    message = complaint("marks", str(tmp_path))
    assert str(tmp_path) in message and "delete" in message


def split_of(*counts):
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(len(counts)), counts))
    pixels = np.arange(len(labels), dtype=np.uint8).reshape(-1, 1, 1, 1)  # Each its own place.
    return datasets.Split(pixels, labels.astype(np.int32))


def test_labelled_images_are_chosen_evenly_by_the_seed_alone():
    split = split_of(40, 50, 60)
    chosen = datasets.labeled_subset(split, 30, seed=1)
    assert np.bincount(chosen.labels).tolist() == [10, 10, 10]
    places = chosen.images.ravel()
    assert len(set(places)) == 30
    np.testing.assert_array_equal(split.labels[places], chosen.labels)
    again, other = (datasets.labeled_subset(split, 30, seed) for seed in (1, 2))
    np.testing.assert_array_equal(again.images, chosen.images)
    assert (other.images != chosen.images).any()


def test_hidden_labels_are_all_but_those_of_the_labelled_images():
    split = split_of(40, 50, 60)
    hidden = datasets.hide_labels(split, 30, n_classes=3, seed=1)
    np.testing.assert_array_equal(hidden.images, split.images)
    known = hidden.labels < 3
    np.testing.assert_array_equal(hidden.labels[known], split.labels[known])
    chosen = datasets.labeled_subset(split, 30, seed=1)
    assert set(hidden.images[known].ravel()) == set(chosen.images.ravel())
    assert (hidden.labels[~known] == 3).all()


@pytest.mark.parametrize("n_labeled", [0, 150])
def test_all_images_may_be_labelled_however_uneven(n_labeled):
    assert len(datasets.labeled_subset(split_of(40, 50, 60), n_labeled, seed=0)) == 150


@pytest.mark.parametrize(
    "n_labeled, told",
    [
        (153, "--n_labeled=153, but only 150 labelled training images are there"),
        (100, "cannot be divided evenly among 3 classes: give 99"),
        (2, "cannot be divided evenly among 3 classes: give 3"),
        (123, "takes 41 images of each class, but of one only 40 are there: give at most 120"),
    ],
)
def test_labels_that_are_not_there_are_an_error(n_labeled, told):
    with pytest.raises(UserError, match=told):
        datasets.labeled_subset(split_of(40, 50, 60), n_labeled, seed=0)
