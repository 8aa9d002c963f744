"""Classifiers of generated images: what they learn, and when they are trained again."""

import dataclasses
import io
import pathlib

from adversarial_autoencoder import datasets
from adversarial_autoencoder.measures import classifiers, formulas
from adversarial_autoencoder.system.errors import UserError

import characters
import keras
import numpy as np
import pytest
import tensorflow as tf
from tqdm import tqdm

REAL_MNIST = pathlib.Path(__file__).parents[3] / "shared" / "data" / "mnist"


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(scope="module")
def classifier(data):
    return classifiers.train_label_classifier(data, n_steps=60)


@pytest.fixture
def quick_training(classifier, data, monkeypatch):
    """Training gives the one classifier of `data`; for other classes it takes one step."""
    train = classifiers.train_label_classifier
    monkeypatch.setattr(
        classifiers,
        "train_label_classifier",
        lambda asked: classifier if asked.n_classes == data.n_classes else train(asked, n_steps=1),
    )


def test_the_classifier_learns_images_of_any_size_and_number_of_channels(classifier, data):
    assert classifier.accuracy["label"] > 0.9
    assert np.mean(classifier(data.train.images)["label"] == data.train.labels) > 0.9
    flat = data.test.images.reshape(len(data.test), -1) / np.float32(255)
    np.testing.assert_array_equal(classifier(flat)["label"], classifier(data.test.images)["label"])


def test_the_classifier_takes_moved_and_large_images(rng):
    labels = np.arange(24, dtype=np.int32) % 2
    images = np.zeros([24, 40, 30, 1], np.uint8)
    images[labels == 1, 5:35, 5:25] = 255
    split = datasets.Split(images, labels)
    large = datasets.Dataset("large", split, split, split, 2, ("a", "b"))
    assert classifiers.train_label_classifier(large, n_steps=40).accuracy["label"] == 1


