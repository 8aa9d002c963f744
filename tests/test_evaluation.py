"""Each measure on cases whose answer is known."""

import functools
import json
import math
import os
import pathlib
import shutil
import subprocess

import part2_aae
from adversarial_autoencoder import datasets, evaluation, layers, options
from adversarial_autoencoder.errors import UserError

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import SMALL

REAL_MNIST = pathlib.Path(__file__).parents[2] / "shared" / "data" / "mnist"


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def quick_training(monkeypatch):
    quick = functools.partial(evaluation.train_classifier, n_steps=60)
    monkeypatch.setattr(evaluation, "train_classifier", quick)


# Running a network.


def test_images_are_encoded_flat_in_0_to_1_and_in_order(rng):
    images = rng.integers(0, 256, [7, 2, 3, 1], dtype=np.uint8)
    z = evaluation.encode(lambda x: x[:, :2] * 2, images, batch_size=3)
    assert z.dtype == np.float32
    np.testing.assert_allclose(z, images.reshape(7, 6)[:, :2] / 255 * 2, rtol=1e-6)


def test_codes_of_a_gaussian_encoder_are_drawn_around_their_mean(data):
    values = options.parse(
        ["script", *SMALL, "--encoder=gaussian"], "", options.define_regularization
    )
    model = part2_aae.AdversarialAutoencoder(data, values)
    images = data.test.images[:1].repeat(5000, axis=0)
    z = evaluation.draw_codes(model, images)
    stddev = layers.code_stddev(model.encoder)(images[:1].reshape(1, -1) / np.float32(255))
    mean = evaluation.encode(model.encode, images)[:1]
    np.testing.assert_allclose(z.mean(0, keepdims=True), mean, atol=0.05)
    np.testing.assert_allclose(z.std(0, keepdims=True), stddev, rtol=0.04)
    np.testing.assert_array_equal(evaluation.draw_codes(model, images), z)


def test_every_batch_is_generated_from_its_own_labels_and_codes():
    labels, z = np.arange(7), np.arange(7.0)[:, np.newaxis] * 10
    images = evaluation.generate(lambda y, z: y[:, np.newaxis] + z, labels, z, batch_size=3)
    np.testing.assert_array_equal(images, np.arange(7)[:, np.newaxis] * 11)


# Reconstruction and classification.


def test_reconstruction_mse_is_the_mean_over_pixels_with_its_error_over_images():
    x = np.zeros([4, 1, 2, 1], np.uint8)
    x_hat = np.array([[0, 0], [1, 1], [0, 0], [1, 1]], np.float32)
    metrics = evaluation.reconstruction_mse(x, x_hat)
    assert metrics == {
        "reconstruction_mse": 0.5,
        "reconstruction_mse_standard_error": pytest.approx(0.5 / math.sqrt(4)),
    }


def test_reconstruction_mse_of_the_images_themselves_is_0_however_many(rng):
    x = rng.integers(0, 256, [1201, 2, 2, 3], dtype=np.uint8)
    x_hat = x.reshape(len(x), -1) / np.float32(255)
    assert evaluation.reconstruction_mse(x, x_hat)["reconstruction_mse"] == 0
    x_hat[-1] += 1
    mse = evaluation.reconstruction_mse(x, x_hat)["reconstruction_mse"]
    assert mse == pytest.approx(1 / 1201)


def test_test_error_is_the_share_of_wrong_labels():
    metrics = evaluation.classification_error(np.array([0, 1, 2, 2]), np.array([0, 1, 2, 0]))
    assert metrics["test_error"] == 0.25
    assert metrics["test_error_standard_error"] == pytest.approx(math.sqrt(0.25 * 0.75 / 4))


# Codes and prior.


