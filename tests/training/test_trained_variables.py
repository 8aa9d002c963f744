"""A layer that no phase trains, or the wrong one, is told before the first step."""

import re

import part1_autoencoder
import part2_aae
import part3_style_content
import part4_semisupervised
from adversarial_autoencoder import layers, options
from adversarial_autoencoder.model import Model
from adversarial_autoencoder.system.errors import UserError
from adversarial_autoencoder.training import trained_variables
from experiments import classifier, disentangling_factors, label_regularized_aae

import keras
import pytest
import tensorflow as tf
from conftest import SMALL

SCRIPTS = {
    "part1": part1_autoencoder,
    "part2": part2_aae,
    "part3": part3_style_content,
    "part4": part4_semisupervised,
    "classifier": classifier,
    "disentangling": disentangling_factors,
    "label": label_regularized_aae,
}


def build(name, data, *words):
    script = SCRIPTS[name]
    words = [name, *SMALL, *words]
    flags = options.parse(words, "", script.DEFAULTS, getattr(script, "define_flags", None))
    (model_class,) = (
        value
        for value in vars(script).values()
        if isinstance(value, type) and issubclass(value, Model) and value is not Model
    )
    return model_class(data, flags)


@pytest.mark.parametrize(
    "name, words",
    [
        ("part1", ()),
        ("part2", ("--encoder=gaussian",)),
        ("part3", ("--noconditional_discriminator",)),
        ("part4", ("--n_labeled=30",)),
        ("classifier", ("--n_labeled=30", "--batch_norm")),
        ("disentangling", ("--n_filters=2",)),
        ("disentangling", ("--n_filters=2", "--pretraining_epochs=1", "--model_size=small")),
        ("label", ("--n_labeled=30",)),
    ],
)
def test_the_scripts_own_models_are_trained_whole(name, words, data):
    model = build(name, data, *words)
    trained_variables.check(model)
    assert all(trained_variables.trained_by_phase(model).values())


def with_layer(network_name, layer, monkeypatch, data):
    """Part 2 or 3 with one more layer in front of a network's last one."""
    own = layers.dense

    def dense(inputs, n_out, name, *words, **settings):
        if name == {"encoder": "e_dense_2", "decoder": "d_dense_2"}.get(network_name, "dc_den2"):
            inputs = keras.layers.Dense(5, name=layer)(inputs)
        return own(inputs, n_out, name, *words, **settings)

    monkeypatch.setattr(layers, "dense", dense)
    return build("part3", data)


@pytest.mark.parametrize(
    "network, layer, told",
    [
        ("encoder", "dense_of_mine", 'no phase .* dense_of_mine of the encoder.*"e_dense_of_mine"'),
        ("decoder", "conv", 'no phase trains the layer conv of the decoder.*name="d_conv"'),
        ("discriminator", "conv", 'no phase .* conv of the discriminator.*name="dc_conv"'),
        ("decoder", "e_more", r'of the encoder are, .*\(autoencoder, generator\).*name="d_more"'),
        ("encoder", "d_more", r'of the decoder are, .*\(autoencoder\).*name="e_more"'),
        ("encoder", "dc_more", r'of the discriminator are, .*\(discriminator\).*name="e_more"'),
        ("discriminator", "d_more", r'of the decoder are, .*\(autoencoder\).*name="dc_more"'),
        ("discriminator", "e_more", r'of the encoder are, .*\(autoencoder, gen.*name="dc_more"'),
    ],
)
def test_a_layer_of_the_wrong_name_is_told(network, layer, told, monkeypatch, data):
    model = with_layer(network, layer, monkeypatch, data)
    with pytest.raises(UserError, match=told) as error:
        trained_variables.check(model)
    assert "\n" not in str(error.value) and f"layer {layer} of the {network}" in str(error.value)


def test_a_frozen_layer_and_a_prefix_of_ones_own_are_no_errors(monkeypatch, data):
    model = with_layer("encoder", "mine", monkeypatch, data)
    model.encoder.get_layer("mine").trainable = False
    trained_variables.check(model)
    model.encoder.get_layer("mine").trainable = True
    model.more_optimizer = model.adam(layers.variables(model.networks, "mine"))
    trained_variables.check(model)


@pytest.mark.parametrize("built", [False, True])
def test_optimizers_of_keras_own_are_checked_too(built, monkeypatch, npz, tmp_path):
    class WithSGD(part1_autoencoder.Autoencoder):
        def __init__(self, data, flags):
            super().__init__(data, flags)
            self.encoder_variables = layers.variables(self.networks, "e_")
            self.autoencoder_optimizer = keras.optimizers.SGD(0.01)
            if built:
                self.autoencoder_optimizer.build(self.encoder_variables)

        @tf.function
        def train_step(self, x, y, step):
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean((x - self.reconstruct(x, y)) ** 2)
            gradients = tape.gradient(loss, self.encoder_variables)
            self.autoencoder_optimizer.apply(gradients, self.encoder_variables)
            return {"Autoencoder Loss": loss}

    monkeypatch.setattr(part1_autoencoder, "Autoencoder", WithSGD)
    words = [f"--dataset={npz}", f"--results_dir={tmp_path / 'Results'}", *SMALL]
    with pytest.raises(UserError, match="no phase trains the layer d_dense_1 of the decoder"):
        part1_autoencoder.main(["part1_autoencoder.py", "--train", *words])
    assert not (tmp_path / "Results").exists()


def test_a_prefix_that_no_layer_has_is_told():
    z = keras.Input([2])
    network = keras.Model(z, keras.layers.Dense(1, name="d_output")(z))
    with pytest.raises(UserError, match="no layer's name starts with dc_, .*dc_dense_1"):
        layers.variables([network], "dc_")


def test_nothing_is_written_where_a_layer_is_not_trained(monkeypatch, npz, tmp_path):
    def decoder(dense, data, flags):
        z = keras.Input([flags.z_dim], name="z")
        hidden = dense(z, 8, "hidden", "relu")
        return keras.Model(z, dense(hidden, data.input_dim, "d_output", "sigmoid"), name="decoder")

    monkeypatch.setattr(part2_aae, "decoder", decoder)
    words = [f"--dataset={npz}", f"--results_dir={tmp_path / 'Results'}", *SMALL]
    with pytest.raises(UserError, match="no phase trains the layer hidden of the decoder"):
        part2_aae.main(["part2_aae.py", "--train", *words])
    assert not (tmp_path / "Results").exists()


def test_an_error_in_the_first_step_leaves_no_folder(monkeypatch, npz, tmp_path):
    def mistaken(self, n, step):
        return undefined_name  # noqa: F821

    monkeypatch.setattr(part3_style_content.AdversarialAutoencoder, "sample_prior", mistaken)
    words = [f"--dataset={npz}", f"--results_dir={tmp_path / 'Results'}", *SMALL]
    with pytest.raises(NameError, match=re.escape("undefined_name")):
        part3_style_content.main(["part3_style_content.py", "--train", *words])
    assert not (tmp_path / "Results").exists()
