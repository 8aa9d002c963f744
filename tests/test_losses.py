from adversarial_autoencoder import losses

import numpy as np
import pytest
import tensorflow as tf


def test_reconstruction_is_the_mean_squared_error_over_pixels():
    x, x_hat = tf.constant([[0.0, 1.0]]), tf.constant([[0.5, 1.0]])
    assert float(losses.reconstruction(x, x_hat)) == pytest.approx(0.125)


def test_discriminator_wants_prior_samples_at_one_and_codes_at_zero():
    low, high = tf.fill([4, 1], -9.0), tf.fill([4, 1], 9.0)
    assert float(losses.discriminator(high, low)) < 0.001
    assert float(losses.discriminator(low, high)) > 17
    undecided = tf.zeros([4, 1])
    assert float(losses.discriminator(undecided, undecided)) == pytest.approx(2 * np.log(2))


def test_generator_wants_its_codes_at_one():
    assert float(losses.generator(tf.fill([4, 1], 9.0))) < 0.001
    assert float(losses.generator(tf.zeros([4, 1]))) == pytest.approx(np.log(2))


def test_cross_entropy_takes_pixels_for_chances():
    x, x_hat = tf.constant([[0.0, 1.0]]), tf.constant([[0.5, 0.25]])
    loss = float(losses.reconstruction(x, x_hat, "cross_entropy"))
    assert loss == pytest.approx((np.log(2) + np.log(4)) / 2)


def test_an_unknown_reconstruction_loss_is_an_error():
    with pytest.raises(ValueError, match="hinge"):
        losses.reconstruction(tf.zeros([1, 2]), tf.zeros([1, 2]), "hinge")


def test_classification_wants_the_true_label():
    y = tf.one_hot([2, 0], 3)
    assert float(losses.classification(y, 20 * y)) < 0.001
    assert float(losses.classification(y, tf.zeros([2, 3]))) == pytest.approx(np.log(3))
