"""From a font's glyph to the way of a pen: shapes are thinned to skeletons, without their serifs.

A skeleton is kept as a table of distances to it, and as some points all over it.
"""

import functools
from pathlib import Path
from typing import NamedTuple

import numpy as np


class Face(NamedTuple):
    """A font of matplotlib's, and the characters for which it lends another shape."""

    file: str
    # What to draw in place of a character. Several characters are drawn on top of each other, and
    # an arrow behind them turns the whole a quarter to the left.
    forms: dict[str, str] = {}
    serif: int = 4  # table cells; side branches of a skeleton that are no longer are cut off
    lean: float = 0.0  # degrees; an italic is first set upright, so that `slant` is all the slant


# A glyph is thinned on CELLS x CELLS cells, with HALF of them to half its longer side. Its table
# has FINE times as many entries a side, so that reading the nearest entry is smooth enough.
CELLS, HALF, FINE = 96, 32, 2
ENTRIES = CELLS * FINE
POINTS = 64  # of a skeleton, for its size and place
REACH = 24  # cells; longer distances are stored as this one
LEVELS = 255 / REACH  # table levels a cell


def trace(rendered: np.ndarray, faces: list[Face]) -> tuple[np.ndarray, np.ndarray]:
    """The distance tables and the points of one character, from `render`'s cells of all faces."""
    # Many faces have the same shape: each is traced once.
    shapes = [(cells.tobytes(), face.serif) for cells, face in zip(rendered, faces, strict=True)]
    numbers = {shape: number for number, shape in enumerate(dict.fromkeys(shapes))}
    first = [shapes.index(shape) for shape in numbers]
    skeletons = prune(thin(rendered[first]), np.array([faces[k].serif for k in first]))
    points = []
    for skeleton in skeletons:
        y, x = np.nonzero(skeleton)
        spread = np.linspace(0, len(x) - 1, POINTS).astype(int)
        points.append(np.stack([x[spread], y[spread]]))
    of_face = [numbers[shape] for shape in shapes]
    points = (np.array(points)[of_face] + 0.5 - CELLS / 2) / HALF
    return distance_tables(skeletons)[of_face], points


@functools.cache
def font(file: str):
    from PIL import ImageFont

    return ImageFont.truetype(str(_path(file)), 160)


@functools.cache
def charmap(file: str) -> frozenset[int]:
    from matplotlib import ft2font

    return frozenset(ft2font.FT2Font(str(_path(file))).get_charmap())


def _path(file: str) -> Path:
    import matplotlib

    return Path(matplotlib.get_data_path(), "fonts", "ttf", f"{file}.ttf")


