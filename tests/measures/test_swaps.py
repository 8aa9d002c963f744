"""Swapped images against the true ones, on data and models whose answers are known."""

import dataclasses
import types

from adversarial_autoencoder import datasets
from adversarial_autoencoder.measures import disentangling, evaluation, probes, readers, swaps

import numpy as np
import pytest

N_CHARACTERS, N_ACTIONS, N_FRAMES = 6, 3, 2


def pictures(characters):
    """Of each character all poses: one pixel as bright as the hat, one as the action, and so on.

    Frame 0 of the actions 0 and 1 looks alike, and in action 2 the hat cannot be seen.
    """
    character, action, frame = (
        values.ravel()
        for values in np.meshgrid(characters, range(N_ACTIONS), range(N_FRAMES), indexing="ij")
    )
    hat = character % 2
    x = np.zeros([len(hat), 4, 4, 1], np.uint8)
    x[:, 0, 0, 0] = 100 * (hat + 1) * (action != 2)
    x[:, 0, 1, 0] = np.where((frame == 0) & (action < 2), 0, 60 * (action + 1))
    x[:, 1, 0, 0] = 80 * frame
    x[:, 1, 1, 0] = 10 * character
    return datasets.Split(
        x,
        character.astype(np.int32),
        factors={"hat": hat},
        pose={"action": action, "frame": frame},
        visible={"hat": action != 2},
    )


@pytest.fixture
def data():
    train, test = pictures(np.arange(6)), pictures(np.arange(6, 10))
    return datasets.Dataset("fake", train, train, test, 6, tuple(map(str, range(10))))


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


