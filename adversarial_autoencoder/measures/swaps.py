"""Measures of swapped images where the true one is known: that identity in that pose.

Where pictures were made (rendered, composed), a data set can hold every identity in the same poses
(`Split.pose`). Then an image decoded from s of one picture and z of another is not judged by how
it looks: the picture that it should be is there.
"""

from adversarial_autoencoder import randomness
from adversarial_autoencoder.datasets import Dataset, Split
from adversarial_autoencoder.measures import evaluation, formulas, readers
from adversarial_autoencoder.measures.formulas import Metrics, mean_with_error
from adversarial_autoencoder.measures.judge import Judge

import numpy as np
import tensorflow as tf


def measure_true_swaps(model: tf.Module, data: Dataset, judge: Judge) -> Metrics:
    """Compares images decoded from s and the mean of z of different test images with the true ones.

    Args:
      model: see `disentanglement`.
      data: its data set.
      judge: its `reader` reads factors and pose of the swapped images.

    Returns:
      Nothing without `Split.pose`, or where no swap's true picture is there; else

      - `swap_mse`: mean squared error against the picture of the identity of s in the pose of z,
      - `swap_mse_ratio`: that, divided by the error of reconstructing the same pictures,
      - `<name>_reader_accuracy` of each factor and part of the pose: of the reader, on real
        pictures,
      - if that is at least `readers.TRUSTED`, `swap_<name>_accuracy`: the share of swapped images
        read as showing the factor of s, or the pose of z. Only pictures count of which the true
        one is `readers.informative` and, of factors, that of s too. `reconstructed_<name>_accuracy`
        is the same of the true pictures' reconstructions.
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

    if not readers.values_read(data):
        return metrics
    reader, tells = judge.reader, readers.informative(data)[1]
    read = {"swap": reader(swapped), "reconstructed": reader(reconstructed)}
    for name in read["swap"]:
        metrics[f"{name}_reader_accuracy"] = reader.accuracy[name]
        if name in data.test.factors:
            wanted, counts = data.test.factors[name][of_s], tells[name][true] & tells[name][of_s]
        else:
            wanted, counts = data.test.pose[name][of_z], tells[name][true]
        if reader.accuracy[name] < readers.TRUSTED:
            print(f"{name}: the reader is not trusted, so swapped images are not read by it.")
        elif counts.any():
            for kind, values in read.items():
                right = (values[name] == wanted)[counts]
                metrics |= mean_with_error(f"{kind}_{name}_accuracy", right)
    return metrics


def true_swaps(split: Split, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draws pairs of images of different identities whose swap is known; the same every time.

    Args:
      split: with `pose`.
      n: how many at most.

    Returns:
      Rows, int [n] each: of the image that gives s, of the one that gives z, and of the picture of
      the identity of the first in the pose of the second, which is a third one.
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
