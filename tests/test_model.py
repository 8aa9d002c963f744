"""The base class of the models: codes that are drawn, and the price of what they tell."""

import part2_aae
from adversarial_autoencoder import options

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import SMALL


def model(data, *words):
    words = ["part2", "--train", *SMALL, "--z_dim=4", *words]
    flags = options.parse(words, "", part2_aae.DEFAULTS, part2_aae.define_flags)
    return part2_aae.AdversarialAutoencoder(data, flags)


def gated(data, *words):
    return model(data, "--encoder=gated", "--prior_stddev=1", *words)


def at(step):
    return tf.constant(step, tf.int64)


def gates(model, x):
    """0 to 1, [n, z_dim], in training."""
    gate = model.encoder.get_layer("e_latent_gate_float32").output
    return np.array(keras.Model(model.encoder.input, gate)(x, training=True))


def test_what_codes_tell_costs_nothing_unless_their_encoder_has_gates(data):
    plain = model(data)
    plain.encoder(data.test_inputs()[0], training=True)
    assert plain.information_loss(at(0)) == 0


@pytest.mark.parametrize("stddev", [1.0, 5.0])
def test_gated_codes_have_the_stddev_of_the_prior_in_training(data, stddev):
    x = np.random.default_rng(0).uniform(size=[20_000, data.input_dim]).astype(np.float32)
    encoder = gated(data, f"--prior_stddev={stddev}").encoder
    np.testing.assert_allclose(np.std(encoder(x, training=True), axis=0), stddev, rtol=0.05)


def test_the_price_is_of_the_nats_that_pass_and_falls_to_its_end(data):
    prices = ("--information_start=2", "--information_weight=0.2")
    priced = gated(data, *prices)  # Of 22 steps; after 13.2 it has fallen.
    x = data.test_inputs()[0]
    nats = -0.5 * np.log(1 - gates(priced, x) ** 2 + 1e-6).sum(axis=1).mean()
    priced.encoder(x, training=True)
    loss = [float(priced.information_loss(at(step))) for step in (0, 5, 14, 22)]
    assert loss[0] == pytest.approx(2 * nats / data.input_dim, rel=1e-5)
    assert loss[0] > loss[1] > loss[2]
    assert loss[2] == loss[3] == pytest.approx(0.2 * nats / data.input_dim, rel=1e-5)


def test_a_regularizer_of_your_own_is_no_part_of_the_price(data):
    priced = gated(data)
    x = data.test_inputs()[0]
    losses = []
    for regularizer in (None, keras.regularizers.L2(1.0)):
        priced.encoder.get_layer("e_dense_1").kernel.regularizer = regularizer
        priced.encoder(x, training=True)
        losses.append((len(priced.encoder.losses), float(priced.information_loss(at(0)))))
    (n_plain, plain), (n_regularized, regularized) = losses
    assert (n_plain, n_regularized) == (1, 2) and plain == regularized > 0


def test_the_price_alone_shuts_the_gates(data):
    priced = gated(data)
    with tf.GradientTape() as tape:
        priced.encoder(data.test_inputs()[0], training=True)
        loss = priced.information_loss(at(0))
    (bias,) = (v for v in priced.encoder_variables if v.path == "e_latent_gate/bias")
    assert np.all(np.array(tape.gradient(loss, bias)) > 0)


def test_measures_read_drawn_codes_and_pictures_their_mean(data):
    drawing, images = gated(data), data.test.images
    x = data.test_inputs()[0]
    noise = drawing.code_noise(images)
    assert noise.shape == (len(images), 4) and np.all((noise > 0) & (noise < 1))
    np.testing.assert_array_equal(drawing.encode(x), drawing.encode(x))
    spread = (drawing.draw_codes(images) - np.array(drawing.encode(x)))[: len(x)] / noise[: len(x)]
    assert np.std(spread) == pytest.approx(1, abs=0.15)


def test_gates_need_the_prior_whose_noise_they_draw(data):
    words = ["part2", "--train", "--encoder=gated", "--prior=gaussian_mixture"]
    flags = options.parse(words, "", part2_aae.DEFAULTS, part2_aae.define_flags)
    complaint = "--encoder=gated needs --prior=gaussian, which its noise is of, not gaussian_mix"
    with pytest.raises(options.CommandLineError, match=complaint):
        options.check_prior(flags)
