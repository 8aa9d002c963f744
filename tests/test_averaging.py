from adversarial_autoencoder import layers, optimizers

import keras
import numpy as np
import pytest


def network():
    x = keras.Input([3])
    return keras.Model(x, layers.dense(keras.layers.Dropout(0.1)(x), 2, "e_output"))


def test_the_average_follows_the_weights_and_forgets_the_initial_ones():
    model = network()
    average = optimizers.ExponentialMovingAverage([model], 0.9)
    expected = kernel = np.zeros([3, 2])
    for step in range(200):
        kernel = np.full([3, 2], step / 200)
        model.get_layer("e_output").kernel.assign(kernel)
        average.update(step)
        kept = min(0.9, (1 + step) / (10 + step))
        expected = kept * expected + (1 - kept) * kernel
    with average.in_place():
        np.testing.assert_allclose(model.get_layer("e_output").kernel, expected, rtol=1e-4)
    np.testing.assert_allclose(model.get_layer("e_output").kernel, kernel)


def test_weights_come_back_after_an_error():
    model = network()
    average = optimizers.ExponentialMovingAverage([model], 0.9)
    before = model.get_layer("e_output").kernel.numpy()
    model.get_layer("e_output").kernel.assign(before + 1)
    with pytest.raises(KeyboardInterrupt), average.in_place():
        np.testing.assert_array_equal(model.get_layer("e_output").kernel, before)
        raise KeyboardInterrupt
    np.testing.assert_array_equal(model.get_layer("e_output").kernel, before + 1)


def test_a_decay_of_0_keeps_no_average():
    model = network()
    average = optimizers.ExponentialMovingAverage([model], 0.0)
    model.get_layer("e_output").kernel.assign(np.ones([3, 2]))
    average.update(5)
    with average.in_place():
        np.testing.assert_array_equal(model.get_layer("e_output").kernel, np.ones([3, 2]))
    assert not average.variables
