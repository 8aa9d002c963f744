"""Image data sets with labels: MNIST, the built-in glyphs, any of TFDS, the user's own file.

Whatever the source, `load` returns the same thing: uint8 images in memory (47 MB for MNIST, where
float32 would take 188 MB and every copy as much again) and labels 0 to n_classes - 1, cut into
training, validation and test images. The training loop scales them batch by batch.
"""

import dataclasses
import difflib
import gzip
import hashlib
import math
import os
import pathlib
import re
import struct
import textwrap
import threading
import urllib.parse
import zipfile
import zlib
from collections.abc import Sequence

from adversarial_autoencoder import randomness
from adversarial_autoencoder.errors import UserError

import numpy as np
import tensorflow as tf
from absl import logging

# The MD5 sums of the unpacked files; those of the packed ones depend on who packed them.
MNIST_MD5 = {
    "train-images-idx3-ubyte.gz": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte.gz": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte.gz": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte.gz": "27ae3e4e09519cfbb04c329615203637",
}
MNIST_NPZ = "mnist.npz"
MNIST_SIZES = (60000, 10000)  # Training (with validation) and test images.
# Where TFDS gets MNIST from; asked before TFDS is, which retries for minutes without a network.
MNIST_URL = "https://storage.googleapis.com/cvdf-datasets/mnist/train-images-idx3-ubyte.gz"
PROBE_SECONDS = 5

GLYPHS = ("glyphs", "glyphs_letters", "glyphs_all")
GLYPHS_TRAIN, GLYPHS_TEST = 60000, 10000
MAX_VALIDATION = 5000

# Of TFDS data sets in which the label is not what makes two images show the same thing.
IDENTITIES = {"smallnorb": ("label_category", "instance")}
FACTORS = {"smallnorb": ("label_category", "label_azimuth", "label_elevation", "label_lighting")}


@dataclasses.dataclass(frozen=True)
class Split:
    """Images that belong together.

    Attributes:
      images: uint8 [n, height, width, channels], channels 1 or 3.
      labels: int32 [n], in 0 to n_classes - 1.
      factors: what else is known of each image (slant, size, hair, ...), name to array [n].
    """

    images: np.ndarray
    labels: np.ndarray
    factors: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, rows: slice | np.ndarray) -> "Split":
        factors = {name: values[rows] for name, values in self.factors.items()}
        return Split(self.images[rows], self.labels[rows], factors)


@dataclasses.dataclass(frozen=True)
class Dataset:
    """Training, validation and test images, all of one shape, and the names of their classes.

    `name` is what was loaded: never `auto`, but what that came to. Test labels from n_classes on
    are of identities that no training image shows; `class_names` has their names too.
    """

    name: str
    train: Split
    validation: Split
    test: Split
    n_classes: int
    class_names: tuple[str, ...]

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of every image."""
        return tuple(self.train.images.shape[1:])

    @property
    def input_dim(self) -> int:
        """The length of an image laid out flat."""
        return math.prod(self.image_shape)

    @property
    def fingerprint(self) -> str:
        """What tells these training images from others, in one line."""
        checksum = hashlib.sha256(np.ascontiguousarray(self.train.images))
        checksum.update(np.ascontiguousarray(self.train.labels))
        shape = " x ".join(map(str, self.train.images.shape))
        return f"{shape}, sha256 {checksum.hexdigest()[:16]}"

    def test_examples(self, n: int) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the first n test images (or all, if there are fewer) as networks see them.

        Returns:
          float32 [n, input_dim] in [0, 1], and their one-hot labels, float32 [n, n_classes].
        """
        test = self.test[:n]
        x = tf.cast(test.images.reshape(len(test), -1), tf.float32) / 255.0
        return x, tf.one_hot(test.labels, self.n_classes)

    def as_images(self, x: tf.Tensor) -> np.ndarray:
        """Gives flat images [n, input_dim] their shape again, [n, height, width, channels]."""
        return np.reshape(x, (-1, *self.image_shape))


def labeled_subset(split: Split, n_labeled: int, seed: int) -> Split:
    """Returns the images whose labels may be used, the same number from each class.

    Args:
      split: what to choose from.
      n_labeled: how many, a multiple of the number of classes; 0 or `len(split)`: all.
      seed: the run's seed, which chooses them.

    Raises:
      UserError: there are not so many, of one class perhaps, or they cannot be divided evenly.
    """
    return split[_labeled_rows(split, n_labeled, seed)]


