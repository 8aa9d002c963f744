"""The built-in data set keeps its promises: labels, style factors, framing, repeatability."""

import dataclasses

from adversarial_autoencoder import datasets
from adversarial_autoencoder.datasets import glyphs, skeletons
from adversarial_autoencoder.system.errors import UserError

import matplotlib.font_manager
import numpy as np
import pytest

N = 2000


@pytest.fixture(scope="module")
def digits():
    images, labels, factors = glyphs.make(N, seed=0)
    return images, labels, dict(zip(glyphs.FACTOR_NAMES, factors.T, strict=True))


def moments(images):
    """The centre of mass, x and y in pixels from the middle, and the slope to the right."""
    ink = images[..., 0] / images.sum(axis=(1, 2, 3), dtype=float)[:, None, None]
    side = np.arange(28) - 13.5
    x, y = ink.sum(axis=1) @ side, ink.sum(axis=2) @ side
    right, down = side - x[:, None], side - y[:, None]
    shear = np.einsum("nyx,nx,ny->n", ink, right, down) / np.einsum("nyx,ny->n", ink, down**2)
    return x, y, -shear


def correlation(a, b):
    return np.corrcoef(a, b)[0, 1]


def test_shapes_and_types_are_those_promised(digits):
    images, labels, factors = digits
    assert images.shape == (N, 28, 28, 1) and images.dtype == np.uint8
    assert labels.shape == (N,) and labels.dtype == np.int32
    assert all(factor.shape == (N,) and factor.dtype == np.float32 for factor in factors.values())


def test_the_same_seed_draws_the_same_pictures():
    for first, second in zip(glyphs.make(1200, 7), glyphs.make(1200, 7), strict=True):
        np.testing.assert_array_equal(first, second)


def test_no_style_is_drawn_twice(digits):
    assert len(np.unique(digits[2]["slant"])) > 0.99 * N


def test_another_seed_or_purpose_draws_other_pictures_and_styles():
    first = glyphs.make(30, 7)
    for other in (glyphs.make(30, 8), glyphs.make(30, 7, "test")):
        for a, b in zip(first, other, strict=True):
            assert (a != b).any()


def test_a_smaller_draw_is_the_beginning_of_a_larger_one(digits):
    large = (digits[0], digits[1], np.column_stack(list(digits[2].values())))
    for n in (1, 700):
        for small, whole in zip(glyphs.make(n, seed=0), large, strict=True):
            np.testing.assert_array_equal(small, whole[:n])


