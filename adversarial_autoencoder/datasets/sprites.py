"""Game characters composed from the layer sheets of the Liberated Pixel Cup.

A sheet is a transparent picture of one layer (a body, a shirt, …): a row of cells for each action
seen from one side, a cell for each frame. The sheets are those that Li and Mandt collected (2018,
"Disentangled Sequential Autoencoder"); a character is one sheet of each layer, drawn one over the
other.
"""

import dataclasses
import math
import os
import pathlib
import warnings
from collections.abc import Sequence

from adversarial_autoencoder import randomness
from adversarial_autoencoder.system import files
from adversarial_autoencoder.system.errors import UserError, one_line

import numpy as np

# From the lowest to the highest: hair falls over the eyes, and trousers over the shoes.
LAYERS = ("body", "shoes", "bottomwear", "topwear", "eyes", "hair")
# What characters differ in; all wear the first pair of shoes.
ATTRIBUTES = ("body", "bottomwear", "topwear", "hair", "eyes")
CLOTHES = ("bottomwear", "topwear")
POSE = ("action", "direction", "frame")

# Rows of a sheet: each action from four sides, then the last one from the front only.
DIRECTIONS = ("back", "left", "front", "right")
ACTIONS = ("spellcast", "thrust", "walk", "slash", "shoot", "hurt")
ROWS = [(action, side) for action in range(5) for side in range(4)] + [(5, 2)]
N_COLUMNS = 13
MAX_SIDE = 256  # Pixels of a cell.
AT_ONCE = 500  # Characters.
MAX_SHUFFLED = 1 << 26  # Combinations of sheets; among more, few draws are the same.


@dataclasses.dataclass(frozen=True)
class Pictures:
    """Pictures of characters.

    Attributes:
      images: uint8 [n, side, side, 3], on black.
      identity: int32 [n], the number of the character.
      attributes: unsigned [n, len(ATTRIBUTES)], the sheet of each layer.
      visible: bool [n, len(ATTRIBUTES)]: whether the picture tells the attribute, that is, differs
        from that of every other value. From behind nobody has eyes.
      pose: uint8 [n, len(POSE)]: places in `ACTIONS` and in `DIRECTIONS`, and the frame.
    """

    images: np.ndarray
    identity: np.ndarray
    attributes: np.ndarray
    visible: np.ndarray
    pose: np.ndarray


