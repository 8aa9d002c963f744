"""The built-in data sets: digits and letters from matplotlib's fonts, drawn as if by hand.

A glyph is thinned to the way of a pen, kept as a table of distances to it (`skeletons.py`). A
picture reads that table at slanted, turned, scaled and smoothly bent coordinates and turns distance
into grey: an even stroke of any thickness, round at its ends.

The true style factors come with each picture, which no collection of real handwriting offers.
"""

import functools
import os
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from adversarial_autoencoder import randomness
from adversarial_autoencoder.datasets import skeletons
from adversarial_autoencoder.datasets.arrays import MAX_VALIDATION
from adversarial_autoencoder.datasets.dataset import Dataset, Request, Split
from adversarial_autoencoder.datasets.skeletons import ENTRIES, FINE, HALF, LEVELS, Face
from adversarial_autoencoder.system.errors import UserError

import numpy as np

DIGITS = "0123456789"
UPPER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
LOWER = UPPER.lower()
# Greek, Cyrillic, Armenian, Georgian, Hebrew, Tifinagh, Arabic, N'Ko and Lao letters that DejaVu
# Sans has. Left out, by eye: those that hardly differ from A, E, G, M, R, b, d, f, h or q, which
# `recipes/disentangling_factors/letters.txt` keeps for testing.
SCRIPTS = (
    "ΓΔΘΛΞΠΣΦΨΩαβγδεζηθκλμξπρσςτφχψω"
    "БДЖЗИЛЦЧШЩЭЮЯгджзиклптцчшщэюяЄЉЊЏѪѮҘҠҨҰӘ"
    "ԱԲԳԴԶԷԸԹԺԻԼԽԾԿՀՁՂՃՄՅՆՇՈՉՊՋՌՎՏՐՑՒՔՖաբդէըթժլխծկձղճմյնշոչպջռսվտրփքֆև"
    "აგდევზთიკლმოპჟრსტუფქღყშწჭჯჰ"
    "אבגדהזחטכךלםמנסעפףצץקרשת"
    "ⴲⴳⴴⴵⴼⴽⴿⵀⵁⵃⵄⵅⵇⵌⵎⵚⵠⵡⵢⵣ"
    "بتجحخدرسشصطعغفقكلمنهوى"
    "ߋߍߎߐߒߔߖߘߙߛߜߞߟߡߢߣߤߥߦߧ"
    "ກຂຄງຈຊຍດຕຖທນບປຜຝພຟມຢຣລວສຫອຮ"
)

# The characters of each data set, and how many images are drawn for training (with validation) and
# for testing: of each character, more than 100.
CHARACTERS = {
    "glyphs": DIGITS,
    "glyphs_letters": UPPER + LOWER,
    "glyphs_all": DIGITS + UPPER + LOWER,
    "glyphs_scripts": DIGITS + UPPER + LOWER + SCRIPTS,
}
N_TRAIN, N_TEST, N_TEST_OF_SCRIPTS, N_TURNED = 60000, 10000, 40000, 240000


# People write what printers do not: a bare stroke for 1, a loop in 2, an open top in 4 and 8, a
# straight stem in 6 and 9, a bar through 7 and Z. Letters of other scripts have these shapes.
_LOOPED = {
    **{"0": "○", "1": "|", "2": "Ձ", "3": "З", "4": "Կ", "5": "Ƽ"},
    **{"6": "ᑲ", "7": "7–", "8": "∞↺", "9": "ᑫ", "Z": "Z–"},
}
_OPEN = {
    **{"0": "O", "1": "|", "2": "Ƨ", "3": "ʒ", "4": "Ч"},
    **{"5": "Ƽ", "6": "б", "7": "٦", "8": "Ȣ", "9": "٩"},
}
_PLAIN = {"1": "|", "2": "շ", "3": "ȝ", "4": "կ", "5": "Տ", "6": "ნ", "7": "⁊", "9": "ᑫ"}
_SANS = dict(zip(DIGITS, "𝟢𝟣𝟤𝟥𝟦𝟧𝟨𝟩𝟪𝟫", strict=True))

