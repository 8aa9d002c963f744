"""The training loop: epochs, progress bar, checkpoints, stopping cleanly; and a script's `main`.

Keras' `fit` has no place for several optimizers, a resume at any step, or a signal. Everything that
the loop needs to go on at step k is in the checkpoint of step k: batches and random draws are
functions of the seed and k.
"""

import contextlib
import os
import shlex
from collections.abc import Callable, Mapping, Sequence

from adversarial_autoencoder import layers, options
from adversarial_autoencoder.datasets import Dataset
from adversarial_autoencoder.datasets.batches import STEPS_PER_CALL, Batches, steps_per_epoch
from adversarial_autoencoder.model import Model
from adversarial_autoencoder.optimizers import ExponentialMovingAverage
from adversarial_autoencoder.runs import checkpoints, tensorboard
from adversarial_autoencoder.runs import run as runs
from adversarial_autoencoder.runs.recorder import Recorder, accuracy
from adversarial_autoencoder.system import devices, distribution, machine
from adversarial_autoencoder.system.errors import UserError
from adversarial_autoencoder.training import stopping, trained_variables
from adversarial_autoencoder.training.progress import ProgressBar, short_run

import numpy as np
import tensorflow as tf

LOG_EVERY = 50  # Steps between two points of a curve in TensorBoard, as in the series.


def train(
    model: Model,
    ema: ExponentialMovingAverage,
    data: Dataset,
    run: runs.Run,
    flags: options.Flags,
    strategy: tf.distribute.Strategy | None = None,
) -> tuple[int, dict[str, np.ndarray]]:
    """Trains to `--n_epochs`, from the start or from the run's newest checkpoint.

    Args:
      model: what to train.
      ema: of its weights.
      data: what to train on.
      run: a new run, or with `--resume` the one to go on with.
      flags: the run's.
      strategy: in whose scope the model was made, see `devices`.

    Returns:
      The number of steps that the model is trained for, and the pictures of the end by name.

    Raises:
      UserError: a loss is no longer finite, the run's folder cannot be written, or another process
        trains the run. The last good checkpoint stays.
      SystemExit: after Ctrl-C, SIGTERM or SIGHUP, once the step is finished and saved.
    """
    if flags.resume:
        runs.check_data(run, data)
    # All before the run's folder is made: a batch that is too large, or an error in the train step,
    # leaves none behind.
    steps_per_epoch(data, flags.batch_size)
    trained_variables.check(model)
    batches = Batches.of(model.training_images(data), data.n_classes, flags.batch_size, flags.seed)
    train_steps = step_loop(model, batches, ema, strategy)
    flag_lines = options.to_flagfile(flags, **_where_data_lie(data, flags))
    if not flags.resume:
        run.create(model.NAME, flag_lines, data)
    with run.training():
        here = machine.machine(strategy.num_replicas_in_sync if strategy else 1)
        return _train(
            model, ema, data, run, flags, flag_lines, batches, train_steps, here, strategy
        )


