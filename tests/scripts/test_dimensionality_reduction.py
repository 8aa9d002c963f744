"""Maps: the sum that the decoder gets, heads that keep apart, with labels and without."""

import dataclasses

from adversarial_autoencoder import losses, options, pictures
from adversarial_autoencoder.measures import evaluation, formulas
from adversarial_autoencoder.pictures import plots
from adversarial_autoencoder.system.errors import UserError
from experiments import dimensionality_reduction as script

import numpy as np
import pytest
import tensorflow as tf
from conftest import SMALL, variables

STEP = tf.constant(0, tf.int64)


def build(data, *words):
    words = [*SMALL, "--n_labeled=30", *words]
    flags = options.parse(["script", *words], "", script.DEFAULTS, script.define_flags)
    return script.AdversarialAutoencoder(data, flags)


def batch(data):
    x, y = data.test_inputs()
    return x[:20], y[:20]


@pytest.mark.filterwarnings("error:Gradients do not exist")
@pytest.mark.parametrize("words", [(), ("--n_clusters=4",)])
def test_label_layers_of_their_own_learn_from_known_labels_or_without(data, words):
    model = build(data, "--own_label_layers", "--vat_radius=1", *words)
    own = [v for v in model.encoder_variables if v.path.startswith("e_label")]
    assert [v.path for v in model.classifier_variables] == [v.path for v in own]
    before = [np.array(v) for v in own]
    model.train_step.python_function(*batch(data), STEP)
    assert all((np.array(v) != b).any() for v, b in zip(own, before, strict=True))


@pytest.mark.parametrize("z_dim", [2, 10])
def test_the_code_is_the_heads_by_probability_plus_the_style(z_dim, data):
    model = build(data, f"--z_dim={z_dim}")
    x, _ = batch(data)
    y, z = model.factors(x)
    wanted = y.numpy() @ np.array(model.heads()) + z.numpy()
    np.testing.assert_allclose(model.encode(x), wanted, atol=1e-5)
    np.testing.assert_array_equal(model.classify(x), y)
    np.testing.assert_array_equal(model.reconstruct(x, y), model.decoder(model.encode(x)))


@pytest.mark.parametrize("words", [(), ("--n_clusters=6",)])
def test_heads_come_as_far_apart_as_asked_and_stay_there(words, data):
    model = build(data, *words, "--head_distance=5", "--learning_rate=0.02")
    for step in range(60):
        model.train_step(*batch(data), tf.constant(step, tf.int64))
    assert formulas.smallest_distance(np.array(model.heads())) > 0.97 * 5


def test_the_loss_of_heads_is_what_they_lack_in_distance():
    heads = tf.constant([[0.0, 0.0], [3.0, 0.0], [0.0, 4.0]])
    assert float(losses.nearness(heads, 3.0)) == pytest.approx(0, abs=1e-5)
    assert float(losses.nearness(heads, 5.0)) == pytest.approx(2 + 1, abs=1e-5)
    same = tf.Variable(tf.zeros([2, 2]))
    with tf.GradientTape() as tape:
        loss = losses.nearness(same, 1.0)
    assert np.isfinite(tape.gradient(loss, same)).all()


def step_of(data, shift, *words):
    """All weights after two steps with labels shifted by this."""
    labels = (data.train.labels + shift) % 3
    other = dataclasses.replace(data, train=dataclasses.replace(data.train, labels=labels))
    model = build(other, *words)
    x, _ = batch(data)
    for step in range(2):
        y = tf.one_hot(labels[:20], 3)
        model.train_step.python_function(x, y, tf.constant(step, tf.int64))
    return [np.array(v) for v in variables(model)]


def test_with_clusters_no_labelled_images_are_kept(data):
    model = build(data, "--n_clusters=5")
    assert not hasattr(model, "labeled")
    assert model.sample_label_prior(7, STEP).shape == (7, 5)


def test_with_clusters_labels_have_no_part_in_training(data):
    words = ("--n_clusters=5", "--vat_radius=1")
    for a, b in zip(step_of(data, 0, *words), step_of(data, 1, *words), strict=True):
        np.testing.assert_array_equal(a, b)


def test_prior_codes_lie_around_heads_and_the_map_shows_where(data, monkeypatch):
    model = build(data, "--head_distance=1000")
    heads, z = np.array(model.heads()), model.sample_prior(300, -1).numpy()
    nearest = np.linalg.norm(z[:, None] - heads, axis=-1)
    assert set(nearest.argmin(axis=1)) == {0, 1, 2} and nearest.min(axis=1).max() < 6
    shown = []
    monkeypatch.setattr(plots, "scatter", lambda *_, **words: shown.append(words))
    pictures.usual(model, data)
    np.testing.assert_array_equal(shown[0]["heads"], heads)


def test_the_map_with_heads_is_another_picture_than_without():
    codes, labels, heads = np.zeros([3, 2]), np.arange(3), np.array([[0.0, 0.0], [9.0, -20.0]])
    plain = plots.scatter(codes, labels, "abc")
    marked = plots.scatter(codes, labels, "abc", heads=heads)
    assert marked.shape == plain.shape and (marked != plain).any()


def test_the_nearest_training_code_tells_the_label():
    codes, labels = np.array([[0.0, 0], [10, 0], [0, 10]]) + 1000, np.array([3, 1, 2])
    found = formulas.nearest_neighbour_error(codes, labels, codes + 2, labels)
    assert found["nearest_neighbour_error"] == 0
    found = formulas.nearest_neighbour_error(codes, labels, codes[[0, 0, 1, 2]], [3, 1, 1, 1])
    assert found["nearest_neighbour_error"] == 0.5


def test_the_measures_are_those_of_labels_or_of_clusters(data):
    found = evaluation.measure_map(build(data), data, None)
    assert found.keys() >= {"test_error", "nearest_neighbour_error", "head_distance"}
    found = evaluation.measure_map(build(data, "--n_clusters=4"), data, None)
    assert found.keys() >= {"clustering_error", "nearest_neighbour_error", "head_distance"}
    assert "test_error" not in found


@pytest.mark.parametrize(
    "words, told",
    [
        (["--n_clusters=111"], "--n_clusters=111, but .* has only 110 training images"),
        (["--n_clusters=1"], "n_clusters=1: one cluster tells nothing"),
        (["--head_distance=0"], "head_distance"),
        (["--n_labeled=31"], "divided evenly among 3 classes"),
    ],
)
def test_bad_input_is_told_and_nothing_is_written(words, told, npz, tmp_path):
    with pytest.raises(UserError, match=told):
        common = [f"--dataset={npz}", f"--results_dir={tmp_path}", *SMALL, "--n_labeled=30"]
        script.main(["dimensionality_reduction.py", "--train", *common, *words])
    assert not list(tmp_path.iterdir())
