"""Exported networks open in other versions of Keras, and a file that none can read is told."""

import json
import zipfile

from adversarial_autoencoder import layers
from adversarial_autoencoder.runs import exports
from adversarial_autoencoder.system.errors import UserError

import keras
import numpy as np
import pytest


@pytest.fixture(scope="module")
def network():
    """One of each layer that the scripts' networks have."""
    x = keras.Input([12], name="x")
    hidden = keras.layers.Reshape([2, 2, 3])(x)
    size = {"kernel_size": 3, "strides": 1}
    hidden = layers.convolution(hidden, 4, "e_conv", "relu", initializer="he", **size)
    hidden = layers.batch_normalization("e_norm")(keras.layers.Flatten()(hidden))
    hidden = layers.dense(hidden, 5, "e_dense", "relu", initializer="he", seed=1)
    hidden = keras.layers.Dropout(0.5, name="e_dropout")(hidden)
    return keras.Model(x, layers.dense(hidden, 2, "e_output"), name="encoder")


@pytest.fixture
def path(network, tmp_path):
    exports.save(network, tmp_path / "encoder.keras")
    return tmp_path / "encoder.keras"


def config_of(path):
    with zipfile.ZipFile(path) as archive:
        return archive.read("config.json")


def arguments(config):
    """All pairs of an argument's name and value in a serialized network."""
    if isinstance(config, list):
        return [pair for part in config for pair in arguments(part)]
    if not isinstance(config, dict):
        return []
    own = config.get("config")
    pairs = list(own.items()) if isinstance(own, dict) and "class_name" in config else []
    return pairs + [pair for part in config.values() for pair in arguments(part)]


def test_an_export_gives_the_numbers_of_its_network(network, path):
    x = np.random.default_rng(0).random([3, 12], np.float32)
    np.testing.assert_array_equal(exports.load(path, "")(x), network(x))


def test_an_export_names_no_argument_that_earlier_versions_of_keras_do_not_know(path):
    found = dict(arguments(json.loads(config_of(path))))
    assert None not in found.values()
    unknown = {"input_axes", "output_axes", "quantization_config", "renorm", "renorm_momentum"}
    assert not unknown & found.keys()
    assert {"units", "kernel_size", "rate", "kernel_initializer"} <= found.keys()


def test_the_same_network_has_the_same_description_each_time(network, path, tmp_path):
    exports.save(keras.models.clone_model(network), tmp_path / "again.keras")
    assert config_of(path) == config_of(tmp_path / "again.keras")


def rewritten(path, **changes):
    """The archive with other members; None leaves one out."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()} | changes
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            if content is not None:
                archive.writestr(name, content)


def cut(path):
    path.write_bytes(path.read_bytes()[:-100])


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)


def of_a_later_keras(path):
    rewritten(path, **{"config.json": config_of(path).replace(b'"units"', b'"mood": 1, "units"')})


def without_weights(path):
    rewritten(path, **{"model.weights.h5": None})


@pytest.mark.parametrize("content", [b"[]", b"null", b"{}", b"[" * 100_000, b"{"])
def test_a_description_of_another_shape_is_told_in_one_line(content, path):
    rewritten(path, **{"config.json": content})
    check_told(path)


@pytest.mark.parametrize("damage", [cut, flip, of_a_later_keras, without_weights])
def test_a_file_that_keras_cannot_read_is_told_in_one_line(damage, path):
    damage(path)
    check_told(path)


def check_told(path):
    with pytest.raises(UserError, match=r"encoder.keras cannot be read \(.+\): load it again") as e:
        exports.load(path, "load it again")
    assert "\n" not in str(e.value)


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(UserError, match="there is no such file.: train the run first"):
        exports.load(tmp_path / "encoder.keras", "train the run first")


def test_a_lambda_layer_is_refused_as_what_it_is(tmp_path):
    x = keras.Input([3])
    keras.Model(x, keras.layers.Lambda(lambda x: x + 1)(x)).save(tmp_path / "encoder.keras")
    with pytest.raises(UserError, match="a Lambda layer in it would run any code"):
        exports.load(tmp_path / "encoder.keras", "train the run first")
