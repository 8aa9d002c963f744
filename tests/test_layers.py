import functools

from adversarial_autoencoder import layers
from adversarial_autoencoder.system.errors import UserError

import keras
import numpy as np
import pytest
import tensorflow as tf


def network(prefix, **settings):
    x = keras.Input([30])
    hidden = layers.dense(x, 400, f"{prefix}dense_1", "relu", **settings)
    return keras.Model(x, layers.dense(hidden, 7, f"{prefix}output", **settings))


def test_weights_are_drawn_from_the_series_distribution_and_biases_are_zero():
    kernel, bias = network("e_").get_layer("e_dense_1").get_weights()
    assert np.std(kernel) == pytest.approx(0.01, rel=0.05)
    assert np.mean(kernel) == pytest.approx(0, abs=5e-4)
    assert not bias.any()


def test_he_initialisation_has_its_spread():
    kernel, _ = network("e_", initializer="he").get_layer("e_dense_1").get_weights()
    assert np.std(kernel) == pytest.approx(np.sqrt(2 / 30), rel=0.05)


def test_first_weights_depend_on_seed_and_name_alone():
    first = functools.partial(lambda **s: network("e_", **s).get_weights()[0])
    np.testing.assert_array_equal(first(seed=3), first(seed=3))
    assert (first(seed=3) != first(seed=4)).any()
    assert (first(seed=3) != network("d_", seed=3).get_weights()[0]).any()


def test_an_unknown_initializer_is_an_error():
    with pytest.raises(ValueError, match="magic"):
        network("e_", initializer="magic")


def test_variables_are_picked_by_the_start_of_their_names():
    networks = [network("e_"), network("d_"), network("dc_")]
    assert len(layers.variables(networks, "e_")) == 4
    assert {v.path for v in layers.variables(networks, "e_", "d_")} == {
        f"{prefix}_{layer}/{part}"
        for prefix in "ed"
        for layer in ("dense_1", "output")
        for part in ("kernel", "bias")
    }
    with pytest.raises(UserError, match="x_"):
        layers.variables(networks, "x_")


def test_outputs_are_float32_under_mixed_precision():
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    model = network("e_")
    assert model.get_layer("e_dense_1").compute_dtype == "bfloat16"
    assert model(np.ones([2, 30], np.float32)).dtype == "float32"


def network_with_dropout():
    x = keras.Input([30], name="x")
    hidden = layers.dense(x, 40, "e_dense_1", "relu", dropout=0.5)
    return keras.Model(x, layers.dense(hidden, 7, "e_output", initializer="he"))


def test_dropout_acts_in_training_alone():
    x, model = np.ones([2, 30], np.float32), network_with_dropout()
    np.testing.assert_array_equal(model(x), model(x))
    assert (np.array(model(x, training=True)) != np.array(model(x))).any()


def test_dropout_depends_on_seed_and_step_alone():
    x = np.ones([2, 30], np.float32)

    @tf.function
    def outputs(model_number, seed, step):
        model = models[model_number]
        layers.redraw([model], seed, step)
        return model(x, training=True)

    models = [network_with_dropout(), network_with_dropout()]
    models[1].set_weights(models[0].get_weights())
    first = outputs(0, 3, tf.constant(5))
    assert (outputs(0, 3, tf.constant(6)) != first).numpy().any()
    assert (outputs(0, 4, tf.constant(5)) != first).numpy().any()
    np.testing.assert_array_equal(outputs(0, 3, tf.constant(5)), first)
    np.testing.assert_array_equal(outputs(1, 3, tf.constant(5)), first)


def test_batch_normalization_stands_in_front_of_the_relu_of_hidden_layers():
    model = network("e_", batch_norm=True, initializer="he")
    x = np.random.default_rng(0).normal(3, 5, [500, 30]).astype(np.float32)
    hidden = keras.Model(model.input, model.get_layer("e_dense_1_batch_norm").output)
    normal = np.array(hidden(x, training=True))
    np.testing.assert_allclose(normal.mean(axis=0), 0, atol=1e-3)
    np.testing.assert_allclose(normal.std(axis=0), 1, atol=1e-2)
    assert not [layer for layer in model.layers if layer.name == "e_output_batch_norm"]
    assert (np.array(model.get_layer("e_dense_1_relu").output.shape) == [None, 400]).all()


@pytest.mark.parametrize("activation", ["relu", "elu", "leaky_relu", "tanh", "sigmoid", None])
def test_layers_of_any_activation_but_those_of_outputs_are_hidden(activation):
    """Hidden layers have batch normalization and dropout, outputs are activated in float32."""
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    is_output = activation in ("tanh", "sigmoid", None)
    x, image = keras.Input([30]), keras.Input([4, 4, 1])
    outputs = layers.dense(x, 7, "e_dense", activation, batch_norm=True, dropout=0.5)
    shape = {"kernel_size": 3, "strides": 2}
    convolved = layers.convolution(image, 2, "e_conv", activation, batch_norm=True, **shape)
    networks = [keras.Model(x, outputs), keras.Model(image, convolved)]
    names = {layer.name for network in networks for layer in network.layers}
    of_hidden = {"e_dense_batch_norm", "e_dense_dropout", "e_conv_batch_norm"}
    assert names & of_hidden == (set() if is_output else of_hidden)
    for network in networks:
        assert network.output.dtype == ("float32" if is_output else "bfloat16")