def test_the_classifier_is_the_same_for_the_same_seed(data):
    first, same, other = (
        classifiers.train_label_classifier(data, seed, n_steps=3).network.get_weights()
        for seed in (1, 1, 2)
    )
    for a, b in zip(first, same, strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(first[0], other[0])


def test_the_classifier_is_float32_in_a_run_of_mixed_precision(data):
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    network = classifiers.train_label_classifier(data, n_steps=1).network
    assert {layer.compute_dtype for layer in network.layers if layer.weights} == {"float32"}
    assert network(data.test.images[:1].astype(np.float32)).dtype == tf.float32


def test_a_classifier_is_trained_once_per_data_set(
    data, tmp_path, quick_training, monkeypatch, capsys
):
    first = classifiers.cached_label_classifier(data, tmp_path / "cache")
    assert f"label {first.accuracy['label']:.2%}" in capsys.readouterr().out
    monkeypatch.setattr(classifiers, "train_label_classifier", None)
    again = classifiers.cached_label_classifier(data, tmp_path / "cache")
    assert again.accuracy["label"] == first.accuracy["label"]
    np.testing.assert_array_equal(
        again(data.test.images)["label"], first(data.test.images)["label"]
    )
    assert f"label {first.accuracy['label']:.2%}" in capsys.readouterr().out


def test_other_images_of_the_same_name_and_number_get_a_classifier_of_their_own(
    data, tmp_path, quick_training
):
    classifiers.cached_label_classifier(data, tmp_path)
    images = data.train.images.copy()
    images[-1, -1, -1, -1] ^= 1
    train = datasets.Split(images, data.train.labels)
    other = datasets.Dataset(
        data.name, train, data.validation, data.test, data.n_classes, data.class_names
    )
    classifiers.cached_label_classifier(other, tmp_path)
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("damage", ["truncated", "changed"])
def test_a_damaged_classifier_is_made_anew(data, tmp_path, quick_training, monkeypatch, damage):
    classifiers.cached_label_classifier(data, tmp_path)
    (path,) = tmp_path.iterdir()
    content = bytearray(path.read_bytes())
    half = len(content) // 2
    if damage == "truncated":
        del content[half:]
    else:
        content[half] ^= 255
    path.write_bytes(content)
    assert classifiers.cached_label_classifier(data, tmp_path).accuracy["label"] > 0.9
    assert list(tmp_path.iterdir()) == [path]
    monkeypatch.setattr(classifiers, "train_label_classifier", None)  # It is whole now.
    assert classifiers.cached_label_classifier(data, tmp_path).accuracy["label"] > 0.9


def test_a_folder_that_cannot_be_made_is_told_before_training(data, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setattr(classifiers, "train_label_classifier", None)
    with pytest.raises(UserError, match="cannot write .*file"):
        classifiers.cached_label_classifier(data, tmp_path / "file" / "cache")


def test_other_class_names_get_a_classifier_of_their_own(data, tmp_path, quick_training):
    classifiers.cached_label_classifier(data, tmp_path)
    other = dataclasses.replace(data, class_names=("a", "b", "c"))
    classifiers.cached_label_classifier(other, tmp_path)
    assert len(list(tmp_path.iterdir())) == 2


def test_a_cached_classifier_of_another_number_of_classes_is_made_anew(
    data, tmp_path, quick_training, capsys
):
    wide = dataclasses.replace(data, n_classes=5, class_names=tuple("abcde"))
    classifiers.cached_label_classifier(data, tmp_path)
    (path,) = tmp_path.iterdir()
    classifiers.train_label_classifier(wide).network.save(path)
    assert classifiers.cached_label_classifier(data, tmp_path).network.output_shape == (None, 3)
    assert "cannot be used (ValueError)" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == [path]


def test_the_judge_is_trained_once_and_only_when_it_is_needed(
    data, tmp_path, quick_training, monkeypatch
):
    lazy = classifiers.Judge(data, tmp_path / "cache")
    assert not list(tmp_path.iterdir())
    assert lazy.accuracy > 0.9
    monkeypatch.setattr(classifiers, "cached_label_classifier", None)
    np.testing.assert_array_equal(
        lazy(data.test.images), lazy.classifier(data.test.images)["label"]
    )
    assert np.mean(lazy(data.test.images) == data.test.labels) == lazy.accuracy


def test_a_bar_shows_how_far_the_training_is(data, monkeypatch):
    bars = []

    class Bar(tqdm):
        def __init__(self, **options):
            super().__init__(**options | {"disable": False, "file": io.StringIO()})
            bars.append(self)

    monkeypatch.setattr(classifiers, "tqdm", Bar)
    classifiers.train_label_classifier(data, n_steps=60)
    assert [(bar.total, bar.n) for bar in bars] == [(60, 60)]


# Attributes.


def test_what_looks_alike_in_two_actions_tells_neither():
    data = characters.data_set()
    attributes = classifiers.attributes(data)
    for split, part in ((data.train, "shown_in_train"), (data.test, "shown_in_test")):
        shown = {name: getattr(attribute, part) for name, attribute in attributes.items()}
        action, frame = split.pose.values()
        np.testing.assert_array_equal(shown["action"], (frame == 1) | (action == 2))
        assert shown["frame"].all()
        np.testing.assert_array_equal(shown["hat"], action != 2)


def test_a_classifier_learns_factors_and_pose_once_per_data_set(tmp_path, monkeypatch, capsys):
    data = characters.data_set()
    train = classifiers.train_attribute_classifier
    monkeypatch.setattr(
        classifiers, "train_attribute_classifier", lambda data: train(data, n_steps=80)
    )
    first = classifiers.cached_attribute_classifier(data, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["reader-b9ae02dd2c1cf195.keras"]
    assert "hat 100.00%" in capsys.readouterr().out
    assert first.accuracy.keys() == {"hat", "action", "frame"}
    assert first.accuracy["frame"] > 0.9 and first.accuracy["action"] > 0.9
    read = first(data.test.images)
    told = classifiers.attributes(data)["hat"].shown_in_test
    np.testing.assert_array_equal(read["hat"][told], data.test.factors["hat"][told])
    monkeypatch.setattr(classifiers, "train_attribute_classifier", None)
    again = classifiers.cached_attribute_classifier(data, tmp_path)
    for name, values in again(data.test.images).items():
        np.testing.assert_array_equal(values, read[name])
    other = dataclasses.replace(data, train=characters.pictures(np.arange(1, 7)))
    with pytest.raises(TypeError):  # Another data set: not read from the file.
        classifiers.cached_attribute_classifier(other, tmp_path)


# On real images.


@pytest.mark.slow
@pytest.mark.skipif(not REAL_MNIST.exists(), reason="the real MNIST is not here")
def test_real_mnist_is_read_and_measured_as_the_literature_has_it(tmp_path):
    mnist = datasets.load("mnist", str(REAL_MNIST))
    classifier = classifiers.cached_label_classifier(mnist, tmp_path)
    assert classifier.accuracy["label"] > 0.993
    test = mnist.test
    # Training images as samples: 243 nats (Theis et al. 2016, table 1).
    metrics = formulas.parzen_log_likelihood(
        mnist.train.images[:10000], mnist.validation.images, test.images
    )
    assert metrics["parzen_log_likelihood"] == pytest.approx(243, abs=8)
