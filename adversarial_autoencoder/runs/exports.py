"""Networks as files of their own, which plain `keras.models.load_model` opens."""

import contextlib
import pathlib
from collections.abc import Iterator

import keras


def save(network: keras.Model, path: pathlib.Path) -> None:
    """Writes a network, `path` ending in `.keras`."""
    with one_device(network):
        check_sizes(network).save(path)


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
