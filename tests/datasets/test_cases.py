"""Data as people have them: what each small data set is read as, or the one line about it."""

import part1_autoencoder
import part2_aae
import part3_style_content
import part4_semisupervised
from adversarial_autoencoder import datasets, options
from adversarial_autoencoder.system.errors import UserError
from experiments import clustering

import numpy as np
import pytest
from PIL import Image

N = 16
GREY = (np.add.outer(np.arange(N), np.arange(N)) / (2 * N - 2) * 200).astype(np.uint8)
GREY[:5, :9] = 255  # A bright block in the upper left corner.
COLOUR = np.stack([GREY, GREY[::-1], 255 - GREY], -1)
TRANSPARENT = np.dstack([COLOUR, np.full((N, N), 255, np.uint8)])
TRANSPARENT[8:, 8:] = [255, 0, 255, 0]
ON_WHITE = COLOUR.copy()
ON_WHITE[8:, 8:] = 255
GLYPH = np.zeros((N, N, 4), np.uint8)
GLYPH[4:12, 4:12, 3] = 255
ROTATED = Image.Exif()
ROTATED[0x0112] = 6


def image_folder(root, pixels, ending, mode=None, **settings):
    for name in ("a", "b"):
        (root / name).mkdir(parents=True)
        for k in range(14):
            image = Image.fromarray(pixels)
            image = image.convert(mode, palette=Image.Palette.ADAPTIVE) if mode else image
            image.save(root / name / f"{k:03}{ending}", **settings)
    return str(root)