def hide_labels(split: Split, n_labeled: int, n_classes: int, seed: int) -> Split:
    """Returns all images, those outside the `labeled_subset` with the label n_classes.

    Of it `tf.one_hot(labels, n_classes)` makes a row of zeros.

    Raises:
      UserError: as `labeled_subset`.
    """
    labels = np.full_like(split.labels, n_classes)
    rows = _labeled_rows(split, n_labeled, seed)
    labels[rows] = split.labels[rows]
    return dataclasses.replace(split, labels=labels)


def _labeled_rows(split: Split, n_labeled: int, seed: int) -> np.ndarray:
    if n_labeled in (0, len(split)):
        return np.arange(len(split))
    classes, counts = np.unique(split.labels, return_counts=True)
    per_class = n_labeled // len(classes)
    if n_labeled > len(split):
        raise UserError(
            f"--n_labeled={n_labeled}, but only {len(split)} labelled training images are there"
        )
    if n_labeled % len(classes):
        raise UserError(
            f"--n_labeled={n_labeled} cannot be divided evenly among {len(classes)} classes: "
            f"give {max(per_class, 1) * len(classes)}, for example, or 0 for all"
        )
    if per_class > counts.min():
        raise UserError(
            f"--n_labeled={n_labeled} takes {per_class} images of each class, but of one only "
            f"{counts.min()} are there: give at most {counts.min() * len(classes)}, or 0 for all"
        )
    generator = randomness.numpy_generator(seed, "labelled images")
    rows = [np.flatnonzero(split.labels == k) for k in classes]
    return np.concatenate([generator.choice(r, per_class, replace=False) for r in rows])


class _Unavailable(UserError):
    """The data neither lie on disk nor can be fetched; data that lie there broken are not this."""


def load(
    name: str,
    data_dir: str | None = None,
    n_images: int = 0,
    *,
    by_identity: bool = False,
    unseen: Sequence[str] = (),
) -> Dataset:
    """Loads a data set. The same arguments give the same images in the same order.

    Args:
      name: `mnist`; `glyphs`, `glyphs_letters` or `glyphs_all` (drawn here); `auto` (MNIST where it
        lies on disk or can be fetched, else, with a warning, `glyphs`); a TFDS image data set with
        one class label (`cifar10`, `emnist/letters`); or a path that ends in `.npz`.
      data_dir: where the four MNIST files, `mnist.npz` or TFDS' folders lie; None: TFDS' default.
      n_images: 0, or how many training images to keep, the first so many.
      by_identity: a label says which images show the same thing. Those of test images need not be
        among the training labels, and `smallnorb` has the toys, not their categories, as labels.
      unseen: names of classes to keep for testing: no training image shows them, and test images
        show nothing else.

    Returns:
      A `Dataset`. Its validation images are the first twelfth of the training images, at most
      5,000: for MNIST's own files, the 55,000 / 5,000 / 10,000 of the 2017 tutorial loader. Data
      prepared by TFDS come in TFDS' order, so there the same images are divided otherwise.

    Raises:
      UserError: no such data set, it cannot be fetched, or its files are not what they should be.
    """
    data_dir = data_dir and os.path.expanduser(data_dir)
    if data_dir and os.path.isfile(data_dir):
        raise UserError(f"--data_dir={data_dir} is a file: give the folder that it lies in")
    if name.endswith(".npz"):
        dataset = _from_npz(os.path.expanduser(name), by_identity)
    elif name == "auto":
        dataset = _auto(data_dir, 0 if unseen else n_images)
    elif name.lower() == "mnist":  # As TFDS takes it.
        dataset = _mnist(data_dir)
    elif name in GLYPHS:
        dataset = _glyphs(name, 0 if unseen else n_images)
    else:
        dataset = _from_tfds(name, data_dir, by_identity)
    if unseen:
        dataset = _hold_out(dataset, unseen)
    if not 0 <= n_images <= len(dataset.train):
        raise UserError(
            f"--n_images={n_images}, but {dataset.name} has {len(dataset.train)} training images: "
            f"give at most so many, or 0 for all"
        )
    return dataclasses.replace(dataset, train=dataset.train[: n_images or None])


