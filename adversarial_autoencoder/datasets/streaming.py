"""Images that stay on disk: TFDS data sets larger than memory, read at random access.

TFDS gives access by number to sets prepared as `array_record`. Images come in the order, and with
the bits, of `tfds.load`, so that a run is the same whether its images lie in memory or on disk.
"""

import contextlib
from collections.abc import Iterator, Sequence

from adversarial_autoencoder.system.errors import UserError, one_line

import numpy as np
import tensorflow as tf
from absl import logging

PIECE = 1000  # Images decoded at once.


class Records:
    """The examples of one split of a TFDS data set, by their number."""

    def __init__(self, builder, part: str, features: Sequence[str]):
        """Opens the files of a prepared data set's split, such as `train[:60000]`.

        Raises:
          UserError: the data set is not prepared for random access.
        """
        import tensorflow_datasets as tfds

        try:
            raw = tfds.decode.DeserializeMethod.RAW_BYTES
            self.source = builder.as_data_source(part, deserialize_method=raw)
        except (NotImplementedError, ImportError) as error:
            raise UserError(
                f"{builder.name} in {builder.data_dir} has no random access, which --streaming "
                f"needs ({one_line(error, 100)}): prepare it with file_format=array_record, or "
                "omit --streaming"
            ) from error
        except Exception as error:  # The files' reader raises its own.
            raise unreadable(builder.info, error) from error
        self.order = _order_of_load(builder, part)
        self._decoders = {}
        for name in features:
            partial = tfds.decode.PartialDecoding({name: True})
            with _without_warnings():  # TFDS', of its own functions.
                self._decoders[name] = _decoder(
                    partial.extract_features(builder.info.features), name
                )

    def __len__(self) -> int:
        return len(self.order)

    def read(self, numbers: np.ndarray, feature: str) -> np.ndarray:
        """Returns a feature of these examples, [n, ...]; their numbers are as `tfds.load` counts.

        Raises:
          UserError: the files are damaged.
        """
        parts = []
        for start in range(0, len(numbers), PIECE):
            places = self.order[numbers[start : start + PIECE]].tolist()
            try:
                records = self.source.__getitems__(places)
                with tf.device("CPU"):
                    parts.append(self._decoders[feature](tf.constant(records)).numpy())
            except Exception as error:  # TFDS, TensorFlow and the file system each raise their own.
                raise unreadable(self.source.dataset_info, error) from error
        return np.concatenate(parts)


class StreamedImages:
    """Images on disk in the place of an array, uint8 [n, height, width, channels].

    A slice or a choice of rows is again on disk; `numpy.asarray` reads the images.
    """

    dtype, ndim = np.dtype(np.uint8), 4

    def __init__(self, records: Records, feature: str, shape: tuple[int, ...], rows=None):
        self.records, self.feature = records, feature
        self.rows = np.arange(len(records)) if rows is None else rows
        self.shape = (len(self.rows), *shape)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, rows: slice | np.ndarray) -> "StreamedImages":
        return StreamedImages(self.records, self.feature, self.shape[1:], self.rows[rows])

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        if not len(self):
            return np.empty(self.shape, np.uint8)
        return self.records.read(self.rows, self.feature).astype(dtype or np.uint8, copy=False)

    def reshape(self, *shape) -> np.ndarray:
        """Returns the images in another shape, in memory."""
        return np.asarray(self).reshape(*shape)


def unreadable(info, error: Exception) -> UserError:
    """Returns the message that a data set is damaged; of TensorFlow's, without the graph in it."""
    text = str(error).split("[[{{")[0].split(" [Op:")[0].rstrip()
    if isinstance(error, tf.errors.OpError):
        text = text.split("}} ")[-1].rpartition("\n")[2]
    return UserError(
        f"{info.name} cannot be read from {info.data_dir} ({one_line(text or error)}); if the "
        "folder is damaged, delete it"
    )


@contextlib.contextmanager
def _without_warnings() -> Iterator[None]:
    level = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    try:
        yield
    finally:
        logging.set_verbosity(level)


def _decoder(features, name: str):
    """The function from serialized examples, a string [n], to the feature, [n, ...]."""
    signature = tf.TensorSpec(features[name].shape, features[name].tf_dtype)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def decode(records: tf.Tensor) -> tf.Tensor:
        return tf.map_fn(
            lambda record: features.deserialize_example(record)[name],
            records,
            fn_output_signature=signature,
        )

    decode.get_concrete_function()
    return decode


def _order_of_load(builder, part: str) -> np.ndarray:
    """Where each example that `tfds.load` gives lies among those of the files, one after another.

    It takes turns between files: tf.data does, with the cycle and the blocks of TFDS' reader.
    """
    import tensorflow_datasets as tfds

    takes = np.array([file.take for file in builder.info.splits[part].file_instructions], np.int64)
    starts = np.cumsum(takes) - takes
    files = tf.data.Dataset.from_tensor_slices((starts, starts + takes))
    turns = files.interleave(
        tf.data.Dataset.range,
        cycle_length=1 if builder.info.disable_shuffling else 16,
        block_length=tfds.ReadConfig().interleave_block_length,
    )
    parts = list(turns.batch(100_000).as_numpy_iterator())
    return np.concatenate(parts)
