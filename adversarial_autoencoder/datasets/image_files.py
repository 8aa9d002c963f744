"""Image files, decoded as a viewer shows them: upright, in their palette's colours, on a ground.

Pillow decodes them; matplotlib already brings it.
"""

import os
import warnings
from collections.abc import Iterator

from adversarial_autoencoder.system.errors import UserError, one_line

import numpy as np

ENDINGS = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".avif")
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "AVIF")  # Where Pillow has them.
GROUNDS = ("white", "black")  # Behind transparent images; viewers show them on white.
MAX_BYTES = 256 << 20  # Of a file.
MAX_PIXELS = 64 << 20  # Of an image: 192 MB in colour.


def read(path: str | os.PathLike, ground: str = GROUNDS[0]) -> tuple[np.ndarray, bool]:
    """Reads an image, of several frames the first.

    Args:
      path: a file of one of `FORMATS`, whatever its ending.
      ground: the colour behind what is transparent, one of `GROUNDS`.

    Returns:
      uint8 [height, width, 1 where R = G = B throughout, else 3]; whether any of it is transparent.

    Raises:
      UserError: it cannot be read, or is larger than `MAX_BYTES` or `MAX_PIXELS`.
    """
    return next(frames(path, ground))


def frames(path: str | os.PathLike, ground: str = GROUNDS[0]) -> Iterator[tuple[np.ndarray, bool]]:
    """Yields the frames of an image, each as `read` returns the first.

    Raises:
      UserError: as `read`; also while frames are taken.
    """
    from PIL import Image, ImageSequence, UnidentifiedImageError

    try:
        if os.path.getsize(path) > MAX_BYTES:
            raise ValueError(
                f"it has {os.path.getsize(path)} bytes, where {MAX_BYTES} are the most"
            )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's, of sizes that are refused below.
            image = Image.open(path, formats=_formats())
        with image:
            if image.width * image.height > MAX_PIXELS:
                raise ValueError(
                    f"it has {image.width} x {image.height} pixels, where {MAX_PIXELS} are the most"
                )
            drawn = image.tile[0][1] if image.format == "GIF" and image.tile else None
            for frame in ImageSequence.Iterator(image):
                yield _decoded(frame, ground, drawn)
                drawn = None  # Pillow draws the other frames over the first.
    except UnidentifiedImageError:
        raise UserError(f"{path} cannot be read as an image (no {', '.join(FORMATS)})") from None
    except Exception as error:  # Pillow's formats each raise their own.
        raise UserError(f"{path} cannot be read as an image ({one_line(error, 100)})") from error


def _formats() -> list[str]:
    from PIL import Image

    Image.init()
    return [name for name in FORMATS if name in Image.OPEN]


def _decoded(
    frame, ground: str, drawn: tuple[int, int, int, int] | None
) -> tuple[np.ndarray, bool]:
    """A frame's pixels; `drawn` is the box outside of which the frame is transparent."""
    from PIL import Image, ImageOps

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's, of broken metadata.
        frame = ImageOps.exif_transpose(frame)
        if frame.mode == "F":
            raise ValueError("its pixels are floats: store them as integers")
        if frame.mode.startswith("I"):  # Grey of 16 bits, of which the upper eight are kept.
            levels = np.asarray(frame)[..., np.newaxis]
            if levels.min() < 0 or levels.max() > 65535:
                raise ValueError(f"its pixels go from {levels.min()} to {levels.max()}")
            return (levels >> 8).astype(np.uint8), False
        rgba = frame.convert("RGBA")
    if drawn and drawn != (0, 0, *rgba.size):
        whole, rgba = rgba, Image.new("RGBA", rgba.size)
        rgba.paste(whole.crop(drawn), drawn)
    is_transparent = rgba.getextrema()[3][0] < 255
    if is_transparent:
        rgba = Image.alpha_composite(Image.new("RGBA", rgba.size, ground), rgba)
    pixels = np.asarray(rgba)[..., :3]
    is_grey = (pixels == pixels[..., :1]).all()
    return pixels[..., : 1 if is_grey else 3], is_transparent