class Sheets:
    """The sheets of a folder, `<layer>/<name>.png` for each of `LAYERS`.

    Attributes:
      cells: by layer, uint8 [n_sheets, n_rows, n_columns, side, side, 4], red to alpha.
      names: by layer, the names of the sheets' files, as they are numbered.
    """

    def __init__(self, folder: str | os.PathLike):
        """Reads all sheets.

        Raises:
          UserError: the folder, or one of its layers, has none; or one cannot be read or has
            another size than the first.
        """
        folder = pathlib.Path(folder)
        if not os.path.isdir(folder):
            raise UserError(f"--sheets={folder} is no folder: give the one with {LAYERS[0]}/, …")
        self.cells: dict[str, np.ndarray] = {}
        self.names: dict[str, list[str]] = {}
        size = None
        for layer in LAYERS:
            paths = sorted((folder / layer).glob("*.png"), key=_in_order)
            if not paths:
                raise UserError(
                    f"--sheets={folder} has no {layer}/*.png: it needs sheets of "
                    f"{', '.join(LAYERS)}"
                )
            sheets = [_read(path) for path in paths]
            for path, sheet in zip(paths, sheets, strict=True):
                size = size or sheet.shape
                if sheet.shape != size:
                    raise UserError(
                        f"{path} is {sheet.shape[1]} x {sheet.shape[0]} pixels, and others are "
                        f"{size[1]} x {size[0]}: make them of one size"
                    )
            self.cells[layer] = np.stack([_cells(sheet) for sheet in sheets])
            self.names[layer] = [path.stem for path in paths]
        self._drawn = {layer: cells[..., 3].any(axis=(3, 4)) for layer, cells in self.cells.items()}
        if not self._drawn["body"].any():
            raise UserError(f"--sheets={folder}: the body's sheets are empty")

    @property
    def n_values(self) -> tuple[int, ...]:
        """How many sheets there are of each attribute."""
        return tuple(len(self.names[name]) for name in ATTRIBUTES)

    def poses(self, character: Sequence[int]) -> list[tuple[int, int]]:
        """Returns the cells, row and column, in which a character is drawn, in their order.

        Its actions are those for which its clothes are drawn: a few are made for some actions only,
        and in the others the character would be undressed.
        """
        sheet = dict(zip(ATTRIBUTES, character, strict=True))
        dressed = np.all([self._drawn[k][sheet[k]].any(axis=1) for k in CLOTHES], axis=0)
        drawn = self._drawn["body"][sheet["body"]] & dressed[:, np.newaxis]
        return [(int(row), int(column)) for row, column in np.argwhere(drawn)]

    def compose(self, characters: np.ndarray, row: int, column: int) -> np.ndarray:
        """Returns a picture of each character in one pose, uint8 [n, side, side, 3], on black.

        Characters are int [n, len(ATTRIBUTES)], the number of each sheet. A row is a place in
        `ROWS`, action and side; a column is the frame.
        """
        side = self.cells["body"].shape[3]
        pictures = np.zeros((len(characters), side, side, 3), np.float32)
        for layer in LAYERS:
            cells = self.cells[layer][_values(characters, layer), row, column]
            alpha = cells[..., 3:] / np.float32(255)
            pictures = pictures * (1 - alpha) + cells[..., :3] * alpha
        return np.rint(pictures).astype(np.uint8)

    def visible(self, characters: np.ndarray, row: int, column: int) -> np.ndarray:
        """Returns which attributes the pictures tell, bool [n, len(ATTRIBUTES)]; see `Pictures`.

        Args: as `compose`.
        """
        n, side = len(characters), self.cells["body"].shape[3]
        found = np.zeros((n, len(ATTRIBUTES)), bool)
        uncovered = np.ones((n, side * side), np.float32)
        for layer in reversed(LAYERS):
            cells = self.cells[layer][:, row, column].reshape(-1, side * side, 4)
            values = _values(characters, layer)
            if layer in ATTRIBUTES and len(cells) > 1:
                for value in np.unique(values):
                    others = np.delete(cells, value, axis=0)
                    # What is transparent in both has no colour.
                    drawn = (others[..., 3] > 0) | (cells[value, :, 3] > 0)
                    differs = drawn & (others != cells[value]).any(axis=-1)
                    pixels = uncovered[values == value] @ differs.T.astype(np.float32)
                    found[values == value, ATTRIBUTES.index(layer)] = (pixels > 0).all(axis=1)
            uncovered *= cells[values, :, 3] < 255
        return found


def _values(characters: np.ndarray, layer: str) -> np.ndarray:
    """The sheet of a layer that each character wears, int [n]."""
    if layer not in ATTRIBUTES:
        return np.zeros(len(characters), int)
    return characters[:, ATTRIBUTES.index(layer)]


def draw_characters(sheets: Sheets, n: int, seed: int) -> np.ndarray:
    """Draws n different characters, each combination of sheets as likely as any other.

    Returns:
      int [n, len(ATTRIBUTES)].

    Raises:
      UserError: there are fewer combinations.
    """
    n_combinations = math.prod(sheets.n_values)
    if n > n_combinations:
        raise UserError(
            f"{n} characters are asked for, and the sheets give {n_combinations} only: ask for "
            f"fewer, or add sheets"
        )
    generator = randomness.numpy_generator(seed, "characters")
    # Either way, more of them change none before.
    if n_combinations <= MAX_SHUFFLED:
        drawn = generator.permutation(n_combinations)[:n]
        return np.stack(np.unravel_index(drawn, sheets.n_values), axis=1)
    drawn = generator.integers(sheets.n_values, size=(2 * n, len(ATTRIBUTES)))
    _, first = np.unique(drawn, axis=0, return_index=True)  # Few are drawn twice.
    return drawn[np.sort(first)[:n]]