def render(face: Face, character: str) -> np.ndarray:
    """bool [CELLS, CELLS]: the glyph upright in the middle, its longer side 2 * HALF cells."""
    from PIL import Image, ImageDraw

    text = face.forms.get(character, character)
    canvas = Image.new("L", (400, 400))
    for part in text.rstrip("↺"):
        layer = Image.new("L", canvas.size)
        ImageDraw.Draw(layer).text((100, 100), part, font=font(face.file), fill=255)
        left, top, right, bottom = layer.getbbox()
        cut = layer.crop((left, top, right, bottom))
        canvas.paste(cut, (200 - cut.width // 2, 200 - cut.height // 2), cut)
    if text == character:  # letters of other scripts stand upright in an italic too
        slope = np.tan(np.radians(face.lean))
        unlean = (1, -slope, 200 * slope, 0, 1, 0)
        affine, bilinear = Image.Transform.AFFINE, Image.Resampling.BILINEAR
        canvas = canvas.transform(canvas.size, affine, unlean, bilinear)
    canvas = canvas.rotate(90 * text.count("↺"))
    left, top, right, bottom = canvas.getbbox()
    x, y = (left + right) / 2, (top + bottom) / 2
    reach = max(right - left, bottom - top) / 2 * (CELLS / 2) / HALF
    box = (x - reach, y - reach, x + reach, y + reach)
    cells = canvas.resize((CELLS, CELLS), Image.Resampling.BOX, box)
    return np.asarray(cells) > 80  # below one half, lest a hairline break


def _neighbours(cells: np.ndarray) -> list[np.ndarray]:
    """The eight neighbours of each cell, clockwise from the north."""
    padded = np.pad(cells, ((0, 0), (1, 1), (1, 1)))
    n, s, here = slice(0, -2), slice(2, None), slice(1, -1)
    ring = [(n, here), (n, s), (here, s), (s, s), (s, here), (s, n), (here, n), (n, n)]
    return [padded[:, y, x] for y, x in ring]


def _count(ring: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """How many neighbours are set, and in how many separate runs around the cell."""
    set_ones = sum(cells.view(np.uint8) for cells in ring)
    runs = sum((~a & b).view(np.uint8) for a, b in zip(ring, ring[1:] + ring[:1], strict=True))
    return set_ones, runs


def thin(cells: np.ndarray) -> np.ndarray:
    """Thins shapes to lines one cell wide (Zhang and Suen 1984, a fast parallel algorithm)."""
    before = np.zeros_like(cells)
    while (cells != before).any():
        before = cells
        for from_south_east in (True, False):
            ring = _neighbours(cells)
            north, east, south, west = ring[::2]
            set_ones, runs = _count(ring)
            if from_south_east:
                inside = (north & east & south) | (east & south & west)
            else:
                inside = (north & east & west) | (north & south & west)
            peeled = cells & ~((runs == 1) & (set_ones >= 2) & (set_ones <= 6) & ~inside)
            # The algorithm would make a square of 2 x 2 cells vanish, and with it the dot of an i.
            cells = peeled | (cells & ~_any_neighbour(peeled))
    return cells


def _any_neighbour(cells: np.ndarray) -> np.ndarray:
    return functools.reduce(np.logical_or, _neighbours(cells))


def _ends(cells: np.ndarray) -> np.ndarray:
    set_ones, runs = _count(_neighbours(cells))
    return cells & (runs == 1) & (set_ones <= 2)


def prune(skeletons: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Cuts off the branches of at most `lengths` [n] cells, and leaves the ends of longer ones.

    All ends are eaten away, then grow back; what was eaten up to a fork does not.
    """
    forks = skeletons & (_count(_neighbours(skeletons))[1] >= 3)
    forks |= _any_neighbour(forks)
    cells = skeletons
    for step in range(lengths.max()):
        ends = _ends(cells) & (step < lengths)[:, None, None]
        cells = cells & ~(ends & ~_any_neighbour(ends))  # two ends side by side: the dot of an i
    for _ in range(lengths.max()):
        cells = cells | (_any_neighbour(_ends(cells) & ~forks) & skeletons & ~forks)
    return cells


def distance_tables(skeletons: np.ndarray) -> np.ndarray:
    """uint8 [n, ENTRIES, ENTRIES]: Euclidean distance to the skeleton, LEVELS to a cell."""
    squared = np.where(skeletons, 0, REACH**2).astype(np.int32)
    for _ in range(2):  # along one axis, then along the other
        padded = np.pad(squared, ((0, 0), (REACH, REACH), (0, 0)), constant_values=REACH**2)
        moved = (padded[:, k : k + CELLS] + (k - REACH) ** 2 for k in range(2 * REACH + 1))
        squared = functools.reduce(np.minimum, moved).swapaxes(1, 2)
    distances = np.sqrt(np.minimum(squared, REACH**2))
    for _ in range(2):  # linear interpolation, a quarter of a cell to either side
        padded = np.pad(distances, ((0, 0), (1, 1), (0, 0)), mode="edge")
        pair = [0.75 * distances + 0.25 * padded[:, :-2], 0.75 * distances + 0.25 * padded[:, 2:]]
        distances = np.stack(pair, axis=2).reshape(len(distances), ENTRIES, -1).swapaxes(1, 2)
    return np.round(distances * LEVELS).astype(np.uint8)


def entries(points: np.ndarray) -> np.ndarray:
    """Where points [..., 2, POINTS] are in a table laid out flat, int [..., POINTS]."""
    column, row = np.moveaxis(np.rint(points * (HALF * FINE) + ENTRIES / 2), -2, 0)
    column, row = (np.clip(k, 0, ENTRIES - 1).astype(int) for k in (column, row))
    return row * ENTRIES + column


def nearest(
    tables: np.ndarray,
    points: np.ndarray,
    other_tables: np.ndarray,
    other_points: np.ndarray,
    turns: np.ndarray,
) -> np.ndarray:
    """How far each skeleton, turned, lies from the nearest of others.

    That is the mean distance of the points of the one to the other, or the other way round if that
    is more: an F lies upon an E, but no E upon an F.

    Args:
      tables, points: [n, ENTRIES * ENTRIES] and [n, 2, POINTS], as of `trace`; so are the others'.
      turns: [k, 2, 2], matrices.

    Returns:
      Cells, [n, k]; infinity where there are no others.
    """
    found = np.full((len(points), len(turns)), np.inf)
    rows = np.arange(len(points))[:, None]
    for k, turn in enumerate(turns):
        places, back = entries(turn @ points), entries(np.linalg.inv(turn) @ other_points)
        for table, place in zip(other_tables, back, strict=True):
            apart = np.maximum(table[places].mean(axis=1), tables[rows, place].mean(axis=1))
            found[:, k] = np.minimum(found[:, k], apart)
    return found / LEVELS