def _hold_out(dataset: Dataset, unseen: Sequence[str]) -> Dataset:
    """Keeps these classes for testing. They are numbered last."""
    names = np.array(dataset.class_names)
    unknown = sorted(set(unseen) - set(names[: dataset.n_classes]))
    held_out = np.isin(names, unseen)
    if unknown:
        known = _one_line(", ".join(dataset.class_names[: dataset.n_classes]))
        raise UserError(f"{dataset.name} has no class {unknown[0]!r} to hold out: it has {known}")
    if dataset.n_classes - held_out.sum() < 2:
        raise UserError(
            f"{dataset.name} has {dataset.n_classes} classes, {held_out.sum()} of them held out: "
            f"leave two or more to train on"
        )
    order = np.argsort(held_out, kind="stable")
    number = np.argsort(order).astype(np.int32)

    def those(split: Split, wanted: np.ndarray) -> Split:
        kept = split[wanted[split.labels]]
        return dataclasses.replace(kept, labels=number[kept.labels])

    test = those(dataset.test, held_out)
    if not len(test):
        raise UserError(f"{dataset.name} has no test images of the classes that are held out")
    return dataclasses.replace(
        dataset,
        train=those(dataset.train, ~held_out),
        validation=those(dataset.validation, ~held_out),
        test=test,
        n_classes=int(dataset.n_classes - held_out.sum()),
        class_names=tuple(names[order].tolist()),
    )


def _auto(data_dir: str | None, n_images: int) -> Dataset:
    try:
        return _mnist(data_dir)
    except _Unavailable as error:
        text = f"NOT MNIST: this run uses the built-in glyphs, digits drawn from fonts. {error}"
        lines = textwrap.wrap(text, 86, break_long_words=False, break_on_hyphens=False)
        stars = "*" * 90
        logging.warning("\n%s\n*  %s\n%s", stars, "\n*  ".join(lines), stars)
        return _glyphs("glyphs", n_images)


def _mnist(data_dir: str | None) -> Dataset:
    """MNIST from the first of its homes where any of it lies, or else from the network."""
    if data_dir:
        folder = pathlib.Path(data_dir)
        if any((folder / file).exists() for file in MNIST_MD5):
            return _from_idx_files(folder)
        if (folder / MNIST_NPZ).exists():
            return _mnist_npz(folder / MNIST_NPZ)
    try:
        # An answer at once, and no TFDS to import, where there is nothing to get from it.
        if not os.path.isdir(os.path.join(_tfds_dir(data_dir), "mnist")):
            _require_answer(MNIST_URL)
        return _from_tfds("mnist", data_dir)
    except _Unavailable as error:
        raise _Unavailable(
            f"Looked for MNIST's four .gz files and {MNIST_NPZ} in --data_dir ({data_dir or 'none'}"
            f"), for TFDS' copy in {_tfds_dir(data_dir)}, and on the network: {error}. "
            f"Put the four files or {MNIST_NPZ} into a folder and give it as --data_dir, "
            f"or use --dataset=glyphs"
        ) from error


def _glyphs(name: str, n_images: int) -> Dataset:
    """The built-in data set, the same whatever the run's seed; draws no more than is asked for."""
    from adversarial_autoencoder import glyphs

    letters = glyphs.UPPER + glyphs.LOWER
    characters = {
        "glyphs": glyphs.DIGITS,
        "glyphs_letters": letters,
        "glyphs_all": glyphs.DIGITS + letters,
    }[name]
    n_train = min(GLYPHS_TRAIN, MAX_VALIDATION + n_images) if n_images > 0 else GLYPHS_TRAIN

    def draw(n: int, purpose: str) -> Split:
        images, labels, factors = glyphs.make(n, 0, purpose, characters=characters)
        return Split(images, labels, dict(zip(glyphs.FACTOR_NAMES, factors.T, strict=True)))

    train, test = draw(n_train, "train"), draw(GLYPHS_TEST, "test")
    validation, train = train[:MAX_VALIDATION], train[MAX_VALIDATION:]
    return Dataset(name, train, validation, test, len(characters), tuple(characters))


# MNIST's own files.


def _from_idx_files(folder: pathlib.Path) -> Dataset:
    missing = [file for file in MNIST_MD5 if not (folder / file).exists()]
    if missing:
        raise UserError(f"{folder} lacks {', '.join(missing)}: put all four MNIST files there")
    paths = [folder / file for file in MNIST_MD5]
    arrays, sums = zip(*map(_read_idx, paths), strict=True)
    # Before the sums, since two files that do not belong together is the more telling news.
    train = _checked_split(arrays[0], arrays[1], *map(str, paths[:2]))
    test = _checked_split(arrays[2], arrays[3], *map(str, paths[2:]))
    for path, found in zip(paths, sums, strict=True):
        if found != MNIST_MD5[path.name]:
            raise UserError(
                f"{path} is not MNIST's: unpacked, its MD5 sum is {found} and should be "
                f"{MNIST_MD5[path.name]}; download it again"
            )
    return _dataset("mnist", train, test)


