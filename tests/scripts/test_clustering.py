"""Clustering: what a step learns from, and bad input."""

import dataclasses

from adversarial_autoencoder import losses, options
from adversarial_autoencoder.system.errors import UserError
from experiments import clustering as script

import numpy as np
import pytest
import tensorflow as tf
from conftest import SMALL, variables


def build(data, *words):
    flags = options.parse(["script", *SMALL, *words], "", script.DEFAULTS, script.define_flags)
    return script.AdversarialAutoencoder(data, flags)


def test_labels_have_no_part_in_training(data):
    """All labels permuted: the same weights, bit for bit, also with VAT."""
    weights = []
    for shift in (0, 1):
        split = dataclasses.replace(data.train, labels=(data.train.labels + shift) % 3)
        other = dataclasses.replace(data, train=split)
        model = build(other, "--n_clusters=4", "--vat_radius=1")
        x = tf.reshape(tf.constant(split.images[:20], tf.float32) / 255, [20, -1])
        y = tf.one_hot(split.labels[:20], 3)
        for step in range(2):
            model.train_step.python_function(x, y, tf.constant(step, tf.int64))
        weights.append([np.array(v) for v in variables(model)])
    for a, b in zip(*weights, strict=True):
        np.testing.assert_array_equal(a, b)


def test_virtual_adversarial_training_is_an_option_and_changes_the_encoder(data):
    x, y = data.test_inputs()
    kernels, changes = [], []
    for radius in (0, 1):
        model = build(data, f"--vat_radius={radius}")
        found = model.train_step.python_function(x, y, tf.constant(0, tf.int64))
        changes.append(float(found["Virtual Adversarial Loss"]))
        kernels.append(np.array(model.encoder.get_layer("e_dense_1").kernel))
    assert changes[0] == 0 < changes[1]
    assert (kernels[0] != kernels[1]).any()


OWN = ("--own_label_layers", "--n_clusters=4", "--vat_radius=1", "--entropy_weight=0.1")


def test_label_layers_of_their_own_are_trained_by_the_regularization_alone(data):
    model = build(data, *OWN, "--label_game_weight=0", "--balance_weight=0.4")
    own = {v.path for v in model.encoder.trainable_variables if v.path.startswith("e_label")}
    assert {"e_label_dense_1/kernel", "e_label_dense_2/kernel", "e_label/kernel"} <= own
    assert own <= {v.path for v in model.encoder_variables}
    assert not own & {v.path for v in model.autoencoder_variables}
    assert np.allclose(model.classify(data.test_inputs()[0]), 0.25, atol=0.05)
    before = {v.path: np.array(v) for v in model.encoder.trainable_variables}
    model.train_step.python_function(*data.test_inputs(), tf.constant(0, tf.int64))
    changed = {
        v.path for v in model.encoder.trainable_variables if np.any(np.array(v) != before[v.path])
    }
    assert own | {"e_dense_1/kernel", "e_latent_variable/kernel"} <= changed


def test_a_game_of_weight_0_leaves_the_label_alone(data):
    labels = []
    for weight in (0, 1):
        model = build(data, "--own_label_layers", f"--label_game_weight={weight}")
        (kernel,) = (v for v in model.encoder_variables if v.path == "e_label/kernel")
        before = np.array(kernel)
        model.train_step.python_function(*data.test_inputs(), tf.constant(0, tf.int64))
        labels.append(np.abs(np.array(kernel) - before).max())
    assert labels[0] == 0 < labels[1]


@pytest.mark.parametrize(
    "words, told",
    [
        (["--n_clusters=1"], r"n_clusters=1: .*in the range \[2, "),
        (["--n_clusters=111"], "--n_clusters=111, but .* has only 110 training images"),
        (["--n_labeled=30"], "n_labeled"),
        (["--vat_radius=-1"], r"vat_radius=-1: .*in the range \[0, "),
    ],
)
def test_bad_input_is_told_and_nothing_is_written(words, told, npz, tmp_path):
    with pytest.raises(UserError, match=told):
        common = [f"--dataset={npz}", f"--results_dir={tmp_path}", *SMALL]
        script.main(["clustering.py", "--train", *common, *words])
    assert not list(tmp_path.iterdir())


def test_the_imbalance_is_that_of_the_mean_label():
    even = tf.constant([[1.0, 0.0], [0.0, 1.0]])
    assert float(losses.imbalance(even)) == pytest.approx(0, abs=1e-5)
    uneven = tf.constant([[0.9, 0.1], [0.6, 0.4]])  # In the mean 3/4 and 1/4.
    wanted = -(np.log(1.5) + np.log(0.5)) / 2
    assert float(losses.imbalance(uneven)) == pytest.approx(wanted, abs=1e-5)
    assert np.isfinite(losses.imbalance(tf.constant([[1.0, 0.0]])))


def test_the_entropy_is_of_each_label():
    labels = tf.constant([[0.5, 0.5], [1.0, 0.0]])
    assert float(losses.entropy(labels)) == pytest.approx(np.log(2) / 2, abs=1e-5)
