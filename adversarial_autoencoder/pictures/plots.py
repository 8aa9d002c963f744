"""Plots: codes coloured by label over the prior's outline, and the confusion matrix.

Each is a uint8 array [height, width, channels].
"""

from collections.abc import Mapping, Sequence

from adversarial_autoencoder import randomness

import numpy as np

# One colour a class, the same in every picture: digit 0 is the first.
COLOURS = (
    "#3b7dd8",
    "#ff8c1a",
    "#2ca02c",
    "#d62728",
    "#8e5bc9",
    "#8c564b",
    "#f27fc4",
    "#1f2d5a",
    "#d9b800",
    "#17becf",
)


LONGEST_NAME = 24  # Letters of a class's name in a plot.


def scatter(
    codes: np.ndarray,
    labels: np.ndarray,
    class_names: Sequence[str],
    outline: Mapping[str, Sequence[np.ndarray]] | None = None,
    heads: np.ndarray | None = None,
) -> np.ndarray:
    """Draws codes coloured by label over the outline of the prior.

    Up to ten classes have the colours of `COLOURS`; more take theirs from a continuous map.

    Args:
      codes: float [n, 2].
      labels: int [n], indices into class_names.
      class_names: for the legend, or for the colour bar if there are more than ten.
      outline: lines around the prior, see `priors.Prior.outline`; None for no prior.
      heads: cluster heads, float [n, 2], each marked by its number.

    Returns:
      uint8 [900, 1050, 3].

    Raises:
      ValueError: codes are not 2-D.
    """
    codes, labels = np.asarray(codes, np.float32), np.asarray(labels)
    if codes.ndim != 2 or codes.shape[1] != 2:
        raise ValueError(f"A scatter plot shows codes of 2 dimensions, not {codes.shape[1:]}.")
    axes = _new_axes()
    axes.set(aspect="equal", xlabel="z[0]", ylabel="z[1]")
    axes.tick_params(colors="0.35", labelsize=9)
    axes.spines[["top", "right"]].set_visible(False)
    _draw_codes(axes, codes, labels, class_names)
    reach = np.abs(codes).max(initial=0.0)
    heads = np.zeros([0, 2]) if heads is None else heads
    reach = max(reach, 1.05 * np.abs(heads).max(initial=0.0))
    for k, place in enumerate(heads):
        axes.plot(*place, "o", color="white", markeredgecolor="0.1", markersize=13)
        axes.text(*place, str(k), ha="center", va="center_baseline", fontsize=8, color="0.1")
    if outline is not None:
        reach = max(reach, _draw_outline(axes, outline))
    reach = 1.05 * reach or 1.0
    axes.set(xlim=(-reach, reach), ylim=(-reach, reach))
    if len(class_names) <= len(COLOURS):
        axes.figure.legend(loc="outside right upper", frameon=False, fontsize=10)
    elif outline is not None:
        axes.legend(loc="upper right", fontsize=9)
    _picture(axes)
    return _picture(axes)  # Only now the labels have their place: the first made the axes square.


def confusion_matrix(
    labels: np.ndarray, predicted: np.ndarray, class_names: Sequence[str]
) -> np.ndarray:
    """Draws how often each class is predicted as which.

    Args:
      labels, predicted: int [n], the true ones and those that a model predicts.
      class_names: names of the rows (true) and columns (predicted).

    Returns:
      uint8 [900, 1050, 3]. Up to 20 classes have their counts written; only mistakes are shaded.
    """
    n_classes = len(class_names)
    counts = np.zeros([n_classes, n_classes], int)
    np.add.at(counts, (np.asarray(labels), np.asarray(predicted)), 1)
    axes = _new_axes()
    # The right ones, a hundred times as many, would leave the mistakes no shade.
    mistaken = _draw_counts(axes, counts, np.eye(n_classes, dtype=bool), class_names, class_names)
    axes.set(
        xlabel="predicted",
        ylabel="true",
        title=f"{mistaken.sum()} of {counts.sum()} predicted wrongly ({_share(mistaken, counts)})",
    )
    _fit_text(axes)
    return _picture(axes)


def counts_of_clusters(counts: np.ndarray, class_names: Sequence[str]) -> np.ndarray:
    """Draws how many images of each class belong to each cluster.

    Rows are ordered by the most frequent class of the cluster, the largest cluster first.

    Args:
      counts: int [n_clusters, n_classes].
      class_names: names of the columns.

    Returns:
      uint8 [height, 1050, 3]. Up to 20 classes have their counts written; images outside their
      cluster's most frequent class are shaded.
    """
    counts = np.pad(counts, ((0, 0), (0, len(class_names) - counts.shape[1])))
    n_clusters, n_classes = counts.shape
    order = np.lexsort((-counts.sum(axis=1), counts.argmax(axis=1)))
    order = np.concatenate([order[counts[order].any(axis=1)], order[~counts[order].any(axis=1)]])
    counts = counts[order]
    is_main = np.arange(n_classes) == counts.argmax(axis=1)[:, np.newaxis]
    axes = _new_axes(height=float(np.clip(1.5 + 0.28 * n_clusters, 4.0, 10.0)))
    clusters = [str(k) for k in order]
    others = _draw_counts(axes, counts, is_main, clusters, class_names, aspect="auto")
    axes.set(
        xlabel="label",
        ylabel="cluster",
        title=f"{others.sum()} of {counts.sum()} images are not of their cluster's main class "
        f"({_share(others, counts)})",
    )
    _fit_text(axes)
    return _picture(axes)


