"""A checkpoint: a folder that is there whole or not at all, the score of its epoch inside.

By hand and not `tf.train.CheckpointManager`: a checkpoint is written into a temporary folder which
then takes its name in one step. TensorFlow stores a checksum with every tensor, so the score is one
of the tensors: a score that reads back is the score that was given.
"""

import math
import pathlib
import re

from adversarial_autoencoder import optimizers
from adversarial_autoencoder.system import files
from adversarial_autoencoder.system.errors import UserError

import tensorflow as tf

_SCORE = "score/.ATTRIBUTES/VARIABLE_VALUE"  # TensorFlow's name of the variable `score`.


def of(model: tf.Module, ema: optimizers.ExponentialMovingAverage) -> tf.train.Checkpoint:
    """Returns all that a run needs to go on: weights, optimizers' slots, the step, averages."""
    return tf.train.Checkpoint(model=model, ema=ema)


def write(state: tf.train.Checkpoint, target: pathlib.Path, score: float | None) -> None:
    """Writes a checkpoint.

    Args:
      state: what to save.
      target: the checkpoint's folder; what is there now is replaced.
      score: how good the model is, if that is known; high is good.

    Raises:
      OSError, tf.errors.OpError: it could not be written.
    """
    _score_of(state).assign(math.nan if score is None else score)
    with files.replacing(target) as partial:
        state.write(str(partial / "checkpoint"))
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


def is_whole(folder: pathlib.Path) -> bool:
    """Whether every tensor of the checkpoint reads back with the checksum it was written with."""
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
    """Returns the steps and folders of the checkpoints in a folder, newest first."""
    names = [(re.fullmatch(r"checkpoint-(\d+)", path.name), path) for path in folder.glob("c*")]
    return sorted(((int(found[1]), path) for found, path in names if found), reverse=True)


def _score_of(state: tf.train.Checkpoint) -> tf.Variable:
    if not hasattr(state, "score"):
        state.score = tf.Variable(math.nan, trainable=False, dtype=tf.float32)
    return state.score
