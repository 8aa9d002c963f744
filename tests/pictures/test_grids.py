"""Grids of images: which image is where."""

from adversarial_autoencoder.pictures import grids

import numpy as np
import pytest
import tensorflow as tf


def plain(values, height: int = 2, width: int = 3, channels: int = 1) -> np.ndarray:
    """One image of a single shade for each value."""
    shape = (len(values), height, width, channels)
    return np.broadcast_to(np.reshape(values, (-1, 1, 1, 1)), shape).astype(np.uint8)


def test_a_grid_lays_images_out_row_by_row_with_gaps_between_them():
    picture = grids.grid(plain([10, 20, 30, 40, 50]), n_columns=3, gap=1)
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
    picture = grids.grid(batch, n_columns=2, gap=0)
    assert picture.shape == (15, 8, 3)
    np.testing.assert_array_equal(picture[5:10, 4:8], batch[3])


@pytest.mark.parametrize("n, n_columns", [(1, 1), (4, 2), (5, 3), (400, 20)])
def test_without_a_number_of_columns_a_grid_is_a_square(n, n_columns):
    batch = plain(np.arange(n) % 256)
    np.testing.assert_array_equal(grids.grid(batch), grids.grid(batch, n_columns))


def test_floats_become_bytes_by_rounding_and_clipping():
    batch = np.reshape([-0.5, 0.0, 0.4999, 1.0, 1.5], (1, 1, 5, 1)).astype(np.float32)
    np.testing.assert_array_equal(grids.grid(batch, 1)[0, :, 0], [0, 0, 127, 255, 255])
    half = tf.cast(tf.fill([1, 1, 1, 1], 0.5), tf.bfloat16)
    assert grids.grid(half, 1).item() == 128


@pytest.mark.parametrize(
    "batch", [np.zeros((2, 28, 28), np.uint8), np.zeros((2, 28, 28, 1), np.int64)]
)
def test_arrays_that_are_no_batch_of_images_are_refused(batch):
    with pytest.raises(ValueError, match="Images are"):
        grids.grid(batch, 2)


def test_manifold_codes_are_the_series_grid_with_the_second_dimension_upwards():
    codes = grids.manifold_codes()
    assert codes.shape == (14 * 14, 2)
    np.testing.assert_array_equal(codes[0], [-10, 9.5])  # Top left.
    np.testing.assert_array_equal(codes[1], [-8.5, 9.5])
    np.testing.assert_array_equal(codes[14], [-10, 8])
    np.testing.assert_array_equal(codes[-1], [9.5, -10])  # Bottom right.


def test_manifold_codes_reach_the_upper_end_where_the_step_divides_the_range():
    codes = grids.manifold_codes(-3, 3, 6 / 19)
    assert len(codes) == 400
    np.testing.assert_allclose(codes[19], [3, 3], rtol=1e-6)
    assert len(grids.manifold_codes(0, 0.3, 0.1)) == 4**2  # 0.3 / 0.1 is a little less than 3.


def test_a_style_grid_has_a_style_a_row_and_a_class_a_column():
    picture = grids.style_grid(plain([1, 2, 3, 4, 5, 6]), n_classes=3, gap=1)
    np.testing.assert_array_equal(picture[::3, ::4, 0], [[1, 2, 3], [4, 5, 6]])


def test_a_source_stands_in_front_of_its_row_behind_a_bar():
    styles, sources = plain([1, 2, 3, 4]), plain([100, 200])
    picture = grids.style_grid(styles, 2, sources, gap=1)[..., 0]
    without = grids.style_grid(styles, 2, gap=1)[..., 0]
    np.testing.assert_array_equal(picture[[0, 3], :3], [[100] * 3, [200] * 3])
    np.testing.assert_array_equal(picture[:, 3:8], [[0, 0, 255, 0, 0]] * len(picture))
    np.testing.assert_array_equal(picture[:, 8:], without)
    with pytest.raises(ValueError, match="3 sources"):
        grids.style_grid(styles, 2, plain([1, 2, 3]))


def test_an_input_is_beside_its_reconstruction_and_pairs_are_apart():
    picture = grids.reconstruction_grid(plain([10, 20, 30]), plain([11, 21, 31]), 2, gap=2)
    ground = grids.GROUND
    row = [ground] * 2 + [10] * 3 + [11] * 3 + [ground] * 2 + [20] * 3 + [21] * 3 + [ground] * 2
    np.testing.assert_array_equal(picture[2, :, 0], row)
    np.testing.assert_array_equal(picture[6, 2:8, 0], [30] * 3 + [31] * 3)
    np.testing.assert_array_equal(picture[[0, 1, 4, 5, -2, -1]], ground)