def _read_idx(path: pathlib.Path) -> tuple[np.ndarray, str]:
    """Returns a packed idx file's array and the MD5 sum of its unpacked bytes.

    The format: two zero bytes, 8 for unsigned bytes, the number of dimensions; then each dimension
    as four bytes, the high one first; then the values (LeCun, "The MNIST database", 1998).
    """
    try:
        with gzip.open(path) as file:
            data = file.read()
    except EOFError:
        raise UserError(f"{path} is truncated: download it again") from None
    except (OSError, zlib.error) as error:
        raise UserError(f"{path} cannot be unpacked ({error}): download it again") from error
    if len(data) < 4 or data[:3] != b"\0\0\x08" or len(data) < 4 + 4 * data[3]:
        raise UserError(f"{path} is no idx file of bytes, as MNIST's are: download it again")
    shape = struct.unpack_from(f">{data[3]}I", data, 4)
    values = np.frombuffer(data, np.uint8, offset=4 + 4 * len(shape))
    if values.size != math.prod(shape):
        raise UserError(
            f"{path} holds {values.size} values, but its header promises {math.prod(shape)}: "
            f"download it again"
        )
    return values.reshape(shape), hashlib.md5(data, usedforsecurity=False).hexdigest()


def _mnist_npz(path: pathlib.Path) -> Dataset:
    """Keras' file. Others of that name are refused, for they would pass for MNIST ever after."""
    dataset = _from_npz(str(path))
    sizes = len(dataset.validation) + len(dataset.train), len(dataset.test)
    shape, n_classes = dataset.image_shape, dataset.n_classes
    if (sizes, shape, n_classes) != (MNIST_SIZES, (28, 28, 1), 10):
        raise UserError(
            f"{path} is not MNIST: it holds {sizes[0]} + {sizes[1]} images of shape {shape} in "
            f"{n_classes} classes; for your own images give --dataset={path}"
        )
    return dataclasses.replace(dataset, name="mnist")


# The user's own file.


