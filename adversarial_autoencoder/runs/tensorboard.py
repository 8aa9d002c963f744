"""What TensorBoard shows of a run as a whole: a short name, its flags, its graph.

TensorBoard names a run by its path below `--logdir`, and a run's folder has a long one. Hence the
folder `tensorboard/` beside the runs, with a link of a short name to the events of each.
"""

import contextlib
import inspect
import os
import pathlib
import sys

from adversarial_autoencoder import options, runs
from adversarial_autoencoder.model import Model

import tensorflow as tf

FOLDER = "tensorboard"  # Of the links, below `--results_dir`.
NO_SETTINGS = ("data_dir", "keep_every", "devices", "streaming")  # Change nothing that is trained.


def link(model: Model, run: runs.Run) -> pathlib.Path:
    """Makes the short name of a run, and removes the names of runs that are no more.

    Returns:
      The folder to give TensorBoard as `--logdir`: that of all links, or the run's own where the
      file system has no links.
    """
    folder = pathlib.Path(model.flags.results_dir) / FOLDER
    target = run.tensorboard.resolve()
    try:
        folder.mkdir(exist_ok=True)
        for path in folder.iterdir():
            if not path.exists():
                path.unlink()
            elif path.resolve() == target:
                return folder
        names = short_names(model, run)
        _make_link(next(folder / name for name in names if not (folder / name).exists()), target)
    except (OSError, StopIteration, ValueError):  # No links here; or a folder that was renamed.
        return run.tensorboard
    return folder


def short_names(model: Model, run: runs.Run) -> list[str]:
    """Returns names for a run, `part3 11-24 15.04 z15 lr3e-4` first, then more exact ones."""
    day, time = run.path.name.split("_")[:2]  # 2026-11-24, 15.04.09.123456
    start, end = f"{script_name(model)} {day[5:]} ", f" z{model.flags.z_dim}"
    mantissa, exponent = f"{model.flags.learning_rate:e}".split("e")
    end += f" lr{float(mantissa):g}e{int(exponent)}"
    return [f"{start}{exact}{end}" for exact in (time[:5], time[:8], time)]


def script_name(model: Model) -> str:
    """Returns `part3` for the model of `part3_style_content.py`; of an experiment, its file's."""
    name = pathlib.Path(inspect.getfile(type(model))).stem
    return name.split("_")[0] if name.startswith("part") else name


def hyperparameters(model: Model) -> dict[str, bool | float | str]:
    """Returns the run's flags by name, as TensorBoard's *HParams* takes them."""
    found = {"script": script_name(model)}
    for name in sorted(model.flags):
        value = model.flags[name].value
        if name in (*options.ACTIONS, *NO_SETTINGS) or value is None:
            continue
        found[name] = ",".join(value) if isinstance(value, list) else value
    return found


def write_hyperparameters(model: Model, run: runs.Run) -> None:
    """Writes them with the default writer; each run counts as a trial of its own."""
    from tensorboard.plugins.hparams import api  # Not for --help.

    try:
        trial = short_names(model, run)[1]
    except ValueError:  # A folder that was renamed.
        trial = run.path.name
    api.hparams(hyperparameters(model), trial_id=trial)


def write_graph(model: Model) -> None:
    """Writes the graph of the train step, which has been traced, with the default writer."""
    # TensorFlow has no public way to a traced graph without the step's inputs; none, no graph.
    traced = getattr(model.train_step, "_list_all_concrete_functions", list)()
    if traced:
        tf.summary.graph(traced[0].graph)


def _make_link(path: pathlib.Path, target: pathlib.Path) -> None:
    with contextlib.suppress(OSError):
        # Relative, so that the results can be moved as a whole.
        relative = os.path.relpath(target, path.parent.resolve())
        path.symlink_to(relative, target_is_directory=True)
        return
    if sys.platform == "win32":  # Symbolic links need a privilege there, junctions none.
        import _winapi

        _winapi.CreateJunction(str(target), str(path))
    else:
        raise OSError(f"no link can be made in {path.parent}")