def _new_axes(height: float = 6.0):
    """The axes of a new figure, seven inches wide."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # Figure and canvas without pyplot: no window, no backend chosen for the rest of the program.
    figure = Figure(figsize=(7.0, height), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    return figure.add_subplot()


def _picture(axes) -> np.ndarray:
    canvas = axes.figure.canvas
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _draw_counts(
    axes,
    counts: np.ndarray,
    are_right: np.ndarray,
    rows: Sequence[str],
    columns: Sequence[str],
    aspect: str | None = None,
) -> np.ndarray:
    """Draws a table; of few cells, with the counts. Those that are not right are shaded.

    Returns:
      The counts that are not right, and 0 in place of the others.
    """
    others = np.where(are_right, 0, counts)
    axes.imshow(others, cmap="Reds", vmin=0, vmax=max(1, 1.3 * others.max()), aspect=aspect)
    if len(rows) <= 40 and len(columns) <= 20:
        for row, column in np.argwhere(counts > 0):
            weight = "bold" if are_right[row, column] else "normal"
            place = {"ha": "center", "va": "center", "fontsize": 9, "weight": weight}
            axes.text(column, row, str(counts[row, column]), **place)
    for set_ticks, names in ((axes.set_xticks, columns), (axes.set_yticks, rows)):
        shown = np.unique(np.linspace(0, len(names) - 1, min(len(names), 52), dtype=int))
        set_ticks(shown, labels=[_as_text(names[k]) for k in shown])
    axes.tick_params(length=0, labelsize=9)
    return others


def _fit_text(axes) -> None:
    """Turns the names of a table's columns and shrinks its text, where cells are too small."""

    def cell() -> tuple[float, float]:
        axes.figure.canvas.draw()
        box = axes.get_window_extent()
        return box.width / len(axes.get_xticks()), box.height / len(axes.get_yticks())

    width, height = cell()
    if max(name.get_window_extent().width for name in axes.get_xticklabels()) > 0.9 * width:
        axes.tick_params("x", rotation=90)
        width, height = cell()
    points = 72 / axes.figure.dpi
    axes.tick_params(labelsize=np.clip(0.9 * points * min(width, height), 4, 9))
    widest = max((text.get_window_extent().width for text in axes.texts), default=0.0)
    for text in axes.texts:
        text.set_fontsize(9 * min(1, 0.9 * width / widest))


def _share(part: np.ndarray, whole: np.ndarray) -> str:
    return f"{part.sum() / max(whole.sum(), 1):.2%}"


def class_colours(n_classes: int) -> np.ndarray:
    """Returns one RGBA colour a class, [n_classes, 4]."""
    import matplotlib
    from matplotlib.colors import to_rgba_array

    if n_classes <= len(COLOURS):
        return to_rgba_array(COLOURS[:n_classes])
    return matplotlib.colormaps["turbo"](np.linspace(0.03, 0.97, n_classes))


def _draw_codes(axes, codes: np.ndarray, labels: np.ndarray, class_names: Sequence[str]) -> None:
    colours = class_colours(len(class_names))
    # In a shuffled order, so that no class hides the others.
    order = randomness.numpy_generator(0, "order of points").permutation(len(codes))
    axes.scatter(*codes[order].T, s=7, c=colours[labels[order]], alpha=0.6, linewidths=0)
    if len(class_names) <= len(COLOURS):
        for colour, name in zip(colours, class_names, strict=True):
            axes.plot([], [], "o", color=colour, markersize=7, label=_as_text(name))
    else:
        _draw_colour_bar(axes, colours, class_names)


def _as_text(name: str) -> str:
    """A name, cut if long, that matplotlib shows as it stands and not as a formula, as in $x$."""
    if len(name) > LONGEST_NAME:  # Names of a data set may all begin alike.
        name = f"{name[: LONGEST_NAME - 9]}…{name[-8:]}"
    return name.replace("$", r"\$")


def _draw_colour_bar(axes, colours: np.ndarray, class_names: Sequence[str]) -> None:
    """A bar with a step a class, and as many class names as can be read."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import BoundaryNorm, ListedColormap

    n_classes = len(class_names)
    norm = BoundaryNorm(np.arange(n_classes + 1) - 0.5, n_classes)
    steps = ScalarMappable(norm, ListedColormap(colours))
    bar = axes.figure.colorbar(steps, ax=axes, fraction=0.04, pad=0.02)
    named = (
        np.arange(n_classes) if n_classes <= 52 else np.linspace(0, n_classes - 1, 26, dtype=int)
    )
    bar.set_ticks(named, labels=[_as_text(class_names[k]) for k in named])
    bar.ax.tick_params(length=0, labelsize=9 if len(named) <= 30 else 6)
    bar.ax.minorticks_off()
    bar.ax.invert_yaxis()


def _draw_outline(axes, outline: Mapping[str, Sequence[np.ndarray]]) -> float:
    """Draws the prior's outline over the codes and returns how far it reaches."""
    for (name, lines), style in zip(outline.items(), ("-", "--", ":"), strict=False):
        for k, line in enumerate(lines):
            label = {} if k else {"label": f"prior, {name}"}
            axes.plot(*line.T, color="0.1", linewidth=1.1, linestyle=style, **label)
    return max(np.abs(line).max() for lines in outline.values() for line in lines)
