"""Measures of models, and the table of figures."""

import part3_style_content
from adversarial_autoencoder import inference, options
from adversarial_autoencoder.measures import evaluation, probes

import numpy as np
import pytest
import tensorflow as tf
from conftest import SMALL


def test_the_table_shows_each_figure_with_its_standard_error():
    metrics = {"a": 0.98765, "a_standard_error": 0.00123, "parzen": 340.123}
    assert evaluation.format_table(metrics).splitlines() == [
        "a       0.9877 ± 0.0012",
        "parzen  340.1",
    ]
    assert evaluation.format_table({}) == ""


class Judge:
    """Takes every image for a 0."""

    accuracy = 1.0

    def __call__(self, images):
        return np.zeros(len(images), int)


def part3(data, *words):
    flags = options.parse(["part3", *SMALL, *words], "", {}, part3_style_content.define_flags)
    return part3_style_content.AdversarialAutoencoder(data, flags)


@pytest.mark.parametrize("encoder, n_probes", [("deterministic", 1), ("gaussian", 2)])
def test_the_probe_reads_z_as_the_decoder_gets_it_and_its_mean_where_they_differ(
    encoder, n_probes, data, monkeypatch
):
    codes = []

    def z_probe_accuracy(z_train, y_train, z_test, y_test):
        codes.append(z_test)
        return {"z_probe_accuracy": float(len(codes)), "z_probe_chance": 0.0}

    monkeypatch.setattr(probes, "z_probe_accuracy", z_probe_accuracy)
    monkeypatch.setattr(evaluation, "N_GENERATED", 30)
    model = part3(data, f"--encoder={encoder}")
    metrics = evaluation.measure_style_and_content(model, data, Judge())
    assert len(codes) == n_probes and metrics["z_probe_accuracy"] == 1
    np.testing.assert_array_equal(codes[0], model.draw_codes(data.test.images))
    mean = inference.encode(model.encode, data.test.images)
    if encoder == "gaussian":
        assert metrics["z_mean_probe_accuracy"] == 2
        np.testing.assert_array_equal(codes[1], mean)
        assert (codes[0] != mean).any()
    else:
        assert not any(name.startswith("z_mean") for name in metrics)


def test_the_probe_reads_codes_that_a_model_draws_in_a_way_of_its_own(data, monkeypatch):
    codes = []

    def z_probe_accuracy(z_train, y_train, z_test, y_test):
        codes.append(z_test)
        return {"z_probe_accuracy": 0.0, "z_probe_chance": 0.0}

    monkeypatch.setattr(probes, "z_probe_accuracy", z_probe_accuracy)
    monkeypatch.setattr(evaluation, "N_GENERATED", 30)
    model = part3(data, "--encoder=deterministic")
    model.code_noise = lambda images: np.full([len(images), model.flags.z_dim], 0.5, np.float32)
    evaluation.measure_style_and_content(model, data, Judge())
    drawn, mean = codes
    np.testing.assert_array_equal(mean, inference.encode(model.encode, data.test.images))
    assert np.std(drawn - mean) == pytest.approx(0.5, rel=0.2)


def test_each_test_images_style_is_decoded_with_every_label_in_its_row(data):
    model = part3(data)
    # An image is its label, in the first pixel: a decoder that does as it is asked.
    model.decode = lambda z, y: tf.concat(
        [tf.cast(tf.argmax(y, 1), tf.float32)[:, None] / 255, tf.zeros([len(z), 89])], 1
    )

    def read(images):
        return np.rint(255 * images.reshape(len(images), -1)[:, 0]).astype(int)

    found = evaluation.measure_style_transfer(model, data, read)
    assert found["style_transfer_accuracy"] == found["style_transfer_rows"] == 1
    always_0 = evaluation.measure_style_transfer(model, data, Judge())
    assert always_0["style_transfer_accuracy"] == pytest.approx(1 / 3)
