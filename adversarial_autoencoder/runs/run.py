"""One run's folder: made, found, resumed; its checkpoints and exported models.

A checkpoint that does not read back is passed over for the one before.
"""

import contextlib
import datetime
import json
import math
import numbers
import os
import pathlib
import shutil
import sys
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
        with contextlib.suppress(OSError):  # The folder cannot even be searched.
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


class Run:
    """A folder under `Results/<model name>/`. Nothing is written before `create`."""

    def __init__(self, path: pathlib.Path):
        self._set_path(path)
        self.keep_every = 0  # Steps; checkpoints of their multiples are not dropped.
        self._flag_text = ""  # Of `flags.txt`, should it be deleted while the run is trained.

    def _set_path(self, path: pathlib.Path) -> None:
        self.path = path
        self.checkpoints = path / "Saved_models"
        self.tensorboard = path / "Tensorboard"
        self.images = path / "images"
        self.log = path / "log" / "log.txt"
        self.flagfile = path / "flags.txt"
        self.metrics = path / "metrics.json"
        self.machines = path / "machines.json"

    def create(self, model_name: str, flag_lines: Sequence[str], data: Dataset) -> None:
        """Makes the folder, with `flags.txt` in it.

        Where the folder is there already, another run began at the same time: it takes the next.

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
            lines = [f"# model: {model_name}", f"# data: {data.fingerprint}", *flag_lines]
            self._flag_text = "\n".join(lines) + "\n"
            self.make_folders()

    def make_folders(self) -> None:
        """Makes the folders, and `flags.txt`, where they are not there, or not any more."""
        for folder in (self.checkpoints, self.tensorboard, self.images, self.log.parent):
            folder.mkdir(parents=True, exist_ok=True)
        if self._flag_text and not self.flagfile.exists():
            write_atomically(self.flagfile, self._flag_text)

    @contextlib.contextmanager
    def training(self) -> Iterator[None]:
        """Holds the run, which only one process at a time may train, within a `with` block.

        Raises:
          UserError: another process holds it, or the folder cannot be written.
        """
        with contextlib.ExitStack() as stack:
            with saving(self.path):
                lock = locks.held(self.path / "lock", f"{self.path} is being trained")
                stack.enter_context(lock)
            yield

    def note_machine(self, machine: Mapping[str, object]) -> str | None:
        """Stores what this machine's rounding depends on, beside where the run was trained before.

        Args:
          machine: see `provenance.machine`.

        Returns:
          What differs from where it was trained before; None if nothing does.

        Raises:
          UserError: it could not be stored.
        """
        try:
            before = json.loads(self.machines.read_text(encoding="utf-8"))
            others = [other for other in before if dict(other) != machine]
        except (OSError, ValueError, TypeError):  # Gone or damaged: nothing to compare with.
            before = others = []
        if machine not in before:
            with saving(self.path):
                write_atomically(self.machines, json.dumps([*before, machine], indent=2) + "\n")
        if not others:
            return None
        keys = sorted({*others[-1], *machine})
        pairs = ((key, others[-1].get(key, "none"), machine.get(key, "none")) for key in keys)
        differing = [(key, f"{old} → {new}") for key, old, new in pairs if old != new]
        return ", ".join(key if len(told) > 60 else f"{key} {told}" for key, told in differing)

    def flag_lines(self) -> list[str]:
        """Returns the lines of `flags.txt`, and keeps them, should it be deleted in the training.

        Raises:
          UserError: it cannot be read, or is not text.
        """
        try:
            lines = flagfiles.read_lines(self.flagfile)
        except UserError as error:
            raise UserError(f"{error}; or give another --run") from None
        self._flag_text = "\n".join(lines) + "\n"
        return lines

    def comment(self, key: str) -> str | None:
        """Returns what the line `# key: …` of `flags.txt` says, or None."""
        start = f"# {key}: "
        found = (line.removeprefix(start) for line in self.flag_lines() if line.startswith(start))
        return next(found, None)

    def save(self, state: tf.train.Checkpoint, step: int, score: float | None = None) -> None:
        """Writes a checkpoint and drops the oldest ones.

        Args:
          state: what to save, see `checkpoints.of`.
          step: how many steps it was trained for.
          score: how good it is, if that is known; high is good.

        Raises:
          UserError: it could not be written; older checkpoints are untouched.
        """
        target = self.checkpoints / f"checkpoint-{step:09d}"
        with saving(self.path):
            self.make_folders()
            # A whole one of this step holds the same: never taken away to be replaced.
            if not checkpoints.is_whole(target):
                checkpoints.write(state, target, score)
        best = self.best_step()
        for old, folder in checkpoints.stored(self.checkpoints)[CHECKPOINTS_KEPT:]:
            is_chosen = bool(old and self.keep_every) and old % self.keep_every == 0
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

        Args:
          metrics: finite numbers by name.
          dataset_name: the data set measured on.
          commit: of the source that measured, see `machine.commit_of_source`.

        Raises:
          UserError: a figure is not finite, or the file cannot be written.
          TypeError: a figure is not a number.
        """
        content = {"dataset": dataset_name, "commit": commit}
        content |= {name: _number(name, value) for name, value in metrics.items()}
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
        return tuple(self._load_network(name) for name in names or ("encoder", "decoder"))

    def best_step(self) -> int | None:
        """Returns the step of the stored checkpoint with the highest score, or None."""
        scores = {}
        for step, folder in checkpoints.stored(self.checkpoints):
            with contextlib.suppress(UserError):
                scores[step] = checkpoints.score(folder)
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
        if best:
            for _, folder in checkpoints.stored(self.checkpoints):
                try:
                    checkpoints.score(folder)
                except UserError:
                    self._put_aside(folder)
        passed_over = set()  # On a read-only disk they stay where they are.
        while steps := dict(checkpoints.stored(self.checkpoints)).keys() - passed_over:
            step = self.best_step() if best else None
            step = step if step in steps else max(steps)
            folder = dict(checkpoints.stored(self.checkpoints))[step]
            if checkpoints.is_whole(folder):
                checkpoints.read(state, folder)
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
          UserError: it was not kept, or is damaged.
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
        checkpoints.read(state, folders[step])
        return step

    def of_epoch(self, epoch: int) -> "Run":
        """Returns the run with places of their own for this epoch's figures and pictures."""
        run = Run(self.path)
        run.metrics = self.path / f"metrics_epoch_{epoch}.json"
        run.images = self.images / f"epoch_{epoch}"
        with saving(self.path, again=f"--epoch={epoch}"):
            run.images.mkdir(parents=True, exist_ok=True)
        return run

    def newest_step(self) -> int | None:
        """Returns the step of the newest checkpoint, or None."""
        return next((step for step, _ in checkpoints.stored(self.checkpoints)), None)

    def _load_network(self, name: str) -> keras.Model:
        path = self.checkpoints / f"{name}.keras"
        try:
            return keras.models.load_model(path, compile=False)
        except (OSError, ValueError) as error:
            raise UserError(f"{path} cannot be read: train the run first") from error


