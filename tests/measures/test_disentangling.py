"""Measures of two codes on a model whose answers are known."""

import dataclasses
import types

from adversarial_autoencoder import datasets
from adversarial_autoencoder.measures import classifiers, disentangling, evaluation, probes

import characters
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
    metrics = disentangling.measure_swaps(Ideal(), data, classifiers.Judge(data, tmp_path))
    assert metrics.keys() == {"reconstruction_mse_with_others_z"}


def test_neighbours_are_of_one_identity_by_an_ideal_s_and_not_by_its_z(alternating):
    metrics = disentangling.measure_neighbours(Ideal(), alternating["seen"], None)
    assert metrics["s_neighbour_accuracy"] == 1
    assert metrics["neighbour_chance"] == pytest.approx(49 / 199)
    assert abs(metrics["z_neighbour_accuracy"] - 0.25) < 0.12


@pytest.mark.parametrize("test", [pytest.param("seen", marks=pytest.mark.slow), "unseen"])
def test_the_identity_is_read_from_an_ideal_s_and_not_from_its_z(test, alternating, monkeypatch):
    monkeypatch.setattr(probes, "N_EPOCHS", 10)
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


# Swaps whose true picture is known.


@pytest.fixture
def data():
    return characters.data_set()


class Perfect:
    """Codes are places in the data; the decoder knows every picture."""

    def __init__(self, split, wrong=0.0, swapped_wrong=0.0):
        self.split, self.errors = split, (wrong, swapped_wrong)

    def all_codes(self, split):
        rows = np.arange(len(split), dtype=np.float32)[:, np.newaxis]
        return {"s": rows, "z": np.full_like(rows, -1), "z_mean": rows}

    def decode_both(self, s, z):
        s, z = s[:, 0].astype(int), z[:, 0].astype(int)
        pose = np.column_stack(list(self.split.pose.values()))
        same = (self.split.labels[s, None] == self.split.labels) & (pose[z, None] == pose).all(
            axis=2
        )
        true = np.argmax(same, axis=1)
        x = self.split.images[true].reshape(len(true), -1) / np.float32(255)
        return x + np.where(s == z, *self.errors)[:, np.newaxis].astype(np.float32)


