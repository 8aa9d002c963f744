import functools

from adversarial_autoencoder import layers

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
    with pytest.raises(ValueError, match="x_"):
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
        layers.draw_anew([model], seed, step)
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
