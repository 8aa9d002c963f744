"""Data sets of TensorFlow Datasets (TFDS): found, downloaded, read.

TFDS is imported where it is used, since that takes seconds.
"""

import dataclasses
import difflib
import os
import re
import threading
import urllib.parse
from collections.abc import Callable

from adversarial_autoencoder.datasets import arrays, glyphs, streaming
from adversarial_autoencoder.datasets.dataset import Dataset, Request, Split
from adversarial_autoencoder.system.errors import UserError, one_line

import numpy as np

PROBE_SECONDS = 5

# Of data sets in which the label is not what makes two images show the same thing.
IDENTITIES = {"smallnorb": ("label_category", "instance")}
FACTORS = {"smallnorb": ("label_category", "label_azimuth", "label_elevation", "label_lighting")}


class Unavailable(UserError):
    """The data neither lie on disk nor can be fetched; data that lie there broken are not this."""


def load(request: Request) -> Dataset:
    """Loads a data set that has images of one size and one class label; fetches it if need be.

    Raises:
      UserError, Unavailable: as `read`.
    """
    return to_dataset(request, *read(request))


def to_dataset(request: Request, parts: list[Split], name_of: Callable[[int], str]) -> Dataset:
    """Returns the data set of what `read` returns."""
    data = arrays.from_splits(request, *parts, name_of=name_of)
    if not request.on_disk:
        return data
    # All but the training images, which are the many, go into memory.
    in_memory = [
        dataclasses.replace(split, images=np.asarray(split.images))
        for split in (data.validation, data.test)
    ]
    return dataclasses.replace(data, validation=in_memory[0], test=in_memory[1])


def read(request: Request) -> tuple[list[Split], Callable[[int], str]]:
    """Reads the images and labels of a data set.

    Args:
      request: its name is TFDS', such as `cifar10` or `emnist/letters`. With `by_identity`, where
        `IDENTITIES` has the data set, its labels are taken from there.

    Returns:
      Training and test images with TFDS' labels, and what gives a label's name. Of a lone training
      split the last seventh is for testing.

    Raises:
      UserError: no such data set, or not of this kind, or its files are damaged.
      Unavailable: it is not there and cannot be fetched.
    """
    import tensorflow_datasets as tfds

    name, on_disk = request.name, request.on_disk
    builder = _builder(name, folder(request.data_dir))
    image, label = _image_and_label(name, builder.info)
    identity = IDENTITIES.get(builder.name, ()) if request.by_identity else ()
    factors = FACTORS[builder.name] if identity else ()
    shape = builder.info.features[image].shape
    if None in shape:
        raise UserError(
            f"--dataset={name}: its images vary in size ({shape}), and one size is needed: "
            f"resize them and store them as an .npz"
        )
    if not builder.is_prepared():
        _download(builder)

    parts = ("train", "test")
    if "train" in builder.info.splits and "test" not in builder.info.splits:
        n_images = builder.info.splits["train"].num_examples
        n_kept = n_images - n_images // 7
        parts = (f"train[:{n_kept}]", f"train[{n_kept}:]")
    wanted = dict.fromkeys((image, label, *identity, *factors), True)
    decoders = tfds.decode.PartialDecoding(wanted)

    def read_part(part: str) -> Split:
        if on_disk or (builder.info.file_format.value == "array_record" and not identity):
            return _from_records(builder, part, image, label, on_disk)
        try:
            data = builder.as_dataset(split=part, batch_size=1000, decoders=decoders)
            batches = list(tfds.as_numpy(data))
            columns = {key: np.concatenate([b[key] for b in batches]) for key in wanted}
        except Exception as error:  # TFDS, TensorFlow and the file system each raise their own.
            raise streaming.unreadable(builder.info, error) from error
        labels = columns[label]
        if identity:
            sizes = [builder.info.features[key].num_classes for key in identity]
            labels = np.ravel_multi_index([columns[key] for key in identity], sizes)
        split = arrays.checked(columns[image], labels, f"{name}: {image}", f"{name}: {label}")
        return dataclasses.replace(
            split, factors={key.removeprefix("label_"): columns[key] for key in factors}
        )

    feature = builder.info.features[label]
    has_names = isinstance(feature, tfds.features.ClassLabel) and not identity
    return list(map(read_part, parts)), feature.int2str if has_names else str