FACES = (
    Face("DejaVuSans"),
    Face("DejaVuSans", _LOOPED),
    Face("DejaVuSans", _OPEN),
    Face("DejaVuSans", _PLAIN),
    Face("DejaVuSans-Bold", _LOOPED),
    Face("DejaVuSans-Bold", _OPEN),
    Face("DejaVuSansMono", {"0": "O", "1": "|", "4": "Ч"}),  # its own zero has a dot
    Face("DejaVuSerif", {"1": "|", "2": "Ձ", "3": "ვ", "8": "∞↺"}, serif=10),
    Face("DejaVuSerif-Bold", {"0": "O", "1": "|"}, serif=10),
    Face("DejaVuSerif-Italic", {"1": "|", "6": "б", "8": "∞↺"}, serif=6, lean=11),
    Face("STIXGeneral", {"1": "|", "3": "ʒ", "8": "∞↺"}, serif=8),
    Face("STIXGeneral", _SANS),
    Face("STIXGeneralBol", {"0": "O", "1": "|"}, serif=8),
    Face("STIXGeneralItalic", {"1": "|"}, serif=5, lean=15.5),
    Face("STIXGeneralBolIta", {"1": "|"}, serif=5, lean=15.5),
    Face("cmr10", serif=10),
    Face("cmss10", {"1": "l"}),  # Computer Modern has a dash where others have the vertical bar
    Face("cmtt10", serif=8),
)

# How a character is written rather than printed: (how far its middle sits lower, in pixels; how
# much wider it is), so that these moments agree with MNIST's.
_HABITS = {
    **{"2": (1.5, 1.1), "4": (-1.5, 0.95), "5": (-0.5, 1.05), "6": (2.5, 1.0)},
    **{"7": (0.0, 1.1), "8": (-0.5, 0.8), "9": (-2.2, 0.95)},
}
_NO_HABIT = (0.0, 1.0)

# Each factor is drawn from a bell over its range: the mean of three uniform draws.
FACTOR_RANGES = {
    "slant": (-22.0, 42.0),
    "rotation": (-15.0, 15.0),
    "width": (0.7, 1.6),
    "size": (17.0, 21.0),
    "thickness": (0.9, 4.2),
    "x_shift": (-1.5, 1.5),
    "y_shift": (-1.5, 1.5),
}
FACTOR_NAMES = (*FACTOR_RANGES, "font")

# What `turned` does to a character: four quarter turns, and these of its mirror image; y downwards.
_QUARTER, _MIRROR = np.array([[0, 1], [-1, 0]]), np.array([[-1, 0], [0, 1]])
_TURNS = np.array(
    [np.linalg.matrix_power(_QUARTER, k) @ m for m in (np.eye(2), _MIRROR) for k in range(4)]
)
_ALIKE = 2.8  # cells between two skeletons in the mean, below which they hardly differ

_SIDE = 28  # pixels
_CHUNK = 500  # pictures that share a generator

# Largest coefficients: of a bend (see `_bends`), in pixels, and of the pressure of the pen, as a
# fraction of the stroke's width.
_BEND = np.array([1.6, 1.6, 1.6, 0.6, 0.6, 0.6, 0.6])
_PRESSURE = 0.06 * _BEND
_EDGE = (0.8, 1.4)  # pixels from black to white at a stroke's edge


def load(request: Request) -> Dataset:
    """Draws a data set, the same whatever the run's seed, and no more of it than is asked for."""
    characters, n_train = CHARACTERS[request.name], N_TRAIN
    if request.n_images > 0 and not request.unseen:
        n_train = min(N_TRAIN, MAX_VALIDATION + request.n_images)

    def draw(n: int, purpose: str) -> Split:
        images, labels, factors = make(n, 0, purpose, characters=characters)
        return Split(images, labels, dict(zip(FACTOR_NAMES, factors.T, strict=True)))

    n_test = N_TEST_OF_SCRIPTS if request.name == "glyphs_scripts" else N_TEST
    train, test = draw(n_train, "train"), draw(n_test, "test")
    validation, train = train[:MAX_VALIDATION], train[MAX_VALIDATION:]
    return Dataset(request.name, train, validation, test, len(characters), tuple(characters))