def compose(
    sheets: Sheets,
    characters: np.ndarray,
    first: int = 0,
    n_poses: int = 0,
    seed: int = 0,
    actions: Sequence[str] = ACTIONS,
) -> Pictures:
    """Composes the pictures of characters, character by character, frame after frame.

    Args:
      sheets: the layers.
      characters: int [n, len(ATTRIBUTES)], as of `draw_characters`.
      first: the number of the first character; the others follow.
      n_poses: how many poses of each character, drawn anew for each; 0, or more than it has: all.
      seed: draws the poses.
      actions: which of `ACTIONS` are kept.

    Raises:
      UserError: an action is not one of them, or no character is drawn in any.
    """
    if unknown := sorted(set(actions) - set(ACTIONS)):
        raise UserError(f"there is no action {unknown[0]!r}: there are {', '.join(ACTIONS)}")
    generator = randomness.numpy_generator(seed, "poses of characters")
    chosen = []
    for number, character in enumerate(characters):
        poses = [(r, c) for r, c in sheets.poses(character) if ACTIONS[ROWS[r][0]] in actions]
        if 0 < n_poses < len(poses):
            kept = generator.choice(len(poses), n_poses, replace=False)
            poses = [poses[k] for k in sorted(kept)]
        chosen += [(number, *pose) for pose in poses]
    if not chosen:
        raise UserError("no character is drawn in any of the actions: add sheets, or ask for more")
    chosen = np.array(chosen)
    numbers, rows, columns = chosen.T
    side = sheets.cells["body"].shape[3]
    images = np.empty((len(chosen), side, side, 3), np.uint8)
    visible = np.empty((len(chosen), len(ATTRIBUTES)), bool)
    for row, column in np.unique(chosen[:, 1:], axis=0):
        places = np.flatnonzero((rows == row) & (columns == column))
        for part in np.array_split(places, -(-len(places) // AT_ONCE)):
            images[part] = sheets.compose(characters[numbers[part]], row, column)
            visible[part] = sheets.visible(characters[numbers[part]], row, column)
    return Pictures(
        images=images,
        identity=(first + numbers).astype(np.int32),
        attributes=characters[numbers].astype(np.min_scalar_type(max(sheets.n_values) - 1)),
        visible=visible,
        pose=np.column_stack([np.array(ROWS)[rows], columns]).astype(np.uint8),
    )


def save(path: str | os.PathLike, train: Pictures, test: Pictures) -> None:
    """Writes an `.npz` as `npz.read` reads it, whole or not at all.

    Raises:
      UserError: it cannot be written.
    """
    path = pathlib.Path(path)
    arrays = {"factor_names": np.array(ATTRIBUTES), "pose_names": np.array(POSE)}
    for part, pictures in (("train", train), ("test", test)):
        arrays |= {
            f"x_{part}": pictures.images,
            f"y_{part}": pictures.identity,
            f"factors_{part}": pictures.attributes,
            f"visible_{part}": pictures.visible,
            f"pose_{part}": pictures.pose,
        }
    with files.saving(path), files.replacing(path) as partial:
        np.savez_compressed(partial, **arrays)


def _read(path: pathlib.Path) -> np.ndarray:
    """A sheet, uint8 [height, width, 4]."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's, of sizes that are refused below.
            image = Image.open(path)
        with image:
            width, height = image.size
            side = width // N_COLUMNS
            if (width, height) != (side * N_COLUMNS, side * len(ROWS)) or side > MAX_SIDE:
                raise UserError(
                    f"{path} is {width} x {height} pixels: a sheet has {N_COLUMNS} x {len(ROWS)} "
                    f"square cells of at most {MAX_SIDE} pixels, usually 832 x 1344 in all"
                )
            return np.asarray(image.convert("RGBA"))
    except UserError:
        raise
    except Exception as error:  # Pillow's formats each raise their own.
        raise UserError(f"{path} cannot be read ({one_line(error)}): copy it again") from error


def _cells(sheet: np.ndarray) -> np.ndarray:
    side = sheet.shape[1] // N_COLUMNS
    return sheet.reshape(len(ROWS), side, N_COLUMNS, side, 4).swapaxes(1, 2)


def _in_order(path: pathlib.Path) -> tuple[int, str]:
    """Numbers by their value: 10 after 9."""
    return (int(path.stem) if path.stem.isdecimal() else -1, path.stem)
