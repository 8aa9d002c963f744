"""Pictures, uint8 [height, width, channels], to a PNG file or a window."""

import io
import os
from pathlib import Path

from adversarial_autoencoder.system import files

import numpy as np

# What a README shows without shrinking it, in pixels, and what a page of them can carry, in bytes.
README_WIDTH = 1024
MAX_PNG_BYTES = 300_000


def save_png(path: str | os.PathLike, picture: np.ndarray, scale: int | None = None) -> None:
    """Writes a picture as a PNG file, whole or not at all; see `encode`.

    Raises:
      UserError: the file cannot be written; what was there before is untouched.
    """
    with files.saving(Path(path)):
        files.write_atomically(Path(path), encode(picture, scale))


def encode(picture: np.ndarray, scale: int | None = None) -> bytes:
    """Returns a picture as a small PNG file's content.

    Grey pictures are stored as grey, colour pictures of at most 256 colours with a palette. Only
    where the file would pass 300 KB, it loses shades: 256 colours stay, or 32 greys.

    Args:
      picture: uint8 [height, width, 1 or 3].
      scale: draws each pixel as a square of this many; None: as many, up to 8, as a README shows.
    """
    from PIL import Image

    if scale is None:
        scale = int(np.clip(README_WIDTH // max(picture.shape[:2]), 1, 8))
    image = _image(picture.repeat(scale, axis=0).repeat(scale, axis=1))
    grey = image.mode == "L"
    if not grey and image.getcolors(256) is not None:
        image = image.quantize(256, dither=Image.Dither.NONE)
    content = _compressed(image)
    if len(content) > MAX_PNG_BYTES:
        # The octree keeps frequent colours, the classes', and takes a hundredth of a second.
        method = Image.Quantize.FASTOCTREE
        fewer = image.quantize(32 if grey else 256, method, dither=Image.Dither.NONE)
        content = _compressed(fewer)
    return content


def encode_exactly(picture: np.ndarray) -> bytes:
    """Returns a picture with every pixel as it is, as a PNG file's content."""
    return _compressed(_image(picture))


def show(picture: np.ndarray, title: str) -> None:
    """Opens a window with the picture and waits until it is closed; says so if there is none."""
    from matplotlib import pyplot as plt

    if not opens_windows():
        print(f"--show: no display to open a window on; see the PNG file of {title!r} instead.")
        return
    figure, axes = plt.subplots(num=title, layout="constrained")
    axes.imshow(picture, cmap="gray", vmin=0, vmax=255)
    axes.set_axis_off()
    plt.show()
    plt.close(figure)


def opens_windows() -> bool:
    """Returns whether Matplotlib has a backend that opens windows, and a display for them."""
    from matplotlib import pyplot as plt

    try:
        plt.switch_backend(plt.get_backend())
    except ImportError:  # A backend with windows was asked for, but there is no display.
        return False
    return plt.get_backend().lower() != "agg"


def _image(picture: np.ndarray):
    from PIL import Image

    is_grey = (picture == picture[..., :1]).all()
    return Image.fromarray(picture[..., 0] if is_grey else picture)


def _compressed(image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