def _from_records(builder, part: str, image: str, label: str, on_disk: bool) -> Split:
    """Reads what is prepared for random access; on request all but the images."""
    records = streaming.Records(builder, part, [image, label])
    feature = builder.info.features[image]
    if feature.np_dtype != np.uint8:
        raise UserError(f"{builder.name} has pixels of {feature.np_dtype}, and bytes are needed")
    labels = records.read(np.arange(len(records)), label)
    arrays.check_labels(labels.shape, labels.dtype, f"{builder.name}: {label}")
    images = streaming.StreamedImages(records, image, feature.shape)
    return Split(images if on_disk else np.asarray(images), labels.astype(np.int64))


def folder(data_dir: str | None) -> str:
    """Returns where TFDS keeps its data sets."""
    default = os.environ.get("TFDS_DATA_DIR", os.path.join("~", "tensorflow_datasets"))
    return data_dir or os.path.expanduser(default)


def _builder(name: str, data_dir: str):
    import tensorflow_datasets as tfds

    try:
        return tfds.builder(name, data_dir=data_dir)
    except Exception as error:  # ValueError, AssertionError, ImportError and more.
        known = tfds.list_builders(with_community_datasets=False)
        base = re.split("[/:]", name)[0]
        if base in known:
            variants = ", ".join(tfds.builder_cls(base).builder_configs) or "none"
            raise UserError(
                f"--dataset={name}: {one_line(error)} (variants of {base}: {variants})"
            ) from error
        if os.path.isdir(os.path.expanduser(name)):
            raise UserError(
                f"--dataset={name} is a folder without images: give one with a folder of images "
                f"for each class (MNIST's own files: --dataset=mnist --data_dir={name})"
            ) from error
        near = difflib.get_close_matches(base, ["auto", *glyphs.CHARACTERS, *known])
        raise UserError(
            f"--dataset={name} is unknown{', did you mean ' * bool(near)}{' or '.join(near)}: "
            f"give auto, mnist, glyphs, the name of a TFDS data set, the path of an .npz, or a "
            f"folder with a folder of images for each class"
        ) from error


def _image_and_label(name: str, info) -> tuple[str, str]:
    """The names of the image feature and of the class label in TFDS' description."""
    import tensorflow_datasets as tfds

    def is_integer(feature) -> bool:
        scalar = isinstance(feature, tfds.features.Tensor) and feature.shape == ()
        return scalar and np.issubdtype(feature.np_dtype, np.integer)

    features = dict(info.features.items())
    images = [key for key, f in features.items() if isinstance(f, tfds.features.Image)]
    classes = [key for key, f in features.items() if isinstance(f, tfds.features.ClassLabel)]
    integers = [key for key, f in features.items() if is_integer(f)]
    labels = classes or integers
    supervised = info.supervised_keys or ()
    if len(supervised) == 2 and supervised[0] in images and supervised[1] in classes + integers:
        return supervised
    if len(images) == 1 and len(labels) == 1:
        return images[0], labels[0]
    raise UserError(
        f"--dataset={name} has {len(images)} image features and {len(labels)} class labels: "
        f"choose a data set with one of each, or store what you need of it as an .npz"
    )


# Fetching.


def _download(builder) -> None:
    urls = [url for url in builder.url_infos or () if url.startswith("http")]
    try:
        if urls:
            require_answer(urls[0])
        builder.download_and_prepare()
    except Exception as error:  # Connections, checksums, full disks, missing packages, ...
        raise Unavailable(
            f"{builder.name} could not be downloaded to {builder.data_dir} ({one_line(error)}): "
            f"try again, or give as --data_dir the folder where TFDS has prepared it"
        ) from error


def require_answer(url: str) -> None:
    """Raises Unavailable where no server answers for this address within `PROBE_SECONDS`."""
    if not _answers(url):
        raise Unavailable(f"{urllib.parse.urlsplit(url).netloc} does not answer")


def _answers(url: str) -> bool:
    import requests  # What TFDS downloads with, so that proxies and certificates are the same.

    answers = []

    def ask():
        try:
            answers.append(requests.head(url, timeout=PROBE_SECONDS).status_code < 500)
        except requests.RequestException:
            answers.append(False)

    # A thread, since no time limit of the request's own holds for the look-up of the host's name.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(PROBE_SECONDS)
    return any(answers)
