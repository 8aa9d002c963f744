"""Adam by the fused kernel and by Keras, schedules, and the moving average of the weights."""

from adversarial_autoencoder import layers, optimizers

import keras
import numpy as np
import pytest
import tensorflow as tf


def variable():
    return keras.Variable(np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4), name="w")


def train(adam, n_steps=20):
    for step in range(n_steps):
        adam.apply([tf.random.stateless_normal([3, 4], [7, step])])
    assert int(adam.iterations) == n_steps


def train_as_keras(weight):
    adam = keras.optimizers.Adam(0.01, beta_1=0.5, epsilon=1e-8)
    adam.build([weight])
    train(adam)


def operations(adam):
    """Kinds of the operations that an update consists of."""
    gradient = tf.TensorSpec([3, 4], tf.float32)
    graph = tf.function(lambda g: adam.apply([g])).get_concrete_function(gradient).graph
    return {operation.type for operation in graph.get_operations()}


def test_fused_adam_takes_the_steps_of_keras_adam():
    plain, fused = variable(), variable()
    train_as_keras(plain)
    train(optimizers.adam(0.01, 0.5, [fused]))
    np.testing.assert_allclose(plain, fused, rtol=0, atol=1e-6)


def test_the_installed_keras_has_what_the_fused_kernel_needs():
    found = operations(optimizers.adam(0.01, 0.5, [variable()]))
    assert "ResourceApplyAdam" in found and "Sqrt" not in found


@pytest.mark.parametrize("name", ["_momentums", "_velocities"])
def test_where_keras_lacks_what_the_kernel_needs_its_own_update_does_the_step(name, monkeypatch):
    plain, fallen_back = variable(), variable()
    train_as_keras(plain)
    adam = optimizers.adam(0.01, 0.5, [fallen_back])
    renamed, keras_update = adam.__dict__.pop(name), keras.optimizers.Adam.update_step

    def update_step(self, *arguments):  # Of a later Keras, which alone knows the new name.
        self.__dict__[name] = renamed
        keras_update(self, *arguments)
        del self.__dict__[name]

    monkeypatch.setattr(keras.optimizers.Adam, "update_step", update_step)
    assert "ResourceApplyAdam" not in operations(adam)
    train(adam)
    np.testing.assert_array_equal(plain, fallen_back)


def test_without_boundaries_the_rate_is_a_number():
    assert optimizers.learning_rate(0.1, [], tf.Variable(0)) == 0.1


def test_the_rate_drops_at_its_boundaries_by_the_models_step():
    step = tf.Variable(0, dtype=tf.int64)
    rate = optimizers.learning_rate(0.1, [2, 5], step, drop=0.5)
    found = []
    for value in (0, 1, 2, 4, 5, 90):
        step.assign(value)
        found.append(float(rate()))
    assert found == pytest.approx([0.1, 0.1, 0.05, 0.05, 0.025, 0.025])


def test_a_schedule_changes_the_rate_of_the_step_it_names():
    weight = keras.Variable(np.zeros([1], np.float32))
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay([1], [0.1, 0.01])
    adam = optimizers.adam(schedule, 0.9, [weight])
    moved = []
    for _ in range(4):
        before = float(weight[0])
        adam.apply([tf.ones([1])])
        moved.append(round(before - float(weight[0]), 4))
    assert moved == [0.1, 0.1, 0.01, 0.01]


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
