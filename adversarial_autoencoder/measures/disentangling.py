"""Measures of a model with two codes: s for an image's identity, and z for all the rest.

The identity is the label. Each measure is a function of the model, its data set and the judge, as
in `evaluation`. The model has

- `all_codes(split)`: the codes of a split's images by name, float32: `s` [n, s_dim]; `z`
  [n, z_dim], sampled around its mean as the decoder gets it; `z_mean` [n, z_dim];
- `decode_both(s, z)`: the decoded images, flat float32 [n, input_dim] in [0, 1].

Mathieu et al. 2016.
"""

import dataclasses
from collections.abc import Mapping

from adversarial_autoencoder import randomness
from adversarial_autoencoder.datasets import Dataset, Split
from adversarial_autoencoder.measures import classifiers, evaluation, formulas, probes
from adversarial_autoencoder.measures.classifiers import Judge
from adversarial_autoencoder.measures.formulas import Metrics, mean_with_error

import numpy as np
import tensorflow as tf

CODES = ("z", "z_mean", "s")
MAX_PIXELS = 4096  # Of an image, for the probe that learns from pixels.


def measure_disentangling(model: tf.Module, data: Dataset, judge: Judge) -> Metrics:
    """Returns the errors of one kind of probe on codes and on pixels, and prints them as a table.

    The probes predict the identity and each categorical factor, the latter of images that show it
    (`Split.visible`); `factors` is the mean over these factors. If training images show none of the
    test images' identities, every second test image is used for training the probe of the identity.

    Returns:
      - `<what>_error_on_<z, z_mean, s or pixels>_<train or test>`, 0 to 1,
      - `<what>_error_by_chance`, that of always predicting the commonest training value,
      - of continuous factors R², `<z, z_mean or s>_style_factor_r2_<factor>`.

    Mathieu et al. 2016, table 1.
    """
    train, test = data.train, data.test
    x_train, x_test = (
        model.all_codes(split) | {"pixels": downscaled_pixels(split.images)}
        for split in (train, test)
    )
    varying = sorted(
        name for name in train.factors if all(_varies(split, name) for split in (train, test))
    )
    categorical = [name for name in varying if probes.is_categorical(train.factors[name])]
    continuous = [name for name in varying if name not in categorical]

    if has_unseen_identities(data):
        order = np.argsort(test.labels, kind="stable")
        parts = [(x_test, test.labels, rows) for rows in (order[::2], order[1::2])]
    else:
        parts = [(x, split.labels, slice(None)) for x, split in ((x_train, train), (x_test, test))]
    table = {"identity": _errors(*parts)}
    for name in categorical:
        parts = (
            (x, split.factors[name], _visible(split, name))
            for x, split in ((x_train, train), (x_test, test))
        )
        table[name] = _errors(*parts)
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
        r2 = probes.style_factor_r2(x_train[code], factors_train, x_test[code], factors_test)
        metrics |= {f"{code}_{name}": value for name, value in r2.items()}
    return metrics


