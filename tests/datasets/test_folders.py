"""The user's own folder of images by class."""

import pathlib

from adversarial_autoencoder import datasets
from adversarial_autoencoder.datasets import folders
from adversarial_autoencoder.system.errors import UserError

import numpy as np
import pytest
import tensorflow as tf
from small_data import images


def write(path, image):
    path.parent.mkdir(parents=True, exist_ok=True)
    encode = tf.io.encode_jpeg if path.suffix == ".jpg" else tf.io.encode_png
    path.write_bytes(encode(image).numpy())


def fill(folder, classes=("crow", "ant", "bee"), n=20, shape=(6, 5, 3)):
    """Images whose first pixel says which class they show, and which of it they are."""
    for k, name in enumerate(sorted(classes)):
        for i, image in enumerate(images(n, shape, seed=k)):
            image[0, 0] = [k, i, 0][: shape[2]]
            write(folder / name / f"{i:03}.png", image)
    return folder


def test_a_folder_has_a_class_for_each_of_its_folders(tmp_path):
    dataset = datasets.load(str(fill(tmp_path / "own")))
    assert dataset.class_names == ("ant", "bee", "crow")
    assert (len(dataset.train), len(dataset.validation), len(dataset.test)) == (50, 4, 6)
    assert dataset.image_shape == (6, 5, 3) and dataset.name == str(tmp_path / "own")
    seen = set()
    for split in (dataset.train, dataset.validation, dataset.test):
        np.testing.assert_array_equal(split.images[:, 0, 0, 0], split.labels)
        seen |= {(k, i) for k, i, _ in split.images[:, 0, 0].tolist()}
    assert len(seen) == 60
    assert dataset.fingerprint == datasets.load(str(tmp_path / "own") + "/").fingerprint


def test_folders_train_and_test_say_what_is_for_testing(tmp_path):
    fill(tmp_path / "train", n=12)
    fill(tmp_path / "test", classes=("ant", "bee", "crow"), n=2)
    data = datasets.load(str(tmp_path))
    assert (len(data.train), len(data.validation), len(data.test)) == (33, 3, 6)
    assert data.class_names == ("ant", "bee", "crow")
    fill(tmp_path / "test", classes=("dog",), n=1)
    with pytest.raises(UserError, match="test has the class dog, and train not"):
        datasets.load(str(tmp_path))


@pytest.mark.parametrize("loose", [0, 3])
def test_a_folder_of_test_images_without_classes_is_told(loose, tmp_path):
    fill(tmp_path / "train", n=12)
    (tmp_path / "test").mkdir()
    for k, image in enumerate(images(loose)):
        write(tmp_path / "test" / f"{k}.png", image[..., np.newaxis])
    with pytest.raises(UserError, match="test has no folder with images: put .* in .*train"):
        datasets.load(str(tmp_path))


def test_a_relative_name_is_a_folder_where_it_holds_images(tmp_path, monkeypatch):
    fill(tmp_path / "cifar10")
    (tmp_path / "emnist" / "letters").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert folders.is_one("cifar10")
    assert not folders.is_one("emnist")
    assert folders.is_one("./emnist")
    assert not folders.is_one("not there")


def test_images_of_several_sizes_need_an_image_size(tmp_path):
    fill(tmp_path, n=20)
    write(tmp_path / "ant" / "big.png", np.full((12, 20, 3), 100, np.uint8))
    with pytest.raises(UserError, match="6 x 5 and .*big.png 12 x 20: give --image_size"):
        datasets.load(str(tmp_path))
    dataset = datasets.load(str(tmp_path), image_size=4)
    assert dataset.image_shape == (4, 4, 3)
    parts = (dataset.train, dataset.validation, dataset.test)
    everything = np.concatenate([split.images for split in parts])
    assert (everything == 100).all(axis=(1, 2, 3)).sum() == 1


def test_grey_images_stay_grey_unless_one_has_colour(tmp_path):
    fill(tmp_path, shape=(6, 5, 1))
    assert datasets.load(str(tmp_path)).image_shape == (6, 5, 1)
    write(tmp_path / "ant" / "last.png", images(1, (6, 5, 4))[0])  # With transparency.
    assert datasets.load(str(tmp_path)).image_shape == (6, 5, 3)


