"""Style with a variational encoder: which phase changes what, the KL weight, the louder label."""

from adversarial_autoencoder import layers, options
from experiments import variational_style as script

import numpy as np
import pytest
import tensorflow as tf
from conftest import SMALL, let_learn, optimizers_of, step_of, variables


def build(data, *words):
    flags = options.parse(["script", *SMALL, *words], "", script.DEFAULTS, script.define_flags)
    return script.AdversarialAutoencoder(data, flags)


def batch(data):
    x, y = data.test_inputs()
    return x[:10], y[:10], tf.constant(0, tf.int64)


@pytest.mark.parametrize(
    "phase, networks",
    [("autoencoder", {"encoder", "decoder"}), ("discriminator", {"discriminator"})],
)
def test_each_phase_changes_its_own_networks_alone(phase, networks, data):
    model = build(data, "--learning_rate_drops=")
    assert optimizers_of(model).keys() == {"autoencoder", "discriminator"}
    let_learn(model, phase)
    before = [np.array(v) for v in variables(model)]
    step_of(model, *batch(data))
    changed = {
        network.name
        for network in model.networks
        if any(
            (np.array(v) != old).any()
            for v, old in zip(variables(model), before, strict=True)
            if any(v is own for own in network.trainable_variables)
        )
    }
    assert changed == networks


@pytest.mark.parametrize("weight", ["generator_weight", "kl_weight"])
def test_the_encoder_learns_from_the_adversary_and_from_the_kl_term(weight, data):
    results = []
    for value in (1e-9, 10):
        model = build(data, f"--{weight}={value}", "--kl_start=1", "--kl_epochs=0.001")
        step = tf.constant(100, tf.int64)  # Behind the fall of the KL weight.
        layers.redraw(model.networks, 0, step)  # Both draw the same noise.
        step_of(model, *batch(data)[:2], step)
        results.append(np.array(model.encoder.get_layer("e_dense_1").kernel))
    assert (results[0] != results[1]).any()


def test_the_kl_weight_falls_geometrically_and_then_stays(data):
    model = build(data, "--kl_start=1.6", "--kl_weight=0.1", "--kl_epochs=2")  # Epochs of 11 steps.
    found = [float(model.kl_weight(tf.constant(step))) for step in (0, 11, 22, 100)]
    assert found == pytest.approx([1.6, 0.4, 0.1, 0.1], rel=1e-5)


@pytest.mark.parametrize("network", ["decoder", "discriminator"])
def test_the_label_is_scaled_for_decoder_and_discriminator(network, data):
    loud, plain = (getattr(build(data, f"--label_scale={k}"), network) for k in (4, 1))
    y, z = tf.eye(3), tf.random.stateless_normal([3, 15], [0, 0])
    np.testing.assert_allclose(loud([y, z]), plain([4 * y, z]), atol=1e-5)
    assert np.abs(loud([y, z]) - plain([y, z])).max() > 1e-4


def test_an_encoder_that_draws_no_codes_is_refused_in_one_line():
    with pytest.raises(options.CommandLineError, match="--encoder has no effect in this script"):
        script.main(["variational_style", "--train", "--encoder=deterministic"])


def test_the_posterior_has_the_code_its_mean_and_its_deviation(data):
    model = build(data)
    x, _, _ = batch(data)
    z, mean, stddev = model.posterior(x, training=True)
    assert (np.array(stddev) > 0).all() and np.abs(z - mean).max() > 0
    z, mean, _ = model.posterior(x)
    np.testing.assert_array_equal(z, mean)
    np.testing.assert_array_equal(model.encode(x), mean)
