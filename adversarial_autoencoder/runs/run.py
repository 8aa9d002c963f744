"""One run's folder: its flags, its checkpoints, its exported models.

A checkpoint that does not read back is passed over for the one before.
"""

import contextlib
import copy
import datetime
import hashlib
import json
import math
import numbers
import os
import pathlib
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence

from adversarial_autoencoder import options
from adversarial_autoencoder.datasets import Dataset
from adversarial_autoencoder.pictures import png
from adversarial_autoencoder.runs import checkpoints, exports
from adversarial_autoencoder.system import files, flagfiles, locks
from adversarial_autoencoder.system.errors import UserError
from adversarial_autoencoder.system.files import replacing, write_atomically

import keras
import numpy as np
import tensorflow as tf

CHECKPOINTS_KEPT = 3  # The newest; and, where epochs are scored, the best.
TIME = "%Y-%m-%dT%H:%M:%S.%fZ"  # UTC, of one length: it sorts as text.
LOAD_AGAIN = "load the run again (the script without --train)"


@contextlib.contextmanager
def saving(path: pathlib.Path, again: str = "--train --resume") -> Iterator[None]:
    """As `files.saving`, in a run's folder: the message says which checkpoint is kept.

    Args:
      path: what is written, or a folder that holds it.
      again: what to do once it can be written, where a run's checkpoint is kept.

    Raises:
      UserError: it could not be written.
    """

    def advise(remedy: str) -> str:
        folders = (path, *path.parents)
        run = next((f for f in folders if os.path.isfile(f / "flags.txt")), path)
        kept = []
        with contextlib.suppress(UserError):  # The folder cannot even be searched.
            kept = checkpoints.stored(run / "Saved_models")
        if not kept:
            return f"{remedy} there, or give another folder"
        if path.suffix == ".png":
            return (
                f"the training is safe: {remedy}, then the script with --run={run} draws the "
                "pictures, and with --train --resume too it goes on"
            )
        return f"the checkpoint of step {kept[0][0]} is kept: {remedy}, then {again}"

    with files.saving(path, advise):
        yield


# Trained networks that come with a checkout, in a folder of the model's name.
PRETRAINED = pathlib.Path(__file__).resolve().parents[2] / "pretrained"


