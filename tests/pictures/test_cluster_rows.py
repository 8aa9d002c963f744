"""Pictures of clusters."""

from adversarial_autoencoder import options
from adversarial_autoencoder.pictures import clusters
from experiments import clustering as script

import numpy as np
import tensorflow as tf
from conftest import SMALL


def build(data, *words):
    flags = options.parse(["script", *SMALL, *words], "", script.DEFAULTS, script.define_flags)
    return script.AdversarialAutoencoder(data, flags)


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


def test_many_clusters_stand_in_columns(data):
    model = build(data, "--n_clusters=25")
    picture = clusters.rows(model, data, np.arange(30) % 25)
    one_column = clusters.rows(build(data, "--n_clusters=13"), data, np.arange(30) % 13)
    assert picture.shape[0] == one_column.shape[0]  # 13 and 12 rows.
    assert picture.shape[1] == 2 * one_column.shape[1] + 2 * clusters.GAP
    np.testing.assert_array_equal(picture[:6, -82:-77], data.test.images[13])


def test_of_very_many_clusters_the_first_are_drawn_and_a_line_says_so(data):
    model = build(data, "--n_clusters=100")
    picture = clusters.rows(model, data, np.arange(30))
    without = clusters.rows(build(data, "--n_clusters=60"), data, np.arange(30))
    assert picture.shape[1:] == without.shape[1:]
    assert len(picture) == len(without) + 14 and picture[:14].any()
