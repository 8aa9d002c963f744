"""Truncate log and events to the resumed checkpoint.

The log and TensorBoard's events reach the disk before the checkpoint does. A killed run has
therefore recorded all steps up to its checkpoint, and maybe some after it. These are removed, since
they are trained again, so that each step is recorded once.
"""

import pathlib
import re

from adversarial_autoencoder.system import files
from adversarial_autoencoder.system.errors import UserError

import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.util import event_pb2

TEST_ACCURACY = "Test Accuracy"  # The line of the log that is written when training has ended.
EVENTS_OF_END = ".end.v2"  # How the names of event files end which are written then.
FLAGS = "Flags"  # The tag of the flags, which are written once.


def flush(log: pathlib.Path, tensorboard: pathlib.Path) -> None:
    """Waits until the log and the events have reached the disk."""
    for path in (log, *tensorboard.rglob("*tfevents*")):
        if path.is_file():
            files.flush_to_disk(path)


def cut_log(path: pathlib.Path, step: int) -> bytes | None:
    """Returns the log's lines up to `step`, or None where that is all of them."""
    if not path.is_file():
        return None
    content = path.read_bytes()
    lines = content.splitlines(keepends=True)
    kept = b"".join(line for line in lines if _is_kept(line, step))
    return None if kept == content else kept


def _is_kept(line: bytes, step: int) -> bool:
    found = re.match(rb"step (\d{1,18}), ", line)
    is_whole = line.endswith(b"\n")  # The last may have been cut off by a full disk.
    at_end = TEST_ACCURACY.encode() in line
    return is_whole and not at_end and not (found and int(found[1]) > step)


def cut_events(folder: pathlib.Path, step: int) -> bool:
    """Removes TensorBoard's events behind `step`, those of the end, and what is half written.

    Args:
      folder: the run's; event files may lie below it.
      step: of the checkpoint from which the run goes on.

    Returns:
      Whether the flags are among the events that are left.

    Raises:
      OSError, tf.errors.OpError: a file could not be written; it is as it was.
      UserError: a record of a file is whole and no event.
    """
    has_flags = False
    partial = folder / "partial-events"  # Without "tfevents", which TensorBoard would read.
    for path in sorted(folder.rglob("*tfevents*")):
        if path.name.endswith(EVENTS_OF_END):
            path.unlink()
            continue
        is_cut = False
        try:
            with tf.io.TFRecordWriter(str(partial)) as writer:
                for record, event in _events(path):
                    if event is None or event.step > step:
                        is_cut = True
                        continue
                    has_flags |= any(value.tag == FLAGS for value in event.summary.value)
                    writer.write(record)
            if is_cut:
                files.flush_to_disk(partial)
                partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    return has_flags


def _events(path: pathlib.Path):
    """The records of a file with their events; at the end (b"", None) if one is half written."""
    try:
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            yield record, event_pb2.Event.FromString(record)
    except tf.errors.DataLossError:
        yield b"", None
    except DecodeError:
        raise UserError(f"{path} holds what is no event of TensorBoard's: move it away") from None
