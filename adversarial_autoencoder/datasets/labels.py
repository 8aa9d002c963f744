"""Which labels a model may use, and clusters in their place."""

import dataclasses

from adversarial_autoencoder import randomness
from adversarial_autoencoder.datasets.dataset import Dataset, Split
from adversarial_autoencoder.system.errors import UserError

import numpy as np


def labeled_subset(split: Split, n_labeled: int, seed: int) -> Split:
    """Returns n_labeled images whose labels may be used, the same number from each class.

    The run's seed chooses them; 0 and `len(split)` are all.

    Raises:
      UserError: there are fewer, perhaps of one class, or they cannot be divided evenly.
    """
    return split[_labeled_rows(split, n_labeled, seed)]


def hide_labels(split: Split, n_labeled: int, n_classes: int, seed: int) -> Split:
    """Returns all images, those outside the `labeled_subset` with the label n_classes.

    Of it `tf.one_hot(labels, n_classes)` makes a row of zeros.

    Raises:
      UserError: as `labeled_subset`.
    """
    labels = np.full_like(split.labels, n_classes)
    rows = _labeled_rows(split, n_labeled, seed)
    labels[rows] = split.labels[rows]
    return dataclasses.replace(split, labels=labels)


def _labeled_rows(split: Split, n_labeled: int, seed: int) -> np.ndarray:
    if n_labeled in (0, len(split)):
        return np.arange(len(split))
    classes, counts = np.unique(split.labels, return_counts=True)
    per_class = n_labeled // len(classes)
    if n_labeled > len(split):
        raise UserError(
            f"--n_labeled={n_labeled}, but only {len(split)} labelled training images are there"
        )
    if n_labeled % len(classes):
        raise UserError(
            f"--n_labeled={n_labeled} cannot be divided evenly among {len(classes)} classes: "
            f"give {max(per_class, 1) * len(classes)}, for example, or 0 for all"
        )
    if per_class > counts.min():
        raise UserError(
            f"--n_labeled={n_labeled} takes {per_class} images of each class, but of one only "
            f"{counts.min()} are there: give at most {counts.min() * len(classes)}, or 0 for all"
        )
    generator = randomness.numpy_generator(seed, "labelled images")
    rows = [np.flatnonzero(split.labels == k) for k in classes]
    return np.concatenate([generator.choice(r, per_class, replace=False) for r in rows])


def as_classes(data: Dataset, n_clusters: int) -> Dataset:
    """Returns the data set with clusters in the place of classes, for the networks' sizes.

    0 clusters: as it is.

    Raises:
      UserError: one cluster, or more than training images.
    """
    if not n_clusters:
        return data
    if n_clusters < 2:
        raise UserError(f"--n_clusters={n_clusters}: one cluster tells nothing, take 2 or more")
    if n_clusters > data.n_training:
        raise UserError(
            f"--n_clusters={n_clusters}, but {data.name} has only {data.n_training} training images"
        )
    names = tuple(f"cluster {k}" for k in range(n_clusters))
    return dataclasses.replace(data, n_classes=n_clusters, class_names=names)