def test_other_files_are_named_and_passed_over(tmp_path, capsys):
    fill(tmp_path)
    (tmp_path / "notes.txt").write_text("not an image")
    (tmp_path / "ant" / ".DS_Store").write_text("nor this")
    fill(tmp_path, classes=(".ipynb_checkpoints",), n=1)
    (tmp_path / "empty").mkdir()
    dataset = datasets.load(str(tmp_path))
    assert dataset.class_names == ("ant", "bee", "crow")
    assert "Passed over" in (told := capsys.readouterr().err)
    assert ".ipynb_checkpoints, ant/.DS_Store, empty, notes.txt." in told


def test_images_that_cannot_be_read_are_counted_and_the_first_are_named(tmp_path):
    fill(tmp_path)
    for k in range(8):
        (tmp_path / "bee" / f"broken{k}.png").write_bytes(b"no image")
    with pytest.raises(UserError, match="8 of 68 images cannot be read") as told:
        datasets.load(str(tmp_path))
    assert str(tmp_path / "bee" / "broken0.png") in str(told.value)
    assert str(told.value).count("broken") == folders.NAMED and "\n" not in str(told.value)


def test_class_folders_that_are_numbers_are_ordered_as_numbers(tmp_path):
    for k in range(12):
        for image in range(8):
            write(tmp_path / str(k) / f"{image}.png", np.full((6, 5, 1), 20 * k, np.uint8))
    data = datasets.load(str(tmp_path))
    assert data.class_names == tuple(map(str, range(12)))
    np.testing.assert_array_equal(data.test.images[:, 0, 0, 0], 20 * data.test.labels)


def test_a_class_too_small_to_give_a_test_image_is_named(tmp_path, capsys):
    fill(tmp_path)
    fill(tmp_path, classes=("dog",), n=3)
    assert datasets.load(str(tmp_path)).n_classes == 4
    assert "none shows dog: fewer than 7 images" in capsys.readouterr().err


def test_a_relative_path_that_exists_is_never_unknown(tmp_path, monkeypatch, network):
    network(False)
    monkeypatch.chdir(tmp_path)
    for part in ("train", "test"):
        fill(tmp_path / "my_images" / part, n=12)
    assert len(datasets.load("my_images").test) == 36
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").touch()
    with pytest.raises(UserError, match="--dataset=notes is a folder without images"):
        datasets.load("notes")


def test_the_ground_of_transparent_images_is_chosen(tmp_path, npz):
    for name in ("ant", "bee"):
        for k in range(8):
            write(tmp_path / name / f"{k}.png", np.full((6, 5, 4), 0, np.uint8))
    assert (datasets.load(str(tmp_path)).train.images == 255).all()
    assert not datasets.load(str(tmp_path), ground="black").train.images.any()
    with pytest.raises(UserError, match="--ground=black is for a folder of images"):
        datasets.load(npz, ground="black")


def test_more_images_than_memory_are_refused(tmp_path, monkeypatch):
    fill(tmp_path)
    monkeypatch.setattr(folders.npz, "available_memory", lambda: 1000)
    with pytest.raises(UserError, match="more than the 1000 bytes of memory that are free"):
        datasets.load(str(tmp_path))


def test_a_folder_that_may_not_be_read_is_named(tmp_path, monkeypatch):
    fill(tmp_path)
    iterdir = pathlib.Path.iterdir

    def refuse(path):
        if path.name == "bee":
            raise PermissionError(13, "Permission denied")
        return iterdir(path)

    monkeypatch.setattr(pathlib.Path, "iterdir", refuse)
    with pytest.raises(UserError, match=r"bee cannot be read \(Permission denied\): change who"):
        datasets.load(str(tmp_path))


@pytest.mark.parametrize(
    "classes, n, complaint",
    [
        ((), 0, "has 0 folders with images, and two or more"),
        (("ant",), 20, "has 1 folders with images, and two or more"),
        (("ant", "bee"), 3, "fewer than 7 images of each class"),
    ],
)
def test_a_folder_with_too_little_in_it_is_refused(classes, n, complaint, tmp_path):
    fill(tmp_path, classes, n)
    with pytest.raises(UserError, match=complaint):
        datasets.load(str(tmp_path))


def test_an_image_size_is_for_folders_alone(npz):
    with pytest.raises(UserError, match="--image_size=8 is for a folder of images"):
        datasets.load(npz, image_size=8)
