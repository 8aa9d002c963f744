"""Clusters found without labels: what labels say of them, and their pictures.

Clusters are given as probabilities, float [n, n_clusters]; an image belongs to the cluster of its
highest probability.
"""

import dataclasses

from adversarial_autoencoder import grids, inference, measures, plots
from adversarial_autoencoder.datasets import Dataset
from adversarial_autoencoder.errors import UserError
from adversarial_autoencoder.measures import Metrics
from adversarial_autoencoder.model import Model

import numpy as np
import tensorflow as tf

N_MEMBERS = 12  # Test images in a cluster's row.
MOST_ROWS = 60  # Of clusters in a picture.
GAP = 8  # Pixels beside a column.
COLUMN = 20  # Of rows, so many; more make another column.


def as_classes(data: Dataset, n_clusters: int) -> Dataset:
    """Returns the data set with clusters in the place of classes, for the networks' sizes.

    Raises:
      UserError: one cluster, or more than training images.
    """
    if n_clusters < 2:
        raise UserError(f"--n_clusters={n_clusters}: one cluster tells nothing, take 2 or more")
    if n_clusters > len(data.train):
        raise UserError(
            f"--n_clusters={n_clusters}, but {data.name} has only {len(data.train)} training images"
        )
    names = tuple(f"cluster {k}" for k in range(n_clusters))
    return dataclasses.replace(data, n_classes=n_clusters, class_names=names)


# Measures: arrays in, numbers out.


def labels_by_confidence(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Returns the label of each cluster: that of the image most likely to belong to it.

    A cluster that no image belongs to has one too. Of images that are equally likely, the first
    counts.

    Args:
      probabilities: of validation images, float [n, n_clusters].
      labels: int [n], their labels.

    Returns:
      int [n_clusters].

    Makhzani et al. 2015, section 6.
    """
    return np.asarray(labels)[np.argmax(probabilities, axis=0)]


def labels_by_majority(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Returns the label of each cluster: the most frequent one of the images that belong to it.

    A cluster that no image belongs to has its label by confidence. Of labels that are equally
    frequent, the smallest counts.

    Args:
      probabilities: of validation images, float [n, n_clusters].
      labels: int [n], their labels.

    Returns:
      int [n_clusters].
    """
    counts = table(np.argmax(probabilities, axis=1), labels, probabilities.shape[1])
    by_confidence = labels_by_confidence(probabilities, labels)
    return np.where(counts.any(axis=1), counts.argmax(axis=1), by_confidence)


def table(clusters: np.ndarray, labels: np.ndarray, n_clusters: int) -> np.ndarray:
    """Returns how many images of each label belong to each cluster, int [n_clusters, n_labels].

    Args:
      clusters: int [n], the cluster of each image.
      labels: int [n], the label of each image.
      n_clusters: number of clusters, rows of the table.
    """
    counts = np.zeros([n_clusters, int(np.max(labels)) + 1], int)
    np.add.at(counts, (np.asarray(clusters), np.asarray(labels)), 1)
    return counts


def normalized_mutual_information(clusters: np.ndarray, labels: np.ndarray) -> float:
    """Returns the mutual information of clusters and labels, divided by their mean entropy.

    0: independent, 1: one says which the other is. Where neither varies it is 0.

    Args:
      clusters: int [n], the cluster of each image.
      labels: int [n], the label of each image.

    Strehl and Ghosh 2002, with the arithmetic mean of the entropies.
    """
    joint = table(clusters, labels, int(np.max(clusters)) + 1) / len(labels)
    of_clusters, of_labels, of_both = map(_entropy, (joint.sum(axis=1), joint.sum(axis=0), joint))
    mean = (of_clusters + of_labels) / 2
    return (of_clusters + of_labels - of_both) / mean if mean > 0 else 0.0


def clustering(
    validation_probabilities: np.ndarray,
    validation_labels: np.ndarray,
    test_probabilities: np.ndarray,
    test_labels: np.ndarray,
) -> Metrics:
    """Returns how well clusters fit labels.

    Args:
      validation_probabilities: float [n, n_clusters]; validation images name the clusters.
      validation_labels: int [n].
      test_probabilities: float [m, n_clusters].
      test_labels: int [m].

    Returns:
      - `clustering_error`: share of test images whose cluster has another label, each cluster named
        by its most confident validation image (the protocol of the AAE paper),
      - `clustering_error_by_majority`: the same, named by the majority of validation images,
      - `normalized_mutual_information`: of clusters and labels of test images,
      - `clusters_used`: clusters that at least one test image belongs to.
    """
    found = np.argmax(test_probabilities, axis=1)
    metrics = {}
    for name, naming in (
        ("clustering_error", labels_by_confidence),
        ("clustering_error_by_majority", labels_by_majority),
    ):
        names = naming(validation_probabilities, validation_labels)
        metrics |= measures.mean_with_error(name, names[found] != test_labels)
    return metrics | {
        "normalized_mutual_information": normalized_mutual_information(found, test_labels),
        "clusters_used": float(len(np.unique(found))),
    }


def _entropy(p: np.ndarray) -> float:
    p = p[p > 0]
    return float(-np.sum(p * np.log(p)))


# Pictures.


def pictures(model: Model, data: Dataset) -> dict[str, np.ndarray]:
    """Returns the pictures of a model's clusters by name, uint8 [height, width, channels].

    Args:
      model: with `cluster(x)`, cluster probabilities (without them nothing is drawn), and
        `decode(z, y)`.
      data: its data set; test images are shown.
    """
    if model.cluster is None:
        return {}
    found = np.argmax(inference.encode(model.cluster, data.test.images), axis=1)
    counts = table(found, data.test.labels, model.n_labels)
    return {
        "clusters": rows(model, data, found),
        "clusters_and_labels": plots.counts_of_clusters(counts, data.class_names),
    }


def rows(model: Model, data: Dataset, clusters: np.ndarray) -> np.ndarray:
    """Draws each cluster's head in front of test images that belong to it.

    The head is the image of the cluster's one-hot label with z = 0; of a map, that of the code of
    the cluster's head.

    Args:
      model: with `decode(z, y)`.
      data: its data set.
      clusters: int [n], the cluster of each test image; the first ones of each are shown.

    Returns:
      uint8 [height, width, channels], a cluster a row; more than 20 rows stand side by side.

    Makhzani et al. 2015, figure 9.
    """
    n = min(model.n_labels, MOST_ROWS)
    z = tf.zeros([n, model.flags.z_dim]) if model.heads is None else model.heads()[:n]
    heads = model.decode(z, tf.eye(n, model.n_labels))
    images = np.zeros([n, N_MEMBERS, *data.image_shape], np.uint8)
    for k in range(n):
        members = np.flatnonzero(clusters == k)[:N_MEMBERS]
        images[k, : len(members)] = data.test.images[members]
    images = images.reshape(-1, *data.image_shape)
    heads = grids.as_uint8(data.as_images(heads))
    n_columns = -(-n // COLUMN)
    height = -(-n // n_columns)
    parts = []
    for k in range(0, n, height):
        part = images[k * N_MEMBERS : (k + height) * N_MEMBERS]
        parts.append(grids.style_grid(part, N_MEMBERS, heads[k : k + height]))
    tallest = len(parts[0])
    space = np.zeros([tallest, 2 * GAP, parts[0].shape[2]], np.uint8)
    parts = [np.pad(part, ((0, tallest - len(part)), (0, 0), (0, 0))) for part in parts]
    return np.concatenate([parts[0], *(p for part in parts[1:] for p in (space, part))], axis=1)
