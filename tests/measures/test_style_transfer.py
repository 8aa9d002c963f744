"""Whether a style carries over to every label, on images whose answer is known."""

from adversarial_autoencoder.measures import style_transfer

import numpy as np
import pytest


def bars(slants, heights, widths):
    """Bars drawn four times finer and averaged down, [n, 28, 28, 1] in [0, 1]."""
    y, x = np.mgrid[:112, :112] / 4 - 13.875
    drawn = [
        np.where((abs(y) < height / 2) & (abs(x + slant * y) < width / 2), 1.0, 0.0)
        for slant, height, width in zip(slants, heights, widths, strict=True)
    ]
    return np.stack(drawn).reshape(-1, 28, 4, 28, 4).mean(axis=(2, 4))[..., np.newaxis]


def random_bars(n=40):
    generator = np.random.default_rng(1)
    return bars(
        generator.uniform(-0.4, 0.4, n), generator.uniform(12, 20, n), generator.uniform(2, 6, n)
    )


def test_slant_is_that_of_a_sheared_bar():
    slants = np.array([-0.5, 0, 0.3, 0.6])
    features = style_transfer.stroke_features(bars(slants, [16] * 4, [3] * 4))
    np.testing.assert_allclose(features["slant"], slants, atol=0.03)


def test_width_and_height_are_the_extent_of_the_ink():
    features = style_transfer.stroke_features(bars([0] * 3, [10, 16, 20], [4, 8, 12]))
    np.testing.assert_allclose(features["height"], 0.96 * np.array([10, 16, 20]), atol=0.3)
    np.testing.assert_allclose(features["width"], 0.96 * np.array([4, 8, 12]), atol=0.3)


def test_thickness_is_the_width_of_a_stroke():
    widths = np.array([2, 3, 4, 5])
    features = style_transfer.stroke_features(bars([0] * 4, [20] * 4, widths))
    assert np.all(np.diff(features["thickness"]) > 0)
    np.testing.assert_allclose(features["thickness"], widths, atol=0.6)


def test_an_image_without_ink_has_no_features():
    features = style_transfer.stroke_features(np.zeros([2, 28, 28, 1]))
    assert all(np.all(values == 0) for values in features.values())


def test_bytes_are_measured_like_floats():
    images = (bars([0.2], [16], [3]) * 255).astype(np.uint8)
    a, b = (style_transfer.stroke_features(x) for x in (images, images / 255))
    assert all(np.allclose(a[name], b[name]) for name in style_transfer.FEATURES)


def test_the_distance_is_that_to_the_nearest_pixel_without_ink():
    ink = np.random.default_rng(0).random((3, 9, 11)) > 0.1
    found = style_transfer.distance_to_background(ink)
    for image, distances in zip(ink, found, strict=True):
        padded = np.pad(image, 1)
        places = np.argwhere(~padded) - 1
        for y, x in np.ndindex(image.shape):
            nearest = np.sqrt(((places - [y, x]) ** 2).sum(axis=1).min())
            assert distances[y, x] == pytest.approx(nearest if image[y, x] else 0, abs=1e-5)


def test_features_agree_where_the_style_carries_over_and_not_where_z_is_ignored():
    sources = random_bars()
    n = len(sources)
    same = np.repeat(sources[:, np.newaxis], 3, axis=1)
    assert all(v > 0.999 for v in style_transfer.style_agreement(same, sources).values())
    ignores_z = np.repeat(sources[np.newaxis, :3], n, axis=0)
    assert all(v == 0 for v in style_transfer.style_agreement(ignores_z, sources).values())
    mirrored = np.repeat(sources[:, np.newaxis, :, ::-1], 3, axis=1)
    assert style_transfer.style_agreement(mirrored, sources)["style_agreement_slant"] < -0.99


def test_a_code_that_is_the_label_is_no_style():
    """One picture a class, and a decoder that ignores the label."""
    labels = np.arange(40) % 4
    sources = random_bars(4)[labels]
    rows = np.repeat(sources[:, np.newaxis], 3, axis=1)
    assert all(v > 0.99 for v in style_transfer.style_agreement(rows, sources).values())
    relative = style_transfer.style_agreement(rows, sources, labels)
    assert all(abs(v) < 1e-6 for v in relative.values())


def test_the_share_of_images_and_of_rows_that_show_the_label_asked_for():
    def read(images):
        return images[:, 0, 0, 0]

    shape = [20, 10, 4, 4, 1]
    by_label = np.broadcast_to(np.arange(10).reshape(1, 10, 1, 1, 1), shape).astype(np.uint8)
    found = style_transfer.style_transfer(read, by_label)
    assert found["style_transfer_accuracy"] == found["style_transfer_rows"] == 1
    by_code = np.broadcast_to(np.arange(20).reshape(20, 1, 1, 1, 1) % 10, shape).astype(np.uint8)
    found = style_transfer.style_transfer(read, by_code)
    assert found["style_transfer_accuracy"] == pytest.approx(0.1)
    assert found["style_transfer_rows"] == 0
    one_wrong = by_label.copy()
    one_wrong[0, 3] = 4
    found = style_transfer.style_transfer(read, one_wrong)
    assert found["style_transfer_accuracy"] == pytest.approx(0.995)
    assert found["style_transfer_rows"] == pytest.approx(0.95)
