"""Pictures: grids of images, scatter plots of codes; to PNG, to TensorBoard, to a window.

A picture is a uint8 array [height, width, channels]. Nothing here decodes: the caller decodes all
images of a picture in one batch and hands over arrays.
"""

import contextlib
import io
import math
import os
from collections.abc import Sequence
from pathlib import Path

from adversarial_autoencoder import priors, randomness, runs

import numpy as np
import tensorflow as tf

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
# The shade between pairs of images and beside source images, dark enough to let digits shine.
GROUND = 72
# What a README shows without shrinking it, in pixels, and what a page of them can carry, in bytes.
README_WIDTH = 1024
MAX_PNG_BYTES = 300_000


def grid(images: np.ndarray, n_columns: int, gap: int = 2, ground: int = 0) -> np.ndarray:
    """Lays images out row by row, the first at the top left.

    Args:
      images: [n, height, width, channels], uint8 or float in [0, 1] (clipped to it).
      n_columns: images in a row; places of the last row that stay empty show the ground.
      gap: pixels between neighbours; none around the picture.
      ground: grey level between images, 0 to 255.

    Returns:
      uint8 [rows · (height + gap) - gap, n_columns · (width + gap) - gap, channels].

    Raises:
      ValueError: the array is no batch of images, or n_columns is not positive.
    """
    images = _as_uint8(images)
    if n_columns < 1:
        raise ValueError(f"A grid needs at least one column, not {n_columns}.")
    n, height, width, channels = images.shape
    n_rows = -(-n // n_columns)
    cells = np.full((n_rows * n_columns, height + gap, width + gap, channels), ground, np.uint8)
    cells[:n, :height, :width] = images
    cells = cells.reshape(n_rows, n_columns, height + gap, width + gap, channels)
    picture = cells.transpose(0, 2, 1, 3, 4)
    picture = picture.reshape(n_rows * (height + gap), n_columns * (width + gap), channels)
    return picture[: picture.shape[0] - gap, : picture.shape[1] - gap]


def manifold_codes(low: float = -10.0, high: float = 10.0, step: float = 1.5) -> np.ndarray:
    """Codes on a square grid, in the order in which `grid` lays their images out.

    z[0] grows to the right and z[1] grows *upwards*, as in `scatter`, so that an image sits where
    its code lies in the scatter plot. The defaults are the series' 14 × 14 grid, -10 to 9.5.

    Args:
      low: least value of z[0] and z[1].
      high: their greatest value, reached if a whole number of steps leads there.
      step: distance between neighbours.

    Returns:
      float32 [k², 2], k values a row and a column.
    """
    # The small number keeps the last value where rounding would lose it, as in -3, -2.9 … 3.
    values = low + step * np.arange(int((high - low) / step + 1e-6) + 1)
    z1, z0 = np.meshgrid(values[::-1], values, indexing="ij")
    return np.stack([z0.ravel(), z1.ravel()], axis=-1).astype(np.float32)


def style_grid(
    images: np.ndarray, n_classes: int, sources: np.ndarray | None = None, gap: int = 2
) -> np.ndarray:
    """Lays out one style a row and one class a column.

    Args:
      images: [n_styles · n_classes, height, width, channels]; all classes of the first style come
        first.
      n_classes: columns.
      sources: [n_styles, height, width, channels], the image that each style was taken from; it
        stands in front of its row, set apart by a bar.
      gap: pixels between neighbours.

    Returns:
      uint8 [height, width, channels].

    Raises:
      ValueError: there is not one source for each row.
    """
    picture = grid(images, n_classes, gap)
    if sources is None:
        return picture
    if len(sources) * n_classes != len(images):
        raise ValueError(f"{len(sources)} sources stand in front of {len(images) / n_classes} rows")
    height, _, channels = picture.shape
    space = np.zeros((height, 2 * gap, channels), np.uint8)
    bar = np.full((height, gap, channels), 255, np.uint8)
    return np.concatenate([grid(sources, 1, gap), space, bar, space, picture], axis=1)


def reconstruction_grid(
    inputs: np.ndarray, reconstructions: np.ndarray, n_columns: int = 5, gap: int = 8
) -> np.ndarray:
    """Lays out tiles, each with an input on the left and its reconstruction on the right.

    Args:
      inputs: [n, height, width, channels], uint8 or float in [0, 1].
      reconstructions: of the same shape, in the same order.
      n_columns: pairs in a row.
      gap: pixels between pairs.

    Returns:
      uint8 [height, width, channels].

    Raises:
      ValueError: there is not one reconstruction of the same size for each input.
    """
    inputs, reconstructions = _as_uint8(inputs), _as_uint8(reconstructions)
    if inputs.shape != reconstructions.shape:
        raise ValueError(f"inputs {inputs.shape} and reconstructions {reconstructions.shape}")
    pairs = np.concatenate([inputs, reconstructions], axis=2)
    framed = grid(pairs, n_columns, gap, GROUND)
    return np.pad(framed, ((gap, gap), (gap, gap), (0, 0)), constant_values=GROUND)


def scatter(
    codes: np.ndarray,
    labels: np.ndarray,
    class_names: Sequence[str],
    prior: str | None = None,
    stddev: float = 5.0,
    n_components: int = 10,
    scale: float = 1.0,
) -> np.ndarray:
    """Draws codes coloured by label over the contour of the prior.

    Up to ten classes have the colours of `COLOURS`; more take theirs from a continuous map.

    Args:
      codes: float [n, 2].
      labels: int [n], indices into class_names.
      class_names: for the legend, or for the colour bar if there are more than ten.
      prior: one of `priors.NAMES`, drawn as circles at 1, 2 and 3 standard deviations (gaussian),
        as its edge (uniform), or as lines around its densest 50% and 95%; None for no prior.
      stddev: the prior's, as in `priors.sample`.
      n_components: the prior's, as in `priors.sample`.
      scale: the prior's, as in `priors.sample`.

    Returns:
      uint8 [900, 1050, 3].

    Raises:
      ValueError: codes are not 2-D.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    codes, labels = np.asarray(codes, np.float32), np.asarray(labels)
    if codes.ndim != 2 or codes.shape[1] != 2:
        raise ValueError(f"A scatter plot shows codes of 2 dimensions, not {codes.shape[1:]}.")
    # Figure and canvas without pyplot: no window, no backend chosen for the rest of the program.
    figure = Figure(figsize=(7.0, 6.0), dpi=150, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set(aspect="equal", xlabel="z[0]", ylabel="z[1]")
    axes.tick_params(colors="0.35", labelsize=9)
    axes.spines[["top", "right"]].set_visible(False)
    _draw_codes(axes, codes, labels, class_names)
    reach = np.abs(codes).max(initial=0.0)
    if prior is not None:
        reach = max(reach, _draw_prior(axes, prior, stddev, n_components, scale))
    reach = 1.05 * reach or 1.0
    axes.set(xlim=(-reach, reach), ylim=(-reach, reach))
    if len(class_names) <= len(COLOURS):
        figure.legend(loc="outside right upper", frameon=False, fontsize=10)
    elif prior is not None:
        axes.legend(loc="upper right", fontsize=9)
    canvas.draw()
    canvas.draw()  # Only now the labels have their place: the first time made the axes square.
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def confusion_matrix(
    labels: np.ndarray, given: np.ndarray, class_names: Sequence[str]
) -> np.ndarray:
    """Draws how often each class is taken for which.

    Args:
      labels: int [n], the true ones, indices into class_names.
      given: int [n], those that a model gave.
      class_names: for rows (true) and columns (given).

    Returns:
      uint8 [900, 1050, 3]. Up to 20 classes have their counts written; mistakes alone are shaded.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    n_classes = len(class_names)
    counts = np.zeros([n_classes, n_classes], int)
    np.add.at(counts, (np.asarray(labels), np.asarray(given)), 1)
    mistaken = counts * (1 - np.eye(n_classes, dtype=int))
    figure = Figure(figsize=(7.0, 6.0), dpi=150, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    # The right ones, a hundred times as many, would leave the mistakes no shade.
    axes.imshow(mistaken, cmap="Reds", vmin=0, vmax=max(1, 1.3 * mistaken.max()))
    if n_classes <= 20:
        for row, column in np.argwhere(counts > 0):
            weight = "bold" if row == column else "normal"
            place = {"ha": "center", "va": "center", "fontsize": 9, "weight": weight}
            axes.text(column, row, str(counts[row, column]), **place)
    shown = np.unique(np.linspace(0, n_classes - 1, min(n_classes, 52), dtype=int))
    names = [_as_text(class_names[k]) for k in shown]
    axes.set_xticks(shown, labels=names)
    axes.set_yticks(shown, labels=names)
    axes.tick_params(length=0, labelsize=9 if n_classes <= 20 else 6)
    axes.set(
        xlabel="given",
        ylabel="true",
        title=f"{mistaken.sum()} of {counts.sum()} get a wrong label ({_share(mistaken, counts)})",
    )
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _share(part: np.ndarray, whole: np.ndarray) -> str:
    return f"{part.sum() / max(whole.sum(), 1):.2%}"


def mistakes(
    images: np.ndarray,
    labels: np.ndarray,
    given: np.ndarray,
    class_names: Sequence[str],
    n_columns: int = 16,
    most: int = 256,
) -> np.ndarray:
    """Lays out the images that got a wrong label, below each `true > given`.

    Args:
      images: uint8 [n, height, width, channels].
      labels: int [n], the true ones, indices into class_names.
      given: int [n], those that a model gave.
      class_names: for the captions; long ones are shortened to the image's width.
      n_columns: images in a row.
      most: how many are shown, the first; of large images fewer.

    Returns:
      uint8 [rows · tile height, n_columns · tile width, channels]: one dark row if there are none.
    """
    from PIL import Image, ImageDraw, ImageFont

    height, width, channels = images.shape[1:]
    scale = max(1, 56 // width)
    caption = 14
    most = min(most, max(n_columns, 4_000_000 // (scale * scale * height * width)))
    wrong = np.flatnonzero(np.asarray(labels) != np.asarray(given))[:most]
    shape = [max(len(wrong), 1), scale * height + caption, scale * width, channels]
    tiles = np.zeros(shape, np.uint8)
    n_letters = max(1, (scale * width // 6 - 3) // 2)
    font = ImageFont.load_default(caption - 4)
    for tile, k in zip(tiles, wrong, strict=False):
        tile[:-caption] = images[k].repeat(scale, axis=0).repeat(scale, axis=1)
        text = Image.new("L", (scale * width, caption))
        true, taken_for = (class_names[of[k]][:n_letters] for of in (labels, given))
        words = f"{true} > {taken_for}"
        place = (scale * width // 2, caption // 2)
        ImageDraw.Draw(text).text(place, words, fill=170, font=font, anchor="mm")
        tile[-caption:] = np.asarray(text)[..., np.newaxis]
    return grid(tiles, n_columns, gap=4)


def sprite(
    images: np.ndarray, labels: np.ndarray, n_classes: int, most: int = 4096
) -> tuple[np.ndarray, int]:
    """Lays thumbnails out for TensorBoard's projector: square ones, row by row, without gaps.

    Grey images are drawn on white in the colour of their class, so that points are coloured by
    label at first sight.

    Args:
      images: uint8 [n, height, width, 1 or 3].
      labels: int [n], in 0 to n_classes - 1.
      n_classes: for the colours.
      most: pixels that the picture may be wide or high; browsers refuse to draw larger ones. Larger
        images are thinned out.

    Returns:
      The picture, uint8 [height, width, 3], and the side of a thumbnail in pixels.
    """
    n_columns = math.ceil(math.sqrt(len(images)))
    thinning = math.ceil(n_columns * max(images.shape[1:3]) / most)
    thumbnails = images[:, ::thinning, ::thinning]
    if images.shape[-1] == 1:
        missing = np.rint(255 * (1 - _class_colours(n_classes)[labels, :3])).astype(np.uint16)
        thumbnails = 255 - thumbnails * missing[:, np.newaxis, np.newaxis] // 255
    # The projector draws every point as a square, and would stretch what is none.
    side = max(thumbnails.shape[1:3])
    spare = [(side - n, side - n + 1) for n in thumbnails.shape[1:3]]
    margins = [(0, 0), *((less // 2, more // 2) for less, more in spare), (0, 0)]
    thumbnails = np.pad(thumbnails.astype(np.uint8), margins, constant_values=255)
    return grid(thumbnails, n_columns, gap=0, ground=255), side


def save_png(path: str | os.PathLike, picture: np.ndarray, scale: int | None = None) -> None:
    """Writes a picture as a small PNG file, whole or not at all.

    Grey pictures are stored as grey, colour pictures of at most 256 colours with a palette. Only
    where the file would pass 300 KB, it loses shades: 256 colours stay, or 32 greys.

    Args:
      path: the file; its folder exists.
      picture: uint8 [height, width, 1 or 3].
      scale: draws each pixel as a square of this many; None: as many, up to 8, as a README shows.

    Raises:
      UserError: the file cannot be written; what was there before is untouched.
    """
    if scale is None:
        scale = int(np.clip(README_WIDTH // max(picture.shape[:2]), 1, 8))
    data = _encode_png(picture.repeat(scale, axis=0).repeat(scale, axis=1))
    with runs.saving(Path(path)):
        runs.write_atomically(Path(path), data)


def show(picture: np.ndarray, title: str) -> None:
    """Opens a window with the picture and waits until it is closed; says so if there is none."""
    from matplotlib import pyplot as plt

    if not _opens_windows():
        print(f"--show: no display to open a window on; see the PNG file of {title!r} instead.")
        return
    figure, axes = plt.subplots(num=title, layout="constrained")
    axes.imshow(picture, cmap="gray", vmin=0, vmax=255)
    axes.set_axis_off()
    plt.show()
    plt.close(figure)


def to_tensorboard(
    tag: str, picture: np.ndarray, step: int, writer: tf.summary.SummaryWriter | None = None
) -> None:
    """Writes a picture to TensorBoard, with `writer` or else with the current default writer."""
    with writer.as_default() if writer is not None else contextlib.nullcontext():
        tf.summary.image(tag, picture[np.newaxis], step=step)


def _opens_windows() -> bool:
    from matplotlib import pyplot as plt

    try:
        plt.switch_backend(plt.get_backend())
    except ImportError:  # A backend with windows was asked for, but there is no display.
        return False
    return plt.get_backend().lower() != "agg"


def _as_uint8(images: np.ndarray) -> np.ndarray:
    images = np.asarray(images)
    if images.ndim != 4:
        raise ValueError(f"Images are [n, height, width, channels], not {images.shape}.")
    if images.dtype == np.uint8:
        return images
    if np.issubdtype(images.dtype, np.integer):
        raise ValueError(f"Images are uint8, or float in [0, 1], not {images.dtype}.")
    return np.rint(255 * np.clip(images.astype(np.float32), 0, 1)).astype(np.uint8)


def _class_colours(n_classes: int) -> np.ndarray:
    """One RGBA colour a class: [n_classes, 4]."""
    import matplotlib
    from matplotlib.colors import to_rgba_array

    if n_classes <= len(COLOURS):
        return to_rgba_array(COLOURS[:n_classes])
    return matplotlib.colormaps["turbo"](np.linspace(0.03, 0.97, n_classes))


def _draw_codes(axes, codes: np.ndarray, labels: np.ndarray, class_names: Sequence[str]) -> None:
    colours = _class_colours(len(class_names))
    # In a shuffled order, so that no class hides the others.
    order = randomness.numpy_generator(0, "order of points").permutation(len(codes))
    axes.scatter(*codes[order].T, s=7, c=colours[labels[order]], alpha=0.6, linewidths=0)
    if len(class_names) <= len(COLOURS):
        for colour, name in zip(colours, class_names, strict=True):
            axes.plot([], [], "o", color=colour, markersize=7, label=_as_text(name))
    else:
        _draw_colour_bar(axes, colours, class_names)


def _as_text(name: str) -> str:
    """A name that matplotlib shows as it stands: between dollars it would look for a formula."""
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


def _draw_prior(axes, prior: str, stddev: float, n_components: int, scale: float) -> float:
    """Draws the prior's contour over the codes and returns how far it reaches."""
    line = {"color": "0.1", "linewidth": 1.1}
    if prior == "gaussian":
        angle = np.linspace(0, 2 * np.pi, 200)
        for k, style in {1: "-", 2: "--", 3: ":"}.items():
            circle = k * stddev * np.cos(angle), k * stddev * np.sin(angle)
            axes.plot(*circle, linestyle=style, label=f"prior, {k} sd", **line)
        return 3 * stddev
    if prior == "uniform":
        edge = np.sqrt(3) * stddev
        corners = edge * np.array([-1, 1, 1, -1, -1]), edge * np.array([-1, -1, 1, 1, -1])
        axes.plot(*corners, label="prior's edge", **line)
        return edge
    settings = {"stddev": stddev, "n_components": n_components, "scale": scale}
    seed = randomness.stateless_seed(0, "contour of the prior")
    samples = priors.sample(prior, 20_000, 2, seed, **settings).numpy()
    reach = np.quantile(np.abs(samples), 0.9995)
    values = np.linspace(-reach, reach, 500)
    places = np.stack(np.meshgrid(values, values), axis=-1).reshape(-1, 2)
    heights = priors.log_density(prior, places, **settings).numpy().reshape(500, 500)
    densities = priors.log_density(prior, samples, **settings).numpy()
    for share, style in {0.5: "-", 0.95: ":"}.items():
        # Inside the line of equal density are the densest `share` of all samples.
        level = np.quantile(densities, 1 - share)
        axes.contour(
            values, values, heights, [level], colors="0.1", linewidths=1.1, linestyles=style
        )
        axes.plot([], [], linestyle=style, label=f"prior, {share:.0%}", **line)
    return reach


def _encode_png(picture: np.ndarray) -> bytes:
    from PIL import Image

    grey = bool((picture == picture[..., :1]).all())
    image = Image.fromarray(picture[..., 0] if grey else picture)
    if not grey and image.getcolors(256) is not None:
        image = image.quantize(256, dither=Image.Dither.NONE)
    data = _compressed(image)
    if len(data) > MAX_PNG_BYTES:
        # The octree keeps frequent colours, the classes', and takes a hundredth of a second.
        data = _compressed(
            image.quantize(32 if grey else 256, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
        )
    return data


def _compressed(image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
