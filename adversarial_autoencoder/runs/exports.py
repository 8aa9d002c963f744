"""Networks as files of their own, which plain `keras.models.load_model` opens.

Keras writes every argument of every layer, newer ones too, and earlier versions refuse what they
do not know, although it is null. Files written here hold the arguments that are not the default.
"""

import contextlib
import functools
import inspect
import json
import pathlib
import zipfile
from collections.abc import Iterator
from typing import Any

from adversarial_autoencoder.system.errors import UserError, one_line

import keras

CONFIG = "config.json"  # The layers' arguments, in the archive that a `.keras` is.


def save(network: keras.Model, path: pathlib.Path) -> None:
    """Writes a network, `path` ending in `.keras`; Keras 3.6 and later open it.

    Raises:
      OSError: it could not be written.
    """
    with one_device(network):
        check_sizes(network).save(path)
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    content[CONFIG] = json.dumps(without_defaults(json.loads(content[CONFIG]))).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name in content:
            archive.writestr(zipfile.ZipInfo(name), content[name])


def load(path: pathlib.Path, advice: str) -> keras.Model:
    """Returns the network of a file that `save` wrote.

    Raises:
      UserError: it cannot be read; ends in the advice.
    """
    try:
        return keras.models.load_model(path, compile=False)
    except Exception as error:  # Keras has one of another type for each kind of damage.
        reason = one_line(error, 120)
        if not path.exists():
            reason = "there is no such file"
        elif "Lambda" in str(error):
            reason = "a Lambda layer in it would run any code, and no script here makes one"
        raise UserError(f"{path} cannot be read ({reason}): {advice}") from error


def without_defaults(config: Any) -> Any:
    """Returns (a part of) a serialized network without arguments that are null or the default."""
    if isinstance(config, list):
        return [without_defaults(part) for part in config]
    if not isinstance(config, dict):
        return config
    # Objects that are shared have numbers, others in each process; nothing here is shared.
    found = {k: without_defaults(part) for k, part in config.items() if k != "shared_object_id"}
    module, arguments = found.get("module"), found.get("config")
    if module in ("keras.layers", "keras.initializers") and isinstance(arguments, dict):
        defaults = _defaults(module, found["class_name"])
        found["config"] = {
            name: value
            for name, value in arguments.items()
            if value is not None and not (name in defaults and value == defaults[name])
        }
    return found


@functools.cache
def _defaults(module: str, class_name: str) -> dict[str, object]:
    """The default of each argument of a class of Keras' that may be omitted."""
    if class_name == "Rescaling":  # Which looks each of its arguments up.
        return {}
    made = getattr(getattr(keras, module.removeprefix("keras.")), class_name)
    parameters = inspect.signature(made.__init__).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not inspect.Parameter.empty}


def check_sizes(network: keras.Model) -> keras.Model:
    """Returns the network, which refuses inputs in the wrong order if it has several.

    Keras itself compares sizes until `predict` has been called once, and then no more: images of
    `[z, y]` would be drawn as if nothing were wrong. Inputs times a vector of ones of their size,
    which changes no number, must fit.
    """
    if len(network.inputs) < 2 or any(len(tensor.shape) != 2 for tensor in network.inputs):
        return network
    inputs = [keras.Input(g.shape[1:], dtype=g.dtype, name=g.name) for g in network.inputs]
    checked = [
        keras.layers.Rescaling([1.0] * g.shape[1], dtype=g.dtype, name=f"{g.name}_size")(g)
        for g in inputs
    ]
    return keras.Model(inputs, network(checked), name=network.name)


@contextlib.contextmanager
def one_device(network: keras.Model) -> Iterator[None]:
    """Within a `with` block the network's layers are those of one device, for export.

    Only TensorFlow knows batch normalization that several devices share.
    """
    shared = [layer for layer in network.layers if getattr(layer, "synchronized", False)]
    for layer in shared:
        layer.synchronized = False
    try:
        yield
    finally:
        for layer in shared:
            layer.synchronized = True
