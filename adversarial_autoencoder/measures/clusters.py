"""Measures of clusters that were found without labels.

Clusters are given as probabilities, float [n, n_clusters]; an image belongs to the cluster of its
highest probability.
"""

from adversarial_autoencoder.measures import formulas
from adversarial_autoencoder.measures.formulas import Metrics

import numpy as np


def labels_by_confidence(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Names each cluster by the label of the image most likely to belong to it.

    Of validation images, [n, n_clusters] and [n], to int [n_clusters]. A cluster that no image
    belongs to has a label too. Of images that are equally likely, the first counts.

    Makhzani et al. 2015, section 6.
    """
    return np.asarray(labels)[np.argmax(probabilities, axis=0)]


def labels_by_majority(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Names each cluster by the most frequent label of the images that belong to it.

    As `labels_by_confidence`, which names a cluster that no image belongs to. Of labels that are
    equally frequent, the smallest counts.
    """
    counts = table(np.argmax(probabilities, axis=1), labels, probabilities.shape[1])
    by_confidence = labels_by_confidence(probabilities, labels)
    return np.where(counts.any(axis=1), counts.argmax(axis=1), by_confidence)


def table(clusters: np.ndarray, labels: np.ndarray, n_clusters: int) -> np.ndarray:
    """Counts the images, by cluster and label int [n], of each: int [n_clusters, n_labels]."""
    counts = np.zeros([n_clusters, int(np.max(labels)) + 1], int)
    np.add.at(counts, (np.asarray(clusters), np.asarray(labels)), 1)
    return counts


def normalized_mutual_information(clusters: np.ndarray, labels: np.ndarray) -> float:
    """Returns the mutual information of clusters and labels, divided by their mean entropy.

    0: independent, 1: one says which the other is. Where neither varies it is 0.

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
    """Compares clusters with labels on test images; validation images name the clusters.

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