def _from_npz(path: str, by_identity: bool = False) -> Dataset:
    if not os.path.isfile(path):
        raise UserError(f"{path} does not exist: give --dataset the path of an .npz")
    if not zipfile.is_zipfile(path):
        raise UserError(f"{path} is no .npz, or not a whole one: write it with numpy.savez")
    try:
        with np.load(path, allow_pickle=False) as file:
            train, test = (_npz_split(file, path, part) for part in ("train", "test"))
            class_names = file["class_names"].astype(str) if "class_names" in file else None
    except (OSError, EOFError, ValueError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(
            f"{path} cannot be read ({_one_line(error)}): write it with numpy.savez"
        ) from error
    dataset = _dataset(path, train, test, by_identity)
    if class_names is None:
        return dataset
    n_names = len(dataset.class_names)
    if class_names.shape != (n_names,):
        labels = "y_train" if n_names == dataset.n_classes else "y_train and y_test"
        raise UserError(
            f"{path}: class_names has shape {class_names.shape}, but {labels} {n_names} "
            f"classes: give one name for each, in the order of the labels"
        )
    places = np.argsort(np.argsort([int(value) for value in dataset.class_names]))
    return dataclasses.replace(dataset, class_names=tuple(class_names[places].tolist()))


def _npz_split(file: np.lib.npyio.NpzFile, path: str, part: str) -> Split:
    """The images, labels and, where `factors_*` are there, factors of "train" or "test"."""

    def read(key: str) -> np.ndarray:
        if key not in file:
            present = _one_line(", ".join(file) or "nothing")
            raise UserError(f"{path} lacks {key}: it holds {present}")
        return file[key]

    split = _checked_split(
        read(f"x_{part}"), read(f"y_{part}"), f"{path}: x_{part}", f"{path}: y_{part}"
    )
    if not any(key.startswith("factors_") for key in file):
        return split
    names, factors = read("factor_names").astype(str), read(f"factors_{part}")
    if names.ndim != 1 or factors.shape != (len(split), len(names)):
        raise UserError(
            f"{path}: factors_{part} has shape {factors.shape}, but {len(split)} images and "
            f"{names.size} factor_names are there: make it [{len(split)}, {names.size}]"
        )
    if factors.dtype.kind not in "biuf" or not np.all(np.isfinite(factors)):
        raise UserError(f"{path}: factors_{part} must be finite numbers: number what has names")
    return dataclasses.replace(split, factors=dict(zip(names.tolist(), factors.T, strict=True)))


# TFDS.


def _from_tfds(name: str, data_dir: str | None, by_identity: bool = False) -> Dataset:
    import tensorflow_datasets as tfds

    builder = _tfds_builder(name, _tfds_dir(data_dir))
    image, label = _image_and_label(name, builder.info)
    identity = IDENTITIES.get(builder.name, ()) if by_identity else ()
    factors = FACTORS[builder.name] if identity else ()
    shape = builder.info.features[image].shape
    if None in shape:
        raise UserError(
            f"--dataset={name}: its images vary in size ({shape}), and one size is needed: "
            f"resize them and store them as an .npz"
        )
    if not builder.is_prepared():
        _download(builder)

    splits = builder.info.splits
    names = ("train", "test")
    if "train" in splits and "test" not in splits:
        n_kept = splits["train"].num_examples - splits["train"].num_examples // 7
        names = (f"train[:{n_kept}]", f"train[{n_kept}:]")
    wanted = dict.fromkeys((image, label, *identity, *factors), True)
    decoders = tfds.decode.PartialDecoding(wanted)

    def read(split: str) -> Split:
        try:
            data = builder.as_dataset(split=split, batch_size=1000, decoders=decoders)
            batches = list(tfds.as_numpy(data))
            columns = {key: np.concatenate([b[key] for b in batches]) for key in wanted}
        except Exception as error:  # TFDS, TensorFlow and the file system each raise their own.
            raise UserError(
                f"--dataset={name}: {split} cannot be read from {builder.data_dir} "
                f"({_one_line(error)}); if the folder is damaged, delete it"
            ) from error
        labels = columns[label]
        if identity:
            sizes = [builder.info.features[key].num_classes for key in identity]
            labels = np.ravel_multi_index([columns[key] for key in identity], sizes)
        split = _checked_split(columns[image], labels, f"{name}: {image}", f"{name}: {label}")
        return dataclasses.replace(
            split, factors={key.removeprefix("label_"): columns[key] for key in factors}
        )

    dataset = _dataset(name, *map(read, names), by_identity)
    if identity:
        return dataset
    feature = builder.info.features[label]
    if isinstance(feature, tfds.features.ClassLabel):
        values = map(int, dataset.class_names)
        dataset = dataclasses.replace(dataset, class_names=tuple(map(feature.int2str, values)))
    return dataset


def _tfds_dir(data_dir: str | None) -> str:
    default = os.environ.get("TFDS_DATA_DIR", os.path.join("~", "tensorflow_datasets"))
    return data_dir or os.path.expanduser(default)


def _tfds_builder(name: str, data_dir: str):
    import tensorflow_datasets as tfds

    try:
        return tfds.builder(name, data_dir=data_dir)
    except Exception as error:  # ValueError, AssertionError, ImportError and more.
        known = tfds.list_builders(with_community_datasets=False)
        base = re.split("[/:]", name)[0]
        if base in known:
            variants = ", ".join(tfds.builder_cls(base).builder_configs) or "none"
            raise UserError(
                f"--dataset={name}: {_one_line(error)} (variants of {base}: {variants})"
            ) from error
        near = difflib.get_close_matches(base, ["auto", *GLYPHS, *known])
        raise UserError(
            f"--dataset={name} is unknown{', did you mean ' * bool(near)}{' or '.join(near)}: "
            f"give auto, mnist, glyphs, the name of a TFDS data set or the path of an .npz"
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


def _download(builder) -> None:
    urls = [url for url in builder.url_infos or () if url.startswith("http")]
    try:
        if urls:
            _require_answer(urls[0])
        builder.download_and_prepare()
    except Exception as error:  # Connections, checksums, full disks, missing packages, ...
        raise _Unavailable(
            f"{builder.name} could not be downloaded to {builder.data_dir} ({_one_line(error)}): "
            f"try again, or give as --data_dir the folder where TFDS has prepared it"
        ) from error


def _require_answer(url: str) -> None:
    if not _answers(url):
        raise _Unavailable(f"{urllib.parse.urlsplit(url).netloc} does not answer")


def _answers(url: str) -> bool:
    """Whether a server answers for this address within `PROBE_SECONDS`."""
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


# What all sources have in common: the checks, and the cut.


def _checked_split(images: np.ndarray, labels: np.ndarray, x_name: str, y_name: str) -> Split:
    """Images as uint8 and labels as they are, or a `UserError` that names the one at fault."""
    labels = labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise UserError(
            f"{y_name} must be integers, one for each image, but is {labels.dtype} of shape "
            f"{labels.shape}: number the classes (their names can go into class_names)"
        )
    images = _as_uint8(images, x_name)
    if len(images) != len(labels):
        raise UserError(
            f"{x_name} holds {len(images)} images, but {y_name} {len(labels)} labels: "
            f"give one label for each image"
        )
    return Split(images, labels)


def _as_uint8(images: np.ndarray, name: str) -> np.ndarray:
    """Images [n, height, width] or [n, height, width, channels] as uint8 [n, h, w, channels]."""
    images = images[..., np.newaxis] if images.ndim == 3 else images
    if images.ndim != 4 or images.shape[3] not in (1, 3) or images.dtype.kind not in "uif":
        advice = "leave out the alpha channel, as in x[..., :3]" if images.shape[3:] == (4,) else ""
        raise UserError(
            f"{name} must be numbers [n, height, width] or [n, height, width, 1 or 3], but is "
            f"{images.dtype} of shape {images.shape}: {advice or 'reshape or convert it'}"
        )
    if not images.size:
        raise UserError(f"{name} is empty (shape {images.shape}): store at least one image")
    low, high = images.min(), images.max()  # Both are NaN if any pixel is.
    if np.isnan(low):
        raise UserError(f"{name} holds NaN: replace it, pixels are numbers from 0 to 1")
    limit = 1 if images.dtype.kind == "f" else 255
    if low < 0 or high > limit:
        raise UserError(
            f"{name} is {images.dtype} from {low} to {high}: scale it to integers from 0 to 255 "
            f"or to floats from 0 to 1"
        )
    if images.dtype.kind != "f":
        if high == 1:
            logging.warning("%s is 0 and 1 out of 255, almost black; as floats 1 is white.", name)
        return images.astype(np.uint8, copy=False)
    levels = np.empty(images.shape, np.uint8)
    for start in range(0, len(images), 1000):  # In pieces, to hold no second copy as floats.
        rows = slice(start, start + 1000)
        levels[rows] = np.rint(images[rows] * 255.0)
    return levels


def _dataset(name: str, train: Split, test: Split, by_identity: bool = False) -> Dataset:
    """Numbers the classes from 0 and sets the validation images aside; see `load`."""
    values = np.unique(train.labels)
    strange = np.setdiff1d(test.labels, values)
    shapes = train.images.shape[1:], test.images.shape[1:]
    n_validation = min(len(train) // 12, MAX_VALIDATION)
    if shapes[0] != shapes[1]:
        raise UserError(
            f"{name}: training images are {shapes[0]} and test images {shapes[1]}: "
            f"make them of one size"
        )
    if len(values) < 2:
        raise UserError(
            f"{name}: all training labels are {values[0]}, one class only: give two classes or more"
        )
    if len(strange) and not by_identity:
        raise UserError(
            f"{name}: {len(strange)} of the test labels' classes, such as {strange[0]}, are not "
            f"among the training labels: give training images of them too, or leave them out"
        )
    if not n_validation:
        raise UserError(
            f"{name} has {len(train)} training images, and 12 are the least, since a twelfth "
            f"is kept for validation: add images"
        )
    is_sorted = np.all(train.labels[1:] >= train.labels[:-1])
    lost = np.setdiff1d(train.labels, train.labels[n_validation:])
    if by_identity and (is_sorted or len(lost)):  # One thing after the other, as is usual.
        train = train[randomness.numpy_generator(0, "sorted images").permutation(len(train))]
    elif is_sorted:
        logging.warning(
            "%s: the training images are sorted by class, so the validation images, which are the "
            "first twelfth, show only the first classes: shuffle images and labels together.",
            name,
        )
    n_classes = len(values)
    values = np.concatenate([values, strange])
    order = np.argsort(values).astype(np.int32)
    train, test = (
        dataclasses.replace(s, labels=order[np.searchsorted(values, s.labels, sorter=order)])
        for s in (train, test)
    )
    return Dataset(
        name=name,
        train=train[n_validation:],
        validation=train[:n_validation],
        test=test,
        n_classes=n_classes,
        class_names=tuple(map(str, values)),
    )


def _one_line(text: object) -> str:
    return textwrap.shorten(str(text) or type(text).__name__, 250)
