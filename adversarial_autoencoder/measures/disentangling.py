"""What is measured of a model with two codes: s, of an image's identity, and z, of all the rest.

The identity is the label. As in `evaluation`, each measure is a function of the model, its data set
and the judge. The model has

- `all_codes(split)`: the codes of a split's images by name, float32: `s` [n, s_dim]; `z`
  [n, z_dim], sampled around its mean as the decoder gets it; `z_mean` [n, z_dim];
- `decode_both(s, z)`: the decoded images, flat float32 [n, input_dim] in [0, 1].

Mathieu et al. 2016.
"""

import dataclasses
from collections.abc import Mapping

from adversarial_autoencoder import randomness
from adversarial_autoencoder.datasets import Dataset, Split
from adversarial_autoencoder.measures import evaluation, formulas, probes
from adversarial_autoencoder.measures.formulas import Metrics
from adversarial_autoencoder.measures.judge import Judge

import numpy as np
import tensorflow as tf

CODES = ("z", "z_mean", "s")
MAX_PIXELS = 4096  # Of an image, for the probe that learns from pixels.

# Inputs and targets of a probe: training inputs by name and their labels, then those of testing.
_Task = tuple[dict[str, np.ndarray], np.ndarray, dict[str, np.ndarray], np.ndarray]


def measure_disentangling(model: tf.Module, data: Dataset, judge: Judge) -> Metrics:
    """Returns the errors of one kind of probe on codes and on pixels, and prints them as a table.

    The probes predict the identity and each categorical factor, the latter of images that show it
    (`Split.visible`); `factors` is the mean over these factors. If training images show none of the
    test images' identities, every second test image is used for training the probe of the identity.

    Args:
      model: see the module's docstring.
      data: its data set.
      judge: not needed.

    Returns:
      - `<what>_error_on_<z, z_mean, s or pixels>_<train or test>`, 0 to 1,
      - `<what>_error_by_chance`, that of always predicting the commonest training value,
      - of continuous factors R², `<z, z_mean or s>_style_factor_r2_<factor>`.

    Mathieu et al. 2016, table 1.
    """
    train, test = data.train, data.test
    inputs_train, inputs_test = (
        model.all_codes(split) | {"pixels": downscaled_pixels(split.images)}
        for split in (train, test)
    )
    varying = {
        name
        for name in train.factors
        if _varies_where_visible(test, name) and _varies_where_visible(train, name)
    }
    categorical = sorted(name for name in varying if probes.is_categorical(train.factors[name]))
    continuous = sorted(varying - set(categorical))

    tasks = {"identity": (inputs_train, train.labels, inputs_test, test.labels)}
    if has_unseen_identities(data):
        tasks["identity"] = _split_in_two(inputs_test, test.labels)
    for name in categorical:
        tasks[name] = (
            *_where_visible(inputs_train, train, name),
            *_where_visible(inputs_test, test, name),
        )
    table = {what: _errors(*task) for what, task in tasks.items()}
    if categorical:
        rows = [table[name] for name in categorical]
        table["factors"] = {
            column: float(np.mean([row[column] for row in rows])) for column in rows[0]
        }
    print(_format(table))
    metrics = {f"{what}_error_{k}": v for what, row in table.items() for k, v in row.items()}

    factors_train, factors_test = (
        {name: split.factors[name] for name in continuous} for split in (train, test)
    )
    for code in CODES:
        r2 = probes.style_factor_r2(
            inputs_train[code], factors_train, inputs_test[code], factors_test
        )
        metrics |= {f"{code}_{name}": value for name, value in r2.items()}
    return metrics


def measure_neighbours(model: tf.Module, data: Dataset, judge: Judge) -> Metrics:
    """Returns how often a test image and its nearest neighbour by a code have the same identity.

    Args:
      model: see the module's docstring.
      data: its data set.
      judge: not needed.

    Returns:
      `<z, z_mean or s>_neighbour_accuracy`, and `neighbour_chance`, that of any other; 0 to 1.
    """
    labels, rows = data.test.labels, np.arange(len(data.test))
    metrics = {}
    for name, codes in model.all_codes(data.test).items():
        nearest = formulas.neighbours(codes, rows)[:, 0]
        metrics[f"{name}_neighbour_accuracy"] = float(np.mean(labels[nearest] == labels))
    counts = np.bincount(labels)
    of_same = np.sum(counts * (counts - 1.0)) / (len(labels) * max(len(labels) - 1.0, 1.0))
    return metrics | {"neighbour_chance": float(of_same)}


