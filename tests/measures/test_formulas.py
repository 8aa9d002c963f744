"""Each measure on cases whose answer is known."""

import math

from adversarial_autoencoder.inference import generate
from adversarial_autoencoder.measures import formulas

import numpy as np
import pytest


@pytest.fixture
def rng():
    return np.random.default_rng(0)


# Reconstruction and classification.


def test_reconstruction_mse_is_the_mean_over_pixels_with_its_error_over_images():
    x = np.zeros([4, 1, 2, 1], np.uint8)
    x_hat = np.array([[0, 0], [1, 1], [0, 0], [1, 1]], np.float32)
    metrics = formulas.reconstruction_mse(x, x_hat)
    assert metrics == {
        "reconstruction_mse": 0.5,
        "reconstruction_mse_standard_error": pytest.approx(0.5 / math.sqrt(4)),
    }


def test_reconstruction_mse_of_the_images_themselves_is_0_however_many(rng):
    x = rng.integers(0, 256, [1201, 2, 2, 3], dtype=np.uint8)
    x_hat = x.reshape(len(x), -1) / np.float32(255)
    assert formulas.reconstruction_mse(x, x_hat)["reconstruction_mse"] == 0
    x_hat[-1] += 1
    mse = formulas.reconstruction_mse(x, x_hat)["reconstruction_mse"]
    assert mse == pytest.approx(1 / 1201)


def test_test_error_is_the_share_of_wrong_labels():
    metrics = formulas.classification_error(np.array([0, 1, 2, 2]), np.array([0, 1, 2, 0]))
    assert metrics["test_error"] == 0.25
    assert metrics["test_error_standard_error"] == pytest.approx(math.sqrt(0.25 * 0.75 / 4))


# Codes and prior.


def test_codes_that_are_the_prior_fit_as_well_as_the_prior_itself(rng):
    z, prior, again = (5 * rng.normal(size=[3000, 4]) for _ in range(3))
    metrics = formulas.code_fit(z, prior, again)
    assert metrics["code_stddev"] == pytest.approx(5, abs=0.2)
    assert metrics["code_stddev_min"] <= metrics["code_stddev"] <= metrics["code_stddev_max"]
    assert metrics["code_mean"] < 0.3
    assert metrics["code_ks"] < 0.06
    assert 0 < metrics["energy_distance"] < 1.5 * metrics["energy_distance_of_prior"]
    # 2 E|a - a'| / n, the expectation for two samples of one distribution.
    expected = 2 * 5 * 2 * math.gamma(2.5) / math.gamma(2) / 3000
    assert metrics["energy_distance_of_prior"] == pytest.approx(expected, rel=0.3)


def test_a_constant_code_does_not_fit(rng):
    prior, again = rng.normal(size=[2, 1000, 2])
    metrics = formulas.code_fit(np.zeros([1000, 2]), prior, again)
    assert metrics["code_ks"] >= 0.5
    assert metrics["code_stddev"] == metrics["code_stddev_max"] == 0
    assert metrics["energy_distance"] > 100 * metrics["energy_distance_of_prior"]


def test_one_shifted_dimension_is_seen(rng):
    z, prior, again = rng.normal(size=[3, 2000, 3])
    z[:, 1] -= 1
    metrics = formulas.code_fit(z, prior, again)
    assert metrics["code_mean"] == pytest.approx(1, abs=0.1)
    # Two normal distributions one standard deviation apart: 2 Φ(1/2) - 1.
    assert metrics["code_ks"] == pytest.approx(math.erf(0.5 / math.sqrt(2)), abs=0.05)
    assert metrics["energy_distance"] > 20 * metrics["energy_distance_of_prior"]


def test_one_narrow_and_one_wide_dimension_are_seen(rng):
    z, prior, again = rng.normal(size=[3, 2000, 3])
    z *= [0.5, 1, 2]
    metrics = formulas.code_fit(z, prior, again)
    assert metrics["code_stddev_min"] == pytest.approx(0.5, abs=0.03)
    assert metrics["code_stddev_max"] == pytest.approx(2, abs=0.1)


