"""Measures of clusters with a known answer."""

from adversarial_autoencoder import options
from adversarial_autoencoder.measures import clusters, evaluation
from experiments import clustering as script

import numpy as np
import pytest
import tensorflow as tf
from conftest import SMALL

LABELS = np.arange(3000) % 10


def build(data, *words):
    flags = options.parse(["script", *SMALL, *words], "", script.DEFAULTS, script.define_flags)
    return script.AdversarialAutoencoder(data, flags)


def belonging(found, n_clusters, confidence=0.9):
    """Probabilities of images that belong to these clusters."""
    rest = (1 - confidence) / (n_clusters - 1)
    return np.where(np.arange(n_clusters) == found[:, None], confidence, rest)


def measured(found, n_clusters):
    probabilities = belonging(found, n_clusters)
    return clusters.clustering(probabilities, LABELS, probabilities, LABELS)


def test_clusters_that_are_the_labels_in_another_order_have_no_error():
    found = measured((LABELS + 3) % 10, 10)
    assert found["clustering_error"] == found["clustering_error_by_majority"] == 0
    assert found["normalized_mutual_information"] == pytest.approx(1)
    assert found["clusters_used"] == 10


def test_one_cluster_has_one_label_right():
    found = measured(np.full(3000, 4), 16)
    assert found["clustering_error"] == found["clustering_error_by_majority"] == 0.9
    assert found["normalized_mutual_information"] == 0
    assert found["clusters_used"] == 1


def test_random_clusters_are_little_better_than_one():
    found = measured(np.random.default_rng(0).integers(0, 5, 3000), 5)
    assert 0.86 < found["clustering_error_by_majority"] <= found["clustering_error"] < 0.92
    assert found["normalized_mutual_information"] < 0.02


def test_more_clusters_than_labels_cost_no_error_but_information():
    found = measured(LABELS + 10 * (np.arange(3000) // 1500), 20)
    assert found["clustering_error"] == found["clustering_error_by_majority"] == 0
    # Labels have log 10 nats, clusters log 20.
    wanted = 2 * np.log(10) / (np.log(10) + np.log(20))
    assert found["normalized_mutual_information"] == pytest.approx(wanted)
    assert found["clusters_used"] == 20


def test_the_paper_names_a_cluster_by_its_surest_image_and_the_majority_by_most():
    probabilities = np.array([[0.6, 0.4], [0.7, 0.3], [0.9, 0.1], [0.2, 0.8]])
    labels = np.array([5, 5, 3, 1])
    assert clusters.labels_by_confidence(probabilities, labels).tolist() == [3, 1]
    assert clusters.labels_by_majority(probabilities, labels).tolist() == [5, 1]
    # A cluster without images: the image that is nearest to it.
    empty = np.column_stack([probabilities, np.zeros(4)])
    empty[1, 2] = 0.1
    assert clusters.labels_by_majority(empty, labels).tolist() == [5, 1, 5]


def test_validation_images_name_clusters_and_test_images_are_counted():
    validation = belonging(np.array([0, 1]), 2)
    found = clusters.clustering(
        validation, np.array([7, 2]), belonging(np.array([0, 0, 0, 1]), 2), np.array([7, 7, 2, 2])
    )
    assert found["clustering_error"] == 0.25


def test_the_measure_encodes_validation_and_test_images(data):
    model = build(data, "--n_clusters=3")
    # Classes of the fixture are brighter by 36 on average.
    model.classify = lambda x: tf.one_hot(
        tf.cast((255 * tf.reduce_mean(x, axis=1) - 22) / 36, tf.int32), 3
    )
    found = evaluation.measure_clusters(model, data, None)
    assert found["clustering_error_by_majority"] < 0.1