def open_run(flags: options.Flags, model_name: str) -> Run:
    """Returns the run that the flags mean: a new one, not yet created, or one that is there.

    With a run that is there its flags are taken over into `flags`.

    Raises:
      UserError: there is no such run, it belongs to another part, or the flags contradict it, or
        each other.
    """
    root = pathlib.Path(flags.results_dir) / model_name
    if flags.train and not flags.resume:
        if flags.run:
            raise UserError("--run names a run that is there: with --train give --resume too")
        options.check_prior(flags)
        return Run(root / _folder_name(flags, model_name))
    run = find(flags.results_dir, model_name, flags.run, flags.resume)
    options.adopt(flags, run.flag_lines(), str(run.flagfile))
    options.check_prior(flags)
    return run


def find(results_dir: str, model_name: str, path: str | None = None, resume: bool = False) -> Run:
    """Returns the run in the folder `path`, or the newest of a model.

    Args:
      results_dir: the folder of all runs.
      model_name: the model's `NAME`.
      path: the run's folder; None: the newest.
      resume: a run that was saved before its first step will do.

    Raises:
      UserError: there is no such run, the folder of runs cannot be searched, or the run belongs to
        another model.
    """
    root = pathlib.Path(results_dir) / model_name
    if path:
        run = Run(pathlib.Path(path))
        if not os.path.isfile(run.flagfile):
            raise UserError(f"--run={path} is not a run's folder: it has no flags.txt")
    else:
        try:
            found = [path.parent for path in root.glob("*/flags.txt")]
        except OSError as error:
            raise UserError(
                f"{root} cannot be searched ({error.strerror}): grant permission, or give another "
                "--results_dir"
            ) from error
        if not found:
            raise UserError(f"there is no run in {root}: train one first, with --train")
        # A run that ended before it was trained should not hide the ones before it.
        steps = {path: Run(path).newest_step() for path in found}
        usable = [path for path, step in steps.items() if step or (resume and step == 0)]
        run = Run(max(usable or found, key=lambda path: path.name))
    trained = run.comment("model")
    if trained is None:
        raise UserError(
            f"{run.flagfile} is damaged, since it names no model: give another --run, or put back "
            "the file"
        )
    if trained != model_name:
        raise UserError(f"{run.path} is a run of {trained}, not of {model_name}")
    return run


def check_data(run: Run, data: Dataset) -> None:
    """Raises UserError where `data` is not what the run was trained on."""
    differing, unknown = data.differences(run.comment("data") or "")
    if differing:
        raise UserError(
            f"{run.path} was trained on other data: {', '.join(differing)} differ: "
            "give the same --dataset and --data_dir"
        )
    if unknown:
        print(
            f"Warning: {run.path} was made by an earlier version, which noted its training images "
            f"alone: whether {', '.join(unknown)} are the same is not known.",
            file=sys.stderr,
        )


def _now() -> str:
    """How the name of a run's folder begins; of one length, and in the order of time."""
    return datetime.datetime.now().strftime("%Y-%m-%d_%H.%M.%S.%f")


def _folder_name(flags: options.Flags, model_name: str) -> str:
    parts = (
        _now(),
        flags.z_dim,
        flags.learning_rate,
        flags.batch_size,
        flags.n_epochs,
        flags.beta1,
        model_name,
    )
    return "_".join(str(part) for part in parts)


def _number(name: str, value: float) -> float:
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name} is {value!r}, and only numbers go into metrics.json")
    if not math.isfinite(value):
        raise UserError(
            f"{name} is {value}, not a finite number: train a new run, at a smaller rate"
        )
    return int(value) if isinstance(value, numbers.Integral) else float(value)
