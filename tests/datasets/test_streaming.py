"""Images that stay on disk: the same run as with images in memory."""

from adversarial_autoencoder import datasets
from adversarial_autoencoder.datasets import batches, streaming
from adversarial_autoencoder.system.errors import UserError

import numpy as np
import pytest
import tensorflow as tf
from small_data import complaint

tfds = pytest.importorskip("tensorflow_datasets")
pytest.importorskip("array_record")

N_SHARDS = 19  # TFDS' reader takes turns between 16 of them.


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A data set prepared twice: as TFDS usually does, and for random access."""
    folder = tmp_path_factory.mktemp("tfds")

    class Tiles(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        VERSION = tfds.core.Version("1.0.0")
        pkg_dir_path = folder

        def _info(self):
            features = {
                "image": tfds.features.Image(shape=(6, 5, 3), encoding_format="jpeg"),
                "label": tfds.features.ClassLabel(names=["a", "b", "c"]),
            }
            features = tfds.features.FeaturesDict(features)
            return tfds.core.DatasetInfo(builder=self, features=features)

        def _split_generators(self, dl_manager):
            return {"train": self._generate_examples(600), "test": self._generate_examples(30)}

        def _generate_examples(self, n):
            rng = np.random.default_rng(n)
            for k in range(n):
                image = rng.integers(0, 256, (6, 5, 3), dtype=np.uint8)
                yield k, {"image": image, "label": k % 3}

    def prepare(file_format):
        data_dir = folder / file_format
        settings = tfds.download.DownloadConfig(num_shards=N_SHARDS)
        Tiles(data_dir=data_dir, file_format=file_format).download_and_prepare(
            download_config=settings
        )
        return str(data_dir)

    return {file_format: prepare(file_format) for file_format in ("tfrecord", "array_record")}


@pytest.fixture(scope="module")
def loaded(prepared):
    return {
        "memory": datasets.load("tiles", prepared["tfrecord"]),
        "disk": datasets.load("tiles", prepared["array_record"], on_disk=True),
    }


def test_images_on_disk_have_the_order_and_the_bits_of_those_in_memory(loaded):
    memory, disk = loaded["memory"], loaded["disk"]
    assert isinstance(disk.train.images, streaming.StreamedImages)
    assert isinstance(disk.test.images, np.ndarray)
    np.testing.assert_array_equal(disk.train.images, memory.train.images)
    assert disk.fingerprint == memory.fingerprint
    assert disk.class_names == memory.class_names


def test_what_is_prepared_for_random_access_may_also_be_read_into_memory(prepared, loaded):
    dataset = datasets.load("tiles", prepared["array_record"], n_images=100)
    np.testing.assert_array_equal(dataset.train.images, loaded["memory"].train.images[:100])


@pytest.mark.parametrize("first", [0, 33])
def test_each_step_has_the_batch_that_it_has_in_memory(first, loaded):
    """Through the end of an epoch, in calls of the loop's lengths and, resumed, of others."""
    by_place = {
        place: batches.Batches.of(data.train, data.n_classes, batch_size=15, seed=3)
        for place, data in loaded.items()
    }
    per_epoch = by_place["memory"].per_epoch
    assert per_epoch % batches.STEPS_PER_CALL
    step = first
    while step < first + per_epoch:
        orders = {place: own.order(step) for place, own in by_place.items()}
        end = (step // per_epoch + 1) * per_epoch
        for k in range(step, min(step - step % 10 + 10, end)):
            a, b = (own.batch(tf.constant(k, tf.int64), orders[p]) for p, own in by_place.items())
            np.testing.assert_array_equal(a[0], b[0])
            np.testing.assert_array_equal(a[1], b[1])
        step = k + 1


def test_rows_of_images_on_disk_are_chosen_as_those_of_an_array(loaded):
    images, array = loaded["disk"].train.images, loaded["memory"].train.images
    for rows in (slice(3, 9), np.array([5, 1, 5]), np.arange(len(array)) % 7 == 0, slice(0, 0)):
        assert images[rows].shape == array[rows].shape
        np.testing.assert_array_equal(images[rows], array[rows])


def test_data_without_random_access_are_refused(prepared, npz):
    with pytest.raises(UserError, match="has no random access, which --streaming needs"):
        datasets.load("tiles", prepared["tfrecord"], on_disk=True)
    with pytest.raises(UserError, match="--streaming reads TFDS data sets"):
        datasets.load(npz, on_disk=True)


def test_damaged_files_are_named(prepared, tmp_path):
    import shutil

    folder = shutil.copytree(prepared["array_record"], tmp_path / "copy")
    for file in folder.rglob("*.array_record*"):
        file.write_bytes(file.read_bytes()[:200])
    assert str(tmp_path) in complaint("tiles", str(folder))
    with pytest.raises(UserError, match="tiles cannot be read from") as told:
        datasets.load("tiles", str(folder), on_disk=True)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    "damage", [lambda record: record.replace(b"JFIF", b"\0\0\0\0")[:-40], lambda record: b""]
)
def test_damage_found_while_streaming_is_told_without_tensorflow_s_graph(
    damage, prepared, monkeypatch, caplog
):
    data = datasets.load("tiles", prepared["array_record"], on_disk=True)
    assert not caplog.records
    source = type(data.train.images.records.source)
    read = source.__getitems__
    damaged = property(lambda self: lambda places: [damage(r) for r in read(self, places)])
    monkeypatch.setattr(source, "__getitems__", damaged)
    steps = batches.Batches.of(data.train, data.n_classes, batch_size=15, seed=3)
    with pytest.raises(UserError, match="tiles cannot be read from .*; if the folder is") as told:
        steps.order(0)
    assert "Graph execution" not in str(told.value) and "most recent call" not in str(told.value)
    assert len(str(told.value)) < 400 and not caplog.records
