"""Images with labels: what tells data sets apart, and how images are chosen."""

import dataclasses

from adversarial_autoencoder import datasets
from adversarial_autoencoder.datasets.labels import labeled_subset
from adversarial_autoencoder.system.errors import UserError

import numpy as np
import pytest


def split_of(*counts):
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(len(counts)), counts))
    pixels = np.arange(len(labels), dtype=np.uint8).reshape(-1, 1, 1, 1)  # Each its own place.
    return datasets.Split(pixels, labels.astype(np.int32))


def test_labelled_images_are_chosen_evenly_by_the_seed_alone():
    split = split_of(40, 50, 60)
    chosen = labeled_subset(split, 30, seed=1)
    assert np.bincount(chosen.labels).tolist() == [10, 10, 10]
    places = chosen.images.ravel()
    assert len(set(places)) == 30
    np.testing.assert_array_equal(split.labels[places], chosen.labels)
    again, other = (labeled_subset(split, 30, seed) for seed in (1, 2))
    np.testing.assert_array_equal(again.images, chosen.images)
    assert (other.images != chosen.images).any()


def test_hidden_labels_are_all_but_those_of_the_labelled_images():
    split = split_of(40, 50, 60)
    hidden = datasets.hide_labels(split, 30, n_classes=3, seed=1)
    np.testing.assert_array_equal(hidden.images, split.images)
    known = hidden.labels < 3
    np.testing.assert_array_equal(hidden.labels[known], split.labels[known])
    chosen = labeled_subset(split, 30, seed=1)
    assert set(hidden.images[known].ravel()) == set(chosen.images.ravel())
    assert (hidden.labels[~known] == 3).all()


@pytest.mark.parametrize("n_labeled", [0, 150])
def test_all_images_may_be_labelled_however_uneven(n_labeled):
    assert len(labeled_subset(split_of(40, 50, 60), n_labeled, seed=0)) == 150


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
        labeled_subset(split_of(40, 50, 60), n_labeled, seed=0)


# What tells data sets apart.


def dataset_of(train=(8, 8, 8), test=(4, 4, 4)):
    factors = {"slant": np.arange(24.0)}
    train = dataclasses.replace(split_of(*train), factors=factors)
    return datasets.Dataset("own", train, split_of(2, 2, 2), split_of(*test), 3, ("a", "b", "c"))


def changed(data, part, what):
    """The same data but for one value of this part."""
    split = getattr(data, part)
    values = getattr(split, what).copy()
    values[-1] = (values[-1] + 1) % 3
    return dataclasses.replace(data, **{part: dataclasses.replace(split, **{what: values})})


@pytest.mark.parametrize("part", ["train", "validation", "test"])
@pytest.mark.parametrize("what", ["images", "labels"])
def test_other_images_or_labels_of_any_kind_are_other_data(part, what):
    data = dataset_of()
    other = changed(data, part, what)
    assert data.differences(data.fingerprint) == ([], [])
    assert other.fingerprint != data.fingerprint
    ((differing,), unknown) = other.differences(data.fingerprint)
    name = {"train": "training"}.get(part, part)
    assert differing.startswith(f"{name} images (") and "there" in differing and not unknown


def test_other_names_or_factors_are_other_data():
    data = dataset_of()
    renamed = dataclasses.replace(data, class_names=("a", "b", "d"))
    train = dataclasses.replace(data.train, factors={"slant": np.arange(24.0) + 1})
    for other in (renamed, dataclasses.replace(data, train=train)):
        ((differing,), _) = other.differences(data.fingerprint)
        assert differing.startswith("names or factors (3 classes, sha256")


def test_a_fingerprint_is_one_line_and_the_same_for_another_layout_in_memory():
    data = dataset_of()
    images = np.asfortranarray(np.repeat(data.train.images, 2, axis=1))
    twins = [
        dataclasses.replace(data, train=dataclasses.replace(data.train, images=array))
        for array in (images, np.ascontiguousarray(images))
    ]
    assert twins[0].fingerprint == twins[1].fingerprint
    assert len(data.fingerprint.splitlines()) == 1


def test_an_earlier_fingerprint_is_compared_as_far_as_it_goes():
    """Those of version 0.1 were of the training images alone."""
    data = dataset_of()
    earlier = "24 x 1 x 1 x 1, sha256 e623e2a18c5cd1c1"
    assert data.fingerprint.startswith(f"{earlier}; ")
    rest = ["validation images", "test images", "names or factors"]
    assert data.differences(earlier) == ([], rest)
    assert changed(data, "test", "images").differences(earlier) == ([], rest)
    assert len(changed(data, "train", "images").differences(earlier)[0]) == 1
    assert len(data.differences("")[0]) == 1


# Examples to look at.


def test_examples_are_one_of_each_class_then_a_second_of_each():
    split = split_of(1, 40, 50)
    chosen = split.one_of_each(6, seed=0)
    assert chosen.labels.tolist() == [0, 1, 2, 1, 2, chosen.labels[5]]
    assert len(set(chosen.images.ravel())) == 6
    np.testing.assert_array_equal(split.labels[chosen.images.ravel()], chosen.labels)


def test_sorted_test_images_still_give_examples_of_each_class():
    split = split_of(30, 30, 30)
    split = split[np.argsort(split.labels, kind="stable")]
    data = dataclasses.replace(dataset_of(), test=split)
    x, y = data.test_examples(9)
    assert (x.shape, y.shape) == ((9, 1), (9, 3))
    np.testing.assert_array_equal(y.numpy().argmax(1), [0, 1, 2] * 3)
    places = np.rint(x.numpy().ravel() * 255)
    assert set(places) - set(range(3))  # Not just the first of each.


def test_fewer_examples_are_the_first_of_more_and_the_seed_draws_others():
    data = dataclasses.replace(dataset_of(), test=split_of(30, 30, 30))
    nine, six = data.test_examples(9)[0], data.test_examples(6)[0]
    np.testing.assert_array_equal(nine[:6], six)
    np.testing.assert_array_equal(nine, data.test_examples(9)[0])
    assert (data.test_examples(9, seed=1)[0].numpy() != nine.numpy()).any()


def test_of_more_classes_than_examples_some_are_drawn():
    data = dataclasses.replace(dataset_of(), test=split_of(*[2] * 60), n_classes=60)
    labels = data.test_examples(10)[1].numpy().argmax(1)
    assert len(set(labels)) == 10 and labels.tolist() == sorted(labels)
    assert labels.max() > 20


@pytest.mark.parametrize("n", [12, 13, 10**30])
def test_all_test_images_come_in_their_order(n):
    data = dataset_of()
    for x, y in (data.test_examples(n), data.test_inputs()):
        np.testing.assert_array_equal(x, data.test.images.reshape(12, 1) / np.float32(255))
        np.testing.assert_array_equal(y.numpy().argmax(1), data.test.labels)
    assert data.test_examples(0)[0].shape == (0, 1)


def test_images_spread_over_a_split_begin_with_its_first_and_end_with_its_last():
    split = datasets.Split(np.arange(10).reshape(10, 1, 1, 1).astype(np.uint8), np.arange(10))
    assert split.spread(4).labels.tolist() == [0, 3, 6, 9]
    assert split.spread(1).labels.tolist() == [0]
    assert split.spread(20).labels.tolist() == list(range(10))
