"""Data sets of TFDS, on its own mocked data; and whether a server answers."""

import pathlib
import threading
import time
import types

from adversarial_autoencoder import datasets
from adversarial_autoencoder.datasets import mnist, tfds

import numpy as np
import pytest
from small_data import complaint


@pytest.mark.parametrize(("name", "shape"), [("mnist", (28, 28, 1)), ("cifar10", (32, 32, 3))])
def test_tfds_data_sets_are_read(network, name, shape):
    tfds = pytest.importorskip("tensorflow_datasets")
    network(True)
    with tfds.testing.mock_data(num_examples=240):
        dataset = datasets.load(name)
    assert (dataset.name, dataset.image_shape) == (name, shape)
    assert (len(dataset.train), len(dataset.validation), len(dataset.test)) == (220, 20, 240)
    assert dataset.train.images.dtype == np.uint8
    assert dataset.class_names == tuple("0123456789")  # Their names are not part of the mock.


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("cats_vs_dogs", "vary in size"),
        ("celeb_a", "0 class labels"),
        ("glue", "0 image features"),
        ("mnits", "did you mean mnist"),
        ("glyph", "did you mean glyphs"),
        ("no such", "no such"),
        ("", "auto"),
        ("emnist/foo", "letters"),
        ("digits.npy", ".npz"),
    ],
)
def test_a_tfds_data_set_that_does_not_serve_is_refused(network, name, word):
    network(False)
    message = complaint(name)
    assert f"--dataset={name}" in message and word in message


@pytest.fixture
def prepare(network, tmp_path):
    """Prepares on disk a real data set of TFDS' making, with a training split only."""
    tfds = pytest.importorskip("tensorflow_datasets")
    network(False)

    class Marks(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        VERSION = tfds.core.Version("1.0.0")
        pkg_dir_path = tmp_path
        kind = np.int64

        def _info(self):
            features = {"picture": tfds.features.Image(shape=(4, 6, 1)), "kind": self.kind}
            return tfds.core.DatasetInfo(
                builder=self, features=tfds.features.FeaturesDict(features)
            )

        def _split_generators(self, dl_manager):
            return {"train": self._generate_examples()}

        def _generate_examples(self):
            for i in range(70):
                yield i, {"picture": np.full((4, 6, 1), i, np.uint8), "kind": 1 + i % 2}

    def prepare(kind=np.int64):
        Marks.kind = kind
        builder = Marks(data_dir=tmp_path)
        builder.download_and_prepare()
        return builder

    return prepare


def test_of_a_lone_training_split_the_last_seventh_is_for_testing(prepare, tmp_path):
    prepare()
    dataset = datasets.load("marks", str(tmp_path))
    assert (len(dataset.train), len(dataset.validation), len(dataset.test)) == (55, 5, 10)
    seen = [set(s.images[:, 0, 0, 0]) for s in (dataset.train, dataset.validation, dataset.test)]
    assert len(set.union(*seen)) == 70
    assert (dataset.image_shape, dataset.class_names) == ((4, 6, 1), ("1", "2"))


def test_classes_without_images_are_left_out_and_the_others_keep_their_names(prepare, tmp_path):
    tfds = pytest.importorskip("tensorflow_datasets")
    prepare(tfds.features.ClassLabel(names=["ape", "bee", "cat"]))
    assert datasets.load("marks", str(tmp_path)).class_names == ("bee", "cat")


def test_prepared_data_that_are_damaged_are_named(prepare, tmp_path):
    (file,) = pathlib.Path(prepare().data_dir).glob("*.tfrecord*")
    file.write_bytes(file.read_bytes()[:-100])
    message = complaint("marks", str(tmp_path))
    assert str(tmp_path) in message and "delete" in message


# The probe.


def test_the_probe_ends_in_time_even_if_the_look_up_of_the_name_hangs(monkeypatch):
    import requests

    hang = threading.Event()

    def wait(*args, **kwargs):
        hang.wait(30)
        raise requests.ConnectionError

    monkeypatch.setattr(requests, "head", wait)
    monkeypatch.setattr(tfds, "PROBE_SECONDS", 0.1)
    begin = time.monotonic()
    assert not tfds._answers(mnist.URL)
    assert time.monotonic() - begin < 5
    hang.set()


def test_the_probe_takes_a_server_in_trouble_for_no_answer(monkeypatch):
    import requests

    for status, expected in ((200, True), (405, True), (503, False)):
        answer = types.SimpleNamespace(status_code=status)
        monkeypatch.setattr(requests, "head", lambda *args, _answer=answer, **kwargs: _answer)
        assert tfds._answers(mnist.URL) is expected

    def refuse(*args, **kwargs):
        raise requests.ConnectionError

    monkeypatch.setattr(requests, "head", refuse)
    assert not tfds._answers(mnist.URL)
