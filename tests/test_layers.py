import functools

from adversarial_autoencoder import layers

import keras
import numpy as np
import pytest


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