class Classifier:
    """Reads the pixels; of the frame it claims to know little."""

    accuracy = {"hat": 1.0, "action": 0.99, "frame": 0.9}

    def __call__(self, x):
        x = np.rint(255 * x).astype(int)
        return {
            "hat": x[:, 0] // 100 - 1,
            "action": np.maximum(x[:, 1] // 60 - 1, 0),
            "frame": x[:, 4] // 80,
        }


def measure_true_swaps(model, data):
    return disentangling.measure_true_swaps(
        model, data, types.SimpleNamespace(attributes=Classifier())
    )


def test_the_true_picture_shows_the_one_character_in_the_pose_of_the_other(data):
    of_s, of_z, true = disentangling.true_swaps(data.test, 300)
    test = data.test
    np.testing.assert_array_equal(test.labels[true], test.labels[of_s])
    for values in test.pose.values():
        np.testing.assert_array_equal(values[true], values[of_z])
    assert (true != of_s).all() and (test.labels[of_s] != test.labels[of_z]).all()
    assert 100 < len(true) <= 300
    for rows, again in zip((of_s, of_z, true), disentangling.true_swaps(test, 300), strict=True):
        np.testing.assert_array_equal(rows, again)


def test_pairs_whose_true_picture_is_not_there_are_left_out(data):
    some = data.test[np.arange(len(data.test)) % 5 > 0]
    of_s, of_z, true = disentangling.true_swaps(some, 200)
    np.testing.assert_array_equal(some.labels[true], some.labels[of_s])
    np.testing.assert_array_equal(some.pose["action"][true], some.pose["action"][of_z])
    alone = data.test[np.array([0, 7])]  # Other poses of other characters: no swap is known.
    assert not len(disentangling.true_swaps(alone, 50)[2])


def test_perfect_swaps_have_no_error_and_are_read_as_asked(data):
    metrics = measure_true_swaps(Perfect(data.test, wrong=0.1), data)
    assert metrics["swap_mse"] < 1e-12 and metrics["swap_mse_ratio"] < 1e-9
    assert metrics["swap_hat_accuracy"] == metrics["swap_action_accuracy"] == 1


def test_the_ratio_is_that_to_the_error_of_reconstructing_the_same_pictures(data):
    metrics = measure_true_swaps(Perfect(data.test, wrong=0.1, swapped_wrong=0.2), data)
    assert metrics["swap_mse"] == pytest.approx(0.04, rel=1e-3)
    assert metrics["swap_mse_ratio"] == pytest.approx(4, rel=1e-3)


def test_swaps_that_ignore_s_show_the_factors_of_z_and_those_that_ignore_z_its_pose(data):
    class IgnoresS(Perfect):
        def decode_both(self, s, z):
            return super().decode_both(z, z)

    class IgnoresZ(Perfect):
        def decode_both(self, s, z):
            return super().decode_both(s, s)

    ignoring_s, ignoring_z = (
        measure_true_swaps(kind(data.test, 0.1), data) for kind in (IgnoresS, IgnoresZ)
    )
    assert ignoring_s["swap_hat_accuracy"] < 0.9 and ignoring_s["swap_action_accuracy"] == 1
    assert ignoring_z["swap_hat_accuracy"] == 1 and ignoring_z["swap_action_accuracy"] < 0.9
    for metrics in (ignoring_s, ignoring_z):  # Neither errs on the picture that it encoded.
        for name in ("hat", "action"):
            assert metrics[f"reconstructed_{name}_accuracy"] == 1


def test_a_classifier_that_errs_on_real_pictures_is_not_trusted_with_swapped_ones(data, capsys):
    metrics = measure_true_swaps(Perfect(data.test, 0.1), data)
    assert metrics["frame_reader_accuracy"] == 0.9 and "swap_frame_accuracy" not in metrics
    assert "frame: the classifier errs" in capsys.readouterr().out


def test_without_poses_nothing_is_compared(data):
    test = datasets.Split(data.test.images, data.test.labels, data.test.factors)
    other = datasets.Dataset("fake", data.train, data.train, test, 6, data.class_names)
    assert measure_true_swaps(Perfect(test), other) == {}


def test_where_nothing_can_be_read_the_error_alone_is_measured(data):
    def without(split):
        return datasets.Split(split.images, split.labels, pose={"place": 0 * split.pose["frame"]})

    train, test = without(data.train), without(data.test)
    other = datasets.Dataset("fake", train, train, test, 6, data.class_names)
    metrics = disentangling.measure_true_swaps(Perfect(test), other, None)
    assert {name for name in metrics if "accuracy" in name} == set() and "swap_mse" in metrics


def test_probes_of_a_factor_see_only_images_that_show_it(data, monkeypatch):
    class Codes:
        def all_codes(self, split):
            return {"s": np.arange(len(split))[:, np.newaxis]}

    def with_scarf(split):  # Which no image shows.
        factors = split.factors | {"scarf": split.factors["hat"]}
        visible = split.visible | {"scarf": np.zeros(len(split), bool)}
        return dataclasses.replace(split, factors=factors, visible=visible)

    asked = []
    monkeypatch.setattr(
        probes, "probe_errors", lambda *arrays: asked.append(arrays) or (0.0, len(asked) / 10)
    )
    monkeypatch.setattr(disentangling, "CODES", ("s",))
    train, test = with_scarf(data.train), with_scarf(data.test)
    data = dataclasses.replace(data, train=train, test=test)
    metrics = disentangling.measure_disentangling(Codes(), data, None)
    assert [name for name in metrics if name.startswith("scarf")] == []
    assert metrics["factors_error_on_s_test"] == metrics["hat_error_on_s_test"] == 0.3
    s_train, hat_train, s_test, hat_test = asked[2]  # After those of the identity.
    for s, hat, split in ((s_train, hat_train, train), (s_test, hat_test, test)):
        rows = np.flatnonzero(split.visible["hat"])
        np.testing.assert_array_equal(s[:, 0], rows)
        np.testing.assert_array_equal(hat, split.factors["hat"][rows])


def test_letters_held_out_are_read_by_a_judge_that_knows_them(data, monkeypatch):
    monkeypatch.setattr(evaluation, "N_GENERATED", 50)
    held_out = characters.pictures(np.arange(6, 10))
    data = datasets.Dataset(
        "fake", data.train, data.train, data.test, 6, data.class_names, held_out
    )
    asked = []

    class Judge:
        def judge_of(self, all_data):
            asked.append(all_data)
            judge = lambda x: np.rint(255 * x[:, 1, 1, 0] / 10).astype(int)  # noqa: E731
            return FunctionWithAccuracy(judge)

    class FunctionWithAccuracy:
        accuracy = 1.0

        def __init__(self, function):
            self.function = function

        def __call__(self, x):
            return self.function(x)

    class Model(Perfect):
        def all_codes(self, split):
            codes = super().all_codes(split)
            return codes | {"z": codes["z_mean"]}

    metrics = disentangling.measure_swaps(Model(data.test), data, Judge())
    assert metrics["content_accuracy"] == 1 == metrics["classifier_accuracy"]
    (known,) = asked
    assert known.n_classes == 10 and set(known.train.labels) == set(range(10))
    assert len(known.train) == len(data.train) + len(held_out)