def test_correlated_codes_are_seen_by_the_energy_distance_alone(rng):
    z, prior, again = rng.normal(size=[3, 3000, 2])
    z[:, 1] = 0.9 * z[:, 0] + math.sqrt(1 - 0.9**2) * z[:, 1]
    metrics = formulas.code_fit(z, prior, again)
    assert metrics["code_ks"] < 0.06
    assert metrics["energy_distance"] > 10 * metrics["energy_distance_of_prior"]


def test_ks_distance_of_known_samples():
    assert formulas.ks_distance(np.array([1.0, 2]), np.array([3.0, 4])) == 1
    assert formulas.ks_distance(np.array([1.0, 3]), np.array([2.0, 4])) == 0.5
    assert formulas.ks_distance(np.ones(5), np.ones(3)) == 0


def test_energy_distance_is_the_average_over_all_pairs(rng):
    a, b = rng.normal(size=[1203, 3]), rng.normal(size=[701, 3]) + 100

    def mean_distance(a, b):
        return np.mean(np.linalg.norm(a[:, np.newaxis] - b, axis=2))

    expected = 2 * mean_distance(a, b) - mean_distance(a, a) - mean_distance(b, b)
    assert formulas.energy_distance(a, b) == pytest.approx(expected, rel=1e-6)
    assert formulas.energy_distance(a, a) == pytest.approx(0, abs=1e-9)


# Likelihood.


def test_parzen_log_likelihood_of_a_gaussian_is_about_its_negative_entropy(rng):
    samples, validation, test = 0.5 + 0.8 * rng.normal(size=[3, 4000, 2]).astype(np.float32)
    metrics = formulas.parzen_log_likelihood(samples, validation, test)
    entropy = math.log(2 * math.pi * math.e * 0.8**2)
    error = metrics["parzen_log_likelihood_standard_error"]
    assert metrics["parzen_log_likelihood"] == pytest.approx(-entropy, abs=4 * error)
    assert error == pytest.approx(1 / math.sqrt(4000), rel=0.1)


def test_parzen_window_around_one_sample_is_a_gaussian():
    test = np.array([[0.0, 0.3, 0.4]])
    found = formulas.parzen_log_likelihood(np.zeros([1, 3]), test, test)
    # 0.25 / 3 is the variance along each of three dimensions; the grid's nearest value wins.
    bandwidth = found["parzen_bandwidth"]
    assert bandwidth == pytest.approx(10 ** (-5 / 9))
    expected = -0.25 / (2 * bandwidth**2) - 1.5 * math.log(2 * math.pi * bandwidth**2)
    assert found["parzen_log_likelihood"] == pytest.approx(expected, rel=1e-5)


def test_the_finer_bandwidths_reach_what_the_ten_miss():
    test = np.array([[0.0, 0.3, 0.4]])
    found = formulas.parzen_log_likelihood(np.zeros([1, 3]), test, test)
    ideal = math.sqrt(0.25 / 3)
    assert found["parzen_fine_bandwidth"] == pytest.approx(ideal, rel=0.015)
    at_the_ideal = -1.5 * (1 + math.log(2 * math.pi * ideal**2))
    assert found["parzen_fine_log_likelihood"] == pytest.approx(at_the_ideal, abs=0.001)
    assert found["parzen_log_likelihood"] < at_the_ideal - 0.003


def test_parzen_log_likelihood_stays_finite_where_densities_underflow(rng):
    samples = rng.random([300, 784]).astype(np.float32) * 0.01
    ones = np.full([520, 28, 28, 1], 255, np.uint8)
    metrics = formulas.parzen_log_likelihood(samples, ones, ones)
    assert metrics["parzen_bandwidth"] == 1
    squares = 784 * 0.995**2
    expected = -squares / 2 - 392 * math.log(2 * math.pi)
    assert metrics["parzen_log_likelihood"] == pytest.approx(expected, abs=1)