def test_classes_are_evenly_drawn_and_in_no_order(digits):
    labels = digits[1]
    np.testing.assert_array_equal(np.bincount(labels), np.full(10, N // 10))
    assert abs(correlation(labels[:-1], labels[1:])) < 0.1
    assert abs(correlation(labels, np.arange(N))) < 0.1


def test_a_class_looks_like_itself_and_not_like_the_others(digits):
    images, labels, _ = digits
    test_images, test_labels, _ = glyphs.make(500, 0, "test")
    train = images.reshape(N, -1).astype(np.float32)
    test = test_images.reshape(500, -1).astype(np.float32)
    distances = (train**2).sum(axis=1) - 2 * test @ train.T
    nearest = labels[distances.argmin(axis=1)]
    assert (nearest == test_labels).mean() > 0.8


def test_brightness_is_like_that_of_mnist(digits):
    pixels = digits[0] / 255
    assert 0.12 < pixels.mean() < 0.15  # MNIST: 0.131
    assert 0.29 < pixels.std() < 0.33  # 0.308


def test_no_picture_is_empty_or_clipped_at_the_border(digits):
    images = digits[0][..., 0]
    assert images.max(axis=(1, 2)).min() > 100
    assert images.mean(axis=(1, 2)).min() > 5
    inner = images[:, 1:-1, 1:-1].sum(axis=(1, 2), dtype=int)
    border = images.sum(axis=(1, 2), dtype=int) - inner
    assert (border / inner).max() < 0.05
    assert (border > 255).mean() < 0.01


def test_factors_stay_within_their_ranges_and_use_them(digits):
    for name, (low, high) in glyphs.FACTOR_RANGES.items():
        factor = digits[2][name]
        assert low <= factor.min() < low + 0.25 * (high - low)
        assert high - 0.25 * (high - low) < factor.max() <= high
    assert set(digits[2]["font"]) == set(range(len(glyphs.FACES)))


def test_factors_are_independent_of_each_other_and_of_the_label(digits):
    _, labels, factors = digits
    table = np.corrcoef([labels, *factors.values()])
    np.fill_diagonal(table, 0)
    assert abs(table).max() < 0.1


def test_slant_and_rotation_lean_the_picture_by_as_many_degrees(digits):
    images, labels, factors = digits
    for digit in (1, 8):  # their mass lies along a straight line
        here = labels == digit
        lean = np.degrees(np.arctan(moments(images[here])[2]))
        assert correlation(lean, factors["slant"][here]) > 0.8
        assert correlation(lean, factors["rotation"][here]) < -0.2
        slope, _ = np.polyfit(factors["slant"][here] - factors["rotation"][here], lean, 1)
        assert 0.85 < slope < 1.15


def test_thickness_brightens_the_picture(digits):
    images, labels, factors = digits
    for digit in range(10):
        here = labels == digit
        brightness = images[here].mean(axis=(1, 2, 3))
        assert correlation(brightness, factors["thickness"][here]) > 0.65


def test_thickness_is_the_width_of_the_stroke_in_pixels():
    images, _, factors = glyphs.make(1000, seed=0, characters="1")
    style = dict(zip(glyphs.FACTOR_NAMES, factors.T, strict=True))
    bare = np.array([face.forms.get("1") == "|" for face in glyphs.FACES])
    here = bare[style["font"].astype(int)] & (abs(style["slant"]) < 10)
    length = style["size"] - style["thickness"] * (1 - np.pi / 4)  # of a bar of the same area
    width = images.sum(axis=(1, 2, 3)) / 255 / length
    assert abs((width / style["thickness"])[here].mean() - 1) < 0.1


def test_size_and_width_spread_the_ink(digits):
    images, labels, factors = digits
    images = images[..., 0] > 80
    height, width = images.any(axis=2).sum(axis=1), images.any(axis=1).sum(axis=1)
    longer = np.maximum(height, width)
    assert correlation(longer, factors["size"]) > 0.6
    assert abs((longer - factors["size"]).mean()) < 1
    for digit in (0, 2, 4):
        here = labels == digit
        assert correlation((width / height)[here], factors["width"][here]) > 0.3


def test_shifts_move_the_centre_of_mass(digits):
    x, y, _ = moments(digits[0])
    assert correlation(x, digits[2]["x_shift"]) > 0.6
    assert correlation(y, digits[2]["y_shift"]) > 0.6


def test_fonts_have_all_that_the_faces_draw():
    for face in glyphs.FACES:
        font = matplotlib.font_manager.get_font(str(skeletons.font(face.file).path))
        characters = glyphs.DIGITS + glyphs.UPPER + glyphs.LOWER + "".join(face.forms.values())
        missing = {c for c in characters if c != "↺" and not font.get_char_index(ord(c))}
        assert not missing, face.file


def test_letters_are_drawn_and_labelled_by_their_place_among_the_characters():
    images, labels, _ = glyphs.make(500, 0, characters="xAT")
    np.testing.assert_array_equal(np.bincount(labels), [167, 167, 166])
    mean = [images[labels == label, ..., 0].mean(axis=0) for label in range(3)]
    top = [picture[:9].sum() / picture.sum() for picture in mean]
    assert top[1] < top[0] < top[2]  # an A is narrow at the top, a T broad


def test_a_font_that_lacks_a_letter_has_the_shape_of_the_first_one():
    first, roman = (
        next(face for face in glyphs.FACES if face.file == file) for file in ("DejaVuSans", "cmr10")
    )
    assert [glyphs._lender(roman, character) for character in "RЖ"] == [roman, first]
    assert all(glyphs._lender(first, character) is first for character in glyphs.SCRIPTS)


@pytest.mark.slow
@pytest.mark.parametrize("characters", [glyphs.UPPER + glyphs.LOWER, glyphs.SCRIPTS[::6]])
def test_all_letters_are_drawn(characters):
    images, labels, _ = glyphs.make(5000, 0, characters=characters)
    assert set(np.bincount(labels)) <= {5000 // len(characters), 5000 // len(characters) + 1}
    assert images.max(axis=(1, 2, 3)).min() > 80
    assert images[:, [0, -1]].mean() < 1


@pytest.fixture(scope="module")
def turned():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(glyphs, "N_TURNED", 20_000)
        data = datasets.load("glyphs", n_images=10)
        return glyphs.turned(dataclasses.replace(data, n_classes=8, class_names="0234578961"))


def test_each_character_is_a_class_upright_turned_and_mirrored(turned):
    means = [
        turned.train.images[turned.train.labels == k, ..., 0].mean(axis=0)
        for k in range(turned.n_classes)
    ]
    mean = dict(zip(turned.class_names, means, strict=True))
    for k in range(4):
        for turn, upright in ((k, mean["4/0"]), (4 + k, mean["4/0"][:, ::-1])):
            found = mean[f"4/{turn}"].ravel()
            expected = [np.rot90(upright, other).ravel() for other in range(4)]
            assert np.argmax([correlation(found, each) for each in expected]) == k


def test_turned_characters_that_look_like_one_held_out_are_left_out(turned):
    assert "9/0" in turned.class_names and "9/2" not in turned.class_names  # Turned, it is a 6.
    assert "7/2" in turned.class_names and len(turned.class_names) < 8 * 8
    assert {name[0] for name in turned.class_names} == set("02345789")


def test_only_characters_can_be_turned(npz):
    with pytest.raises(UserError, match="--turned draws glyphs, .* is none: omit it"):
        glyphs.turned(datasets.load(str(npz)))


@pytest.mark.parametrize("characters", ["", "11", "5é", "a b", "-"])
def test_other_characters_are_refused(characters):
    with pytest.raises(ValueError, match="characters"):
        glyphs.make(10, 0, characters=characters)


@pytest.mark.parametrize("n", [0, -3])
def test_fewer_than_one_picture_is_refused(n):
    with pytest.raises(ValueError, match=f"n={n}"):
        glyphs.make(n, 0)
