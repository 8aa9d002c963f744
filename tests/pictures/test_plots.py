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


@pytest.fixture
def drawn(monkeypatch):
    """The axes of what is drawn, after that."""
    found, draw = [], plots._picture
    monkeypatch.setattr(plots, "_picture", lambda axes: found.append(axes) or draw(axes))
    return found


@pytest.mark.parametrize("n_classes", [10, 30])
def test_long_names_of_up_to_30_classes_are_turned_cut_and_legible(n_classes, drawn):
    names = [f"Staffordshire bull terrier $number {k}" for k in range(n_classes)]
    labels = np.arange(40 * n_classes) % n_classes
    plots.confusion_matrix(labels, np.roll(labels, n_classes + 1), names)
    axes = drawn[-1]
    assert axes.get_window_extent().height > 0.5 * 900
    for ticks, side in ((axes.get_xticklabels(), "x"), (axes.get_yticklabels(), "y")):
        assert len(ticks) == n_classes and all(tick.get_fontsize() >= 6 for tick in ticks)
        assert len({tick.get_text() for tick in ticks}) == n_classes
        assert all(tick.get_text().startswith("Staffordshire") for tick in ticks)
        boxes = [tick.get_window_extent() for tick in ticks]
        edges = sorted((getattr(box, f"{side}0"), getattr(box, f"{side}1")) for box in boxes)
        assert all(end < start + 2 for (_, end), (start, _) in zip(edges, edges[1:], strict=False))


def test_counts_stay_within_their_cells(drawn):
    names = [f"a class with a long name {k}" for k in range(20)]
    labels = np.arange(20 * 4321) % 20
    plots.confusion_matrix(labels, labels, names)
    axes = drawn[-1]
    cell = axes.get_window_extent().width / 20
    assert all(text.get_window_extent().width < cell for text in axes.texts)


def test_short_names_are_not_turned(drawn):
    plots.confusion_matrix(np.arange(10), np.arange(10), [str(k) for k in range(10)])
    assert all(tick.get_rotation() == 0 for tick in drawn[-1].get_xticklabels())