def test_reconstructions_of_another_shape_are_refused():
    with pytest.raises(ValueError, match="reconstructions"):
        grids.reconstruction_grid(plain([1, 2]), plain([1]))


def test_headings_stand_above_their_columns():
    styles, sources = (plain(values, 30, 30) for values in ([1, 2, 3, 4], [9, 8]))
    without = grids.style_grid(styles, 2, sources)
    picture = grids.style_grid(styles, 2, sources, headings=["one", "a name too long", "unused"])
    top = len(picture) - len(without)
    np.testing.assert_array_equal(picture[top:, :30], without[:, :30])
    np.testing.assert_array_equal(picture[top:, -62:], without[:, -62:])
    assert not picture[:top, :30].any()  # Nothing above the sources.
    assert picture[:top, -62:-32].max() > 100 and picture[:top, -30:].max() > 100
    # Where columns are narrower than a letter, the picture stays as wide.
    assert grids.style_grid(plain([1, 2]), 2, headings="ab").shape[1] == plain([1]).shape[2] * 2 + 2


def test_mistakes_show_the_images_with_a_wrong_label_alone():
    pixels = np.zeros((4, 28, 28, 1), np.uint8)
    pixels[1], pixels[3] = 100, 200
    labels, predicted = np.array([0, 1, 2, 0]), np.array([0, 2, 2, 1])
    picture = grids.mistakes(pixels, labels, predicted, ["a", "b", "c"], n_columns=2)
    assert picture.shape == (20 + 84 + 20, 2 * 84 + 4, 1)
    assert picture[:20].max() > 100  # The heading.
    picture = picture[20:]
    assert (picture[:84, :84] == 100).all() and (picture[:84, 88:] == 200).all()
    assert picture[84:, :84].max() > 100  # The caption.


@pytest.mark.parametrize(
    "n_wrong, told",
    [
        (0, "0 wrong predictions in 9 images: true > predicted"),
        (2, "2 wrong predictions in 9 images: true > predicted"),
        (5, "the first 4 of 5 wrong predictions in 9 images: true > predicted"),
    ],
)
def test_mistakes_say_how_many_of_how_many_are_shown(n_wrong, told, monkeypatch):
    words = []
    own = grids._caption
    monkeypatch.setattr(grids, "_caption", lambda *given: words.append(given[0]) or own(*given))
    predicted = np.zeros(9, int)
    predicted[:n_wrong] = 1
    grids.mistakes(np.zeros((9, 8, 8, 3), np.uint8), np.zeros(9, int), predicted, "ab", 2, most=4)
    assert words[-1] == told


def test_mistakes_of_a_model_without_any_are_a_dark_row():
    picture = grids.mistakes(np.zeros((2, 8, 8, 3), np.uint8), np.arange(2), np.arange(2), "ab")
    assert picture.shape[2] == 3 and picture[:20].any() and not picture[20:].any()


def test_styles_of_thousands_of_classes_are_cut_and_say_so(monkeypatch):
    class Data:
        n_classes, class_names = 3000, tuple(f"c{k}" for k in range(3000))

        def as_images(self, x):
            return np.reshape(x, (-1, 28, 28, 1))

    class Model:
        def decode(self, z, y):
            assert y.shape == (2 * grids.MOST_CLASSES, 3000)
            return tf.argmax(y, axis=1)[:, None] / 255 * tf.ones([1, 28 * 28], tf.float64)

    words = []
    own = grids._caption
    monkeypatch.setattr(grids, "_caption", lambda *given: words.append(given[0]) or own(*given))
    picture = grids.styles(Model(), Data(), tf.zeros([2, 5]))
    assert picture.shape[1] == grids.MOST_CLASSES * 30 - 2
    np.testing.assert_array_equal(picture[-1, ::30, 0], np.arange(grids.MOST_CLASSES))
    assert words[-1] == "the first 100 of 3000 classes"


def test_swaps_stand_in_the_row_of_their_z_and_the_column_of_their_s():
    picture = grids.swap_grid(plain([1, 2]), plain([11, 12, 21, 22]))
    np.testing.assert_array_equal(picture[::4, ::5, 0], [[0, 1, 2], [1, 11, 12], [2, 21, 22]])
