"""Plots of codes and labels."""

from adversarial_autoencoder import priors
from adversarial_autoencoder.pictures import grids, plots

import matplotlib
import numpy as np
import pytest


def points(n: int = 300) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(n, 2)).astype(np.float32)


def outline(name: str) -> dict[str, list[np.ndarray]]:
    return priors.make(name, 2, stddev=1.0).outline()


@pytest.mark.parametrize("n_classes", [2, 10, 11, 52])
def test_a_scatter_plot_takes_any_number_of_classes(n_classes):
    names = [f"class {k}" for k in range(n_classes)]
    picture = plots.scatter(points(), np.arange(300) % n_classes, names, outline("gaussian"))
    assert picture.shape == (900, 1050, 3)
    assert picture.dtype == np.uint8
    # A colour each: at least as many shades as classes, on white.
    assert len(np.unique(picture @ [256**2, 256, 1])) > n_classes
    np.testing.assert_array_equal(picture[0, 0], 255)


def test_classes_have_the_ten_fixed_colours():
    picture = plots.scatter(points(), np.arange(300) % 10, [str(k) for k in range(10)])
    colours = np.array([list(bytes.fromhex(colour[1:])) for colour in plots.COLOURS])
    assert len(np.unique(colours, axis=0)) == 10
    # A dot of the legend is tens of pixels of exactly its class's colour.
    assert all(np.all(picture == colour, axis=-1).sum() > 50 for colour in colours)


def test_scatter_and_manifold_point_the_same_way():
    """A code at upper left is drawn at upper left, where `manifold_codes` begins."""
    codes = np.repeat(grids.manifold_codes(-1, 1, 2)[:1], 50, axis=0)
    picture = plots.scatter(codes, np.zeros(50, int), ["only"])
    red = np.all(picture == list(bytes.fromhex(plots.COLOURS[0][1:])), axis=-1)
    rows, columns = np.nonzero(red[:, :800])  # Without the legend.
    assert rows.mean() < 200
    assert columns.mean() < 300


@pytest.fixture(scope="module")
def without():
    """The plot without any prior's outline."""
    return plots.scatter(points(), np.zeros(300, int), ["a"])


@pytest.mark.parametrize("prior", priors.NAMES)
def test_the_outline_of_each_prior_is_drawn(prior, without):
    with_outline = plots.scatter(points(), np.zeros(300, int), ["a"], outline(prior))
    dark = [(picture.max(axis=-1) < 60).sum() for picture in (without, with_outline)]
    assert dark[1] > dark[0] + 1000


def test_a_scatter_plot_of_other_than_two_dimensions_is_refused():
    with pytest.raises(ValueError, match="codes of 2 dimensions"):
        plots.scatter(np.zeros((5, 3)), np.zeros(5, int), ["a"])


def test_a_scatter_plot_leaves_matplotlib_as_it_was():
    before = dict(matplotlib.rcParams)
    first = plots.scatter(points(), np.zeros(300, int), ["a"], outline("gaussian"))
    assert dict(matplotlib.rcParams) == before
    np.testing.assert_array_equal(
        first, plots.scatter(points(), np.zeros(300, int), ["a"], outline("gaussian"))
    )


def test_a_confusion_matrix_can_be_drawn_of_few_and_of_many_classes():
    few = plots.confusion_matrix(np.array([0, 1, 1]), np.array([0, 1, 0]), ["a", "b"])
    assert few.shape == (900, 1050, 3)
    none_wrong = plots.confusion_matrix(np.array([0, 1]), np.array([0, 1]), ["a", "b"])
    assert (few != none_wrong).any()
    names = [str(k) for k in range(100)]
    assert plots.confusion_matrix(np.arange(100), np.arange(100), names).shape == few.shape