class Run:
    """A folder under `Results/<model name>/`. Nothing is written before `create`."""

    def __init__(self, path: pathlib.Path):
        self._set_path(path)
        self.flag_text = ""  # Of `flags.txt`, should it be deleted while the run is trained.

    def _set_path(self, path: pathlib.Path) -> None:
        self.path = path
        self.checkpoints = path / "Saved_models"
        self.tensorboard = path / "Tensorboard"
        self.images = path / "images"
        self.log = path / "log" / "log.txt"
        self.flagfile = path / "flags.txt"
        self.metrics = path / "metrics.json"
        self.machines = path / "machines.json"
        self.explorer = path / "explorer.html"

    def create(self, model_name: str, flag_lines: Sequence[str], data: Dataset) -> None:
        """Makes the folder, or another if a run has just taken it, with `flags.txt` in it.

        Raises:
          UserError: the folder cannot be written.
        """
        with saving(self.path):
            while True:
                try:
                    self.path.mkdir(parents=True)
                    break
                except FileExistsError:
                    if not self.path.is_dir():
                        raise
                    now = _now()
                    self._set_path(self.path.with_name(now + self.path.name[len(now) :]))
            lines = [
                f"# created: {_time_after(self.path.parent)}",
                f"# model: {model_name}",
                f"# data: {data.fingerprint}",
                *flag_lines,
            ]
            lines.append(f"# checksum: {_checksum(lines)}")
            self.flag_text = "\n".join(lines) + "\n"
            self.make_folders()

    def make_folders(self) -> None:
        """Makes the folders, and `flags.txt`, where they are not there, or not any more."""
        for folder in (self.checkpoints, self.tensorboard, self.images, self.log.parent):
            folder.mkdir(parents=True, exist_ok=True)
        if self.flag_text and not self.flagfile.exists():
            write_atomically(self.flagfile, self.flag_text)

    @contextlib.contextmanager
    def training(self) -> Iterator[None]:
        """Holds the run, which only one process at a time may train, within a `with` block.

        Raises:
          UserError: another process holds it, or the folder cannot be written.
        """
        self.flag_text = self.flag_text or "\n".join(self.flag_lines()) + "\n"
        with contextlib.ExitStack() as stack:
            with saving(self.path):
                lock = locks.held(self.path / "lock", f"{self.path} is being trained")
                stack.enter_context(lock)
            yield

    def flag_lines(self) -> list[str]:
        """Returns the lines of `flags.txt`.

        Raises:
          UserError: it cannot be read, or is not text.
        """
        try:
            return flagfiles.read_lines(self.flagfile)
        except UserError as error:
            raise UserError(f"{error}; or give another --run") from None

    def comment(self, key: str) -> str | None:
        """Returns what the line `# key: …` of `flags.txt` says, or None."""
        start = f"# {key}: "
        found = (line.removeprefix(start) for line in self.flag_lines() if line.startswith(start))
        return next(found, None)

    def id(self) -> str:
        """Returns what its checkpoints know it by: runs of the same flags and data have the same.

        Those are the same run, bit for bit, on the same machine.
        """
        return _checksum(self.flag_text.splitlines() or self.flag_lines())

    def check_flags(self) -> None:
        """Raises UserError if `flags.txt` is not as it was written.

        Of runs made by earlier versions, which did not note when they were created, nothing is
        known.
        """
        noted = self.comment("checksum")
        if noted != _checksum(self.flag_lines()) and (noted or self.comment("created")):
            raise UserError(
                f"{self.flagfile} is not as the run wrote it (edited or cut): put it back; for a "
                f"run with other flags, train a new one with --flagfile={self.flagfile}"
            )

    def created(self) -> str:
        """Returns when the run was created, a UTC time that sorts as text; "" if unknown."""
        with contextlib.suppress(UserError):
            if noted := self.comment("created"):
                return noted
        try:  # Earlier versions noted it in the folder's name alone, in local time.
            local = datetime.datetime.strptime(self.path.name[:26], "%Y-%m-%d_%H.%M.%S.%f")
            return local.astimezone(datetime.UTC).strftime(TIME)
        except (ValueError, OverflowError, OSError):
            return ""

    def save(
        self,
        state: tf.train.Checkpoint,
        step: int,
        score: float | None = None,
        keep_every: int = 0,
    ) -> None:
        """Writes a checkpoint and drops the oldest ones.

        Args:
          state: what to save, see `checkpoints.state_of`.
          step: how many steps it was trained for.
          score: how good it is, if that is known; high is good.
          keep_every: steps; checkpoints of their multiples are not dropped. 0: all are.

        Raises:
          UserError: it could not be written; older checkpoints are untouched.
        """
        target = self.checkpoints / f"checkpoint-{step:09d}"
        with saving(self.path):
            self.make_folders()
            # A whole one of this step holds the same: never taken away to be replaced.
            if not checkpoints.is_whole(target):
                checkpoints.write(state, target, self.id(), score)
        best = self.best_step()
        for old, folder in checkpoints.stored(self.checkpoints)[CHECKPOINTS_KEPT:]:
            is_chosen = bool(old and keep_every) and old % keep_every == 0
            if old != best and not is_chosen:
                shutil.rmtree(folder, ignore_errors=True)

    def export(self, networks: Mapping[str, keras.Model]) -> None:
        """Writes each network as a file of its own, `<name>.keras`, beside the checkpoints.

        Raises:
          UserError: it could not be written; what was there before is untouched.
        """
        with saving(self.path):
            self.checkpoints.mkdir(parents=True, exist_ok=True)
            for name, network in networks.items():
                with replacing(self.checkpoints / f"{name}.keras") as partial:
                    exports.save(network, partial)

    def write_metrics(self, metrics: Mapping[str, float], dataset_name: str, commit: str) -> None:
        """Writes `metrics.json`, whole or not at all: the figures, flat, `dataset` and `commit`.

        Raises:
          UserError: a figure is not finite, or the file cannot be written.
          TypeError: a figure is not a number.
        """
        content = {"dataset": dataset_name, "commit": commit}
        for name, value in metrics.items():
            if isinstance(value, bool) or not isinstance(value, numbers.Real):
                raise TypeError(f"{name} is {value!r}, and only numbers go into metrics.json")
            if not math.isfinite(value):
                raise UserError(
                    f"{name} is {value}, not a finite number: train a new run, at a smaller rate"
                )
            content[name] = int(value) if isinstance(value, numbers.Integral) else float(value)
        with saving(self.path, again="--evaluate"):
            write_atomically(self.metrics, json.dumps(content, indent=2) + "\n")

    def write_picture(self, path: pathlib.Path, picture: np.ndarray, scale: int | None = None):
        """Writes a picture, as `png.save_png` does, with a message that knows of the run."""
        with saving(path):
            write_atomically(path, png.encode(picture, scale))

    def load(self, *names: str) -> tuple[keras.Model, ...]:
        """Returns exported networks as Keras models: those named, or `encoder` and `decoder`.

        Raises:
          UserError: one is not there, or cannot be read.
        """
        advice = f"{LOAD_AGAIN}, which writes it anew"
        if not self.newest_step():
            advice = "train the run first"
        names = names or ("encoder", "decoder")
        return tuple(exports.load(self.checkpoints / f"{name}.keras", advice) for name in names)

    def load_into(self, networks: Mapping[str, keras.Model]) -> None:
        """Gives networks, by the name of their file, the weights of those that were exported.

        Raises:
          UserError: one is not there, cannot be read, or has other layers.
        """
        for name, network in networks.items():
            try:
                network.set_weights(self.load(name)[0].get_weights())
            except ValueError as error:
                raise UserError(f"{self.checkpoints}: {name}.keras has other layers") from error

    def best_step(self) -> int | None:
        """Returns the step of the stored checkpoint with the highest score, or None."""
        scores = {}
        for step, folder in checkpoints.stored(self.checkpoints):
            with contextlib.suppress(UserError):
                scores[step] = checkpoints.score(folder)
        scored = [step for step in scores if scores[step] is not None]
        return max(scored, key=scores.get, default=None)  # Of equals the last, stored first here.

    def restore(self, state: tf.train.Checkpoint, best: bool = False) -> int:
        """Loads the newest whole checkpoint, or the best that has a score, and returns its step.

        Raises:
          UserError: there is none, it is of another run, or the permission to read one is missing.
        """
        if best:
            for _, folder in checkpoints.stored(self.checkpoints):
                try:
                    checkpoints.score(folder)
                except UserError:
                    if not checkpoints.is_whole(folder):
                        self._put_aside(folder)
        passed_over = set()  # On a read-only disk they stay where they are.
        while steps := dict(checkpoints.stored(self.checkpoints)).keys() - passed_over:
            step = self.best_step() if best else None
            step = step if step in steps else max(steps)
            folder = dict(checkpoints.stored(self.checkpoints))[step]
            if checkpoints.is_whole(folder):
                self._read(state, folder)
                return step
            self._put_aside(folder)
            passed_over.add(step)
        raise UserError(f"{self.path} holds no checkpoint that can be read: start a new run")

    def _put_aside(self, folder: pathlib.Path) -> None:
        """Out of the way, or a damaged checkpoint would count among the newest."""
        if not folder.exists():  # The process that trains the run has dropped it meanwhile.
            return
        print(f"Warning: {folder} is damaged: passed over for another.", file=sys.stderr)
        with contextlib.suppress(OSError):
            folder.rename(self.checkpoints / f"damaged-{time.time_ns()}-{folder.name[-9:]}")

    def restore_exactly(self, state: tf.train.Checkpoint, epoch: int, steps_per_epoch: int) -> int:
        """Loads the checkpoint of an epoch and returns its step.

        Raises:
          UserError: it was not kept, is damaged, or is of another run.
        """
        folders = dict(checkpoints.stored(self.checkpoints))
        step = epoch * steps_per_epoch
        if step not in folders:
            kept = sorted(s // steps_per_epoch for s in folders if s % steps_per_epoch == 0)
            raise UserError(
                f"--epoch={epoch} was not kept in {self.path}, which has the epochs "
                f"{', '.join(map(str, kept)) or 'none'}: train with --keep_every to keep more"
            )
        if not checkpoints.is_whole(folders[step]):
            raise UserError(f"{folders[step]} is damaged: give another --epoch, or none")
        self._read(state, folders[step])
        return step

    def _read(self, state: tf.train.Checkpoint, folder: pathlib.Path) -> None:
        checkpoints.check_owner(folder, self.id(), self.comment("checksum") is not None)
        checkpoints.read(state, folder)

    def of_epoch(self, epoch: int) -> "Run":
        """Returns the run with places of their own for this epoch's figures and pictures."""
        run = copy.copy(self)
        run.metrics = self.metrics.with_name(f"metrics_epoch_{epoch}.json")
        run.images = self.images / f"epoch_{epoch}"
        with saving(self.path, again=f"--epoch={epoch}"):
            run.images.mkdir(parents=True, exist_ok=True)
        return run

    def is_writable(self) -> bool:
        """Whether files can be made in the run's folder."""
        try:
            with tempfile.TemporaryFile(dir=self.path):
                return True
        except OSError:
            return False

    def elsewhere(self, folder: pathlib.Path) -> "Run":
        """Returns the run with figures, pictures and page in another folder.

        Raises:
          UserError: it cannot be written either.
        """
        run = copy.copy(self)
        run.tensorboard, run.images = folder / "Tensorboard", folder / "images"
        run.metrics, run.explorer = folder / "metrics.json", folder / "explorer.html"
        with files.saving(folder, lambda remedy: f"{remedy}, or give another --results_dir"):
            run.images.mkdir(parents=True, exist_ok=True)
        return run

    @property
    def is_pretrained(self) -> bool:
        """Whether it is an example that comes with the project: exported networks alone."""
        return self.path.parent == PRETRAINED

    def newest_step(self) -> int | None:
        """Returns the step of the newest checkpoint, or None."""
        return next((step for step, _ in checkpoints.stored(self.checkpoints)), None)


def _now() -> str:
    """How the name of a run's folder begins; of one length, and in the order of time."""
    return datetime.datetime.now().strftime("%Y-%m-%d_%H.%M.%S.%f")


def _time_after(folder: pathlib.Path) -> str:
    """The time now; or, if a clock was set back, a time after that of each run in the folder."""
    now = datetime.datetime.now(datetime.UTC)
    for path in folder.glob("*/flags.txt"):
        with contextlib.suppress(ValueError):
            other = datetime.datetime.strptime(Run(path.parent).created(), TIME)
            other = other.replace(tzinfo=datetime.UTC)
            now = max(now, other + datetime.timedelta(microseconds=1))
    return now.strftime(TIME)


def _checksum(lines: Sequence[str]) -> str:
    """Of the lines of `flags.txt`, but for those that say when, and what this was."""
    kept = [line.strip() for line in lines if not re.match("# (created|checksum): ", line)]
    return hashlib.sha256("\n".join(filter(None, kept)).encode()).hexdigest()[:16]


def folder_name(flags: options.Flags, model_name: str) -> str:
    """Returns how a new run's folder is called: when, and with which settings."""
    settings = ("z_dim", "learning_rate", "batch_size", "n_epochs", "beta1")
    return "_".join([_now(), *(str(flags[name].value) for name in settings), model_name])