def measure_neighbours(model: tf.Module, data: Dataset, judge: Judge) -> Metrics:
    """Returns how often a test image and its nearest neighbour by a code have the same identity.

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

    Returns:
      - `reconstruction_mse_with_others_z`: as `reconstruction_mse`, but with the z of any other
        image; equal to it if the decoder ignores z,
      - `content_accuracy`: among images decoded from s of one test image and z of one of another
        identity, the share whose identity, as the judge predicts it, is that of s; and
        `classifier_accuracy`, the judge's own on test images. Identities that no training image
        shows it learns from `held_out`; without these, neither is measured, nor where all test
        images are of one identity and nothing can be swapped.
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
        judge = judge.judge_of(with_held_out(data))
    pairs = generator.integers(n, size=[2, 10 * evaluation.N_GENERATED])
    of_s, of_z = pairs[:, labels[pairs[0]] != labels[pairs[1]]][:, : evaluation.N_GENERATED]
    if not len(of_s):
        return metrics
    x = data.as_images(model.decode_both(codes["s"][of_s], codes["z"][of_z]))
    metrics |= formulas.content_accuracy(judge, x, labels[of_s])
    return metrics | {"classifier_accuracy": judge.accuracy}


def measure_true_swaps(model: tf.Module, data: Dataset, judge: Judge) -> Metrics:
    """Compares images decoded from s and the mean of z of different test images with the true ones.

    Where pictures were made (rendered, composed), a data set can hold every identity in the same
    poses (`Split.pose`). Then a swapped image need not be judged by how it looks: the picture that
    it should be is there.

    Returns:
      Nothing without `Split.pose`, or where no swap's true picture is there; else

      - `swap_mse`: mean squared error against the picture of the identity of s in the pose of z,
      - `swap_mse_ratio`: that, divided by the error of reconstructing the same pictures,
      - `<name>_reader_accuracy` for each factor and part of the pose: the share of real test images
        in which the judge's classifier of attributes predicts it,
      - if that is at least `classifiers.TRUSTED`, `swap_<name>_accuracy`: the share of swapped
        images that it takes to show the factor of s, or the pose of z. Only pictures count of which
        the true one shows it and, of factors, that of s too. `reconstructed_<name>_accuracy` is the
        same of the true pictures' reconstructions.
    """
    of_s, of_z, true = true_swaps(data.test, evaluation.N_GENERATED)
    if not len(true):
        return {}
    codes, x = model.all_codes(data.test), data.test.images[true]
    swapped = model.decode_both(codes["s"][of_s], codes["z_mean"][of_z])
    reconstructed = model.decode_both(codes["s"][true], codes["z_mean"][true])
    swap_mse, mse = (formulas.reconstruction_mse(x, x_hat) for x_hat in (swapped, reconstructed))
    metrics = {name.replace("reconstruction", "swap"): value for name, value in swap_mse.items()}
    metrics["swap_mse_ratio"] = swap_mse["reconstruction_mse"] / mse["reconstruction_mse"]

    attributes = classifiers.attributes(data)
    if not attributes:
        return metrics
    classifier = judge.attributes
    predicted = {"swap": classifier(swapped), "reconstructed": classifier(reconstructed)}
    for name, attribute in attributes.items():
        metrics[f"{name}_reader_accuracy"] = classifier.accuracy[name]
        is_factor = name in data.test.factors
        wanted = attribute.test[of_s if is_factor else of_z]
        counts = attribute.shown_in_test[true]
        if is_factor:
            counts = counts & attribute.shown_in_test[of_s]
        if classifier.accuracy[name] < classifiers.TRUSTED:
            print(f"{name}: the classifier errs on real images, so it judges no swapped ones.")
        elif counts.any():
            for kind, values in predicted.items():
                right = (values[name] == wanted)[counts]
                metrics |= mean_with_error(f"{kind}_{name}_accuracy", right)
    return metrics


def true_swaps(split: Split, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draws pairs of images of different identities whose swap is known; the same every time.

    Returns:
      Rows of at most n images that give s, of those that give z, and of the pictures of the first
      ones' identity in the second ones' pose; int.
    """
    if not split.pose:
        return (np.zeros(0, int),) * 3
    poses = np.column_stack(list(split.pose.values())).tolist()
    labels = split.labels.tolist()
    place = {
        (label, *pose): row for row, (label, pose) in enumerate(zip(labels, poses, strict=True))
    }
    generator = randomness.numpy_generator(0, "swaps whose true picture is known")
    of_s, of_z = generator.integers(len(split), size=[2, 10 * n])
    true = np.array(
        [place.get((labels[i], *poses[j]), -1) for i, j in zip(of_s, of_z, strict=True)]
    )
    known = (true >= 0) & (true != of_s) & (split.labels[of_s] != split.labels[of_z])
    return tuple(rows[known][:n] for rows in (of_s, of_z, true))


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
    """Returns images as float32 [n, pixels], halved in size while they have over MAX_PIXELS."""
    while images[0].size > MAX_PIXELS:
        n, height, width, channels = images.shape
        images = images[:, : height // 2 * 2, : width // 2 * 2]
        images = images.reshape(n, height // 2, 2, width // 2, 2, channels).mean((2, 4), np.float32)
    return images.reshape(len(images), -1).astype(np.float32)


def _visible(split: Split, name: str) -> np.ndarray | slice:
    """The rows of the images that show a factor."""
    return split.visible.get(name, slice(None))


def _varies(split: Split, name: str) -> bool:
    values = split.factors[name][_visible(split, name)]
    return len(values) > 0 and bool(np.ptp(values) > 0)


# Inputs of a probe by name, [n, dim] each; what it predicts, int [n]; the rows of both to use.
_Examples = tuple[Mapping[str, np.ndarray], np.ndarray, np.ndarray | slice]


def _errors(train: _Examples, test: _Examples) -> dict[str, float]:
    """Errors of a probe on each of the inputs, and by chance: a row of the table."""
    (x_train, y_train, rows), (x_test, y_test, test_rows) = train, test
    y_train, y_test = y_train[rows], y_test[test_rows]
    row = {}
    for name in x_train:
        errors = probes.probe_errors(x_train[name][rows], y_train, x_test[name][test_rows], y_test)
        row[f"on_{name}_train"], row[f"on_{name}_test"] = errors
    values, counts = np.unique(y_train, return_counts=True)
    return row | {"by_chance": float(np.mean(y_test != values[np.argmax(counts)]))}


def _format(table: Mapping[str, Mapping[str, float]]) -> str:
    columns = list(table["identity"])
    lines = ["".join(f"{name:>16}" for name in ["error", *columns])]
    for what, row in table.items():
        lines.append(f"{what:>16}" + "".join(f"{row[column]:16.2%}" for column in columns))
    return "\n".join(lines)
