from adversarial_autoencoder import randomness

import numpy as np
import tensorflow as tf


def test_a_draw_depends_on_seed_purpose_and_step_alone():
    def draw(*key):
        return tf.random.stateless_normal([3], randomness.stateless_seed(*key)).numpy()

    np.testing.assert_array_equal(draw(0, "prior", 5), draw(0, "prior", 5))
    others = [draw(1, "prior", 5), draw(0, "noise", 5), draw(0, "prior", 6)]
    assert all((draw(0, "prior", 5) != other).all() for other in others)


def test_a_step_counts_the_same_as_number_and_as_tensor():
    as_tensor = randomness.stateless_seed(0, "prior", tf.constant(5, tf.int64))
    np.testing.assert_array_equal(randomness.stateless_seed(0, "prior", 5), as_tensor)


def test_no_two_uses_of_prior_samples_share_a_step_or_have_one_of_training():
    uses = ("pictures", "code fit", "code fit, again", "generated images", "samples")
    uses += ("plot of the prior", "explorer", "petals", "a measure of mine", "another")
    steps = np.array([randomness.stateless_seed(0, "prior", use)[1] for use in uses])
    assert len(np.unique(steps)) == len(uses) and steps.max() < 0
    np.testing.assert_array_equal(steps[:8], -65536 * np.arange(1, 9))  # As runs had them.


def test_numpy_draws_repeat_too():
    a, b = (randomness.numpy_generator(2, "labels").integers(1000, size=5) for _ in range(2))
    np.testing.assert_array_equal(a, b)


def test_the_first_replica_of_a_strategy_draws_what_a_lone_device_draws():
    strategy = tf.distribute.MirroredStrategy(["CPU:0"])
    (alone,) = strategy.experimental_local_results(
        strategy.run(lambda: randomness.stateless_seed(0, "prior", 5))
    )
    np.testing.assert_array_equal(alone, randomness.stateless_seed(0, "prior", 5))