def make(
    n: int, seed: int, purpose: str = "train", characters: str = DIGITS
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draws pictures of characters as if written by hand, in the format and framing of MNIST.

    The same arguments give the same pictures, and a smaller n the first of them. Two purposes give
    independent draws.

    A small network tells the digits apart at 99%, the letters of one case at 97 to 98%. What people
    write alike is alike here, the more so since all characters are scaled to one size as in MNIST:
    C c, J j, K k, O o 0, P p, S s 5, U u, V v, W w, X x, Z z and 1 I l hardly differ, and
    2 z, 6 b, 9 q, i j, D O and O Q are near each other.

    Args:
      n: number of pictures, at least 1.
      seed: the seed of the draw.
      purpose: `train` or `test`, or any other name for a draw of its own.
      characters: the classes, different ones of DIGITS + UPPER + LOWER + SCRIPTS.

    Returns:
      images: uint8 [n, 28, 28, 1], white (255) on black.
      labels: int32 [n], indices into `characters`, evenly drawn, in random order.
      factors: float32 [n, 8], columns as in FACTOR_NAMES, ranges as in FACTOR_RANGES:
        slant: degrees, positive if the top leans to the right.
        rotation: degrees, counter-clockwise.
        width: horizontal stretch, relative to what is usual for the character.
        size: pixels, the longer side of the character with its stroke.
        thickness: pixels, the mean width of the stroke.
        x_shift, y_shift: pixels to the right and down, where the centre of mass is put; it stays
          behind only for the few characters with nearly all their mass on one side.
        font: index into FACES, a nominal factor, 0 to 17; a font that lacks the character has the
          shape of the first one.

    Raises:
      ValueError: n is less than 1; characters is empty, repeats one, or has others than digits and
        letters.
    """
    if n < 1:
        raise ValueError(f"glyphs: n={n}, but at least 1 picture must be asked for.")
    unknown = set(characters) - set(DIGITS + UPPER + LOWER + SCRIPTS)
    if not characters or unknown or len(set(characters)) < len(characters):
        raise ValueError(
            f"glyphs: characters={characters!r}, but different digits and letters (0-9, A-Z, a-z, "
            "SCRIPTS) must be given, at least one."
        )
    return _draw(n, seed, purpose, _glyphs(characters))


def turned(data: Dataset) -> Dataset:
    """Draws the characters of a data set upright and also turned by quarters and mirrored.

    Each of the eight is a class of its own, in the same hands: slant, stroke and all the rest come
    after the turn. Left out are those that hardly differ from a character that `data` holds out.

    Args:
      data: one of CHARACTERS.

    Returns:
      A data set of N_TURNED training images alone. Its classes are called A/0 (upright), A/1, and
      so on, by the rows of _TURNS.

    Raises:
      UserError: `data` is another data set.
    """
    if data.name not in CHARACTERS:
        names = ", ".join(CHARACTERS)
        raise UserError(f"--turned draws {names}, and --dataset={data.name} is none: omit it")
    glyphs = _glyphs(CHARACTERS[data.name])
    number = {character: k for k, character in enumerate(CHARACTERS[data.name])}
    seen = [number[name] for name in data.class_names[: data.n_classes]]
    unseen = [number[name] for name in data.class_names[data.n_classes :]]
    upright = np.arange(len(_TURNS)) == 0
    place, turn = np.nonzero(upright | (_apart(glyphs, seen, unseen) >= _ALIKE))
    character = np.array(seen)[place]
    habits = np.where(upright[turn][:, None], glyphs.habits[character], _NO_HABIT)
    glyphs = glyphs._replace(character=character, turn=_TURNS[turn], habits=habits)
    images, labels, _ = _draw(N_TURNED, 0, "turned", glyphs)
    train = Split(images, labels)
    names = tuple(f"{data.class_names[k]}/{t}" for k, t in zip(place, turn, strict=True))
    return Dataset(data.name, train, train[:0], train[:0], len(names), names)


def _apart(glyphs: "_Glyphs", some: list[int], others: list[int]) -> np.ndarray:
    """Cells [some, _TURNS]: how far characters, turned, are from the nearest of others."""

    def shapes(characters: list[int]) -> np.ndarray:
        """The glyphs of characters; of those whose shape fonts share, the first alone."""
        rows = (np.array(characters, int)[:, None] * len(FACES) + np.arange(len(FACES))).ravel()
        points = glyphs.points[rows].reshape(-1, glyphs.points[0].size)
        shared = np.column_stack([rows // len(FACES), points])
        return rows[np.unique(shared, axis=0, return_index=True)[1]]

    tables = glyphs.distances.reshape(len(glyphs.points), -1)
    own, theirs = shapes(some), shapes(others)
    of_shapes = skeletons.nearest(
        tables[own], glyphs.points[own], tables[theirs], glyphs.points[theirs], _TURNS
    )
    return np.stack([of_shapes[own // len(FACES) == k].min(axis=0) for k in some])


def _draw(
    n: int, seed: int, purpose: str, glyphs: "_Glyphs"
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """As `make`."""
    images = np.empty((n, _SIDE, _SIDE, 1), np.uint8)
    labels = np.empty(n, np.int32)
    factors = np.empty((n, len(FACTOR_NAMES)), np.float32)
    starts = range(0, n, _CHUNK)
    # A generator for each chunk: threads may work in any order, and a longer draw starts the same.
    generators = randomness.numpy_generator(seed, f"glyphs {purpose}").spawn(len(starts))

    def fill(start: int, generator: np.random.Generator) -> None:
        here = slice(start, min(start + _CHUNK, n))
        chunk = _draw_chunk(generator, start, glyphs)
        for whole, part in zip((images, labels, factors), chunk, strict=True):
            whole[here] = part[: here.stop - start]

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(fill, starts, generators))
    return images, labels, factors


class _Glyphs(NamedTuple):
    """The shapes of some characters, in all FACES; glyph = character * len(FACES) + font."""

    distances: np.ndarray  # uint8 [glyphs * ENTRIES * ENTRIES]
    points: np.ndarray  # [glyphs, 2, POINTS]: x, y all over the skeleton, in half heights
    character: np.ndarray  # int [classes], which one a class shows
    turn: np.ndarray  # [classes, 2, 2], what is done to it before it is written
    habits: np.ndarray  # [classes, 2], as _HABITS


def _draw_chunk(
    generator: np.random.Generator, start: int, glyphs: _Glyphs
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draws _CHUNK pictures, the first of them number `start`: images, labels, factors."""
    labels = generator.permutation((start + np.arange(_CHUNK)) % len(glyphs.habits))
    font = generator.integers(len(FACES), size=_CHUNK)
    low, high = np.array(list(FACTOR_RANGES.values())).T
    style = low + (high - low) * generator.random((3, _CHUNK, len(low))).mean(axis=0)
    bend = generator.uniform(-_BEND, _BEND, (_CHUNK, 2, len(_BEND)))
    pressure = generator.uniform(-_PRESSURE, _PRESSURE, (_CHUNK, len(_BEND)))
    edge = generator.uniform(*_EDGE, _CHUNK)

    slant, rotation, width, size, thickness, *shift = style.T
    middle, wider = glyphs.habits[labels].T
    width = width * wider
    bend[:, 1, 0] += middle
    glyph = glyphs.character[labels] * len(FACES) + font

    forward = _stretch_slant_turn(width, slant, rotation) @ glyphs.turn[labels]
    points = forward @ glyphs.points[glyph]
    scale, centre = _place(points, bend, size - thickness, np.stack(shift, axis=1))
    forward *= scale[:, None, None]
    pen = _pen(pressure, bend) * thickness[:, None] / 2
    images = _ink(glyphs.distances, glyph, forward, centre, bend, pen, edge)
    return images, labels, np.column_stack([style, font])


def _stretch_slant_turn(width: np.ndarray, slant: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    """[n, 2, 2] matrices from a glyph's coordinates (y downwards) to those of a picture."""
    slope, turn = np.tan(np.radians(slant)), np.radians(rotation)
    stretch_slant = np.array([[width, -slope], [np.zeros_like(width), np.ones_like(width)]])
    rotate = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    return rotate.transpose(2, 0, 1) @ stretch_slant.transpose(2, 0, 1)


def _bends(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The smooth functions of a picture's coordinates (pixels from its middle) that bend a glyph.

    They have hardly a linear part: slant, rotation and width stay what the factors say.
    """
    u, v = np.clip(x / 10, -1.1, 1.1), np.clip(y / 10, -1.1, 1.1)
    uu, vv = u * u, v * v
    return np.stack([vv, uu, u * v, vv * v - 0.6 * v, uu * u - 0.6 * u, uu * v, u * vv])


def _place(
    points: np.ndarray, bend: np.ndarray, size: np.ndarray, shift: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Finds scale and position at which the bent glyph has the size and the shift asked for.

    A bend depends on where in the picture the glyph lies, hence the fixed-point iteration.
    """
    scale = size / np.ptp(points, axis=2).max(axis=1)
    pixels = points * scale[:, None, None]
    for _ in range(4):
        bends = _bends(pixels[:, 0], pixels[:, 1]).transpose(1, 0, 2)
        shape = points * scale[:, None, None] - bend @ bends
        low, high = shape.min(axis=2), shape.max(axis=2)
        scale = scale * size / (high - low).max(axis=1)
        # MNIST's framing, but a character with all its mass on one side must not touch the border.
        box = (low + high) / 2
        centre = shift - box - np.clip(shape.mean(axis=2) - box, -2.5, 2.5)
        pixels = shape + centre[:, :, None]
    return scale, centre


def _pen(pressure: np.ndarray, bend: np.ndarray) -> np.ndarray:
    """Coefficients [n, 3 + bends] of the relative stroke width: of 1, x, y and `_bends`.

    Where the bend stretches the glyph it would fatten the stroke. The linear terms undo that: they
    are half the divergence of the quadratic bends.
    """
    x_term = 2 * bend[:, 0, 1] + bend[:, 1, 2]
    y_term = 2 * bend[:, 1, 0] + bend[:, 0, 2]
    return np.column_stack([np.ones(_CHUNK), x_term / 200, y_term / 200, pressure])


@functools.cache
def _basis() -> np.ndarray:
    """float32 [3 + bends, 784]: 1, x, y and `_bends` at each pixel of a picture."""
    side = np.arange(_SIDE) - (_SIDE - 1) / 2
    y, x = np.meshgrid(side, side, indexing="ij")
    basis = np.stack([np.ones_like(x), x, y, *_bends(x, y)])
    return basis.reshape(len(basis), -1).astype(np.float32)


def _ink(
    distances: np.ndarray,
    glyph: np.ndarray,
    forward: np.ndarray,
    centre: np.ndarray,
    bend: np.ndarray,
    pen: np.ndarray,
    edge: np.ndarray,
) -> np.ndarray:
    """Paints white what is nearer to the skeleton than half the width of the stroke."""
    backward = np.linalg.inv(forward)
    origin = -backward @ centre[:, :, None]
    entry = np.concatenate([origin, backward, backward @ bend], axis=2) * (HALF * FINE)
    entry[:, :, 0] += ENTRIES / 2
    white = pen * (255 / edge)[:, None]
    white[:, 0] += 255 / 2
    # Everything that varies over a picture is a sum of the same few functions: one matrix product.
    fields = np.concatenate([entry, white[:, None]], axis=1).astype(np.float32) @ _basis()

    column, row = np.clip(fields[:, :2], 0, ENTRIES - 1).astype(np.intp).swapaxes(0, 1)
    distance = distances[(glyph * ENTRIES**2)[:, None] + row * ENTRIES + column]
    pixels_a_level = np.sqrt(np.abs(np.linalg.det(forward))) / (HALF * LEVELS)
    fall = (pixels_a_level * 255 / edge).astype(np.float32)
    grey = fields[:, 2] - distance * fall[:, None]
    return np.clip(grey, 0, 255).astype(np.uint8).reshape(_CHUNK, _SIDE, _SIDE, 1)


@functools.lru_cache(maxsize=2)
def _glyphs(characters: str) -> _Glyphs:
    faces = [[_lender(face, character) for face in FACES] for character in characters]
    rendered = [
        np.stack([skeletons.render(face, character) for face in lenders])
        for lenders, character in zip(faces, characters, strict=True)
    ]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        tables, points = zip(*pool.map(skeletons.trace, rendered, faces), strict=True)
    habits = np.array([_HABITS.get(character, _NO_HABIT) for character in characters])
    numbers, upright = np.arange(len(characters)), np.tile(np.eye(2), (len(characters), 1, 1))
    tables, points = np.concatenate(tables, axis=None), np.concatenate(points)
    return _Glyphs(tables, points, numbers, upright, habits)


def _lender(face: Face, character: str) -> Face:
    """The face itself, or the first one where its font does not have the character."""
    return face if ord(character) in skeletons.charmap(face.file) else FACES[0]