def test_the_bandwidth_is_chosen_on_validation_images_alone(rng):
    samples, near = 0.1 * rng.normal(size=[2, 500, 2])
    far = near + 3
    chosen = [
        formulas.parzen_log_likelihood(samples, validation, test)["parzen_bandwidth"]
        for validation, test in ((near, near), (near, far), (far, near))
    ]
    assert chosen[0] == chosen[1] < chosen[2] == 1


# Generated images.


def shows(images):
    """A classifier for images whose first pixel is the label."""
    return np.round(images[:, 0] * 10).astype(int)


def test_content_accuracy_of_a_decoder_that_obeys_is_1():
    labels = np.arange(1000) % 10
    images = generate(lambda y, z: y[:, np.newaxis] / 10 + 0 * z, labels, labels)
    assert formulas.content_accuracy(shows, images, labels) == {
        "content_accuracy": 1.0,
        "content_accuracy_standard_error": 0.0,
    }


def test_content_accuracy_of_a_decoder_that_ignores_its_label_is_1_in_k(rng):
    labels, z = np.arange(5000) % 10, rng.integers(0, 10, [5000, 1])
    images = generate(lambda y, z: z / 10, labels, z)
    metrics = formulas.content_accuracy(shows, images, labels)
    assert metrics["content_accuracy"] == pytest.approx(0.1, abs=0.02)
    error = math.sqrt(0.1 * 0.9 / 5000)
    assert metrics["content_accuracy_standard_error"] == pytest.approx(error, rel=0.1)


def test_one_memorised_image_per_label_scores_no_diversity(rng):
    real = rng.integers(0, 256, [200, 6, 6, 1], dtype=np.uint8)
    labels = np.arange(200) % 10
    memorised = (real[labels] / np.float32(255)).reshape(200, -1)
    metrics = formulas.sample_diversity(memorised, labels, real, labels)
    assert metrics["sample_diversity"] == pytest.approx(0, abs=1e-5)


def test_real_images_are_as_diverse_as_real_images(rng):
    images = rng.integers(0, 256, [2000, 6, 6, 1], dtype=np.uint8)
    images[1000:] //= 3  # Of the second class, differences are smaller.
    labels = np.arange(2000) // 1000
    metrics = formulas.sample_diversity(images[::2], labels[::2], images[1::2], labels[1::2])
    assert metrics["sample_diversity"] == pytest.approx(1, abs=0.02)
    # The same however few are generated.
    few = np.r_[0:10, 1000:1010]
    metrics = formulas.sample_diversity(images[few], labels[few], images, labels)
    assert metrics["sample_diversity"] == pytest.approx(1, abs=0.05)


def test_sample_diversity_is_a_ratio_of_root_mean_square_differences():
    labels = np.zeros(2, int)
    generated = np.array([[0, 0, 0, 0], [0.5, 0.5, 0, 0]])
    real = np.array([[0, 0, 0, 0], [1, 1, 1, 1]], np.float32)
    metrics = formulas.sample_diversity(generated, labels, real, labels)
    assert metrics["sample_diversity"] == pytest.approx(math.sqrt(0.125))


def test_labels_without_two_images_do_not_count_towards_diversity(rng):
    images = rng.random([5, 4])
    metrics = formulas.sample_diversity(
        images, np.array([0, 0, 1, 2, 2]), images, np.array([0, 0, 1, 1, 2])
    )
    assert metrics["sample_diversity"] == pytest.approx(1)


def test_without_two_different_real_images_of_a_label_there_is_no_diversity(rng):
    images, labels = rng.random([6, 4]), np.arange(6) % 2
    assert formulas.sample_diversity(images, labels, images, np.arange(6)) == {}
    alike = images[[0, 1, 0, 1, 0, 1]]
    assert formulas.sample_diversity(images, labels, alike, labels) == {}
    assert formulas.sample_diversity(alike, labels, images, labels)["sample_diversity"] < 1e-6


# Nearest neighbours.


def test_neighbours_are_the_nearest_others():
    codes = np.array([[0.0], [1.0], [3.0], [3.5]])
    np.testing.assert_array_equal(formulas.neighbours(codes, [0, 2], 2), [[1, 2], [3, 1]])
