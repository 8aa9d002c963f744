"""A checkpoint: a folder that is there whole or not at all, the score of its epoch inside.

By hand and not `tf.train.CheckpointManager`: a checkpoint is written into a temporary folder which
then takes its name in one step. TensorFlow stores a checksum with every tensor, so the score is one
of the tensors: a score that reads back is the score that was given.
"""

import math
import os
import pathlib
import re

from adversarial_autoencoder import optimizers
from adversarial_autoencoder.system import files
from adversarial_autoencoder.system.errors import UserError, one_line

import tensorflow as tf

_SCORE = "score/.ATTRIBUTES/VARIABLE_VALUE"  # TensorFlow's name of the variable `score`.
OWNER = "belongs_to.txt"  # The run's id and the checkpoint's name, in the checkpoint's folder.


def state_of(model: tf.Module, ema: optimizers.ExponentialMovingAverage) -> tf.train.Checkpoint:
    """Returns all that a run needs to go on: weights, optimizers' slots, the step, averages."""
    return tf.train.Checkpoint(model=model, ema=ema)


def write(
    state: tf.train.Checkpoint, target: pathlib.Path, owner: str, score: float | None
) -> None:
    """Writes a checkpoint.

    Args:
      state: what to save.
      target: the checkpoint's folder; what is there now is replaced.
      owner: the `Run.id` of its run.
      score: how good the model is, if that is known; high is good.

    Raises:
      OSError, tf.errors.OpError: it could not be written.
    """
    _score_of(state).assign(math.nan if score is None else score)
    with files.replacing(target) as partial:
        state.write(str(partial / "checkpoint"))
        (partial / OWNER).write_text(f"{owner} {target.name}\n", encoding="utf-8")
    files.flush_to_disk(target.parent)


def read(state: tf.train.Checkpoint, folder: pathlib.Path) -> None:
    """Loads a checkpoint that is whole.

    Raises:
      UserError: it does not fit `state`.
    """
    _score_of(state)
    try:
        state.read(str(folder / "checkpoint")).assert_consumed()
    except (AssertionError, ValueError) as error:
        raise UserError(
            f"{folder} does not fit the networks of this version, and was made by another: "
            "use that one, or start a new run"
        ) from error


def check_owner(folder: pathlib.Path, owner: str, is_required: bool) -> None:
    """Raises UserError if a checkpoint is another run's (`Run.id`), or has another step's name.

    Earlier versions stored no owner, so none may be required.
    """
    try:
        found = (folder / OWNER).read_text(encoding="utf-8", errors="replace").split()
    except OSError:
        if not is_required:
            return
        found = []
    if found == [owner, folder.name]:
        return
    if found[:1] == [owner]:
        raise UserError(f"{folder} was saved as {one_line(found[-1], 80)}: give it its name back")
    raise UserError(f"{folder} is not of this run: move it away")


def is_whole(folder: pathlib.Path) -> bool:
    """Whether every tensor of the checkpoint reads back with the checksum it was written with.

    Raises:
      UserError: the permission to read it is missing.
    """
    try:
        for path in folder.iterdir():
            path.open("rb").close()
    except PermissionError as error:
        raise UserError(f"{error.filename} cannot be read ({error.strerror}): grant it") from None
    except OSError:
        return False
    try:
        reader = tf.train.load_checkpoint(str(folder / "checkpoint"))
        for name in reader.get_variable_to_shape_map():
            reader.get_tensor(name)
    except Exception:  # The reader has an exception of another type for each kind of damage.
        return False
    return True


def score(folder: pathlib.Path) -> float | None:
    """Returns the score of a checkpoint, or None if it has none.

    Raises:
      UserError: the checkpoint is damaged.
    """
    try:
        reader = tf.train.load_checkpoint(str(folder / "checkpoint"))
        found = float(reader.get_tensor(_SCORE)) if reader.has_tensor(_SCORE) else math.nan
    except Exception as error:  # As above.
        raise UserError(f"{folder} is damaged") from error
    return None if math.isnan(found) else found


def stored(folder: pathlib.Path) -> list[tuple[int, pathlib.Path]]:
    """Returns the steps and folders of the checkpoints in a folder, newest first.

    Raises:
      UserError: the permission to read the folder is missing.
    """
    try:
        names = os.listdir(folder)
    except PermissionError as error:
        raise UserError(f"{folder} cannot be read ({error.strerror}): grant it") from None
    except OSError:
        return []
    found = (re.fullmatch(r"checkpoint-(\d+)", name) for name in names)
    return sorted(((int(name[1]), folder / name[0]) for name in found if name), reverse=True)


def _score_of(state: tf.train.Checkpoint) -> tf.Variable:
    if not hasattr(state, "score"):
        state.score = tf.Variable(math.nan, trainable=False, dtype=tf.float32)
    return state.score
