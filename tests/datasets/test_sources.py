"""What `datasets.load` gives, and the one line that it says when it cannot."""

import sys

from adversarial_autoencoder import datasets
from adversarial_autoencoder.datasets import glyphs

import numpy as np
import pytest
from small_data import complaint, images, labels, write_npz


@pytest.fixture
def drawn(monkeypatch):
    """Stands for the glyphs, of which drawing thousands takes seconds; records what was asked."""
    asked = []

    def make(n, seed, purpose, characters):
        asked.append((n, seed, purpose, characters))
        pixels = np.full((n, 28, 28, 1), 7, np.uint8)
        return pixels, labels(n, len(characters)).astype(np.int32), np.zeros((n, 2), np.float32)

    monkeypatch.setattr(glyphs, "make", make)
    monkeypatch.setattr(glyphs, "FACTOR_NAMES", ("slant", "size"))
    return asked


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


SORTED = np.sort(labels(48))
IN_ORDER = {
    "ascending": SORTED,
    "descending": SORTED[::-1],
    "grouped": np.concatenate([SORTED[16:], SORTED[:16]]),
    "sorted twice": np.tile(np.repeat([0, 1, 2], 240), 2),
}


@pytest.mark.parametrize("in_order", IN_ORDER.values(), ids=IN_ORDER)
def test_validation_is_drawn_where_training_images_come_by_class(tmp_path, in_order):
    n = len(in_order)
    x = np.arange(n, dtype=np.int64)
    pixels = np.stack([x // 256, x % 256], 1)[:, None].astype(np.uint8)  # Each its own place.
    path = write_npz(
        tmp_path, x_train=pixels, y_train=in_order, x_test=pixels[:12], y_test=labels(12)
    )
    dataset, again = datasets.load(path), datasets.load(path)
    counts = np.bincount(dataset.validation.labels, minlength=3)
    assert counts.sum() == n // 12 and np.count_nonzero(counts) > 1
    assert len(set(dataset.train.labels[: n // 4])) == 3
    np.testing.assert_array_equal(again.validation.images, dataset.validation.images)
    together = np.concatenate([dataset.validation.images, dataset.train.images])
    places = together.reshape(n, 2) @ [256, 1]
    np.testing.assert_array_equal(np.sort(places), x)
    together = np.concatenate([dataset.validation.labels, dataset.train.labels])
    np.testing.assert_array_equal(together, in_order[places])


def test_more_images_than_there_are_is_an_error(tmp_path):
    path = write_npz(tmp_path)
    assert len(datasets.load(path, n_images=44).train) == 44
    assert "--n_images=45" in complaint(path, n_images=45)
    assert "--n_images=-1" in complaint(path, n_images=-1)


@pytest.mark.parametrize(
    ("flag", "value", "words"),
    [
        ("--dataset", "mn\nist", "line break"),
        ("--dataset", "own\n.npz", "line break"),
        ("--dataset", "mnist\0", "control character"),
        ("--dataset", "own\0.npz", "control character"),
        ("--dataset", "\udcff.npz", "no valid Unicode"),
        ("--dataset", "x" * 5000, "5000 characters"),
        ("--dataset", "x" * 5000 + ".npz", "5004 characters"),
        ("--data_dir", "a\nb", "line break"),
        ("--data_dir", "a\0b", "control character"),
        ("--data_dir", "x" * 5000, "5000 characters"),
    ],
)
def test_a_name_that_is_no_line_of_text_is_told(network, flag, value, words):
    network(False)
    message = complaint(value) if flag == "--dataset" else complaint("mnist", value)
    assert f"{flag}=" in message and words in message
    assert message.isprintable() and len(message) < 300


# Labels.


LARGE = np.array([2**53, 2**53 + 1, 2**63 - 1], np.uint64)


@pytest.mark.parametrize("types", [("u8", "i8"), ("i8", "u8"), ("u8", "u1"), ("u8", "u8")])
def test_labels_of_mixed_types_stay_integers(tmp_path, types):
    y_train, y_test = labels(48).astype(types[0]), labels(12).astype(types[1])
    dataset = datasets.load(write_npz(tmp_path, y_train=y_train, y_test=y_test))
    assert dataset.class_names == ("0", "1", "2")
    np.testing.assert_array_equal(dataset.test.labels, labels(12))


@pytest.mark.parametrize("types", [("u8", "i8"), ("i8", "u8"), ("i8", "i8")])
def test_large_labels_are_told_apart(tmp_path, types):
    y_train, y_test = LARGE[labels(48)].astype(types[0]), LARGE[labels(12)].astype(types[1])
    dataset = datasets.load(write_npz(tmp_path, y_train=y_train, y_test=y_test))
    assert dataset.class_names == tuple(map(str, LARGE.tolist()))
    np.testing.assert_array_equal(dataset.train.labels, labels(48)[4:])


def test_negative_labels_stand_before_large_ones(tmp_path):
    values = np.array([-(2**63), -2, 2**63 - 1])
    path = write_npz(tmp_path, y_train=values[labels(48)], y_test=values[labels(12)])
    dataset = datasets.load(path)
    assert dataset.class_names == tuple(map(str, values.tolist()))
    np.testing.assert_array_equal(dataset.test.labels, labels(12))


@pytest.mark.parametrize("key", ["y_train", "y_test"])
def test_labels_beyond_64_bits_with_a_sign_are_refused(tmp_path, key):
    y = labels(48 if key == "y_train" else 12).astype(np.uint64) + np.uint64(2**63)
    message = complaint(write_npz(tmp_path, **{key: y}))
    assert f"{key} holds 9223372036854775810, and 9223372036854775807 is the greatest" in message


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


@pytest.mark.parametrize(
    ("name", "n_classes"), [("glyphs_letters", 52), ("glyphs_all", 62), ("glyphs_scripts", 338)]
)
def test_glyphs_serve_letters(drawn, name, n_classes):
    dataset = datasets.load(name, n_images=1)
    assert dataset.n_classes == len(dataset.class_names) == n_classes
    assert all("".join(dataset.class_names) == characters for *_, characters in drawn)
    assert "Q" in dataset.class_names and "q" in dataset.class_names


def test_the_real_glyphs_come_as_the_ones_above(monkeypatch):
    monkeypatch.setattr(glyphs, "N_TEST", 30)
    monkeypatch.setattr(glyphs, "MAX_VALIDATION", 20)
    dataset = datasets.load("glyphs", n_images=10)
    assert (len(dataset.train), len(dataset.validation), len(dataset.test)) == (10, 20, 30)
    assert (dataset.image_shape, dataset.train.images.dtype) == ((28, 28, 1), np.uint8)
    assert dataset.train.labels.dtype == np.int32
    assert all(len(values) == 10 for values in dataset.train.factors.values())
