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


def test_the_virtual_adversarial_perturbation_goes_where_the_label_changes_most():
    weights = np.zeros([5, 2], np.float32)
    weights[2] = 3.0, -3.0  # Only pixel 2 counts.
    seen = []

    def classify(x):
        seen.append(x)
        return x @ weights

    x, radius = tf.zeros([4, 5]), 0.5
    change = losses.virtual_adversarial(classify, x, tf.constant([1, 2], tf.int64), radius)
    np.testing.assert_allclose(np.abs(seen[-1] - x), radius * np.eye(5)[[2] * 4], atol=1e-4)
    p = 1 / (1 + np.exp(-6 * radius))
    assert float(change) == pytest.approx(-np.log(2) - (np.log(p) + np.log(1 - p)) / 2, rel=1e-3)


def test_the_virtual_adversarial_loss_of_labels_that_never_change_is_zero():
    constant = tf.one_hot([1, 1], 3)
    seed = tf.constant([1, 2], tf.int64)

    def classify(x):
        return constant + 0 * x[:, :3]

    assert float(losses.virtual_adversarial(classify, tf.ones([2, 5]), seed, 1.0)) == 0


def test_a_long_step_finds_the_direction_to_a_border_that_is_not_near():
    def classify(x):  # The label is certain up to a border, a distance of 1 away along pixel 0.
        beyond = tf.nn.relu(x[:, :1] - 1)
        return tf.concat([tf.zeros_like(beyond), 10 * beyond], 1)

    x, seed = tf.zeros([8, 2]), tf.constant([1, 2], tf.int64)
    assert float(losses.virtual_adversarial(classify, x, seed, radius=2.0)) == 0
    assert float(losses.virtual_adversarial(classify, x, seed, radius=2.0, xi=4.0)) > 1


def test_classification_wants_the_true_label():
    y = tf.one_hot([2, 0], 3)
    assert float(losses.classification(y, 20 * y)) < 0.001
    assert float(losses.classification(y, tf.zeros([2, 3]))) == pytest.approx(np.log(3))
