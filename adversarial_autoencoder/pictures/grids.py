"""Grids of images, as uint8 arrays [height, width, channels]."""

import math
from collections.abc import Sequence

from adversarial_autoencoder.datasets import Dataset
from adversarial_autoencoder.model import Model
from adversarial_autoencoder.pictures import plots

import numpy as np
import tensorflow as tf

# The shade between pairs of images and beside source images, dark enough to let digits shine.
GROUND = 72
CAPTION = 14  # Height of a line of words, in pixels.
MOST_CLASSES = 100  # Columns of a picture; with more it would be too wide to open.


def grid(
    images: np.ndarray, n_columns: int | None = None, gap: int = 2, ground: int = 0
) -> np.ndarray:
    """Lays images out row by row, the first at the top left.

    Args:
      images: [n, height, width, channels], uint8 or float in [0, 1] (clipped to it).
      n_columns: images in a row; places of the last row that stay empty show the ground. None: the
        side of the smallest square that holds all.
      gap: pixels between neighbours; none around the picture.
      ground: grey level between images, 0 to 255.

    Returns:
      uint8 [rows · (height + gap) - gap, n_columns · (width + gap) - gap, channels].

    Raises:
      ValueError: the array is no batch of images, or n_columns is not positive.
    """
    images = as_uint8(images)
    n_columns = math.ceil(math.sqrt(len(images))) if n_columns is None else n_columns
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


def styles(
    model: Model, data: Dataset, z: tf.Tensor, sources: Sequence[tf.Tensor] = ()
) -> np.ndarray:
    """Decodes each code with each label, in one batch; a style a row, a class a column.

    Of more than `MOST_CLASSES`, the first are shown, and a line above says so.

    Codes are float32 [n_styles, z_dim]. In front of the rows stand the `sources`, each flat
    [n_styles, input_dim] in [0, 1]: the images that the styles were taken from, for example, and
    their reconstructions.
    """
    n = min(data.n_classes, MOST_CLASSES)
    y = tf.tile(tf.eye(n, data.n_classes), [len(z), 1])
    x = model.decode(tf.repeat(z, n, axis=0), y)
    fronts = [data.as_images(source) for source in sources]
    sources = np.concatenate(fronts, axis=2) if fronts else None
    picture = style_grid(data.as_images(x), n, sources, headings=data.class_names)
    return say_how_many(picture, n, data.n_classes)


def styles_of(model: Model, data: Dataset, x: tf.Tensor, y: tf.Tensor) -> np.ndarray:
    """Draws `styles` of images [n, input_dim], which stand in front with their reconstructions."""
    return styles(model, data, model.encode(x), [x, model.reconstruct(x, y)])


def say_how_many(
    picture: np.ndarray, n_shown: int, n_in_all: int, things: str = "classes"
) -> np.ndarray:
    """Puts a line above a picture that shows the first classes alone, if they are not all."""
    if n_shown == n_in_all:
        return picture
    _, width, channels = picture.shape
    words = f"the first {n_shown} of {n_in_all} {things}"
    return np.concatenate([_caption(words, width, channels), picture])


def style_grid(
    images: np.ndarray,
    n_classes: int,
    sources: np.ndarray | None = None,
    gap: int = 2,
    headings: Sequence[str] = (),
) -> np.ndarray:
    """Lays out one style a row and one class a column.

    Args:
      images: [n_styles · n_classes, height, width, channels]; all classes of the first style come
        first.
      n_classes: columns.
      sources: [n_styles, height, width, channels], the image that each style was taken from; it
        stands in front of its row, set apart by a bar.
      gap: pixels between neighbours.
      headings: names above the columns, shortened to their width; none by default.

    Raises:
      ValueError: there is not one source for each row.
    """
    picture = grid(images, n_classes, gap)
    top = np.zeros((0, *picture.shape[1:]), np.uint8)
    if headings:
        width = images.shape[2]
        cells = [
            np.pad(_caption(name, width, picture.shape[2]), ((0, 0), (0, gap), (0, 0)))
            for name in headings[:n_classes]
        ]
        top = np.concatenate(cells, axis=1)[:, : picture.shape[1]]
        picture = np.concatenate([top, picture])
    if sources is None:
        return picture
    if len(sources) * n_classes != len(images):
        raise ValueError(f"{len(sources)} sources stand in front of {len(images) / n_classes} rows")
    height, _, channels = picture.shape
    space = np.zeros((height, 2 * gap, channels), np.uint8)
    bar = np.full((height, gap, channels), 255, np.uint8)
    front = np.pad(grid(sources, 1, gap), ((len(top), 0), (0, 0), (0, 0)))
    return np.concatenate([front, space, bar, space, picture], axis=1)


def swap_grid(images: np.ndarray, swapped: np.ndarray) -> np.ndarray:
    """Lays out images that swap their codes, s along columns and z along rows.

    Args:
      images: [n, height, width, channels], above the columns and in front of the rows.
      swapped: [n · n, height, width, channels], row by row: row i has the z of image i, column k
        the s of image k.
    """
    images, swapped = as_uint8(images), as_uint8(swapped)
    top = np.concatenate([np.zeros_like(images[:1]), images])
    below = np.insert(swapped, range(0, len(swapped), len(images)), images, axis=0)
    return grid(np.concatenate([top, below]), len(images) + 1)


