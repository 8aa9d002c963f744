"""Clusters: measures with a known answer, pictures, and what a step learns from."""

import dataclasses

from adversarial_autoencoder import losses, options
from adversarial_autoencoder.measures import clusters, evaluation
from adversarial_autoencoder.system.errors import UserError
from experiments import clustering as script

import numpy as np
import pytest
import tensorflow as tf
from conftest import SMALL, variables

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
    model.cluster = lambda x: tf.one_hot(
        tf.cast((255 * tf.reduce_mean(x, axis=1) - 22) / 36, tf.int32), 3
    )
    found = evaluation.measure_clusters(model, data, None)
    assert found["clustering_error_by_majority"] < 0.1


def test_labels_have_no_part_in_training(data):
    """All labels permuted: the same weights, bit for bit, also with VAT."""
    weights = []
    for shift in (0, 1):
        split = dataclasses.replace(data.train, labels=(data.train.labels + shift) % 3)
        other = dataclasses.replace(data, train=split)
        model = build(other, "--n_clusters=4", "--vat_radius=1")
        x = tf.reshape(tf.constant(split.images[:20], tf.float32) / 255, [20, -1])
        y = tf.one_hot(split.labels[:20], 3)
        for step in range(2):
            model.train_step.python_function(x, y, tf.constant(step, tf.int64))
        weights.append([np.array(v) for v in variables(model)])
    for a, b in zip(*weights, strict=True):
        np.testing.assert_array_equal(a, b)


def test_virtual_adversarial_training_is_an_option_and_changes_the_encoder(data):
    x, y = data.test_inputs()
    kernels, changes = [], []
    for radius in (0, 1):
        model = build(data, f"--vat_radius={radius}")
        found = model.train_step.python_function(x, y, tf.constant(0, tf.int64))
        changes.append(float(found["Virtual Adversarial Loss"]))
        kernels.append(np.array(model.encoder.get_layer("e_dense_1").kernel))
    assert changes[0] == 0 < changes[1]
    assert (kernels[0] != kernels[1]).any()


def test_a_row_is_a_clusters_head_and_the_test_images_that_belong_to_it(data):
    model = build(data, "--n_clusters=4")
    decoded = []
    model.decode = lambda z, y: decoded.append((z.numpy(), y.numpy())) or tf.ones([4, 90])
    found = np.full(30, 1)
    found[5] = 3
    picture = clusters.rows(model, data, found)
    np.testing.assert_array_equal(decoded[0][0], np.zeros([4, 5]))
    np.testing.assert_array_equal(decoded[0][1], np.eye(4))
    assert picture.shape[0] == 4 * 8 - 2
    rows = [picture[8 * k : 8 * k + 6] for k in range(4)]
    for row in rows:
        assert (row[:, :5] == 255).all()  # The head.
    first = rows[3].shape[1] - (clusters.N_MEMBERS * 7 - 2)
    np.testing.assert_array_equal(rows[3][:, first : first + 5], data.test.images[5])
    assert (rows[3][:, first + 7 :] == 0).all() and (rows[0][:, first:] == 0).all()
    np.testing.assert_array_equal(rows[1][:, first : first + 5], data.test.images[0])


@pytest.mark.parametrize(
    "words, told",
    [
        (["--n_clusters=1"], "n_clusters=1: .*from 2"),
        (["--n_clusters=111"], "--n_clusters=111, but .* has only 110 training images"),
        (["--n_labeled=30"], "n_labeled"),
        (["--vat_radius=-1"], "at least 0"),
    ],
)
def test_bad_input_is_told_and_nothing_is_written(words, told, npz, tmp_path):
    with pytest.raises(UserError, match=told):
        common = [f"--dataset={npz}", f"--results_dir={tmp_path}", *SMALL]
        script.main(["clustering.py", "--train", *common, *words])
    assert not list(tmp_path.iterdir())


def test_many_clusters_stand_in_columns(data):
    model = build(data, "--n_clusters=25")
    picture = clusters.rows(model, data, np.arange(30) % 25)
    one_column = clusters.rows(build(data, "--n_clusters=13"), data, np.arange(30) % 13)
    assert picture.shape[0] == one_column.shape[0]  # 13 and 12 rows.
    assert picture.shape[1] == 2 * one_column.shape[1] + 2 * clusters.GAP
    np.testing.assert_array_equal(picture[:6, -82:-77], data.test.images[13])


def test_the_imbalance_is_that_of_the_mean_label():
    even = tf.constant([[1.0, 0.0], [0.0, 1.0]])
    assert float(losses.imbalance(even)) == pytest.approx(0, abs=1e-5)
    uneven = tf.constant([[0.9, 0.1], [0.6, 0.4]])  # In the mean 3/4 and 1/4.
    wanted = -(np.log(1.5) + np.log(0.5)) / 2
    assert float(losses.imbalance(uneven)) == pytest.approx(wanted, abs=1e-5)
    assert np.isfinite(losses.imbalance(tf.constant([[1.0, 0.0]])))
