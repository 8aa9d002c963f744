"""Which run the flags mean, a new one or one that is there, and whether its data are here."""

import os
import pathlib
import stat
import sys

from adversarial_autoencoder import options
from adversarial_autoencoder.datasets import Dataset
from adversarial_autoencoder.runs.run import PRETRAINED, Run, folder_name
from adversarial_autoencoder.system.errors import UserError


class NoRun(UserError):
    """A model has no run yet."""


def open_run(flags: options.Flags, model_name: str) -> Run:
    """Returns the run that the flags mean: a new one, not yet created, or one that is there.

    With a run that is there its flags are taken over into `flags`. Where there is none to load, it
    is the pretrained example of the model, if the project has one.

    Raises:
      UserError: there is no such run, it belongs to another part, or the flags contradict it, or
        each other.
    """
    root = pathlib.Path(flags.results_dir) / model_name
    if flags.train and not flags.resume:
        if flags.run:
            raise UserError("--run names a run that is there: with --train give --resume too")
        options.check_prior(flags)
        return Run(root / folder_name(flags, model_name))
    try:
        run = find(flags.results_dir, model_name, flags.run, flags.resume)
    except NoRun as no_run:
        run = Run(PRETRAINED / model_name)
        if flags.train or flags.epoch or not _has_flags(run.path):
            raise
        try:
            options.adopt(flags, run.flag_lines(), str(run.flagfile))
        except UserError:  # Flags for a run that is not there.
            raise no_run from None
    else:
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
      UserError: there is no such run, the folder of runs cannot be searched, the run belongs to
        another model, its `flags.txt` is not as it was written, or its name cannot be printed.
    """
    root = pathlib.Path(results_dir) / model_name
    if path:
        run = Run(pathlib.Path(path))
        if not _has_flags(run.path):
            raise UserError(f"--run={path} is not a run's folder: it has no flags.txt")
    else:
        try:
            found = [path for path in map(root.joinpath, os.listdir(root)) if _has_flags(path)]
        except (FileNotFoundError, NotADirectoryError):
            found = []
        except OSError as error:
            raise _unsearchable(root, error) from error
        if not found:
            raise NoRun(f"there is no run in {root}: train one first, with --train")
        # A run that ended before it was trained should not hide the ones before it.
        steps = {path: Run(path).newest_step() for path in found}
        usable = [path for path, step in steps.items() if step or (resume and step == 0)]
        run = max(map(Run, usable or found), key=lambda run: (run.created(), run.path.name))
    trained = run.comment("model")
    if trained is None:
        raise UserError(
            f"{run.flagfile} is damaged, since it names no model: give another --run, or put back "
            "the file"
        )
    if trained != model_name:
        raise UserError(f"{run.path} is a run of {trained}, not of {model_name}")
    run.check_flags()
    if not run.path.name.isprintable():
        raise UserError(f"the name of {run.path} cannot be printed: rename it")
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


def _has_flags(folder: pathlib.Path) -> bool:
    """Whether the folder is a run's."""
    try:
        return stat.S_ISREG(os.stat(folder / "flags.txt").st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise _unsearchable(folder, error) from error


def _unsearchable(folder: pathlib.Path, error: OSError) -> UserError:
    return UserError(
        f"{folder} cannot be searched ({error.strerror}): grant permission, or give another "
        "--results_dir or --run"
    )
