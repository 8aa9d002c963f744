"""Pictures: which image is where, what is written, and what happens when it cannot be."""

import io
import os

from adversarial_autoencoder import images, priors
from adversarial_autoencoder.errors import UserError

import matplotlib
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image


def plain(values, height: int = 2, width: int = 3, channels: int = 1) -> np.ndarray:
    """One image of a single shade for each value."""
    shape = (len(values), height, width, channels)
    return np.broadcast_to(np.reshape(values, (-1, 1, 1, 1)), shape).astype(np.uint8)


def points(n: int = 300) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(n, 2)).astype(np.float32)


def test_a_grid_lays_images_out_row_by_row_with_gaps_between_them():
    picture = images.grid(plain([10, 20, 30, 40, 50]), n_columns=3, gap=1)
    assert picture.dtype == np.uint8
    assert picture.shape == (2 * 3 - 1, 3 * 4 - 1, 1)
    np.testing.assert_array_equal(
        picture[..., 0],
        [
            [10, 10, 10, 0, 20, 20, 20, 0, 30, 30, 30],
            [10, 10, 10, 0, 20, 20, 20, 0, 30, 30, 30],
            [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            [40, 40, 40, 0, 50, 50, 50, 0, 0, 0, 0],
            [40, 40, 40, 0, 50, 50, 50, 0, 0, 0, 0],
        ],
    )


def test_a_grid_keeps_every_pixel_of_colour_images():
    batch = np.random.default_rng(0).integers(0, 256, (6, 5, 4, 3), np.uint8)
    picture = images.grid(batch, n_columns=2, gap=0)
    assert picture.shape == (15, 8, 3)
    np.testing.assert_array_equal(picture[5:10, 4:8], batch[3])


def test_floats_become_bytes_by_rounding_and_clipping():
    batch = np.reshape([-0.5, 0.0, 0.4999, 1.0, 1.5], (1, 1, 5, 1)).astype(np.float32)
    np.testing.assert_array_equal(images.grid(batch, 1)[0, :, 0], [0, 0, 127, 255, 255])
    half = tf.cast(tf.fill([1, 1, 1, 1], 0.5), tf.bfloat16)
    assert images.grid(half, 1).item() == 128


@pytest.mark.parametrize(
    "batch", [np.zeros((2, 28, 28), np.uint8), np.zeros((2, 28, 28, 1), np.int64)]
)
def test_arrays_that_are_no_batch_of_images_are_refused(batch):
    with pytest.raises(ValueError, match="Images are"):
        images.grid(batch, 2)


def test_manifold_codes_are_the_series_grid_with_the_second_dimension_upwards():
    codes = images.manifold_codes()
    assert codes.shape == (14 * 14, 2)
    np.testing.assert_array_equal(codes[0], [-10, 9.5])  # Top left.
    np.testing.assert_array_equal(codes[1], [-8.5, 9.5])
    np.testing.assert_array_equal(codes[14], [-10, 8])
    np.testing.assert_array_equal(codes[-1], [9.5, -10])  # Bottom right.


def test_manifold_codes_reach_the_upper_end_where_the_step_divides_the_range():
    codes = images.manifold_codes(-3, 3, 6 / 19)
    assert len(codes) == 400
    np.testing.assert_allclose(codes[19], [3, 3], rtol=1e-6)
    assert len(images.manifold_codes(0, 0.3, 0.1)) == 4**2  # 0.3 / 0.1 is a little less than 3.


def test_a_style_grid_has_a_style_a_row_and_a_class_a_column():
    picture = images.style_grid(plain([1, 2, 3, 4, 5, 6]), n_classes=3, gap=1)
    np.testing.assert_array_equal(picture[::3, ::4, 0], [[1, 2, 3], [4, 5, 6]])


def test_a_source_stands_in_front_of_its_row_behind_a_bar():
    styles, sources = plain([1, 2, 3, 4]), plain([100, 200])
    picture = images.style_grid(styles, 2, sources, gap=1)[..., 0]
    without = images.style_grid(styles, 2, gap=1)[..., 0]
    np.testing.assert_array_equal(picture[[0, 3], :3], [[100] * 3, [200] * 3])
    np.testing.assert_array_equal(picture[:, 3:8], [[0, 0, 255, 0, 0]] * len(picture))
    np.testing.assert_array_equal(picture[:, 8:], without)
    with pytest.raises(ValueError, match="3 sources"):
        images.style_grid(styles, 2, plain([1, 2, 3]))


def test_an_input_is_beside_its_reconstruction_and_pairs_are_apart():
    picture = images.reconstruction_grid(plain([10, 20, 30]), plain([11, 21, 31]), 2, gap=2)
    ground = images.GROUND
    row = [ground] * 2 + [10] * 3 + [11] * 3 + [ground] * 2 + [20] * 3 + [21] * 3 + [ground] * 2
    np.testing.assert_array_equal(picture[2, :, 0], row)
    np.testing.assert_array_equal(picture[6, 2:8, 0], [30] * 3 + [31] * 3)
    np.testing.assert_array_equal(picture[[0, 1, 4, 5, -2, -1]], ground)


def test_reconstructions_of_another_shape_are_refused():
    with pytest.raises(ValueError, match="reconstructions"):
        images.reconstruction_grid(plain([1, 2]), plain([1]))


@pytest.mark.parametrize("n_classes", [2, 10, 11, 52])
def test_a_scatter_plot_takes_any_number_of_classes(n_classes):
    names = [f"class {k}" for k in range(n_classes)]
    picture = images.scatter(points(), np.arange(300) % n_classes, names, "gaussian", stddev=1.0)
    assert picture.shape == (900, 1050, 3)
    assert picture.dtype == np.uint8
    # A colour each: at least as many shades as classes, on white.
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > n_classes
    np.testing.assert_array_equal(picture[0, 0], 255)


def test_classes_have_the_ten_fixed_colours():
    picture = images.scatter(points(), np.arange(300) % 10, [str(k) for k in range(10)])
    colours = np.array([list(bytes.fromhex(colour[1:])) for colour in images.COLOURS])
    assert len(np.unique(colours, axis=0)) == 10
    # A dot of the legend is tens of pixels of exactly its class's colour.
    assert all(np.all(picture == colour, axis=-1).sum() > 50 for colour in colours)


def test_scatter_and_manifold_point_the_same_way():
    """A code at upper left is drawn at upper left, where `manifold_codes` begins."""
    codes = np.repeat(images.manifold_codes(-1, 1, 2)[:1], 50, axis=0)
    picture = images.scatter(codes, np.zeros(50, int), ["only"])
    red = np.all(picture == list(bytes.fromhex(images.COLOURS[0][1:])), axis=-1)
    rows, columns = np.nonzero(red[:, :800])  # Without the legend.
    assert rows.mean() < 200
    assert columns.mean() < 300


@pytest.mark.parametrize("prior", priors.NAMES)
def test_the_contour_of_each_prior_is_drawn(prior):
    labels = np.zeros(300, int)
    without = images.scatter(points(), labels, ["a"])
    with_contour = images.scatter(points(), labels, ["a"], prior, stddev=1.0)
    dark = [(picture.max(axis=-1) < 60).sum() for picture in (without, with_contour)]
    assert dark[1] > dark[0] + 1000


def test_a_scatter_plot_of_other_than_two_dimensions_is_refused():
    with pytest.raises(ValueError, match="codes of 2 dimensions"):
        images.scatter(np.zeros((5, 3)), np.zeros(5, int), ["a"])


def test_a_scatter_plot_leaves_matplotlib_as_it_was():
    before = dict(matplotlib.rcParams)
    first = images.scatter(points(), np.zeros(300, int), ["a"], "gaussian")
    assert dict(matplotlib.rcParams) == before
    np.testing.assert_array_equal(
        first, images.scatter(points(), np.zeros(300, int), ["a"], "gaussian")
    )


def test_a_grey_picture_is_written_grey_and_reads_back(tmp_path):
    picture = np.random.default_rng(0).integers(0, 256, (6, 5, 1), np.uint8)
    images.save_png(tmp_path / "a.png", picture, scale=3)
    with Image.open(tmp_path / "a.png") as image:
        assert image.mode == "L"
        np.testing.assert_array_equal(np.asarray(image)[1::3, 1::3], picture[..., 0])
        np.testing.assert_array_equal(np.asarray(image)[::3], np.asarray(image)[2::3])


@pytest.mark.parametrize("n_colours, mode", [(200, "P"), (2000, "RGB")])
def test_a_colour_picture_reads_back_without_loss(tmp_path, n_colours, mode):
    rng = np.random.default_rng(0)
    colours = rng.integers(0, 256, (n_colours, 3), np.uint8)
    picture = colours[rng.integers(0, n_colours, (60, 50))]
    images.save_png(tmp_path / "a.png", picture, scale=1)
    with Image.open(tmp_path / "a.png") as image:
        assert image.mode == mode
        np.testing.assert_array_equal(np.asarray(image.convert("RGB")), picture)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_picture_that_hardly_compresses_stays_under_300_kb(tmp_path, channels):
    noise = np.random.default_rng(0).integers(0, 256, (500 // channels + 200, 600, channels))
    picture = noise.astype(np.uint8)
    images.save_png(tmp_path / "a.png", picture)
    assert os.path.getsize(tmp_path / "a.png") < 300_000
    read = np.asarray(Image.open(tmp_path / "a.png").convert("RGB" if channels == 3 else "L"))
    assert np.abs(read.reshape(picture.shape).astype(int) - picture).mean() < 16


@pytest.mark.parametrize("shape, factor", [((28, 28, 1), 8), ((298, 298, 1), 3), ((1500, 9, 3), 1)])
def test_small_pictures_are_enlarged_for_a_readme(tmp_path, shape, factor):
    images.save_png(tmp_path / "a.png", np.zeros(shape, np.uint8))
    with Image.open(tmp_path / "a.png") as image:
        assert image.size == (shape[1] * factor, shape[0] * factor)


def test_a_failed_write_leaves_the_old_picture_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    images.save_png(path, np.zeros((4, 4, 1), np.uint8))
    old = path.read_bytes()

    def disk_full(self, data):
        with open(self, "wb") as half_written:
            half_written.write(data[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", disk_full)
    with pytest.raises(UserError, match=r"cannot write .*a\.png: the disk is full"):
        images.save_png(path, np.full((4, 4, 1), 9, np.uint8))
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

    monkeypatch.setattr(images.os, "replace", replace)
    images.save_png(tmp_path / "a.png", np.zeros((4, 4, 1), np.uint8))
    assert len(replaced) == 1


def test_a_picture_in_a_missing_folder_is_named_in_one_line(tmp_path):
    with pytest.raises(UserError) as error:
        images.save_png(tmp_path / "missing" / "a.png", np.zeros((4, 4, 1), np.uint8))
    assert "\n" not in str(error.value)


def test_show_without_a_display_says_so_in_one_line_and_goes_on(capsys):
    backend = matplotlib.get_backend()
    matplotlib.use("agg")
    try:
        images.show(np.zeros((4, 4, 1), np.uint8), "manifold")
    finally:
        matplotlib.use(backend)
    assert capsys.readouterr().out.count("\n") == 1


def pictures_in(folder) -> list[tuple[str, int, np.ndarray]]:
    """Tag, step and pixels of every picture in the folder's event files."""
    found = []
    for path in folder.iterdir():
        for record in tf.data.TFRecordDataset(str(path)):
            event = tf.compat.v1.Event.FromString(record.numpy())
            for value in event.summary.value:
                png = value.tensor.string_val[2]  # After its width and height.
                found.append((value.tag, event.step, np.asarray(Image.open(io.BytesIO(png)))))
    return found


@pytest.mark.parametrize("default_writer", [True, False])
def test_a_picture_reads_back_from_the_event_file(tmp_path, default_writer):
    picture = np.random.default_rng(0).integers(0, 256, (7, 5, 3), np.uint8)
    writer = tf.summary.create_file_writer(str(tmp_path))
    if default_writer:
        with writer.as_default():
            images.to_tensorboard("Image Grid", picture, step=3)
    else:
        images.to_tensorboard("Image Grid", picture, step=3, writer=writer)
    writer.close()
    [(tag, step, pixels)] = pictures_in(tmp_path)
    assert (tag, step) == ("Image Grid", 3)
    np.testing.assert_array_equal(pixels, picture)


def test_a_confusion_matrix_can_be_drawn_of_few_and_of_many_classes():
    few = images.confusion_matrix(np.array([0, 1, 1]), np.array([0, 1, 0]), ["a", "b"])
    assert few.shape == (900, 1050, 3)
    none_wrong = images.confusion_matrix(np.array([0, 1]), np.array([0, 1]), ["a", "b"])
    assert (few != none_wrong).any()
    names = [str(k) for k in range(100)]
    assert images.confusion_matrix(np.arange(100), np.arange(100), names).shape == few.shape


def test_mistakes_show_the_images_with_a_wrong_label_alone():
    pixels = np.zeros((4, 28, 28, 1), np.uint8)
    pixels[1], pixels[3] = 100, 200
    labels, given = np.array([0, 1, 2, 0]), np.array([0, 2, 2, 1])
    picture = images.mistakes(pixels, labels, given, ["a", "b", "c"], n_columns=2)
    assert picture.shape == (2 * 28 + 14, 2 * 56 + 4, 1)
    assert (picture[:56, :56] == 100).all() and (picture[:56, 60:] == 200).all()
    assert picture[56:, :56].max() > 100  # The caption.


def test_mistakes_of_a_model_without_any_are_a_dark_row():
    picture = images.mistakes(np.zeros((2, 8, 8, 3), np.uint8), np.arange(2), np.arange(2), "ab")
    assert picture.shape[2] == 3 and not picture.any()
