"""Probes predict what codes hold, and nothing else."""

from adversarial_autoencoder.measures import probes

import keras
import numpy as np
import pytest
import tensorflow as tf


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_a_probe_reads_nothing_from_codes_that_do_not_know_the_label(rng):
    z, y = rng.normal(size=[5000, 5]), rng.choice(10, 5000, p=[0.19, *[0.09] * 9])
    metrics = probes.z_probe_accuracy(z[:3000], y[:3000], z[3000:], y[3000:])
    assert metrics["z_probe_accuracy"] < metrics["z_probe_chance"] + 0.04
    assert metrics["z_probe_chance"] == np.mean(y[3000:] == 0)


def test_a_probe_reads_the_label_off_codes_that_hold_it_whatever_their_scale(rng):
    y = rng.integers(0, 10, 3000)
    z = 1e-4 * (np.eye(10)[y] + 0.1 * rng.normal(size=[3000, 10])) + [100, *[0] * 9]
    z = np.column_stack([z, np.full(3000, 7.0)])  # A dimension that the encoder does not use.
    metrics = probes.z_probe_accuracy(z[:2000], y[:2000], z[2000:], y[2000:])
    assert metrics["z_probe_accuracy"] > 0.99


def test_a_probe_reads_labels_that_no_linear_one_could(rng):
    z = rng.normal(size=[6000, 2])
    y = (z[:, 0] * z[:, 1] > 0).astype(np.int32)
    metrics = probes.z_probe_accuracy(z[:4000], y[:4000], z[4000:], y[4000:])
    assert metrics["z_probe_accuracy"] > 0.97


def test_a_probe_stops_before_it_learns_noise_by_heart(rng, monkeypatch):
    epochs, fit = [], keras.Sequential.fit

    def counted(self, *args, **settings):
        epochs.extend(fit(self, *args, **settings).epoch)

    monkeypatch.setattr(keras.Sequential, "fit", counted)
    z, y = rng.normal(size=[7000, 10]), rng.integers(0, 2, 7000)
    y = np.where(rng.random(7000) < 0.5, y, z[:, 0] > 0)  # A rule, and a quarter that break it.
    metrics = probes.z_probe_accuracy(z[:3000], y[:3000], z[3000:], y[3000:])
    assert metrics["z_probe_accuracy"] > 0.66  # 0.63 at the end of training.
    assert len(epochs) < probes.N_EPOCHS


def test_a_probe_depends_on_its_seed_and_not_on_the_global_one_or_the_run_s_precision(
    rng, monkeypatch
):
    monkeypatch.setattr(probes, "N_EPOCHS", 3)
    z, y = rng.normal(size=[600, 3]), rng.integers(0, 2, 600)
    first = probes._fit_classifier(z, y, 2, seed=1)(z)
    tf.keras.utils.set_random_seed(5)
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    np.testing.assert_array_equal(probes._fit_classifier(z, y, 2, seed=1)(z), first)
    assert np.any(probes._fit_classifier(z, y, 2, seed=2)(z) != first)


def test_errors_of_a_probe_are_those_of_its_labels():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 400) * 7
    told, noise = labels[:, None] + rng.normal(size=[400, 2]), rng.normal(size=[400, 2])
    errors = probes.probe_errors(told[:300], labels[:300], told[300:], labels[300:])
    assert max(errors) < 0.03
    _, test = probes.probe_errors(noise[:300], labels[:300], noise[300:], labels[300:])
    assert 0.3 < test < 0.7


def test_each_style_factor_is_read_from_codes_that_hold_it(rng):
    slant, size = rng.uniform(-20, 40, 1600), rng.uniform(17, 21, 1600)
    font, hair = rng.integers(0, 4, [2, 1600])
    z = np.column_stack([np.tanh(slant / 20), *(np.eye(4)[font].T + 0.1 * rng.normal(size=1600))])
    factors = {
        "slant": slant,
        "size": size,
        "font": font.astype(np.float32) * 3,  # Whole numbers, as they come from a float array.
        "hair": hair.astype(np.uint8),
        "side": np.full(1600, 28),
    }
    train, test = (
        {name: values[rows] for name, values in factors.items()}
        for rows in (slice(1000), slice(1000, None))
    )
    metrics = probes.style_factor_r2(z[:1000], train, z[1000:], test)
    assert metrics["style_factor_r2_slant"] > 0.97
    assert metrics["style_factor_r2_size"] == pytest.approx(0, abs=0.1)
    assert metrics["style_factor_accuracy_font"] > 0.97
    assert metrics["style_factor_accuracy_hair"] == pytest.approx(0.25, abs=0.06)
    assert metrics["style_factor_chance_hair"] == pytest.approx(0.25, abs=0.05)
    assert not [name for name in metrics if name.endswith("_side")]


def test_data_without_factors_have_no_style_figures(rng):
    z = rng.normal(size=[10, 2])
    assert probes.style_factor_r2(z, {}, z, {}) == {}
