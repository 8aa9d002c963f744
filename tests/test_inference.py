"""Networks are run over many images or codes, batch by batch."""

import part2_aae
from adversarial_autoencoder import inference, layers, options

import numpy as np
import pytest
from conftest import SMALL


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_images_are_encoded_flat_in_0_to_1_and_in_order(rng):
    images = rng.integers(0, 256, [7, 2, 3, 1], dtype=np.uint8)
    z = inference.encode(lambda x: x[:, :2] * 2, images, batch_size=3)
    assert z.dtype == np.float32
    np.testing.assert_allclose(z, images.reshape(7, 6)[:, :2] / 255 * 2, rtol=1e-6)


def test_codes_of_a_gaussian_encoder_are_drawn_around_their_mean(data):
    flags = options.parse(["script", *SMALL, "--encoder=gaussian"], "", {}, part2_aae.define_flags)
    model = part2_aae.AdversarialAutoencoder(data, flags)
    images = data.test.images[:1].repeat(5000, axis=0)
    z = model.draw_codes(images)
    stddev = layers.code_stddev(model.encoder)(images[:1].reshape(1, -1) / np.float32(255))
    mean = inference.encode(model.encode, images)[:1]
    np.testing.assert_allclose(z.mean(0, keepdims=True), mean, atol=0.05)
    np.testing.assert_allclose(z.std(0, keepdims=True), stddev, rtol=0.04)
    np.testing.assert_array_equal(model.draw_codes(images), z)


def test_every_batch_is_generated_from_its_own_labels_and_codes():
    labels, z = np.arange(7), np.arange(7.0)[:, np.newaxis] * 10
    images = inference.generate(lambda y, z: y[:, np.newaxis] + z, labels, z, batch_size=3)
    np.testing.assert_array_equal(images, np.arange(7)[:, np.newaxis] * 11)