class Reader:
    """Reads the pixels; of the frame it claims to know little."""

    accuracy = {"hat": 1.0, "action": 0.99, "frame": 0.9}

    def __call__(self, x):
        x = np.rint(255 * x).astype(int)
        return {
            "hat": x[:, 0] // 100 - 1,
            "action": np.maximum(x[:, 1] // 60 - 1, 0),
            "frame": x[:, 4] // 80,
        }


def measure(model, data, reader=None):
    return swaps.measure_true_swaps(model, data, types.SimpleNamespace(reader=reader or Reader()))


def test_the_true_picture_shows_the_one_character_in_the_pose_of_the_other(data):
    of_s, of_z, true = swaps.true_swaps(data.test, 300)
    test = data.test
    np.testing.assert_array_equal(test.labels[true], test.labels[of_s])
    for values in test.pose.values():
        np.testing.assert_array_equal(values[true], values[of_z])
    assert (true != of_s).all() and (test.labels[of_s] != test.labels[of_z]).all()
    assert 100 < len(true) <= 300
    for rows, again in zip((of_s, of_z, true), swaps.true_swaps(test, 300), strict=True):
        np.testing.assert_array_equal(rows, again)


def test_pairs_whose_true_picture_is_not_there_are_left_out(data):
    some = data.test[np.arange(len(data.test)) % 5 > 0]
    of_s, of_z, true = swaps.true_swaps(some, 200)
    np.testing.assert_array_equal(some.labels[true], some.labels[of_s])
    np.testing.assert_array_equal(some.pose["action"][true], some.pose["action"][of_z])
    alone = data.test[np.array([0, 7])]  # Other poses of other characters: no swap is known.
    assert not len(swaps.true_swaps(alone, 50)[2])


def test_perfect_swaps_have_no_error_and_are_read_as_asked(data):
    metrics = measure(Perfect(data.test, wrong=0.1), data)
    assert metrics["swap_mse"] < 1e-12 and metrics["swap_mse_ratio"] < 1e-9
    assert metrics["swap_hat_accuracy"] == metrics["swap_action_accuracy"] == 1


def test_the_ratio_is_that_to_the_error_of_reconstructing_the_same_pictures(data):
    metrics = measure(Perfect(data.test, wrong=0.1, swapped_wrong=0.2), data)
    assert metrics["swap_mse"] == pytest.approx(0.04, rel=1e-3)
    assert metrics["swap_mse_ratio"] == pytest.approx(4, rel=1e-3)


def test_swaps_that_ignore_s_show_the_factors_of_z_and_those_that_ignore_z_its_pose(data):
    class IgnoresS(Perfect):
        def decode_both(self, s, z):
            return super().decode_both(z, z)

    class IgnoresZ(Perfect):
        def decode_both(self, s, z):
            return super().decode_both(s, s)

    ignoring_s, ignoring_z = (measure(kind(data.test, 0.1), data) for kind in (IgnoresS, IgnoresZ))
    assert ignoring_s["swap_hat_accuracy"] < 0.9 and ignoring_s["swap_action_accuracy"] == 1
    assert ignoring_z["swap_hat_accuracy"] == 1 and ignoring_z["swap_action_accuracy"] < 0.9
    for metrics in (ignoring_s, ignoring_z):  # Neither errs on the picture that it encoded.
        for name in ("hat", "action"):
            assert metrics[f"reconstructed_{name}_accuracy"] == 1


def test_a_reader_that_errs_on_real_pictures_is_not_trusted_with_swapped_ones(data, capsys):
    metrics = measure(Perfect(data.test, 0.1), data)
    assert metrics["frame_reader_accuracy"] == 0.9 and "swap_frame_accuracy" not in metrics
    assert "frame: the reader is not trusted" in capsys.readouterr().out


def test_without_poses_nothing_is_compared(data):
    test = datasets.Split(data.test.images, data.test.labels, data.test.factors)
    other = datasets.Dataset("fake", data.train, data.train, test, 6, data.class_names)
    assert measure(Perfect(test), other) == {}


def test_where_nothing_can_be_read_the_error_alone_is_measured(data):
    def without(split):
        return datasets.Split(split.images, split.labels, pose={"place": 0 * split.pose["frame"]})

    train, test = without(data.train), without(data.test)
    other = datasets.Dataset("fake", train, train, test, 6, data.class_names)
    metrics = swaps.measure_true_swaps(Perfect(test), other, None)
    assert {name for name in metrics if "accuracy" in name} == set() and "swap_mse" in metrics


# Readers.


def test_what_looks_alike_in_two_actions_tells_neither(data):
    for split, told in zip((data.train, data.test), readers.informative(data), strict=True):
        action, frame = split.pose.values()
        np.testing.assert_array_equal(told["action"], (frame == 1) | (action == 2))
        assert told["frame"].all()
        np.testing.assert_array_equal(told["hat"], action != 2)


def test_a_reader_learns_factors_and_pose_once_per_data_set(data, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(readers, "train_reader", lambda d, t=readers.train_reader: t(d, n_steps=80))
    first = readers.cached_reader(data, tmp_path)
    assert "hat 100.00%" in capsys.readouterr().out
    assert first.accuracy.keys() == {"hat", "action", "frame"}
    assert first.accuracy["frame"] > 0.9 and first.accuracy["action"] > 0.9
    read = first(data.test.images)
    told = readers.informative(data)[1]["hat"]
    np.testing.assert_array_equal(read["hat"][told], data.test.factors["hat"][told])
    monkeypatch.setattr(readers, "train_reader", None)
    again = readers.cached_reader(data, tmp_path)
    for name, values in again(data.test.images).items():
        np.testing.assert_array_equal(values, read[name])
    other = datasets.Dataset(
        "fake", pictures(np.arange(1, 7)), data.validation, data.test, 6, data.class_names
    )
    with pytest.raises(TypeError):  # Another data set: not read from the file.
        readers.cached_reader(other, tmp_path)


# The other measures.


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
    held_out = pictures(np.arange(6, 10))
    data = datasets.Dataset(
        "fake", data.train, data.train, data.test, 6, data.class_names, held_out
    )
    asked = []

    class Judge:
        def of(self, all_data):
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
