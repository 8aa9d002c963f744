"""Test images that swap their codes s and z, as one sheet of pictures decoded beforehand.

Networks with convolutions would make a page large and slow, so it gets what they give. The codes z
lie on a round trip from test image to test image and back to the first, with steps between two of
them: a page has all swaps, and z in motion.
"""

import base64
import math

from adversarial_autoencoder.datasets import Dataset
from adversarial_autoencoder.explorer.convert import DoesNotFit
from adversarial_autoencoder.model import Model
from adversarial_autoencoder.pictures import grids, png

import numpy as np

STEPS = 8  # From the z of one test image to that of the next; halved where the file gets too large.
MAX_SIDE = 128  # Of a picture, in pixels; larger images are made smaller.
MAX_BYTES = 6_000_000  # Of the PNG file; in the page it takes a third more.


def has_two_codes(model: Model) -> bool:
    """Whether the model has what `described` asks of it."""
    return all(hasattr(model, name) for name in ("shown", "all_codes", "decode_both"))


def described(model: Model, data: Dataset) -> dict:
    """Returns the sheet, as the page's `showSwaps` takes it.

    The model has `all_codes` and `decode_both`, see `disentangling`, and `shown(data)`: a split and
    which of its images its pictures show.

    Returns:
      - `shown`: the classes of the n test images,
      - `sDim`: dimensions of s,
      - `steps`: from one z to the next,
      - `image`: height, width and channels of a picture,
      - `png`: an address that holds the sheet. Its first row are the test images, row 1 + k has the
        z at position k of the round trip, and column j the s of test image j. The swaps with the z
        of test image i are row 1 + i · steps.

    Raises:
      DoesNotFit: decoded values are not finite.
    """
    pool, rows = model.shown(data)
    test = pool[rows]
    codes = model.all_codes(test)
    s, z, n = codes["s"], codes["z_mean"], len(test)
    share = np.linspace(0, 1, STEPS, endpoint=False, dtype=np.float32)[:, np.newaxis]
    cells = [_thinned(test.images)]
    for here, there in zip(z, np.roll(z, -1, axis=0), strict=True):
        path_of_z = here + share * (there - here)
        x = model.decode_both(np.tile(s, [STEPS, 1]), path_of_z.repeat(n, axis=0))
        if not np.isfinite(x).all():
            raise DoesNotFit("its decoder gives numbers that are not finite")
        cells.append(_thinned(grids.as_uint8(data.as_images(x))))
    cells = np.concatenate(cells)

    steps = STEPS
    while len(content := png.encode_exactly(grids.grid(cells, n, gap=0))) > MAX_BYTES and steps > 1:
        steps //= 2
        by_row = cells.reshape(-1, n, *cells.shape[1:])
        cells = np.concatenate([by_row[:1], by_row[1::2]]).reshape(-1, *cells.shape[1:])
    return {
        "shown": test.labels.tolist(),
        "sDim": s.shape[1],
        "steps": steps,
        "image": cells.shape[1:],
        "png": "data:image/png;base64," + base64.b64encode(content).decode(),
    }


def _thinned(images: np.ndarray) -> np.ndarray:
    """Images of at most `MAX_SIDE`, uint8: squares of so many pixels become their mean."""
    factor = math.ceil(max(images.shape[1:3]) / MAX_SIDE)
    n, height, width, channels = images.shape
    height, width = max(height // factor, 1), max(width // factor, 1)
    blocks = images[:, : height * factor, : width * factor]
    blocks = blocks.reshape(n, height, -1, width, blocks.shape[2] // width, channels)
    return np.rint(blocks.mean(axis=(2, 4))).astype(np.uint8)
