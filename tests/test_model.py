"""The base class of the models: noise on the code."""

import part2_aae
from adversarial_autoencoder import layers, options

import numpy as np
import pytest
import tensorflow as tf
from conftest import SMALL


def model(data, *words):
    words = ["part2", "--train", *SMALL, "--z_dim=4", *words]
    flags = options.parse(words, "", part2_aae.DEFAULTS, part2_aae.define_flags)
    return part2_aae.AdversarialAutoencoder(data, flags)


def at(step):
    return tf.constant(step, tf.int64)


def test_without_noise_codes_stay_as_they_are(data):
    z = tf.ones([3, 4])
    assert model(data).add_code_noise(z, at(0)) is z


@pytest.mark.parametrize("stddev", [1.0, 5.0])
def test_codes_with_their_noise_have_the_stddev_of_the_prior_from_first_to_last(data, stddev):
    noisy = model(data, "--code_noise=0.2", f"--prior_stddev={stddev}")
    scale = np.array(noisy.encoder.get_layer("e_latent_scale").scale)
    z = np.random.default_rng(0).standard_normal([20_000, 4]) * scale
    for step in (0, 5, 10**6):
        drawn = noisy.add_code_noise(tf.constant(z, tf.float32), at(step))
        np.testing.assert_allclose(np.std(drawn, axis=0), stddev, rtol=0.03)


def test_the_noise_falls_from_all_to_a_spectrum(data):
    noisy = model(data, "--code_noise=0.2", "--prior_stddev=1")
    z = tf.zeros([20_000, 4])
    spread = [np.std(noisy.add_code_noise(z, at(step)), axis=0) for step in (0, 10, 10**6)]
    np.testing.assert_allclose(spread[0], 1, rtol=0.03)
    np.testing.assert_allclose(spread[2], layers.code_noise(0.2, 4), rtol=0.03)
    assert np.all((spread[2] < spread[1]) & (spread[1] < spread[0]))
    assert layers.code_noise(0.2, 4)[0] == 0.2
    assert layers.code_noise(0.2, 4)[3] == pytest.approx(layers.MOST_NOISE)


def test_measures_read_codes_with_their_noise_and_pictures_their_mean(data):
    noisy = model(data, "--code_noise=0.2", "--prior_stddev=1")
    images = data.test.images
    assert noisy.code_noise(images).shape == (len(images), 4)
    assert not np.allclose(noisy.draw_codes(images), noisy.encode(data.test_inputs()[0]))


@pytest.mark.parametrize(
    "words, complaint",
    [
        (
            ("--prior=gaussian_mixture",),
            "--prior=gaussian_mixture takes no noise on the code: give --code_noise=0",
        ),
        (("--encoder=gaussian",), "--encoder=gaussian has noise of its own: give --code_noise=0"),
    ],
)
def test_noise_that_fits_nothing_is_refused(words, complaint):
    words = ["part2", "--train", "--code_noise=0.2", *words]
    flags = options.parse(words, "", part2_aae.DEFAULTS, part2_aae.define_flags)
    with pytest.raises(options.CommandLineError, match=complaint):
        options.check_prior(flags)