def reconstructions(data: Dataset, x: tf.Tensor, x_hat: tf.Tensor) -> np.ndarray:
    """Lays out images beside their reconstructions, both flat [n, input_dim] in [0, 1]."""
    return reconstruction_grid(data.as_images(x), data.as_images(x_hat))


def reconstruction_grid(
    inputs: np.ndarray, reconstructions: np.ndarray, n_columns: int = 5, gap: int = 8
) -> np.ndarray:
    """Lays out tiles, each with an input on the left and its reconstruction on the right.

    Both are [n, height, width, channels], uint8 or float in [0, 1].

    Raises:
      ValueError: there is not one reconstruction of the same size for each input.
    """
    inputs, reconstructions = as_uint8(inputs), as_uint8(reconstructions)
    if inputs.shape != reconstructions.shape:
        raise ValueError(f"inputs {inputs.shape} and reconstructions {reconstructions.shape}")
    pairs = np.concatenate([inputs, reconstructions], axis=2)
    framed = grid(pairs, n_columns, gap, GROUND)
    return np.pad(framed, ((gap, gap), (gap, gap), (0, 0)), constant_values=GROUND)


def mistakes(
    images: np.ndarray,
    labels: np.ndarray,
    predicted: np.ndarray,
    class_names: Sequence[str],
    n_columns: int = 10,
    most: int = 100,
) -> np.ndarray:
    """Lays out the images that are predicted wrongly, below each `true > predicted`.

    Args:
      images: uint8 [n, height, width, channels].
      labels, predicted: int [n], the true ones and those that a model predicts.
      class_names: for the captions; long ones are shortened to the image's width.
      n_columns: images in a row.
      most: how many are shown, the first ones, as the heading says; fewer of large images.
    """
    height, width, channels = images.shape[1:]
    scale = max(1, 84 // width)
    below = 20  # Pixels for a caption that is read without enlarging the page.
    most = min(most, max(n_columns, 4_000_000 // (scale * scale * height * width)))
    wrong = np.flatnonzero(np.asarray(labels) != np.asarray(predicted))
    shown = wrong[:most]
    shape = [max(len(shown), 1), scale * height + below, scale * width, channels]
    tiles = np.zeros(shape, np.uint8)
    n_letters = max(1, (scale * width // 9 - 3) // 2)
    for tile, k in zip(tiles, shown, strict=False):
        tile[:-below] = images[k].repeat(scale, axis=0).repeat(scale, axis=1)
        true, taken_for = (class_names[of[k]][:n_letters] for of in (labels, predicted))
        tile[-below:] = _caption(f"{true} > {taken_for}", scale * width, channels, below)
    picture = grid(tiles, n_columns, gap=4)
    which = f"the first {len(shown)} of {len(wrong)}" if len(shown) < len(wrong) else len(wrong)
    words = f"{which} wrong predictions in {len(images)} images: true > predicted"
    return np.concatenate([_caption(words, picture.shape[1], channels, below), picture])


def _caption(words: str, width: int, channels: int, height: int = CAPTION) -> np.ndarray:
    """Words in grey on black, as many as fit, uint8 [height, width, channels]."""
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(height - 4)
    while len(words) > 1 and font.getlength(words) > width:
        words = words[:-1]
    text = Image.new("L", (width, height))
    place = (width // 2, height // 2)
    ImageDraw.Draw(text).text(place, words, fill=170, font=font, anchor="mm")
    return np.asarray(text)[..., np.newaxis].repeat(channels, axis=2)


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
      The picture, and the side of a thumbnail in pixels.
    """
    n_columns = math.ceil(math.sqrt(len(images)))
    thinning = math.ceil(n_columns * max(images.shape[1:3]) / most)
    thumbnails = images[:, ::thinning, ::thinning]
    if images.shape[-1] == 1:
        missing = np.rint(255 * (1 - plots.class_colours(n_classes)[labels, :3])).astype(np.uint16)
        thumbnails = 255 - thumbnails * missing[:, np.newaxis, np.newaxis] // 255
    # The projector draws every point as a square, and would stretch what is none.
    side = max(thumbnails.shape[1:3])
    spare = [(side - n, side - n + 1) for n in thumbnails.shape[1:3]]
    margins = [(0, 0), *((less // 2, more // 2) for less, more in spare), (0, 0)]
    thumbnails = np.pad(thumbnails.astype(np.uint8), margins, constant_values=255)
    return grid(thumbnails, n_columns, gap=0, ground=255), side


def as_uint8(images: np.ndarray) -> np.ndarray:
    """Returns images as uint8 [n, height, width, channels]; floats in [0, 1] are clipped to it.

    Raises:
      ValueError: the array has another shape, or integers that are not uint8.
    """
    images = np.asarray(images)
    if images.ndim != 4:
        raise ValueError(f"Images are [n, height, width, channels], not {images.shape}.")
    if images.dtype == np.uint8:
        return images
    if np.issubdtype(images.dtype, np.integer):
        raise ValueError(f"Images are uint8, or float in [0, 1], not {images.dtype}.")
    return np.rint(255 * np.clip(images.astype(np.float32), 0, 1)).astype(np.uint8)
