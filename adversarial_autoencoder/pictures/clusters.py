"""Pictures of clusters: their heads and members, and the labels of these."""

from adversarial_autoencoder import inference
from adversarial_autoencoder.datasets import Dataset
from adversarial_autoencoder.measures.clusters import table
from adversarial_autoencoder.model import Model
from adversarial_autoencoder.pictures import grids, plots

import numpy as np
import tensorflow as tf

N_MEMBERS = 12  # Test images in a cluster's row.
MOST_ROWS = 60  # Of clusters in a picture.
GAP = 8  # Pixels beside a column.
COLUMN = 20  # Of rows, so many; more make another column.


def draw_clusters(model: Model, data: Dataset) -> dict[str, np.ndarray]:
    """Returns the pictures of a model's clusters by name; none if its labels are not clusters."""
    if not model.labels_are_clusters:
        return {}
    found = inference.classify(model.classify, data.test.images)
    counts = table(found, data.test.labels, model.n_labels)
    return {
        "clusters": rows(model, data, found),
        "clusters_and_labels": plots.counts_of_clusters(counts, data.class_names),
    }


def rows(model: Model, data: Dataset, clusters: np.ndarray) -> np.ndarray:
    """Draws each cluster's head in front of test images that belong to it.

    The head is the image of the cluster's one-hot label with z = 0; of a map, that of the code of
    the cluster's head.

    `clusters` are those of the test images, int [n]; the first images of each are shown, a cluster
    a row. More than 20 rows stand side by side. Of more than 60 clusters the first are drawn, and a
    line above says so.

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
    picture = np.concatenate([parts[0], *(p for part in parts[1:] for p in (space, part))], axis=1)
    return grids.say_how_many(picture, n, model.n_labels, "clusters")
