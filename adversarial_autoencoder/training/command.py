"""What a script does: its `main`, from the flags to the pictures."""

import contextlib
import os
import pathlib
import shutil
import sys
import tempfile
from collections.abc import Iterator

from adversarial_autoencoder import options, pictures, runs
from adversarial_autoencoder.datasets import Dataset
from adversarial_autoencoder.datasets.batches import steps_per_epoch
from adversarial_autoencoder.measures import evaluation
from adversarial_autoencoder.measures.classifiers import Judge
from adversarial_autoencoder.model import Model
from adversarial_autoencoder.optimizers import ExponentialMovingAverage
from adversarial_autoencoder.pictures import png
from adversarial_autoencoder.runs import checkpoints
from adversarial_autoencoder.runs.recorder import record_loaded
from adversarial_autoencoder.system import devices, distribution, machine
from adversarial_autoencoder.system.errors import printable
from adversarial_autoencoder.training.loop import Trainer

import keras
import tensorflow as tf


def set_up(flags: options.Flags) -> None:
    """Makes TensorFlow repeat itself bit for bit and sets the layers' precision."""
    tf.config.experimental.enable_op_determinism()
    # For draws that name no seed, in a layer or loss that somebody adds: they too repeat.
    keras.utils.set_random_seed(flags.seed % 2**32)
    keras.mixed_precision.set_global_policy(flags.precision)
    if warning := machine.slow_precision(flags.precision):
        print(warning, file=sys.stderr)


def main(model_class: type[Model], flags: options.Flags) -> runs.Run:
    """What a script does: trains a model or loads its newest run, then draws the pictures.

    Args:
      model_class: called with the data set and the flags.
      flags: the command line's.

    Returns:
      The run.

    Raises:
      UserError: something that the user can put right.
      SystemExit: training was stopped by a signal.
    """
    run = runs.open_run(flags, model_class.NAME)
    pictures.check(flags)
    strategy = distribution.start(flags)
    with distribution.lost_workers(strategy), _folder_of_worker(run, flags, strategy) as run:
        return _main(model_class, flags, run, strategy)


def _main(
    model_class: type[Model],
    flags: options.Flags,
    run: runs.Run,
    strategy: tf.distribute.Strategy | None,
) -> runs.Run:
    set_up(flags)
    data = model_class.load_data(flags)
    print(_described(data))
    if flags.train:
        distribution.agree(strategy, _settings_of_all(flags, data, run))
    with devices.scope(strategy):
        model = model_class(data, flags)
    ema = ExponentialMovingAverage(list(model.exports().values()), flags.ema_decay)
    if flags.train:
        step, drawn = Trainer(model, ema, data, run, flags, strategy).train()
        if not distribution.is_chief(strategy):
            return run
    else:
        runs.check_data(run, data)
        if run.is_pretrained:
            run.load_into(model.exports())
            ema = ExponentialMovingAverage([], 0.0)  # Exports are the averages.
            step = flags.n_epochs * steps_per_epoch(data, flags.batch_size)
            print(f"No run yet: this is the trained example {run.path}.")
            run = run.elsewhere(pathlib.Path(flags.results_dir, run.path.name, "pretrained"))
        else:
            run, step = _load(model, ema, data, run, flags)
    with ema.in_place():
        if not flags.train or flags.generate or flags.visualize:
            drawn = record_loaded(model, data, run)
        if flags.evaluate:
            cache_dir = pathlib.Path(flags.results_dir) / "Classifiers"
            evaluate(model, data, run, step, Judge(data, cache_dir))
        if flags.show:
            for name, picture in drawn.items():
                png.show(picture, name)
    print(f"Pictures: {run.images}")
    if flags.explorer != "none" and run.explorer.exists():
        print(f"Try it: {run.explorer}")
    return run


def _load(
    model: Model,
    ema: ExponentialMovingAverage,
    data: Dataset,
    run: runs.Run,
    flags: options.Flags,
) -> tuple[runs.Run, int]:
    """Loads a run's checkpoint; returns the run, with places for what is drawn, and the step."""
    state = checkpoints.state_of(model, ema)
    if not run.is_writable():
        run = run.elsewhere(_other_folder(run, flags.results_dir))
        print(f"{run.path} cannot be written: pictures and figures go to {run.images.parent}.")
    if flags.epoch:
        per_epoch = steps_per_epoch(data, flags.batch_size)
        step = run.restore_exactly(state, flags.epoch, per_epoch)
        run = run.of_epoch(flags.epoch)
    else:
        step = run.restore(state, best=True)
    print(f"Loaded {run.path}, trained for {step} steps.")
    return run, step


def evaluate(model: Model, data: Dataset, run: runs.Run, step: int, judge: Judge) -> None:
    """Measures the model: a table on the screen, `metrics.json`, scalars in TensorBoard.

    Raises:
      UserError: the run's folder cannot be written.
    """
    metrics = {}
    for measure in model.MEASURES:
        metrics |= measure(model, data, judge)
    print(evaluation.format_table(metrics))
    run.write_metrics(metrics, data.name, machine.commit_of_source())
    writer = tf.summary.create_file_writer(str(run.tensorboard))
    with runs.saving(run.path, again="--evaluate"):
        with writer.as_default(step=step):
            for name, value in metrics.items():
                tf.summary.scalar(f"metrics/{name}", value)
        writer.close()


def _described(data: Dataset) -> str:
    """The line that says what a script works on."""
    parts = {"training": data.train, "validation": data.validation, "test": data.test}
    counts = ", ".join(f"{len(split):,} {part}" for part, split in parts.items())
    size = " x ".join(map(str, data.image_shape))
    return f"Data: {printable(data.name)}, {counts} images of {size}, {data.n_classes} classes"


def _other_folder(run: runs.Run, results_dir: str) -> pathlib.Path:
    """Where the pictures of a run go whose folder cannot be written."""
    folder = pathlib.Path(results_dir, run.path.parent.name, run.path.name)
    if folder.resolve() != run.path.resolve():
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            if os.access(folder, os.W_OK):
                return folder
    return pathlib.Path(tempfile.mkdtemp(prefix=f"{run.path.parent.name}_"))


@contextlib.contextmanager
def _folder_of_worker(
    run: runs.Run, flags: options.Flags, strategy: tf.distribute.Strategy | None
) -> Iterator[runs.Run]:
    """Gives workers that are not the chief a copy of the run, which does not stay, and no say."""
    if distribution.is_chief(strategy):
        yield run
        return
    with (
        tempfile.TemporaryDirectory() as folder,
        open(os.devnull, "w") as nowhere,
        contextlib.redirect_stdout(nowhere),
    ):
        flags.results_dir = folder
        copy = runs.Run(pathlib.Path(folder) / run.path.parent.name / run.path.name)
        if flags.resume:
            shutil.copytree(run.path, copy.path)
        yield copy


def _settings_of_all(flags: options.Flags, data: Dataset, run: runs.Run) -> dict[str, object]:
    """What all workers must have, by the name for messages."""
    free = {*options.ACTIONS, *options.FREE_TO_CHANGE} - {"resume"}
    settings = {f"--{name}": flags[name].value for name in sorted(flags) if name not in free}
    what_is_resumed = (run.path.name, run.newest_step()) if flags.resume else None
    return settings | {"the run": what_is_resumed, "the data": data.fingerprint}