def test_codes_that_are_the_prior_fit_as_well_as_the_prior_itself(rng):
    z, prior, again = (5 * rng.normal(size=[3000, 4]) for _ in range(3))
    metrics = evaluation.code_fit(z, prior, again)
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
    metrics = evaluation.code_fit(np.zeros([1000, 2]), prior, again)
    assert metrics["code_ks"] >= 0.5
    assert metrics["code_stddev"] == metrics["code_stddev_max"] == 0
    assert metrics["energy_distance"] > 100 * metrics["energy_distance_of_prior"]


def test_one_shifted_dimension_is_seen(rng):
    z, prior, again = rng.normal(size=[3, 2000, 3])
    z[:, 1] -= 1
    metrics = evaluation.code_fit(z, prior, again)
    assert metrics["code_mean"] == pytest.approx(1, abs=0.1)
    # Two normal distributions one standard deviation apart: 2 Φ(1/2) - 1.
    assert metrics["code_ks"] == pytest.approx(math.erf(0.5 / math.sqrt(2)), abs=0.05)
    assert metrics["energy_distance"] > 20 * metrics["energy_distance_of_prior"]


def test_one_narrow_and_one_wide_dimension_are_seen(rng):
    z, prior, again = rng.normal(size=[3, 2000, 3])
    z *= [0.5, 1, 2]
    metrics = evaluation.code_fit(z, prior, again)
    assert metrics["code_stddev_min"] == pytest.approx(0.5, abs=0.03)
    assert metrics["code_stddev_max"] == pytest.approx(2, abs=0.1)


def test_correlated_codes_are_seen_by_the_energy_distance_alone(rng):
    z, prior, again = rng.normal(size=[3, 3000, 2])
    z[:, 1] = 0.9 * z[:, 0] + math.sqrt(1 - 0.9**2) * z[:, 1]
    metrics = evaluation.code_fit(z, prior, again)
    assert metrics["code_ks"] < 0.06
    assert metrics["energy_distance"] > 10 * metrics["energy_distance_of_prior"]


def test_ks_distance_of_known_samples():
    assert evaluation.ks_distance(np.array([1.0, 2]), np.array([3.0, 4])) == 1
    assert evaluation.ks_distance(np.array([1.0, 3]), np.array([2.0, 4])) == 0.5
    assert evaluation.ks_distance(np.ones(5), np.ones(3)) == 0


def test_energy_distance_is_the_average_over_all_pairs(rng):
    a, b = rng.normal(size=[1203, 3]), rng.normal(size=[701, 3]) + 100

    def mean_distance(a, b):
        return np.mean(np.linalg.norm(a[:, np.newaxis] - b, axis=2))

    expected = 2 * mean_distance(a, b) - mean_distance(a, a) - mean_distance(b, b)
    assert evaluation.energy_distance(a, b) == pytest.approx(expected, rel=1e-6)
    assert evaluation.energy_distance(a, a) == pytest.approx(0, abs=1e-9)


# Likelihood.


def test_parzen_log_likelihood_of_a_gaussian_is_about_its_negative_entropy(rng):
    samples, validation, test = 0.5 + 0.8 * rng.normal(size=[3, 4000, 2]).astype(np.float32)
    metrics = evaluation.parzen_log_likelihood(samples, validation, test)
    entropy = math.log(2 * math.pi * math.e * 0.8**2)
    error = metrics["parzen_log_likelihood_standard_error"]
    assert metrics["parzen_log_likelihood"] == pytest.approx(-entropy, abs=4 * error)
    assert error == pytest.approx(1 / math.sqrt(4000), rel=0.1)


def test_parzen_window_around_one_sample_is_a_gaussian():
    test = np.array([[0.0, 0.3, 0.4]])
    found = evaluation.parzen_log_likelihood(np.zeros([1, 3]), test, test)
    # 0.25 / 3 is the variance along each of three dimensions; the grid's nearest value wins.
    bandwidth = found["parzen_bandwidth"]
    assert bandwidth == pytest.approx(10 ** (-5 / 9))
    expected = -0.25 / (2 * bandwidth**2) - 1.5 * math.log(2 * math.pi * bandwidth**2)
    assert found["parzen_log_likelihood"] == pytest.approx(expected, rel=1e-5)