def measure_swaps(model: tf.Module, data: Dataset, judge: Judge) -> Metrics:
    """Returns measures of images that are decoded from s and z of different test images.

    Args:
      model: see the module's docstring.
      data: its data set.
      judge: predicts the identity of decoded images.

    Returns:
      - `reconstruction_mse_with_others_z`: as `reconstruction_mse`, but with the z of any other
        image; equal to it if the decoder ignores z,
      - `content_accuracy`: of images decoded from s of one test image and z of one of another
        identity, the share whose predicted identity is that of s; and `classifier_accuracy`, of the
        judge itself. For identities that no training image shows, the judge learns them from
        `held_out`; without these, neither is measured, nor where all test images are of one
        identity and nothing can be swapped.
    """
    codes, labels, n = model.all_codes(data.test), data.test.labels, len(data.test)
    generator = randomness.numpy_generator(0, "swapped images")
    others = generator.permutation(n)
    x = data.as_images(model.decode_both(codes["s"][others], codes["z_mean"][np.roll(others, 1)]))
    found = formulas.reconstruction_mse(data.test.images[others], x)
    metrics = {"reconstruction_mse_with_others_z": found["reconstruction_mse"]}
    if has_unseen_identities(data):
        if data.held_out is None:
            return metrics
        judge = judge.of(with_held_out(data))
    pairs = generator.integers(n, size=[2, 10 * evaluation.N_GENERATED])
    of_s, of_z = pairs[:, labels[pairs[0]] != labels[pairs[1]]][:, : evaluation.N_GENERATED]
    if not len(of_s):
        return metrics
    x = data.as_images(model.decode_both(codes["s"][of_s], codes["z"][of_z]))
    metrics |= formulas.content_accuracy(judge, x, labels[of_s])
    return metrics | {"classifier_accuracy": judge.accuracy}


def has_unseen_identities(data: Dataset) -> bool:
    """Returns whether test images show identities that training images do not."""
    return not np.all(np.isin(data.test.labels, data.train.labels))


def with_held_out(data: Dataset) -> Dataset:
    """Returns the data set with the classes that are held out among its training images."""
    train, held_out = data.train, data.held_out
    images = np.concatenate([train.images, held_out.images])
    labels = np.concatenate([train.labels, held_out.labels])
    return dataclasses.replace(data, train=Split(images, labels), n_classes=len(data.class_names))


def downscaled_pixels(images: np.ndarray) -> np.ndarray:
    """Returns images as rows of pixel values, halved in size while they have more than MAX_PIXELS.

    Args:
      images: [n, height, width, channels].

    Returns:
      float32 [n, pixels], in the range of the images.
    """
    while images[0].size > MAX_PIXELS:
        n, height, width, channels = images.shape
        images = images[:, : height // 2 * 2, : width // 2 * 2]
        images = images.reshape(n, height // 2, 2, width // 2, 2, channels).mean((2, 4), np.float32)
    return images.reshape(len(images), -1).astype(np.float32)


def _where_visible(
    inputs: dict[str, np.ndarray], split: Split, name: str
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Inputs and values of a factor, of those images that show it."""
    rows = split.visible.get(name, slice(None))
    return {key: values[rows] for key, values in inputs.items()}, split.factors[name][rows]


def _varies_where_visible(split: Split, name: str) -> bool:
    values = split.factors[name][split.visible.get(name, slice(None))]
    return len(values) > 0 and bool(np.ptp(values) > 0)


def _split_in_two(inputs: dict[str, np.ndarray], labels: np.ndarray) -> _Task:
    """Half of the images of each identity for training a probe, the other half for testing."""
    order = np.argsort(labels, kind="stable")
    (x_train, y_train), (x_test, y_test) = (
        ({name: values[rows] for name, values in inputs.items()}, labels[rows])
        for rows in (order[::2], order[1::2])
    )
    return x_train, y_train, x_test, y_test


def _errors(
    x_train: dict[str, np.ndarray],
    y_train: np.ndarray,
    x_test: dict[str, np.ndarray],
    y_test: np.ndarray,
) -> dict[str, float]:
    """Errors of a probe on each of the inputs, and by chance: a row of the table."""
    row = {}
    for name in x_train:
        errors = probes.probe_errors(x_train[name], y_train, x_test[name], y_test)
        row |= {
            f"on_{name}_{part}": error
            for part, error in zip(("train", "test"), errors, strict=True)
        }
    values, counts = np.unique(y_train, return_counts=True)
    return row | {"by_chance": float(np.mean(y_test != values[np.argmax(counts)]))}


def _format(table: Mapping[str, Mapping[str, float]]) -> str:
    columns = list(table["identity"])
    lines = ["".join(f"{name:>16}" for name in ["error", *columns])]
    for what, row in table.items():
        lines.append(f"{what:>16}" + "".join(f"{row[column]:16.2%}" for column in columns))
    return "\n".join(lines)
