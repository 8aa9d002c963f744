"""Measures of two codes on a model whose answers are known."""

import dataclasses

from adversarial_autoencoder import datasets
from adversarial_autoencoder.measures import disentangling, evaluation, judge

import numpy as np
import pytest


class Ideal:
    """A model whose s is the identity and whose z is noise; its images are as bright as s."""

    def __init__(self):
        self.decoded = []

    def all_codes(self, split):
        rng = np.random.default_rng(len(split))
        s = split.labels[:, np.newaxis] + 0.01 * rng.normal(size=[len(split), 1])
        z = rng.normal(size=[len(split), 2])
        return {"z": z, "z_mean": z / 2, "s": s.astype(np.float32)}

    def decode_both(self, s, z):
        self.decoded.append((s, z))
        return np.repeat(np.rint(s) / 255, 36, axis=1).astype(np.float32)


def brightness(images):
    return 255 * images[:, 0, 0, 0]


@pytest.fixture
def alternating():
    """200 images of four identities and as many of two others, in turn, as bright as the number."""

    def split(labels):
        pixels = np.broadcast_to(labels[:, None, None, None], [len(labels), 6, 6, 1])
        return datasets.Split(pixels.astype(np.uint8), labels.astype(np.int32))

    seen, unseen = split(np.arange(200) % 4), split(4 + np.arange(200) % 2)
    return {
        test: datasets.Dataset("fake", seen, seen, images, 4, tuple("abcdef"))
        for test, images in (("seen", seen), ("unseen", unseen))
    }


def test_an_ideal_model_swaps_as_asked(alternating):
    data = alternating["seen"]

    def classifier(x):
        return np.rint(brightness(x)).astype(int)

    classifier.accuracy = 1.0
    model = Ideal()
    metrics = disentangling.measure_swaps(model, data, classifier)
    assert metrics["content_accuracy"] == 1
    assert metrics["reconstruction_mse_with_others_z"] == 0  # Since it does not listen to z.
    (_, z), (s, swapped_z) = model.decoded
    assert len(s) == evaluation.N_GENERATED
    codes = model.all_codes(data.test)
    of_z = {tuple(row): label for row, label in zip(codes["z"], data.test.labels, strict=True)}
    assert all(of_z[tuple(z)] != round(float(s)) for s, z in zip(s[:, 0], swapped_z, strict=True))
    assert sorted(map(tuple, z)) == sorted(map(tuple, codes["z_mean"]))


def test_of_unseen_identities_no_classifier_is_asked(alternating):
    metrics = disentangling.measure_swaps(Ideal(), alternating["unseen"], None)
    assert metrics.keys() == {"reconstruction_mse_with_others_z"}


def test_of_a_single_unseen_identity_nothing_is_swapped_and_the_rest_is_measured(
    alternating, tmp_path
):
    data = alternating["unseen"]
    test = data.test[data.test.labels == 4]
    data = dataclasses.replace(data, test=test, held_out=test)
    metrics = disentangling.measure_swaps(Ideal(), data, judge.Judge(data, tmp_path))
    assert metrics.keys() == {"reconstruction_mse_with_others_z"}


def test_neighbours_are_of_one_identity_by_an_ideal_s_and_not_by_its_z(alternating):
    metrics = disentangling.measure_neighbours(Ideal(), alternating["seen"], None)
    assert metrics["s_neighbour_accuracy"] == 1
    assert metrics["neighbour_chance"] == pytest.approx(49 / 199)
    assert abs(metrics["z_neighbour_accuracy"] - 0.25) < 0.12


@pytest.mark.parametrize("test", ["seen", "unseen"])
def test_the_identity_is_read_from_an_ideal_s_and_not_from_its_z(test, alternating):
    data = alternating[test]
    metrics = disentangling.measure_disentangling(Ideal(), data, None)
    assert metrics["identity_error_on_s_test"] == 0 == metrics["identity_error_on_pixels_test"]
    chance = metrics["identity_error_by_chance"]
    assert chance == {"seen": 0.75, "unseen": 0.5}[test]
    assert abs(metrics["identity_error_on_z_test"] - chance) < 0.15


def test_large_images_are_halved_for_the_network_that_learns_from_pixels():
    x = np.random.default_rng(0).integers(0, 255, [2, 65, 64, 3], np.uint8)
    rows = disentangling.downscaled_pixels(x)
    assert rows.shape == (2, 32 * 32 * 3)
    assert rows[1, 3 + 2] == x[1, :2, 2:4, 2].mean()