def test_parzen_log_likelihood_stays_finite_where_densities_underflow(rng):
    samples = rng.random([300, 784]).astype(np.float32) * 0.01
    ones = np.full([520, 28, 28, 1], 255, np.uint8)
    metrics = evaluation.parzen_log_likelihood(samples, ones, ones)
    assert metrics["parzen_bandwidth"] == 1
    squares = 784 * 0.995**2
    expected = -squares / 2 - 392 * math.log(2 * math.pi)
    assert metrics["parzen_log_likelihood"] == pytest.approx(expected, abs=1)


def test_the_bandwidth_is_chosen_on_validation_images_alone(rng):
    samples, near = 0.1 * rng.normal(size=[2, 500, 2])
    far = near + 3
    chosen = [
        evaluation.parzen_log_likelihood(samples, validation, test)["parzen_bandwidth"]
        for validation, test in ((near, near), (near, far), (far, near))
    ]
    assert chosen[0] == chosen[1] < chosen[2] == 1


# What generated images show.


def test_the_classifier_learns_images_of_any_size_and_number_of_channels(data):
    classifier = evaluation.train_classifier(data, n_steps=60)
    assert classifier.accuracy > 0.9
    assert np.mean(classifier(data.train.images) == data.train.labels) > 0.9
    flat = data.test.images.reshape(len(data.test), -1) / np.float32(255)
    np.testing.assert_array_equal(classifier(flat), classifier(data.test.images))


def test_the_classifier_takes_moved_and_large_images(rng):
    labels = np.arange(24, dtype=np.int32) % 2
    images = np.zeros([24, 40, 30, 1], np.uint8)
    images[labels == 1, 5:35, 5:25] = 255
    split = datasets.Split(images, labels)
    large = datasets.Dataset("large", split, split, split, 2, ("a", "b"))
    assert evaluation.train_classifier(large, n_steps=40).accuracy == 1


