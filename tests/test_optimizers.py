from adversarial_autoencoder import optimizers

import keras
import numpy as np
import tensorflow as tf


def variable():
    return keras.Variable(np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4), name="w")


def test_fused_adam_takes_the_steps_of_keras_adam():
    plain, fused = variable(), variable()
    keras_adam = keras.optimizers.Adam(0.01, beta_1=0.5, epsilon=1e-8)
    keras_adam.build([plain])
    fused_adam = optimizers.adam(0.01, 0.5, [fused])
    for step in range(20):
        gradient = tf.random.stateless_normal([3, 4], [7, step])
        keras_adam.apply([gradient])
        fused_adam.apply([gradient])
    np.testing.assert_allclose(plain, fused, rtol=0, atol=1e-6)
    assert int(fused_adam.iterations) == 20


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
