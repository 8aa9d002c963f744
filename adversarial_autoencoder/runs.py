"""One run's folder: made, found, resumed; its checkpoints and exported models.

By hand and not `tf.train.CheckpointManager`: a checkpoint is written into a temporary folder which
then takes its name in one step, so that it is there whole or not at all. TensorFlow stores a
checksum with every tensor; a checkpoint that does not read back is passed over for the one before.
"""

import contextlib
import datetime
import errno
import os
import pathlib
import re
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence

from adversarial_autoencoder import averaging, layers, options
from adversarial_autoencoder.datasets import Dataset
from adversarial_autoencoder.errors import UserError

import keras
import tensorflow as tf

CHECKPOINTS_KEPT = 3  # The newest; and, where epochs are scored, the best.


class Run:
    """A folder under `Results/<model name>/`. Nothing is written before `create`."""

    def __init__(self, path: pathlib.Path):
        self.path = path
        self.checkpoints = path / "Saved_models"
        self.tensorboard = path / "Tensorboard"
        self.images = path / "images"
        self.log = path / "log" / "log.txt"
        self.flagfile = path / "flags.txt"
        self.metrics = path / "metrics.json"
        self.keep_every = 0  # Steps; checkpoints of their multiples are not dropped.

    def create(self, model_name: str, flag_lines: Sequence[str], data: Dataset) -> None:
        """Makes the folder, with `flags.txt` in it.

        Raises:
          UserError: the folder cannot be written.
        """
        with saving(self.path):
            for folder in (self.checkpoints, self.tensorboard, self.images, self.log.parent):
                folder.mkdir(parents=True)
            lines = [f"# model: {model_name}", f"# data: {data.fingerprint}", *flag_lines]
            write_atomically(self.flagfile, "\n".join(lines) + "\n")

    def comment(self, key: str) -> str | None:
        """Returns what the line `# key: …` of `flags.txt` says, or None."""
        found = re.search(rf"^# {key}: (.*)$", self.flagfile.read_text(), re.MULTILINE)
        return found and found[1]

    def save(self, state: tf.train.Checkpoint, step: int, score: float | None = None) -> None:
        """Writes a checkpoint and drops the oldest ones.

        Args:
          state: what to save, see `checkpoint`.
          step: how many steps it was trained for.
          score: how good it is, if that is known; high is good.

        Raises:
          UserError: it could not be written; older checkpoints are untouched.
        """
        target = self.checkpoints / f"checkpoint-{step:09d}"
        partial = self.checkpoints / f"partial-{step:09d}"
        with saving(self.path):
            try:
                self._remove_partial()
                # A whole one of this step holds the same: never taken away to be replaced.
                if not _is_whole(target):
                    state.write(str(partial / "checkpoint"))
                    if score is not None:
                        (partial / "score.txt").write_text(repr(score))
                    for path in partial.iterdir():
                        _flush_to_disk(path)
                    shutil.rmtree(target, ignore_errors=True)
                    partial.rename(target)
            finally:
                self._remove_partial()
        for old, folder in self._stored()[CHECKPOINTS_KEPT:]:
            is_chosen = bool(old and self.keep_every) and old % self.keep_every == 0
            if old != self.best_step() and not is_chosen:
                shutil.rmtree(folder, ignore_errors=True)

    def export(self, networks: Mapping[str, keras.Model]) -> None:
        """Writes each network as a file of its own, `<name>.keras`, beside the checkpoints.

        Raises:
          UserError: it could not be written; what was there before is untouched.
        """
        with saving(self.path):
            for name, network in networks.items():
                partial = self.checkpoints / f"partial-{name}.keras"
                try:
                    layers.check_sizes(network).save(partial)
                    os.replace(partial, self.checkpoints / f"{name}.keras")
                finally:
                    partial.unlink(missing_ok=True)

    def load(self, *names: str) -> tuple[keras.Model, ...]:
        """Returns exported networks as Keras models: those named, or `encoder` and `decoder`.

        Raises:
          UserError: one is not there, or cannot be read.
        """
        return tuple(self._load_network(name) for name in names or ("encoder", "decoder"))

    def best_step(self) -> int | None:
        """Returns the step of the stored checkpoint with the highest score, or None."""
        scores = {step: _score(folder) for step, folder in self._stored()}
        scored = [step for step in scores if scores[step] is not None]
        return max(scored, key=scores.get, default=None)  # Of equals the last, stored first here.

    def restore(self, state: tf.train.Checkpoint, best: bool = False) -> int:
        """Loads the newest checkpoint that is whole.

        Args:
          state: as it was when it was saved.
          best: where checkpoints have scores, load the best of them.

        Returns:
          The number of steps that the model was trained for.

        Raises:
          UserError: there is none.
        """
        while stored := dict(self._stored()):
            step = self.best_step() if best else None
            step = max(stored) if step is None else step
            if _is_whole(stored[step]):
                self._read(state, stored[step])
                return step
            print(f"Warning: {stored[step]} is damaged: passed over for another.", file=sys.stderr)
            with saving(self.path):  # Out of the way, or it would count among the newest.
                stored[step].rename(self.checkpoints / f"damaged-{time.time_ns()}-{step:09d}")
        raise UserError(f"{self.path} holds no checkpoint that can be read: start a new run")

    def restore_exactly(self, state: tf.train.Checkpoint, epoch: int, steps_per_epoch: int) -> int:
        """Loads the checkpoint of an epoch and returns its step.

        Raises:
          UserError: it was not kept, or is damaged.
        """
        folders = dict(self._stored())
        step = epoch * steps_per_epoch
        if step not in folders:
            kept = sorted(s // steps_per_epoch for s in folders if s % steps_per_epoch == 0)
            raise UserError(
                f"--epoch={epoch} was not kept in {self.path}, which has the epochs "
                f"{', '.join(map(str, kept)) or 'none'}: train with --keep_every to keep more"
            )
        if not _is_whole(folders[step]):
            raise UserError(f"{folders[step]} is damaged: give another --epoch, or none")
        self._read(state, folders[step])
        return step

    def _read(self, state: tf.train.Checkpoint, folder: pathlib.Path) -> None:
        try:
            state.read(str(folder / "checkpoint")).assert_consumed()
        except (AssertionError, ValueError) as error:
            raise UserError(
                f"{folder} does not fit the networks of this version, and was made by another: "
                "use that one, or start a new run"
            ) from error

    def of_epoch(self, epoch: int) -> "Run":
        """Returns the run with places of their own for this epoch's figures and pictures."""
        run = Run(self.path)
        run.metrics = self.path / f"metrics_epoch_{epoch}.json"
        run.images = self.images / f"epoch_{epoch}"
        with saving(self.path):
            run.images.mkdir(parents=True, exist_ok=True)
        return run

    def newest_step(self) -> int | None:
        """Returns the step of the newest checkpoint, or None."""
        return next((step for step, _ in self._stored()), None)

    def _load_network(self, name: str) -> keras.Model:
        path = self.checkpoints / f"{name}.keras"
        try:
            return keras.models.load_model(path, compile=False)
        except (OSError, ValueError) as error:
            raise UserError(f"{path} cannot be read: train the run first") from error

    def _stored(self) -> list[tuple[int, pathlib.Path]]:
        """The checkpoints, newest first."""
        folders = self.checkpoints.glob("checkpoint-*")
        named = [(re.fullmatch(r"checkpoint-(\d+)", folder.name), folder) for folder in folders]
        return sorted(((int(found[1]), folder) for found, folder in named if found), reverse=True)

    def _remove_partial(self) -> None:
        """Clears away what a save that failed or was killed has left."""
        for folder in self.checkpoints.glob("partial-*[0-9]"):
            shutil.rmtree(folder, ignore_errors=True)


def open_run(flags: options.Flags, model_name: str) -> Run:
    """Returns the run that the flags mean: a new one, not yet created, or one that is there.

    With a run that is there its flags are taken over into `flags`.

    Raises:
      UserError: there is no such run, it belongs to another part, or the flags contradict it.
    """
    root = pathlib.Path(flags.results_dir) / model_name
    if flags.train and not flags.resume:
        if flags.run:
            raise UserError("--run names a run that is there: with --train give --resume too")
        return Run(root / _folder_name(flags, model_name))
    if flags.run:
        run = Run(pathlib.Path(flags.run))
        if not run.flagfile.is_file():
            raise UserError(f"--run={flags.run} is not a run's folder: it has no flags.txt")
    else:
        found = [path.parent for path in root.glob("*/flags.txt")]
        if not found:
            raise UserError(f"there is no run in {root}: train one first, with --train")
        # A run that ended before it was trained should not hide the ones before it.
        steps = {path: Run(path).newest_step() for path in found}
        usable = [path for path, step in steps.items() if step or (flags.resume and step == 0)]
        run = Run(max(usable or found, key=lambda path: path.name))
    trained = run.comment("model")
    if trained != model_name:
        raise UserError(f"{run.path} is a run of {trained}, not of {model_name}")
    options.adopt(flags, run.flagfile.read_text().splitlines(), str(run.flagfile))
    return run


def check_data(run: Run, data: Dataset) -> None:
    """Raises UserError where `data` is not what the run was trained on."""
    trained = run.comment("data")
    if trained != data.fingerprint:
        raise UserError(
            f"{run.path} was trained on other data ({trained}) than these ({data.fingerprint}): "
            "give the same --dataset and --data_dir"
        )


@contextlib.contextmanager
def saving(path: pathlib.Path) -> Iterator[None]:
    """Turns a failure to write below `path` into one line for the user."""
    try:
        yield
    except (OSError, tf.errors.OpError) as error:
        full = getattr(error, "errno", None) == errno.ENOSPC or "No space left" in str(error)
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        kept = Run(path).newest_step()
        advice = "; make room there, or give another folder"
        if kept is not None:
            advice = f"; the checkpoint of step {kept} is kept: make room, then --train --resume"
        raise UserError(
            f"cannot write {path}: {'the disk is full' if full else reason}{advice}"
        ) from error


def write_atomically(path: pathlib.Path, content: str | bytes) -> None:
    """Writes a file so that it is there whole or as it was before, also after a power cut."""
    partial = path.with_name(f"partial-{path.name}")
    try:
        partial.write_bytes(content.encode() if isinstance(content, str) else content)
        _flush_to_disk(partial)
        os.replace(partial, path)
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def _folder_name(flags: options.Flags, model_name: str) -> str:
    now = datetime.datetime.now().strftime("%Y-%m-%d_%H.%M.%S.%f")
    parts = (
        now,
        flags.z_dim,
        flags.learning_rate,
        flags.batch_size,
        flags.n_epochs,
        flags.beta1,
        model_name,
    )
    return "_".join(str(part) for part in parts)


def checkpoint(model: tf.Module, ema: averaging.ExponentialMovingAverage) -> tf.train.Checkpoint:
    """Returns all that a run needs to go on: weights, optimizers' slots, the step, averages."""
    return tf.train.Checkpoint(model=model, ema=ema)


def _is_whole(folder: pathlib.Path) -> bool:
    """Whether every tensor of the checkpoint reads back with the checksum it was written with."""
    try:
        reader = tf.train.load_checkpoint(str(folder / "checkpoint"))
        for name in reader.get_variable_to_shape_map():
            reader.get_tensor(name)
    except Exception:  # The reader has an exception of another type for each kind of damage.
        return False
    return True


def _score(folder: pathlib.Path) -> float | None:
    """How good the checkpoint is, or None where nobody said."""
    try:
        return float((folder / "score.txt").read_text())
    except (OSError, ValueError):
        return None


def _flush_to_disk(path: pathlib.Path) -> None:
    """Waits until the file has reached the disk, so that a power cut keeps it."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())