def _train(
    model: Model,
    ema: ExponentialMovingAverage,
    data: Dataset,
    run: runs.Run,
    flags: options.Flags,
    flag_lines: Sequence[str],
    batches: Batches,
    train_steps: Callable,
    machine: Mapping[str, str | int],
    strategy: tf.distribute.Strategy | None,
) -> tuple[int, dict[str, np.ndarray]]:
    per_epoch = steps_per_epoch(data, flags.batch_size)
    state = checkpoints.of(model, ema)
    if flags.resume:
        step = run.restore(state)
        print(f"Going on with {run.path} at step {step}.")
        if differing := run.note_machine(machine):
            print(f"Its end will differ by rounding from an unbroken run's: {differing}.")
    else:
        step = 0
        run.note_machine(machine)
        _save(model, ema, state, run, step)
    logdir = tensorboard.link(model, run)
    run.keep_every = flags.keep_every * per_epoch
    last_step = flags.n_epochs * per_epoch

    with (
        stopping.Stopping() as signals,
        contextlib.closing(Recorder(model, data, run, flag_lines, step)) as recorder,
        ProgressBar(step, last_step, per_epoch) as bar,
    ):
        while step < last_step:
            epoch_end = (step // per_epoch + 1) * per_epoch
            call_end = min(step - step % STEPS_PER_CALL + STEPS_PER_CALL, epoch_end)
            order = batches.order(step)
            losses, not_finite = train_steps(_int64(step), _int64(call_end), order)
            if not_finite >= 0:
                raise UserError(_not_finite(f"a loss of step {int(not_finite) + 1}", run))
            losses = {name: float(loss) for name, loss in losses.items()}
            step = call_end
            bar.show(step, losses)

            with runs.saving(run.path):
                if step % LOG_EVERY == 0:
                    recorder.record_step(step, losses, *batches.batch(_int64(step - 1), order))
                if step == epoch_end:
                    with ema.in_place():
                        score = accuracy(model, data.validation)
                        recorder.record_epoch(step, step // per_epoch, losses, score)
                    try:
                        with ema.in_place():
                            recorder.draw(step, step // per_epoch)
                    finally:  # Pictures that cannot be drawn should not cost the epoch.
                        recorder.flush()
                        _save(model, ema, state, run, step, score)
            # Not stored in `signals`: a signal that comes meanwhile would be overwritten.
            received = distribution.signal_of_any(strategy, signals.signal)
            if received and step < last_step:
                if step != epoch_end:
                    recorder.flush()
                    _save(model, ema, state, run, step)
                bar.close()
                print(f"Stopped at step {step} of {last_step}, all saved. To go on:")
                print(f"  {stopping.command_to_go_on(type(model), run, flags)}")
                raise SystemExit(128 + received)
        if run.best_step() is not None:
            step = run.restore(state, best=True)
        try:
            with ema.in_place(), runs.saving(run.path):
                run.export(model.exports())
                drawn = recorder.record_end(step, step // per_epoch)
        except (KeyboardInterrupt, SystemExit):  # A second signal.
            print("Stopped before the pictures of the end were all drawn; the training is finished")
            print(
                f"and saved. To have them:\n  {stopping.command_to_go_on(type(model), run, flags)}"
            )
            raise
    print(f"Finished: {run.path}")
    print(f"Watch it: tensorboard --logdir {shlex.quote(str(logdir))}")
    if line := short_run(model):
        print(line)
    if signals.signal:
        raise SystemExit(128 + signals.signal)
    return step, drawn


def step_loop(
    model: Model,
    batches: Batches,
    ema: ExponentialMovingAverage,
    strategy: tf.distribute.Strategy | None = None,
) -> Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tuple[dict[str, tf.Tensor], tf.Tensor]]:
    """Returns the function that trains from one step up to another without leaving TensorFlow.

    Args:
      model: what to train.
      batches: what to train on.
      ema: of the model's weights, kept up to date.
      strategy: of several devices, see `devices`.

    Returns:
      A function of two int64 scalars `first` and `last` and the epoch's order of images, that does
      the steps first … last - 1 of one epoch. It returns the last step's losses by name, and the
      first step whose losses were not all finite (-1: none).
    """
    first_step = tf.constant(0, tf.int64)
    first_batch = batches.batch(first_step, batches.order(0))
    train_step = devices.whole_step(model.train_step, strategy)
    redraw = devices.on_each(layers.redraw, strategy)
    with devices.no_conditions():
        traced = train_step.get_concrete_function(*first_batch, first_step)
    outputs = traced.structured_outputs
    names = sorted(outputs)

    @tf.function
    def train_steps(
        first: tf.Tensor, last: tf.Tensor, order: tf.Tensor
    ) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        losses = {name: tf.constant(0.0) for name in names}
        not_finite = tf.constant(-1, tf.int64)
        for step in tf.range(first, last):
            model.step.assign(step)
            redraw(model.networks, batches.seed, step)
            losses = train_step(*batches.batch(step, order), step)
            ema.update(step)
            finite = tf.reduce_all(tf.math.is_finite(tf.stack([losses[name] for name in names])))
            not_finite = tf.where(finite | (not_finite >= 0), not_finite, step)
        return losses, not_finite

    return train_steps


def _where_data_lie(data: Dataset, flags: options.Flags) -> dict[str, str | None]:
    """What is stored with the run: not `auto`, but what it came to, found from any folder."""
    is_file = data.name.endswith(".npz") or os.path.isabs(data.name)
    return {
        "dataset": os.path.abspath(data.name) if is_file else data.name,
        "data_dir": flags.data_dir and os.path.abspath(os.path.expanduser(flags.data_dir)),
    }


def _int64(step: int) -> tf.Tensor:
    """A tensor, since each Python number would trace a `tf.function` anew."""
    return tf.constant(step, tf.int64)


def _save(
    model: Model,
    ema: ExponentialMovingAverage,
    state: tf.train.Checkpoint,
    run: runs.Run,
    step: int,
    score: float | None = None,
) -> None:
    variables = [v for network in model.networks for v in network.variables]
    if not all(np.isfinite(v.numpy()).all() for v in variables):
        raise UserError(_not_finite(f"a weight after step {step}", run))
    run.save(state, step, score)
    with ema.in_place():
        run.export(model.exports())


def _not_finite(what: str, run: runs.Run) -> str:
    return (
        f"{what} is not finite any more; the checkpoint of step {run.newest_step()} in {run.path} "
        "is kept: start a new run with a smaller --learning_rate"
    )
