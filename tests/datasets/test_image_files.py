"""Images are read as a viewer shows them, and never more of a file than an image can be."""

import struct
import warnings
import zlib

from adversarial_autoencoder.datasets import image_files
from adversarial_autoencoder.pictures import animation
from adversarial_autoencoder.system.errors import UserError

import numpy as np
import pytest
from PIL import Image, features
from small_data import images

GREY = images(1, (6, 5))[0]
COLOUR = images(1, (6, 5, 3))[0]


def saved(folder, name, array, mode=None, **settings):
    path = folder / name
    image = Image.fromarray(array)
    image = image.convert(mode) if mode else image
    image.save(path, **settings)
    return path


@pytest.mark.parametrize("ending", ["png", "webp", "tif", "bmp", "avif"])
def test_colours_are_read_from_each_format(ending, tmp_path):
    if ending == "avif" and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    large = np.kron(COLOUR // 2 + 60, np.ones((8, 8, 1), np.uint8))  # Blocks, for lossy formats.
    settings = {"webp": {"lossless": True}, "avif": {"quality": 100, "subsampling": "4:4:4"}}
    path = saved(tmp_path, f"a.{ending}", large, **settings.get(ending, {}))
    pixels, is_transparent = image_files.read(path)
    assert pixels.shape == (48, 40, 3) and not is_transparent
    assert np.abs(pixels.astype(int) - large).max() <= (16 if ending == "avif" else 0)


@pytest.mark.parametrize("mode", ["RGB", "P", "LA"])
def test_grey_stored_otherwise_is_grey(mode, tmp_path):
    pixels, _ = image_files.read(saved(tmp_path, "a.png", GREY, mode))
    np.testing.assert_array_equal(pixels, GREY[..., np.newaxis])


def test_one_bit_is_black_and_white(tmp_path):
    pixels, _ = image_files.read(saved(tmp_path, "a.png", GREY > 127))
    np.testing.assert_array_equal(pixels[..., 0], 255 * (GREY > 127))


def bmp(bits, palette, rows):
    """A picture in a Windows format that Pillow reads and does not write."""
    header = struct.pack(
        "<IiiHHIIiiII", 40, 2, 2, 1, bits, 0, len(rows), 0, 0, len(palette) // 4, 0
    )
    start = 14 + len(header) + len(palette)
    return struct.pack("<2sIHHI", b"BM", start + len(rows), 0, 0, start) + header + palette + rows


def test_bitmaps_of_four_and_sixteen_bits_have_their_colours(tmp_path):
    path = tmp_path / "a.bmp"
    palette = bytes([0, 0, 255, 0, 0, 255, 0, 0])  # Red, then green.
    path.write_bytes(bmp(4, palette, b"\x01\0\0\0\x10\0\0\0"))  # The lower row first.
    pixels, _ = image_files.read(path)
    red, green = [255, 0, 0], [0, 255, 0]
    assert pixels.tolist() == [[green, red], [red, green]]
    red = struct.pack("<H", 31 << 10)
    path.write_bytes(bmp(16, b"", 2 * (red + b"\0\0")))
    assert image_files.read(path)[0].tolist() == [[[255, 0, 0], [0, 0, 0]]] * 2


def test_of_sixteen_bits_the_upper_eight_are_kept(tmp_path):
    path = saved(tmp_path, "a.png", GREY.astype(np.uint16) * 256 + 255)
    np.testing.assert_array_equal(image_files.read(path)[0][..., 0], GREY)


def test_rotation_of_the_camera_is_undone(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    pixels, _ = image_files.read(saved(tmp_path, "a.png", COLOUR, exif=exif))
    np.testing.assert_array_equal(pixels, np.rot90(COLOUR, -1))


@pytest.mark.parametrize("ground, level", [("white", 255), ("black", 0)])
def test_transparency_shows_the_ground_also_to_animate(ground, level, tmp_path):
    alpha = np.full((6, 5, 1), 255, np.uint8)
    alpha[0], alpha[1] = 0, 128
    path = saved(tmp_path, "a.png", np.concatenate([COLOUR, alpha], -1))
    pixels, is_transparent = image_files.read(path, ground)
    assert is_transparent and (pixels[0] == level).all()
    np.testing.assert_allclose(pixels[1], (COLOUR[1].astype(int) + level) / 2, atol=2)
    np.testing.assert_array_equal(pixels[2:], COLOUR[2:])
    np.testing.assert_array_equal(animation.read_picture(path, ground), pixels)


def test_a_first_frame_that_covers_a_part_is_as_large_as_the_whole(tmp_path):
    path = tmp_path / "a.gif"
    frame = Image.fromarray(np.full((2, 2), 1, np.uint8), "P")
    frame.putpalette([0, 255, 0, 255, 0, 0])
    frame.save(path)
    content = bytearray(path.read_bytes())
    content[6:10] = struct.pack("<HH", 4, 3)  # The canvas.
    place = content.index(b",\0\0\0\0\2\0\2\0")
    content[place + 1 : place + 5] = struct.pack("<HH", 2, 1)
    path.write_bytes(content)
    pixels, is_transparent = image_files.read(path)
    assert pixels.shape == (3, 4, 3) and is_transparent
    assert (pixels[1:, 2:] == [255, 0, 0]).all()
    assert (pixels[0] == 255).all() and (pixels[:, :2] == 255).all()


def huge_png(side):
    """A grey PNG of side x side zeros, which packs to a thousandth of it."""

    def chunk(kind, content):
        checksum = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)

    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(bytes(side + 1)) for _ in range(side)) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


@pytest.mark.parametrize("side", [9000, 20000])
def test_a_small_file_of_many_pixels_is_refused_in_one_line(side, tmp_path):
    (tmp_path / "a.png").write_bytes(huge_png(side))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(
            UserError, match=r"a.png cannot be read as an image \(.* pixels"
        ) as told:
            image_files.read(tmp_path / "a.png")
    assert "\n" not in str(told.value)


def test_a_file_of_gigabytes_is_not_read(tmp_path):
    with open(tmp_path / "a.png", "wb") as file:
        file.truncate(3 << 30)
    with pytest.raises(UserError, match="it has 3221225472 bytes, where 268435456 are the most"):
        image_files.read(tmp_path / "a.png")


@pytest.mark.parametrize("content", [b"", b"no image", b"%!PS-Adobe-3.0 EPSF-3.0\n", b"GIF89a"])
def test_what_is_no_image_is_told_in_one_line(content, tmp_path):
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(UserError, match="a.png cannot be read as an image") as told:
        image_files.read(tmp_path / "a.png")
    assert "\n" not in str(told.value)


def test_a_truncated_image_is_told(tmp_path):
    path = saved(tmp_path, "a.png", images(1, (60, 50, 3))[0])
    path.write_bytes(path.read_bytes()[:-4000])
    with pytest.raises(UserError, match="a.png cannot be read as an image"):
        image_files.read(path)
