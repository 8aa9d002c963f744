"""What TensorBoard's projector is given: one line a code, metadata and a thumbnail for each."""

import types

import part1_autoencoder
import part2_aae
from adversarial_autoencoder import datasets, inference
from adversarial_autoencoder.pictures import grids
from adversarial_autoencoder.runs import projector
from adversarial_autoencoder.runs import run as runs
from adversarial_autoencoder.system.errors import UserError
from experiments import classifier

import numpy as np
import pytest
import tensorflow as tf
from conftest import SMALL, blank_plots, disk_full, keep_checkpoint
from google.protobuf import text_format
from PIL import Image
from tensorboard.plugins.projector import ProjectorConfig


class Model(tf.Module):
    """An encoder whose code is the first pixels of the image."""

    labels_are_clusters = False

    def __init__(self, z_dim=3, classify=None):
        super().__init__()
        self.z_dim, self.classify = z_dim, classify
        self.encoder = types.SimpleNamespace(layers=[])

    def exports(self):
        return {"encoder": self.encoder}

    def encode(self, x):
        return x[:, : self.z_dim]

    def draw_codes(self, images):
        return inference.encode(self.encode, images)


@pytest.fixture
def write(tmp_path):
    """Writes for the projector; returns the lines of codes and metadata, sprite and settings."""

    def write_all(model, test, names=tuple("abc")):
        run = runs.Run(tmp_path)
        run.tensorboard.mkdir(exist_ok=True)
        data = datasets.Dataset("data", test, test, test, len(names), names)
        projector.write(model, data, run)
        return read(run.tensorboard)

    return write_all


def read(tensorboard):
    config = ProjectorConfig()
    text_format.Parse((tensorboard / "projector_config.pbtxt").read_text(), config)
    (embedding,) = config.embeddings
    codes, metadata = (
        (tensorboard / path).read_text().splitlines()
        for path in (embedding.tensor_path, embedding.metadata_path)
    )
    sprite = np.asarray(Image.open(tensorboard / embedding.sprite.image_path).convert("RGB"))
    return codes, metadata, sprite, embedding


def split(n, shape=(6, 6, 1), n_classes=3):
    pixels = np.random.default_rng(0).integers(0, 256, (n, *shape), np.uint8)
    return datasets.Split(pixels, np.arange(n, dtype=np.int32) % n_classes)


def test_each_test_image_has_its_code_its_label_and_its_thumbnail(write):
    test = split(5)
    codes, metadata, sprite, embedding = write(Model(), test)
    numbers = np.array([line.split("\t") for line in codes], np.float32)
    np.testing.assert_allclose(numbers, test.images.reshape(5, -1)[:, :3] / 255, rtol=1e-5)
    assert metadata == ["a", "b", "c", "a", "b"]
    assert sprite.shape == (2 * 6, 3 * 6, 3)  # Three a row.
    assert list(embedding.tensor_shape) == [5, 3]
    assert list(embedding.sprite.single_image_dim) == [6, 6]


def test_codes_of_two_numbers_get_a_third_which_the_projector_needs(write):
    codes, _, _, embedding = write(Model(z_dim=2), split(5))
    assert all(line.endswith("\t0") and line.count("\t") == 2 for line in codes)
    assert list(embedding.tensor_shape) == [5, 3]


def test_of_a_large_test_set_codes_are_taken_from_all_of_it(write, monkeypatch):
    monkeypatch.setattr(projector, "MOST_CODES", 9)
    test = split(30)
    test.labels.sort()
    codes, metadata, sprite, _ = write(Model(), test)
    assert len(codes) == len(set(codes)) == 9
    assert metadata == [*"aaabbbccc"]
    assert sprite.shape == (18, 18, 3)


def test_a_model_that_gives_labels_has_a_column_for_them(write):
    always_c = Model(classify=lambda x: tf.tile([[0.0, 0.0, 1.0]], [len(x), 1]))
    _, metadata, _, _ = write(always_c, split(3))
    assert metadata == ["label\tpredicted", "a\tc", "b\tc", "c\tc"]


