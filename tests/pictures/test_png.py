"""PNG files and windows: what is written, and what happens when it cannot be."""

import os

from adversarial_autoencoder.pictures import png
from adversarial_autoencoder.system.errors import UserError

import matplotlib
import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.usefixtures("pictures_for_a_readme")


def test_a_grey_picture_is_written_grey_and_reads_back(tmp_path):
    picture = np.random.default_rng(0).integers(0, 256, (6, 5, 1), np.uint8)
    png.save_png(tmp_path / "a.png", picture, scale=3)
    with Image.open(tmp_path / "a.png") as image:
        assert image.mode == "L"
        np.testing.assert_array_equal(np.asarray(image)[1::3, 1::3], picture[..., 0])
        np.testing.assert_array_equal(np.asarray(image)[::3], np.asarray(image)[2::3])


@pytest.mark.parametrize("n_colours, mode", [(200, "P"), (2000, "RGB")])
def test_a_colour_picture_reads_back_without_loss(tmp_path, n_colours, mode):
    rng = np.random.default_rng(0)
    colours = rng.integers(0, 256, (n_colours, 3), np.uint8)
    picture = colours[rng.integers(0, n_colours, (60, 50))]
    png.save_png(tmp_path / "a.png", picture, scale=1)
    with Image.open(tmp_path / "a.png") as image:
        assert image.mode == mode
        np.testing.assert_array_equal(np.asarray(image.convert("RGB")), picture)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_picture_that_hardly_compresses_stays_under_300_kb(tmp_path, channels):
    noise = np.random.default_rng(0).integers(0, 256, (500 // channels + 200, 600, channels))
    picture = noise.astype(np.uint8)
    png.save_png(tmp_path / "a.png", picture)
    assert os.path.getsize(tmp_path / "a.png") < 300_000
    read = np.asarray(Image.open(tmp_path / "a.png").convert("RGB" if channels == 3 else "L"))
    assert np.abs(read.reshape(picture.shape).astype(int) - picture).mean() < 16


@pytest.mark.parametrize("shape, factor", [((28, 28, 1), 8), ((298, 298, 1), 3), ((1500, 9, 3), 1)])
def test_small_pictures_are_enlarged_for_a_readme(tmp_path, shape, factor):
    png.save_png(tmp_path / "a.png", np.zeros(shape, np.uint8))
    with Image.open(tmp_path / "a.png") as image:
        assert image.size == (shape[1] * factor, shape[0] * factor)


def test_a_failed_write_leaves_the_old_picture_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    png.save_png(path, np.zeros((4, 4, 1), np.uint8))
    old = path.read_bytes()

    def disk_full(self, data):
        with open(self, "wb") as half_written:
            half_written.write(data[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", disk_full)
    with pytest.raises(UserError, match=r"cannot write .*a\.png: the disk is full"):
        png.save_png(path, np.full((4, 4, 1), 9, np.uint8))
    assert path.read_bytes() == old
    assert os.listdir(tmp_path) == ["a.png"]


def test_the_picture_is_never_seen_half_written(tmp_path, monkeypatch):
    replaced = []

    def replace(source, target):
        Image.open(source).load()  # Whole before it gets its name.
        assert os.path.dirname(source) == os.path.dirname(target) == str(tmp_path)
        assert not os.path.exists(target)
        replaced.append(target)
        os.rename(source, target)

    monkeypatch.setattr(png.os, "replace", replace)
    png.save_png(tmp_path / "a.png", np.zeros((4, 4, 1), np.uint8))
    assert len(replaced) == 1


def test_a_picture_in_a_missing_folder_is_named_in_one_line(tmp_path):
    with pytest.raises(UserError) as error:
        png.save_png(tmp_path / "missing" / "a.png", np.zeros((4, 4, 1), np.uint8))
    assert "\n" not in str(error.value)


def test_show_without_a_display_says_so_in_one_line_and_goes_on(capsys):
    backend = matplotlib.get_backend()
    matplotlib.use("agg")
    try:
        png.show(np.zeros((4, 4, 1), np.uint8), "manifold")
    finally:
        matplotlib.use(backend)
    assert capsys.readouterr().out.count("\n") == 1
