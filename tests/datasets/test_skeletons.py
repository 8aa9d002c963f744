"""Thinning, pruning, and the tables of distances."""

from adversarial_autoencoder.datasets import glyphs, skeletons

import numpy as np


def test_thinning_keeps_each_part_of_a_glyph_and_leaves_lines():
    solid = np.zeros((1, 40, 40), bool)
    solid[0, 10:30, 5:15] = True  # a bar, and dots of even and odd size
    solid[0, 4:6, 20:22] = solid[0, 20:25, 25:30] = True
    thin = skeletons.thin(solid)[0]
    assert thin[10:30, 5:15].sum() in range(8, 16)
    assert 1 <= thin[4:6, 20:22].sum() <= 4
    assert 1 <= thin[20:25, 25:30].sum() <= 4
    assert not (thin & ~solid[0]).any()


def test_pruning_cuts_a_serif_and_leaves_a_stem():
    lines = np.zeros((1, 40, 40), bool)
    lines[0, 8:35, 20] = lines[0, 8, 16:25] = True
    pruned = skeletons.prune(lines, np.array([6]))[0]
    assert not pruned[:, :19].any() and not pruned[:, 22:].any()
    assert pruned[12:35, 20].all()
    np.testing.assert_array_equal(skeletons.prune(lines, np.array([0])), lines)


def test_distance_tables_hold_euclidean_distances():
    lines = np.zeros((1, skeletons.CELLS, skeletons.CELLS), bool)
    lines[0, 40, 50] = True
    table = skeletons.distance_tables(lines)[0] / skeletons.LEVELS
    centres = (np.arange(skeletons.ENTRIES) + 0.5) / skeletons.FINE
    exact = np.hypot(centres[:, None] - 40.5, centres - 50.5)
    near = (exact > 3) & (exact < skeletons.REACH - 1)
    np.testing.assert_allclose(table[near], exact[near], atol=0.15)
    assert table.max() == skeletons.REACH


def test_a_shape_that_faces_share_is_traced_once_and_as_if_alone():
    faces = [*glyphs.FACES[:5], glyphs.FACES[0]._replace(serif=10)]
    rendered = np.stack([skeletons.render(face, "E") for face in faces])
    together = skeletons.trace(rendered, faces)
    alone = [skeletons.trace(rendered[k : k + 1], [face]) for k, face in enumerate(faces)]
    for found, each in zip(together, zip(*alone, strict=True), strict=True):
        np.testing.assert_array_equal(found, np.concatenate(each))


def test_how_far_letters_are_apart_is_that_of_the_worse_of_two_ways():
    face, upright = glyphs.FACES[:1], np.eye(2)
    half_turn = -upright
    traced = [skeletons.trace(skeletons.render(face[0], c)[None], face) for c in "EFS"]
    (e, f, s) = ((table.reshape(1, -1), points) for table, points in traced)
    apart = skeletons.nearest(*e, *f, np.array([upright, half_turn]))
    assert apart.shape == (1, 2) and apart.min() > 2  # Though the F lies upon the E.
    assert skeletons.nearest(*e, *e, upright[None]) < 0.5
    assert skeletons.nearest(*s, *s, half_turn[None]) < 1.5
    none = (e[0][:0], e[1][:0])
    np.testing.assert_array_equal(skeletons.nearest(*e, *none, upright[None]), np.inf)