def test_the_classifier_is_the_same_for_the_same_seed(data):
    first, same, other = (
        evaluation.train_classifier(data, seed, n_steps=3).network.get_weights()
        for seed in (1, 1, 2)
    )
    for a, b in zip(first, same, strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(first[0], other[0])


def test_the_classifier_is_float32_in_a_run_of_mixed_precision(data):
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    network = evaluation.train_classifier(data, n_steps=1).network
    assert {layer.compute_dtype for layer in network.layers if layer.weights} == {"float32"}
    assert network(data.test.images[:1].astype(np.float32)).dtype == tf.float32


def test_a_classifier_is_trained_once_per_data_set(
    data, tmp_path, quick_training, monkeypatch, capsys
):
    first = evaluation.cached_classifier(data, tmp_path / "cache")
    assert f"{first.accuracy:.2%}" in capsys.readouterr().out
    monkeypatch.setattr(evaluation, "train_classifier", None)
    again = evaluation.cached_classifier(data, tmp_path / "cache")
    assert again.accuracy == first.accuracy
    np.testing.assert_array_equal(again(data.test.images), first(data.test.images))
    assert f"{first.accuracy:.2%}" in capsys.readouterr().out


def test_other_images_of_the_same_name_and_number_get_a_classifier_of_their_own(
    data, tmp_path, quick_training
):
    evaluation.cached_classifier(data, tmp_path)
    images = data.train.images.copy()
    images[-1, -1, -1, -1] ^= 1
    train = datasets.Split(images, data.train.labels)
    other = datasets.Dataset(
        data.name, train, data.validation, data.test, data.n_classes, data.class_names
    )
    evaluation.cached_classifier(other, tmp_path)
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("damage", ["truncated", "changed"])
def test_a_damaged_classifier_is_made_anew(data, tmp_path, quick_training, monkeypatch, damage):
    evaluation.cached_classifier(data, tmp_path)
    (path,) = tmp_path.iterdir()
    content = bytearray(path.read_bytes())
    half = len(content) // 2
    if damage == "truncated":
        del content[half:]
    else:
        content[half] ^= 255
    path.write_bytes(content)
    assert evaluation.cached_classifier(data, tmp_path).accuracy > 0.9
    assert list(tmp_path.iterdir()) == [path]
    monkeypatch.setattr(evaluation, "train_classifier", None)  # It is whole now.
    assert evaluation.cached_classifier(data, tmp_path).accuracy > 0.9


def test_a_folder_that_cannot_be_made_is_told_before_training(data, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setattr(evaluation, "train_classifier", None)
    with pytest.raises(UserError, match="cannot write .*file"):
        evaluation.cached_classifier(data, tmp_path / "file" / "cache")


def shows(images):
    """A classifier for images whose first pixel is the label."""
    return np.round(images[:, 0] * 10).astype(int)


def test_content_accuracy_of_a_decoder_that_obeys_is_1():
    labels = np.arange(1000) % 10
    images = evaluation.generate(lambda y, z: y[:, np.newaxis] / 10 + 0 * z, labels, labels)
    assert evaluation.content_accuracy(shows, images, labels) == {
        "content_accuracy": 1.0,
        "content_accuracy_standard_error": 0.0,
    }


def test_content_accuracy_of_a_decoder_that_ignores_its_label_is_1_in_k(rng):
    labels, z = np.arange(5000) % 10, rng.integers(0, 10, [5000, 1])
    images = evaluation.generate(lambda y, z: z / 10, labels, z)
    metrics = evaluation.content_accuracy(shows, images, labels)
    assert metrics["content_accuracy"] == pytest.approx(0.1, abs=0.02)
    error = math.sqrt(0.1 * 0.9 / 5000)
    assert metrics["content_accuracy_standard_error"] == pytest.approx(error, rel=0.1)


def test_one_memorised_image_per_label_scores_no_diversity(rng):
    real = rng.integers(0, 256, [200, 6, 6, 1], dtype=np.uint8)
    labels = np.arange(200) % 10
    memorised = (real[labels] / np.float32(255)).reshape(200, -1)
    metrics = evaluation.sample_diversity(memorised, labels, real, labels)
    assert metrics["sample_diversity"] == pytest.approx(0, abs=1e-5)


def test_real_images_are_as_diverse_as_real_images(rng):
    images = rng.integers(0, 256, [2000, 6, 6, 1], dtype=np.uint8)
    images[1000:] //= 3  # Of the second class, differences are smaller.
    labels = np.arange(2000) // 1000
    metrics = evaluation.sample_diversity(images[::2], labels[::2], images[1::2], labels[1::2])
    assert metrics["sample_diversity"] == pytest.approx(1, abs=0.02)
    # The same however few are generated.
    few = np.r_[0:10, 1000:1010]
    metrics = evaluation.sample_diversity(images[few], labels[few], images, labels)
    assert metrics["sample_diversity"] == pytest.approx(1, abs=0.05)


def test_sample_diversity_is_a_ratio_of_root_mean_square_differences():
    labels = np.zeros(2, int)
    generated = np.array([[0, 0, 0, 0], [0.5, 0.5, 0, 0]])
    real = np.array([[0, 0, 0, 0], [1, 1, 1, 1]], np.float32)
    metrics = evaluation.sample_diversity(generated, labels, real, labels)
    assert metrics["sample_diversity"] == pytest.approx(math.sqrt(0.125))


def test_labels_without_two_images_do_not_count_towards_diversity(rng):
    images = rng.random([5, 4])
    metrics = evaluation.sample_diversity(
        images, np.array([0, 0, 1, 2, 2]), images, np.array([0, 0, 1, 1, 2])
    )
    assert metrics["sample_diversity"] == pytest.approx(1)
    with pytest.raises(ValueError, match="no label"):
        evaluation.sample_diversity(images, np.arange(5), images, np.arange(5))


# What the code still says.


def test_a_probe_reads_nothing_from_codes_that_do_not_know_the_label(rng):
    z, y = rng.normal(size=[5000, 5]), rng.choice(10, 5000, p=[0.19, *[0.09] * 9])
    metrics = evaluation.z_probe_accuracy(z[:3000], y[:3000], z[3000:], y[3000:])
    assert metrics["z_probe_accuracy"] < metrics["z_probe_chance"] + 0.04
    assert metrics["z_probe_chance"] == np.mean(y[3000:] == 0)


def test_a_probe_reads_the_label_off_codes_that_hold_it_whatever_their_scale(rng):
    y = rng.integers(0, 10, 3000)
    z = 1e-4 * (np.eye(10)[y] + 0.1 * rng.normal(size=[3000, 10])) + [100, *[0] * 9]
    z = np.column_stack([z, np.full(3000, 7.0)])  # A dimension that the encoder does not use.
    metrics = evaluation.z_probe_accuracy(z[:2000], y[:2000], z[2000:], y[2000:])
    assert metrics["z_probe_accuracy"] > 0.99


def test_a_probe_reads_labels_that_no_linear_one_could(rng):
    z = rng.normal(size=[6000, 2])
    y = (z[:, 0] * z[:, 1] > 0).astype(np.int32)
    metrics = evaluation.z_probe_accuracy(z[:4000], y[:4000], z[4000:], y[4000:])
    assert metrics["z_probe_accuracy"] > 0.97


def test_a_probe_stops_before_it_learns_noise_by_heart(rng, monkeypatch):
    epochs, shuffled = [], evaluation._shuffled_batches
    monkeypatch.setattr(
        evaluation, "_shuffled_batches", lambda *args: epochs.append(1) or shuffled(*args)
    )
    z, y = rng.normal(size=[7000, 10]), rng.integers(0, 2, 7000)
    y = np.where(rng.random(7000) < 0.5, y, z[:, 0] > 0)  # A rule, and a quarter that break it.
    metrics = evaluation.z_probe_accuracy(z[:3000], y[:3000], z[3000:], y[3000:])
    assert metrics["z_probe_accuracy"] > 0.66  # 0.63 at the end of training.
    assert len(epochs) < evaluation.PROBE_EPOCHS


def test_a_probe_repeats_itself_for_the_same_seed(rng):
    z, y = rng.normal(size=[600, 3]), rng.integers(0, 2, 600)
    probed = [
        evaluation._probed_classes(z[:300], y[:300], z[300:], seed).tolist() for seed in (1, 1, 2)
    ]
    assert probed[0] == probed[1] != probed[2]


def test_each_style_factor_is_read_from_codes_that_hold_it(rng):
    slant, size = rng.uniform(-20, 40, 3000), rng.uniform(17, 21, 3000)
    font, hair = rng.integers(0, 4, [2, 3000])
    z = np.column_stack([np.tanh(slant / 20), *(np.eye(4)[font].T + 0.1 * rng.normal(size=3000))])
    factors = {
        "slant": slant,
        "size": size,
        "font": font.astype(np.float32) * 3,  # Whole numbers, as they come from a float array.
        "hair": hair.astype(np.uint8),
        "side": np.full(3000, 28),
    }
    train, test = (
        {name: values[rows] for name, values in factors.items()}
        for rows in (slice(2000), slice(2000, None))
    )
    metrics = evaluation.style_factor_r2(z[:2000], train, z[2000:], test)
    assert metrics["style_factor_r2_slant"] > 0.97
    assert metrics["style_factor_r2_size"] == pytest.approx(0, abs=0.1)
    assert metrics["style_factor_accuracy_font"] > 0.97
    assert metrics["style_factor_accuracy_hair"] == pytest.approx(0.25, abs=0.06)
    assert metrics["style_factor_chance_hair"] == pytest.approx(0.25, abs=0.05)
    assert not [name for name in metrics if name.endswith("_side")]


def test_data_without_factors_have_no_style_figures(rng):
    z = rng.normal(size=[10, 2])
    assert evaluation.style_factor_r2(z, {}, z, {}) == {}


# Reporting.


def test_the_table_shows_each_figure_with_its_standard_error():
    metrics = {"a": 0.98765, "a_standard_error": 0.00123, "parzen": 340.123}
    assert evaluation.format_table(metrics).splitlines() == [
        "a       0.9877 ± 0.0012",
        "parzen  340.1",
    ]
    assert evaluation.format_table({}) == ""


def test_metrics_json_is_flat_with_data_set_and_commit(tmp_path):
    path = tmp_path / "metrics.json"
    evaluation.write_metrics(path, {"a": np.float32(0.5), "n": np.int64(3)}, "mnist", "abc")
    content = json.loads(path.read_text())
    assert content == {"dataset": "mnist", "commit": "abc", "a": 0.5, "n": 3}
    assert list(tmp_path.iterdir()) == [path]


def test_figures_that_are_no_finite_numbers_leave_the_old_file_alone(tmp_path):
    path = tmp_path / "metrics.json"
    evaluation.write_metrics(path, {"a": 1}, "mnist", "")
    before = path.read_text()
    with pytest.raises(UserError, match="mse is nan"):
        evaluation.write_metrics(path, {"a": 2, "mse": math.nan}, "mnist", "")
    for wrong in ("0.5", None, True, np.ones(2)):
        with pytest.raises(TypeError, match="a is"):
            evaluation.write_metrics(path, {"a": wrong}, "mnist", "")
    assert path.read_text() == before


def test_metrics_that_cannot_be_written_are_one_line(tmp_path):
    with pytest.raises(UserError, match="cannot write"):
        evaluation.write_metrics(tmp_path / "none" / "metrics.json", {"a": 1}, "mnist", "")


@pytest.mark.skipif(not shutil.which("git"), reason="git is not here")
def test_the_commit_is_that_of_the_package_source(tmp_path, monkeypatch):
    package = tmp_path / "adversarial_autoencoder"
    package.mkdir()
    (package / "evaluation.py").touch()
    monkeypatch.setattr(evaluation, "__file__", str(package / "evaluation.py"))
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))

    clean = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}

    def git(*arguments):
        who = ("-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "core.hooksPath=/dev/null")
        command = ["git", *who, *arguments]
        return subprocess.run(
            command, cwd=tmp_path, env=clean, check=True, capture_output=True, text=True
        ).stdout.strip()

    git("init")
    assert evaluation.commit_of_source() == ""  # Nothing is committed yet.
    git("add", ".")
    git("commit", "-m", "first")
    commit = git("rev-parse", "HEAD")
    assert len(commit) == 40
    assert evaluation.commit_of_source() == commit
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))  # As within a hook.
    assert evaluation.commit_of_source() == commit

    # Installed below the repository, the package is not what was committed there.
    installed = tmp_path / "venv" / "adversarial_autoencoder"
    installed.mkdir(parents=True)
    monkeypatch.setattr(evaluation, "__file__", str(installed / "evaluation.py"))
    assert evaluation.commit_of_source() == ""


def test_without_git_there_is_no_commit(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert evaluation.commit_of_source() == ""


@pytest.mark.slow
@pytest.mark.skipif(not REAL_MNIST.exists(), reason="the real MNIST is not here")
def test_real_mnist_is_read_and_measured_as_the_literature_has_it(tmp_path):
    mnist = datasets.load("mnist", str(REAL_MNIST))
    classifier = evaluation.cached_classifier(mnist, tmp_path)
    assert classifier.accuracy > 0.993
    test = mnist.test
    # Training images as samples: 243 nats (Theis et al. 2016, table 1).
    metrics = evaluation.parzen_log_likelihood(
        mnist.train.images[:10000], mnist.validation.images, test.images
    )
    assert metrics["parzen_log_likelihood"] == pytest.approx(243, abs=8)