@pytest.mark.parametrize("batch_norm", [False, True])
def test_a_hidden_layer_has_its_own_activation_with_and_without_normalization(batch_norm):
    x = keras.Input([30])
    hidden = layers.dense(x, 40, "e_dense", "elu", batch_norm=batch_norm, initializer="he")
    y = keras.Model(x, hidden)(np.random.default_rng(0).normal(size=[50, 30])).numpy()
    assert y.max() > 1 and -1 < y.min() < -0.5


def gaussian_encoder(**settings):
    """An encoder of 30 numbers to 3-D codes, and the networks that give its mean and spread."""
    x = keras.Input([30], name="x")
    dense = functools.partial(layers.dense, initializer="he", **settings)
    hidden = dense(x, 40, "e_dense_1", "relu")
    encoder = keras.Model(x, layers.latent_variable(dense, hidden, 3, "gaussian"))
    mean = keras.Model(x, encoder.get_layer("e_latent_variable").output)
    return encoder, mean, layers.code_stddev(encoder)


def test_a_gaussian_encoder_draws_codes_with_the_mean_and_spread_that_it_gives():
    encoder, mean, stddev = gaussian_encoder()
    x = np.tile(np.random.default_rng(0).normal(size=[1, 30]).astype(np.float32), [20_000, 1])
    z, mean, stddev = np.array(encoder(x, training=True)), mean(x[:1])[0], stddev(x[:1])[0]
    assert (np.array(stddev) > 0).all() and len(set(np.array(stddev))) == 3
    np.testing.assert_allclose(z.mean(0), mean, atol=0.05)
    np.testing.assert_allclose(z.std(0), stddev, rtol=0.02)
    np.testing.assert_allclose(np.corrcoef(z.T), np.eye(3), atol=0.03)


def test_a_gaussian_encoder_gives_the_mean_outside_training():
    encoder, mean, _ = gaussian_encoder(dropout=0.5)
    x = np.random.default_rng(0).normal(size=[5, 30]).astype(np.float32)
    np.testing.assert_array_equal(encoder(x), mean(x))


def test_gradients_reach_the_mean_and_the_spread_of_drawn_codes():
    encoder, *_ = gaussian_encoder()
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.square(encoder(np.ones([5, 30], np.float32), training=True)))
    for gradient in tape.gradient(loss, encoder.trainable_variables):
        assert gradient.numpy().any()


def test_what_a_gaussian_encoder_draws_depends_on_seed_and_step_alone():
    encoder, *_ = gaussian_encoder()
    x = np.ones([5, 30], np.float32)

    def draw(seed, step):
        layers.redraw([encoder], seed, tf.constant(step))
        return [np.array(encoder(x, training=True)) for _ in range(2)]

    first = draw(0, 1)
    assert (first[0] != first[1]).all()  # Two phases of a step draw their own.
    np.testing.assert_array_equal(draw(0, 1), first)
    assert (draw(1, 1)[0] != first[0]).all() and (draw(0, 2)[0] != first[0]).all()


def test_a_deterministic_encoder_has_no_spread():
    x = keras.Input([30])
    encoder = keras.Model(x, layers.latent_variable(layers.dense, x, 3, "deterministic"))
    assert layers.code_stddev(encoder) is None
    with pytest.raises(ValueError, match="magic"):
        layers.latent_variable(layers.dense, x, 3, "magic")


def test_pixels_from_minus_1_to_1_are_seen_and_made_inside_the_networks_alone():
    x = keras.Input([30], name="x")
    seen = keras.Model(x, layers.input_pixels(x, "-1,1"))
    np.testing.assert_allclose(seen(np.array([[0, 0.5, 1] * 10], "float32"))[0, :3], [-1, 0, 1])
    decoder = keras.Model(x, layers.output_pixels(layers.dense, x, 7, "-1,1"))
    z = 1000 * np.random.default_rng(0).normal(size=[5, 30]).astype(np.float32)
    tanh = keras.Model(x, decoder.get_layer("d_output_float32").output)(z)
    assert np.min(tanh) < -0.9 and np.max(tanh) > 0.9
    np.testing.assert_allclose(decoder(z), (1 + np.array(tanh)) / 2, atol=1e-6)


@pytest.mark.parametrize("keep", [False, True])
def test_a_layer_before_batch_normalization_has_a_bias_in_runs_of_earlier_versions_alone(keep):
    x = keras.Input([5])
    hidden = layers.dense(x, 4, "e_dense", "relu", batch_norm=True, batch_norm_bias=keep)
    logits = layers.dense(hidden, 3, "e_label", normalized=True, batch_norm_bias=keep)
    network = keras.Model(x, layers.dense(logits, 2, "e_output"))
    assert network.get_layer("e_dense").use_bias == keep
    assert network.get_layer("e_label").use_bias == keep
    assert network.get_layer("e_output").use_bias