def test_names_of_labels_keep_to_their_line_and_column(write):
    _, metadata, _, _ = write(Model(), split(3), names=("one\ttwo", "three\nfour\u2028five", " "))
    assert metadata == ["one two", "three four five", "?"]


def test_writing_again_replaces_what_was_there(write):
    write(Model(), split(7))
    codes, metadata, _, embedding = write(Model(), split(4))
    assert len(codes) == len(metadata) == embedding.tensor_shape[0] == 4


@pytest.mark.parametrize("shape", [(6, 4, 1), (4, 6, 3), (1, 1, 1), (3, 7, 1)])
def test_thumbnails_are_square_and_show_the_image_in_their_middle(shape):
    pixels = np.full((2, *shape), 255, np.uint8)
    sprite, side = grids.sprite(pixels, np.zeros(2, int), n_classes=3)
    assert side == max(shape) and sprite.shape == (side, 2 * side, 3)
    height, width = shape[:2]
    top, left = (side - height) // 2, (side - width) // 2
    first = sprite[:, :side].copy()
    inside = first[top : top + height, left : left + width]
    colour = [255, 255, 255] if shape[2] == 3 else inside[0, 0]
    assert (inside == colour).all()
    inside[:] = 255
    assert (first == 255).all()


def test_grey_thumbnails_have_the_colour_of_their_class_on_white():
    pixels = np.zeros((2, 2, 1, 1), np.uint8)
    pixels[:, 0] = 255
    sprite, _ = grids.sprite(pixels, np.array([0, 1]), n_classes=3)
    assert (sprite[0, 0] != sprite[0, 2]).any()
    assert (sprite[1] == 255).all()


def test_thumbnails_of_large_images_are_thinned_out():
    sprite, side = grids.sprite(np.zeros((4, 50, 30, 3), np.uint8), np.zeros(4, int), 1, most=40)
    assert side == 17 and sprite.shape == (34, 34, 3)


def test_a_full_disk_is_told_in_one_line(write, tmp_path, monkeypatch):
    keep_checkpoint(tmp_path)
    monkeypatch.setattr(projector.files, "write_atomically", disk_full)
    line = "^cannot write .*: the disk is full; .*: make room, then load the run again"
    with pytest.raises(UserError, match=line) as told:
        write(Model(), split(3))
    assert "\n" not in str(told.value)


def trained(script, name, npz, tmp_path, *words):
    common = (f"--dataset={npz}", f"--results_dir={tmp_path}", *SMALL, "--n_epochs=1")
    script.main([f"{name}.py", *common, *words])
    (run,) = (tmp_path / name).iterdir()
    return run


def test_a_script_writes_for_the_projector_when_trained_and_when_loaded(npz, tmp_path):
    run = trained(part1_autoencoder, "Autoencoder", npz, tmp_path, "--train")
    codes, metadata, sprite, embedding = read(run / "Tensorboard")
    assert len(codes) == len(metadata) == 30 and set(metadata) == {"0", "1", "2"}
    assert list(embedding.sprite.single_image_dim) == [6, 6]  # Of images of 6 x 5.

    (run / "Tensorboard" / "projector_config.pbtxt").unlink()
    trained(part1_autoencoder, "Autoencoder", npz, tmp_path)
    assert read(run / "Tensorboard")[0] == codes


def test_a_picture_that_was_asked_for_is_all_that_is_made(npz, tmp_path, monkeypatch):
    blank_plots(monkeypatch)
    run = trained(part2_aae, "Adversarial_Autoencoder", npz, tmp_path, "--train")
    config = run / "Tensorboard" / "projector_config.pbtxt"
    config.unlink()
    for words in (["--generate"], ["--visualize"], ["--epoch=1"]):
        trained(part2_aae, "Adversarial_Autoencoder", npz, tmp_path, *words)
        assert not config.exists(), words


def test_the_classifier_shows_its_logits(npz, tmp_path):
    run = trained(classifier, "Classifier", npz, tmp_path, "--train", "--n_labeled=30")
    codes, metadata, _, _ = read(run / "Tensorboard")
    assert {len(code.split("\t")) for code in codes} == {3} and metadata[0] == "label\tpredicted"
