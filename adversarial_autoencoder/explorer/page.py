"""The page `explorer.html` beside a run: its networks, to try out in a browser.

One file without any request, opened by a double click. A model with 2-D codes and a decoder of
codes alone gets a map of test codes to drag across; any other a drawing area (or test images to
choose from), the image as every class, and a slider for each dimension of z. A model with two codes
gets pictures in place of networks: test images that swap them.
"""

import base64
import importlib.resources
import json
import os
import zlib
from collections.abc import Sequence

from adversarial_autoencoder import inference, priors
from adversarial_autoencoder.datasets import Dataset
from adversarial_autoencoder.explorer import convert, sheet
from adversarial_autoencoder.explorer.convert import DoesNotFit, Network
from adversarial_autoencoder.model import Model
from adversarial_autoencoder.pictures import plots

import numpy as np
import tensorflow as tf

KINDS = ("float16", "int8")
# Test images in the page: their number, and bytes of all of them before they are packed.
MAP_IMAGES, STYLE_IMAGES, IMAGE_BYTES = 2500, 300, 2_000_000
PRIOR_SAMPLES = 500


def page(model: Model, data: Dataset, kind: str = "float16") -> str:
    """Returns the page, HTML.

    Raises:
      DoesNotFit: the model has one code, and its networks hold anything but dense layers, or
        `encode` and `decode` do more than to call them; or an image has no finite pixels.
    """
    from matplotlib.colors import to_hex  # Not for --help.

    if kind not in KINDS:
        raise ValueError(f"weights are of the kind {' or '.join(KINDS)}, not {kind}")
    shared = {
        "model": model.NAME.replace("_", " "),
        "data": os.path.basename(data.name),  # A file without its folders.
        "zDim": model.flags.z_dim,
        "image": data.image_shape,
        "classes": data.class_names,
    }
    if sheet.has_two_codes(model):
        return fill(shared | {"view": "swaps"} | sheet.described(model, data), "")
    encoder, decoder = _networks(model, data)
    n_labels = decoder.sizes[0] if decoder.n_inputs == 2 else 0
    is_map = model.flags.z_dim == 2 and not n_labels

    n = min(MAP_IMAGES if is_map else STYLE_IMAGES, IMAGE_BYTES // data.input_dim)
    test = data.test.spread(max(n, 1))
    codes = inference.encode(model.encode, test.images)
    samples = codes[:0]
    if "prior" in model.flags:
        samples = np.asarray(model.sample_prior(PRIOR_SAMPLES, "explorer"))
    reach = _reach(model, codes)
    weights = _Weights(kind)
    described = shared | {
        "view": "map" if is_map else "styles",
        "kind": kind,
        "colours": [to_hex(colour) for colour in plots.class_colours(len(data.class_names))],
        "labels": _label_names(n_labels, model, data),
        "clusters": model.labels_are_clusters,
        "encoder": weights.network(encoder),
        "decoder": weights.network(decoder),
        "predicts": len(encoder.outputs) == 2,
        "drawing": _drawing(test.images),
        "reach": reach.tolist(),
        "order": [] if is_map else _by_effect(model, codes, reach, n_labels),
        "start": _with_most_contrast(model, codes) if is_map else 0,
        "prior": _prior(model),
        "arrays": {
            "codes": weights.add(codes),
            "samples": weights.add(samples),
            "classes": weights.add(test.labels.astype(np.float32)),
            "images": weights.add(test.images.reshape(len(test), -1)),
        },
    }
    return fill(described, weights.packed())


class _Weights:
    """Arrays one behind the other in a string of bytes, described by type, offset and shape."""

    def __init__(self, kind: str):
        self.kind = kind
        self.content = bytearray()

    def network(self, network: Network) -> dict:
        """Returns the network as the page's `run` takes it, and keeps its weights."""
        steps = []
        for step in network.steps:
            described = {"op": step.op, "inputs": step.inputs, "output": step.output}
            if step.slope is not None:
                described["slope"] = step.slope
            described["arrays"] = {
                name: self.add(values, self.kind if name == "kernel" else "float32")
                for name, values in step.arrays.items()
            }
            steps.append(described)
        return {"steps": steps, "outputs": network.outputs}

    def add(self, values: np.ndarray, kind: str = "float32") -> dict:
        """Keeps an array and returns its description; uint8 stays as it is, whatever the kind.

        An int8 array has a scale for each of its columns, so that the largest weight of each unit
        becomes ±127. A layer that takes or gives few numbers, such as codes, is kept in float16: it
        saves little and would cost most.
        """
        if kind == "int8" and min(values.shape) < 32:
            kind = "float16"
        described = {"type": kind, "shape": values.shape}
        if values.dtype == np.uint8:
            described["type"] = "uint8"
            content = values.tobytes()
        elif kind == "float16":
            largest = float(np.finfo(np.float16).max)
            halves = np.clip(values, -largest, largest).astype("<f2")
            # All low bytes, then all high bytes, which are much alike: that deflates better.
            content = halves.reshape(-1).view(np.uint8).reshape(-1, 2).T.tobytes()
        elif kind == "int8":
            scale = np.maximum(np.abs(values).max(axis=0), 1e-12) / 127
            described["scale"] = self.add(scale.astype(np.float32))
            content = np.rint(values / scale).astype(np.int8).tobytes()
        else:
            content = values.astype("<f4").tobytes()
        described["offset"] = len(self.content)
        self.content += content
        return described

    def packed(self) -> str:
        """Returns all arrays, deflated, as base64."""
        return base64.b64encode(zlib.compress(self.content, 9)).decode()


def _networks(model: Model, data: Dataset) -> tuple[Network, Network]:
    """Returns the encoder (its outputs: the code, then class probabilities if it predicts them) and
    the decoder, after a look whether the model's own `encode` and `decode` do the same."""
    if not hasattr(model, "encoder") or not hasattr(model, "decoder"):
        raise DoesNotFit("it has no encoder and decoder")
    x, _ = data.test_examples(4)
    outputs = [np.asarray(output) for output in tf.nest.flatten(model.encoder(x))]
    z = model.encode(x)
    wanted = [_same(outputs, z, "encode")]
    # The bars of probabilities stand beside images with each label; the map has neither.
    if (
        model.classify is not None
        and len(outputs) > 1
        and (len(model.decoder.inputs) == 2 or z.shape[1] == 2)
    ):
        wanted.append(_same(outputs, model.classify(x), "classify"))
    encoder = convert.convert(model.encoder, wanted)
    decoder = convert.convert(model.decoder)
    if decoder.n_inputs > 2 or decoder.sizes[decoder.n_inputs - 1] != z.shape[1]:
        raise DoesNotFit("its decoder takes something else than a label and a code")
    y = tf.one_hot(np.arange(len(z)) % decoder.sizes[0], decoder.sizes[0])
    inputs = [y, z] if decoder.n_inputs == 2 else z
    try:
        decoded = model.decode(z, y)
    except NotImplementedError:
        raise DoesNotFit("it has no `decode`") from None
    _same([np.asarray(model.decoder(inputs))], decoded, "decode")
    return encoder, decoder


def _same(outputs: Sequence[np.ndarray], wanted: tf.Tensor, method: str) -> int:
    """Returns the first of the outputs that is what a method of the model gives."""
    wanted = np.asarray(wanted)
    for k, output in enumerate(outputs):
        if output.shape == wanted.shape and np.allclose(output, wanted, atol=1e-5):
            return k
    raise DoesNotFit(f"its `{method}` does more than to call the network")


def _label_names(n_labels: int, model: Model, data: Dataset) -> list[str]:
    """Returns the names of the decoder's labels: the classes, or clusters."""
    if model.labels_are_clusters:
        return [f"cluster {k}" for k in range(n_labels)]
    return list(data.class_names[:n_labels])


def _with_most_contrast(model: Model, codes: np.ndarray) -> int:
    """Returns which code's image has the largest variance, for the map to begin with: after little
    training, most images are much like the mean of all."""
    codes = codes[:200]
    images = inference.generate(model.decode, codes, np.ones([len(codes), 1], np.float32))
    return int(images.var(axis=1).argmax())


def _reach(model: Model, codes: np.ndarray) -> np.ndarray:
    """How far from 0 each dimension of z is worth a look: as far as the prior's outline; without
    one, or around cluster heads, as far as test codes lie."""
    if model.prior is None or model.heads is not None:
        return np.abs(codes).max(axis=0)
    reach = max(np.abs(line).max() for lines in model.prior.outline().values() for line in lines)
    return np.full(codes.shape[1], reach, np.float32)


def _by_effect(model: Model, codes: np.ndarray, reach: np.ndarray, n_labels: int) -> list[int]:
    """Dimensions of z, the one first that changes images most.

    The change is the mean squared difference of the images when this dimension alone of a test code
    moves from -1/3 to 1/3 of its reach: by two standard deviations of a gaussian prior.
    """
    z_dim = codes.shape[1]
    codes = codes[: max(1, min(len(codes), 1000 // z_dim))]
    changes = np.eye(z_dim, dtype=np.float32) * reach / 3
    kept = codes[:, np.newaxis] * (1 - np.eye(z_dim, dtype=np.float32))
    y = np.eye(max(n_labels, 1), dtype=np.float32)
    y = y[np.arange(len(codes) * z_dim) % len(y)]
    lower, upper = (
        inference.generate(model.decode, (kept + sign * changes).reshape(-1, z_dim), y)
        for sign in (-1, 1)
    )
    effects = np.square(upper - lower).mean(axis=1).reshape(-1, z_dim).mean(axis=0)
    return np.argsort(-effects).tolist()


def _drawing(images: np.ndarray) -> dict | None:
    """How large drawings are, if the images are such: grey, bright lines on a dark ground."""
    if images.shape[-1] != 1 or images.mean() > 0.25 * 255 or min(images.shape[1:3]) < 8:
        return None
    ink = images[..., 0] > 64
    longer = np.maximum(_extent(ink.any(axis=1)), _extent(ink.any(axis=2)))
    return {"box": float(np.median(longer))}


def _extent(is_ink: np.ndarray) -> np.ndarray:
    """Returns the distance from the first True to the last one of each row, both included."""
    return is_ink.shape[1] - is_ink.argmax(axis=1) - is_ink[:, ::-1].argmax(axis=1)


def _prior(model: Model) -> dict | None:
    """Lines around the prior, for the map, and places to look at: the middles of components."""
    if model.prior is None:
        return None
    outline, places, word = model.prior.outline(), [], ""
    names = ", ".join(outline).replace(" sd,", ",").replace(" sd", " standard deviations")
    caption = f"Lines of the prior: {names}."
    if model.heads is not None:
        places, word = np.asarray(model.heads())[:, :2], "Cluster"
        for name, lines in outline.items():
            outline[name] = [place + line for place in places for line in lines]
        caption = f"Lines of the prior around each cluster head: {names}."
    elif isinstance(model.prior, priors.Mixture):
        n, word = model.prior.n_components, model.prior.COMPONENT.capitalize()
        places = model.prior.at(np.arange(n), np.zeros(n), np.zeros(n)).numpy()
    return {
        "caption": caption,
        "outline": [[_rounded(line) for line in lines] for lines in outline.values()],
        "places": {f"{word} {k}": _rounded(place) for k, place in enumerate(places)},
    }


def _rounded(values: np.ndarray) -> list:
    return np.round(np.asarray(values, float), 3).tolist()


def fill(described: dict, weights: str) -> str:
    """Returns the page, HTML: the template with description, weights and code in their places."""
    folder = importlib.resources.files(__package__)
    content = (folder / "template.html").read_text(encoding="utf-8")
    # A class name may hold `</script>`.
    parts = {"description": json.dumps(described).replace("<", "\\u003c"), "weights": weights}
    scripts = ("engine.js", "strokes.js", "page.js", "map.js", "styles.js", "swaps.js")
    for name in ("style.css", *scripts):
        parts[name] = (folder / name).read_text(encoding="utf-8")
    before, *sections = content.split("{{")
    filled = [before]
    for section in sections:
        name, after = section.split("}}", 1)
        filled += [parts[name], after]
    return "".join(filled)