JPEG = {"quality": 100, "subsampling": 0, "exif": ROTATED}
IMAGES = {
    "transparent PNG": (TRANSPARENT, ".png", {}, ON_WHITE),
    "black glyph on nothing": (GLYPH, ".png", {}, 255 - GLYPH[..., 3:]),
    "transparent GIF": (TRANSPARENT, ".gif", {}, ON_WHITE),
    "rotated by EXIF": (COLOUR, ".jpg", JPEG, np.rot90(COLOUR, -1)),
    "palette BMP": (COLOUR, ".bmp", {"mode": "P"}, COLOUR),
    "WebP": (COLOUR, ".webp", {"lossless": True}, COLOUR),
    "TIFF": (COLOUR, ".tif", {}, COLOUR),
    "grey stored in colour": (np.stack([GREY] * 3, -1), ".png", {}, GREY[..., None]),
    "twelve bits in sixteen": (GREY.astype(np.uint16) * 16, ".png", {}, GREY[..., None] // 16),
}
LOSSY = {"transparent GIF": 40, "rotated by EXIF": 12, "palette BMP": 40}


@pytest.mark.parametrize("case", IMAGES)
def test_images_are_read_as_a_viewer_shows_them(case, tmp_path, capsys, caplog):
    pixels, ending, settings, expected = IMAGES[case]
    data = datasets.load(image_folder(tmp_path / "own", pixels, ending, **settings))
    assert data.image_shape == expected.shape
    everything = np.concatenate([s.images for s in (data.train, data.validation, data.test)])
    assert np.abs(everything.astype(int) - expected).max() <= LOSSY.get(case, 0)
    told = capsys.readouterr().err
    is_transparent = pixels.shape[-1] == 4
    assert told.count("28 of 28 images are transparent and shown on white") == is_transparent
    assert ("brightest pixel is 15 of 255" in caplog.text) == (case == "twelve bits in sixteen")


def put(folder, n=14):
    folder.mkdir(parents=True)
    for k in range(n):
        Image.fromarray(np.roll(GREY, k, 0)).save(folder / f"{k:03}.png")


def parts_of(root, **counts):
    for part, n in counts.items():
        for name in ("cat", "dog"):
            put(root / part / name, n)


@pytest.mark.parametrize(
    "parts",
    [("train", "val", "test"), ("Train", "Valid", "Testing"), ("TRAINING", "VALIDATION", "TEST")],
)
def test_val_has_the_validation_images(parts, tmp_path):
    parts_of(tmp_path, **dict(zip(parts, (14, 4, 5), strict=True)))
    data = datasets.load(str(tmp_path))
    assert (len(data.train), len(data.validation), len(data.test)) == (28, 8, 10)
    assert np.bincount(data.validation.labels).tolist() == [4, 4]
    assert data.class_names == ("cat", "dog")
    assert len(set(data.train.labels[:14])) == 2  # Shuffled, so that --n_images has each class.


def test_without_a_folder_test_every_seventh_image_is_for_testing(tmp_path):
    parts_of(tmp_path, train=14, val=4)
    data = datasets.load(str(tmp_path))
    assert (len(data.train), len(data.validation), len(data.test)) == (24, 8, 4)


def test_what_systems_leave_behind_is_passed_over(tmp_path):
    parts_of(tmp_path, train=14, test=14)
    for name in ("__MACOSX", "@eaDir"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.png").write_bytes(b"\0")
    data = datasets.load(str(tmp_path))
    assert (data.class_names, len(data.test)) == (("cat", "dog"), 28)


def test_one_folder_too_deep_says_which_to_give(tmp_path):
    parts_of(tmp_path, unzipped=14)
    for labels in datasets.dataset.LABELS:
        with pytest.raises(UserError, match=f"give --dataset={tmp_path / 'unzipped'}$"):
            datasets.load(str(tmp_path), labels=labels)
    parts_of(tmp_path / "deep" / "down", train=14, test=3)
    with pytest.raises(UserError, match=f"give --dataset={tmp_path / 'deep' / 'down'}$"):
        datasets.load(str(tmp_path / "deep"))


def test_years_below_classes_are_read(tmp_path):
    for name in ("cat", "dog"):
        for year in ("2024", "2025"):
            put(tmp_path / name / year)
    data = datasets.load(str(tmp_path))
    assert data.class_names == ("cat", "dog")
    assert (len(data.train), len(data.validation), len(data.test)) == (44, 4, 8)


def npz(folder, **arrays):
    images = np.stack([np.roll(GREY, k, 0) for k in range(40)])
    np.savez(folder / "own.npz", **({"x_train": images, "x_test": images[:9]} | arrays))
    return str(folder / "own.npz")


def flat(folder):
    put(folder / "flat", 20)
    return str(folder / "flat")


def one_class(folder):
    put(folder / "one" / "cat", 20)
    return str(folder / "one")


UNLABELLED = {
    "no y": (npz, ("unlabelled",)),
    "zeros": (lambda f: npz(f, y_train=np.zeros(40, int), y_test=np.zeros(9, int)), ("0",)),
    "all -1": (lambda f: npz(f, y_train=np.full(40, -1), y_test=np.arange(9) % 3), ("unlabelled",)),
    "flat folder": (flat, ("unlabelled",)),
    "one class": (one_class, ("cat",)),
}


@pytest.mark.parametrize("case", UNLABELLED)
def test_images_without_classes_serve_models_that_use_no_labels(case, tmp_path):
    make, names = UNLABELLED[case]
    path = make(tmp_path)
    data = datasets.load(path, labels="none")
    assert (data.n_classes, data.class_names) == (1, names)
    assert len(data.train) + len(data.validation) in (40, 18)
    assert not data.train.labels.any() and not data.test.labels.any()
    for labels in ("all", "some"):
        with pytest.raises(UserError, match="parts 1 and 2") as told:
            datasets.load(path, labels=labels)
        assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    "script, labels",
    [
        (part1_autoencoder.Autoencoder, "none"),
        (part2_aae.AdversarialAutoencoder, "none"),
        (part3_style_content.AdversarialAutoencoder, "all"),
        (part4_semisupervised.AdversarialAutoencoder, "some"),
        (clustering.AdversarialAutoencoder, "none"),
    ],
)
def test_each_model_loads_the_images_that_it_can_use(script, labels, tmp_path):
    flags = options.parse(["script.py", f"--dataset={npz(tmp_path)}"], "", {})
    assert script.LABELS == labels
    if labels == "none":
        assert script.load_data(flags).n_classes == 1
    else:
        with pytest.raises(UserError, match="has no labels, and this script needs classes"):
            script.load_data(flags)
    path = npz(tmp_path, y_train=np.arange(40) % 4 - 1, y_test=np.arange(9) % 3)
    data = script.load_data(options.parse(["script.py", f"--dataset={path}"], "", {}))
    assert data.n_training == (28 if labels == "all" else 38)
    assert len(script.training_images(script, data)) == data.n_training


def test_images_labelled_minus_one_are_used_without_a_label_or_left_out(tmp_path, capsys):
    y = np.arange(40) % 4 - 1
    path = npz(tmp_path, y_train=y, y_test=np.arange(9) % 3)
    data = datasets.load(path, labels="some")
    assert "10 images have no label and are used without one" in capsys.readouterr().err
    assert data.class_names == ("0", "1", "2")
    assert (len(data.train), len(data.validation), len(data.unlabelled)) == (28, 2, 10)
    together = data.all_training()
    assert (len(together), data.n_training) == (38, 38)
    assert np.bincount(together.labels)[3] == 10  # A row of zeros where one-hot.
    fewer = datasets.load(path, None, 30, labels="some")
    assert (len(fewer.train), len(fewer.unlabelled), fewer.n_training) == (28, 2, 30)
    assert fewer.fingerprint != data.fingerprint
    data = datasets.load(path)
    assert "10 images have no label and are left out" in capsys.readouterr().err
    assert (len(data.train), data.unlabelled, data.class_names) == (28, None, ("0", "1", "2"))


@pytest.mark.parametrize("name", ["unlabeled", "Unlabelled"])
@pytest.mark.parametrize("parts", [(), ("train", "test")])
def test_a_folder_of_unlabelled_images_is_no_class(parts, name, tmp_path):
    if parts:
        parts_of(tmp_path, **dict.fromkeys(parts, 14))
    else:
        for own in ("cat", "dog"):
            put(tmp_path / own, 14)
    put(tmp_path / name, 9)
    data = datasets.load(str(tmp_path), labels="some")
    assert (data.class_names, len(data.unlabelled)) == (("cat", "dog"), 9)
    assert set(data.test.labels) == {0, 1}
    assert datasets.load(str(tmp_path)).unlabelled is None


@pytest.mark.parametrize(
    "scale, brightest",
    [(lambda x: x // 16, 15), (lambda x: x / 255.0 / 255, 1), (lambda x: x // 128, 1)],
)
def test_dark_data_are_told_with_the_figure(scale, brightest, tmp_path, caplog):
    images = np.stack([np.roll(GREY, k, 0) for k in range(40)])
    y = {"y_train": np.arange(40) % 2, "y_test": np.arange(9) % 2}
    path = npz(tmp_path, x_train=scale(images), x_test=scale(images[:9]), **y)
    datasets.load(path)
    assert f"brightest pixel is {brightest} of 255, almost black: scale the pixels" in caplog.text
    assert len(caplog.records) == 1
    caplog.clear()
    datasets.load(npz(tmp_path, **y))
    assert not caplog.records
