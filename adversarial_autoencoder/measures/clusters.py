"""Measures of clusters that were found without labels.

Clusters are given as probabilities, float [n, n_clusters]; an image belongs to the cluster of its
highest probability.
"""

from adversarial_autoencoder.measures import formulas
from adversarial_autoencoder.measures.formulas import Metrics

import numpy as np


def labels_by_confidence(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Names each cluster by the label of the image most likely to belong to it.

    A cluster that no image belongs to has one too. Of images that are equally likely, the first
    counts.

    Args:
      probabilities: float [n, n_clusters], one row a validation image.
      labels: int [n], their labels.

    Returns:
      int [n_clusters].

    Makhzani et al. 2015, section 6.
    """
    return np.asarray(labels)[np.argmax(probabilities, axis=0)]


def labels_by_majority(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Names each cluster by the most frequent label of the images that belong to it.

    A cluster that no image belongs to has its label by confidence. Of labels that are equally
    frequent, the smallest counts.

    Args:
      probabilities: float [n, n_clusters], one row a validation image.
      labels: int [n], their labels.

    Returns:
      int [n_clusters].
    """
    counts = table(np.argmax(probabilities, axis=1), labels, probabilities.shape[1])
    by_confidence = labels_by_confidence(probabilities, labels)
    return np.where(counts.any(axis=1), counts.argmax(axis=1), by_confidence)


def table(clusters: np.ndarray, labels: np.ndarray, n_clusters: int) -> np.ndarray:
    """Counts the images of each label in each cluster: int [n_clusters, n_labels].

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
    """Compares clusters with labels.

    Args:
      validation_probabilities: float [n, n_clusters]; validation images name the clusters.
      validation_labels: int [n].
      test_probabilities: float [m, n_clusters].
      test_labels: int [m].

    Returns:
      - `clustering_error`: share of test images whose cluster has another label, each cluster named
        by its most confident validation image (the protocol of the AAE paper),
      - `clustering_error_by_majority`: the same, named by the majority of validation images,
      - `normalized_mutual_information` of the clusters and labels of test images,
      - `clusters_used`: clusters that at least one test image belongs to.
    """
    found = np.argmax(test_probabilities, axis=1)
    metrics = {}
    for name, naming in (
        ("clustering_error", labels_by_confidence),
        ("clustering_error_by_majority", labels_by_majority),
    ):
        names = naming(validation_probabilities, validation_labels)
        metrics |= formulas.mean_with_error(name, names[found] != test_labels)
    return metrics | {
        "normalized_mutual_information": normalized_mutual_information(found, test_labels),
        "clusters_used": float(len(np.unique(found))),
    }


def _entropy(p: np.ndarray) -> float:
    p = p[p > 0]
    return float(-np.sum(p * np.log(p)))
