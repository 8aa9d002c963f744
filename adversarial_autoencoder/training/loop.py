"""The training loop: epochs, progress bar, checkpoints, stopping and going on.

Keras' `fit` can train with several optimizers, by a `train_step` of one's own, as Keras' DCGAN
example does. What it does not give is a resume at any step, bit for bit. Everything that the loop
needs to go on at step k is in the checkpoint of step k: batches and random draws are functions of
the seed and k.
"""

import contextlib
import dataclasses
import functools
import os
import shlex
from collections.abc import Callable, Mapping

from adversarial_autoencoder import layers, options, runs
from adversarial_autoencoder.datasets import Dataset
from adversarial_autoencoder.datasets.batches import STEPS_PER_CALL, Batches, steps_per_epoch
from adversarial_autoencoder.model import Model
from adversarial_autoencoder.optimizers import ExponentialMovingAverage
from adversarial_autoencoder.runs import checkpoints, machines, tensorboard
from adversarial_autoencoder.runs.recorder import VALIDATION, Recorder, accuracy
from adversarial_autoencoder.system import devices, distribution, flagfiles, machine
from adversarial_autoencoder.system.errors import UserError
from adversarial_autoencoder.training import stopping, trained_variables
from adversarial_autoencoder.training.progress import ProgressBar, short_run

import numpy as np
import tensorflow as tf


@dataclasses.dataclass
class Trainer:
    """All that a training needs.

    Attributes:
      model: what to train.
      ema: the average of its weights.
      data: what to train on.
      run: a new run, or with `--resume` the one to go on with.
      flags: the run's.
      strategy: in whose scope the model was made, see `devices`.
    """

    model: Model
    ema: ExponentialMovingAverage
    data: Dataset
    run: runs.Run
    flags: options.Flags
    strategy: tf.distribute.Strategy | None = None

    def train(self) -> tuple[int, dict[str, np.ndarray]]:
        """Trains to `--n_epochs`, from the start or from the run's newest checkpoint.

        Returns:
          The number of steps that the model is trained for, and the pictures of the end by name.

        Raises:
          UserError: a loss is no longer finite, the run's folder cannot be written, or another
            process trains the run. The last good checkpoint stays.
          SystemExit: after Ctrl-C, SIGTERM or SIGHUP, once the step is finished and saved.
        """
        model, data, run, flags = self.model, self.data, self.run, self.flags
        if flags.resume:
            runs.check_data(run, data)
        # All before the run's folder is made: a batch that is too large, or an error in the train
        # step, leaves none behind.
        flag_lines = options.to_flagfile(flags, **_where_data_lie(data, flags))
        self.per_epoch = steps_per_epoch(data, flags.batch_size)
        images = model.training_images(data)
        self.batches = Batches.of(images, data.n_classes, flags.batch_size, flags.seed)
        self.train_steps = step_loop(model, self.batches, self.ema, self.strategy)
        trained_variables.check(model)
        if not flags.resume:
            run.create(model.NAME, flag_lines, data)
        self.state = checkpoints.state_of(model, self.ema)
        with run.training():
            step = self._first_step()
            logdir = tensorboard.link(model, run)
            with (
                stopping.Stopping() as signals,
                contextlib.closing(Recorder(model, data, run, flag_lines, step)) as recorder,
            ):
                self._train(step, recorder, signals)
                step, drawn = self._end(recorder)
        print(f"Finished: {run.path}")
        print(f"Watch it: tensorboard --logdir {shlex.quote(str(logdir))}")
        if line := short_run(model):
            print(line)
        if signals.signal:
            raise SystemExit(128 + signals.signal)
        return step, drawn

    def _first_step(self) -> int:
        """Restores the newest checkpoint, or saves the first, and says which run it is."""
        run = self.run
        here = machine.machine(self.strategy.num_replicas_in_sync if self.strategy else 1)
        if not self.flags.resume:
            print(f"Run: {run.path}")
            machines.note(run, here)
            self._save(0)
            return 0
        step = run.restore(self.state)
        print(f"Going on with {run.path} at step {step}.")
        if differing := machines.note(run, here):
            print(f"Its end will differ by rounding from an unbroken run's: {differing}.")
        return step

    def _train(self, step: int, recorder: Recorder, signals: stopping.Stopping) -> None:
        """Trains from a step to the last one, or to the end of an epoch that the model stops at."""
        per_epoch, last_step = self.per_epoch, self.flags.n_epochs * self.per_epoch
        with ProgressBar(step, last_step, per_epoch) as bar:
            while step < last_step and not bool(self.model.stop_training):
                epoch_end = (step // per_epoch + 1) * per_epoch
                call_end = min(step - step % STEPS_PER_CALL + STEPS_PER_CALL, epoch_end)
                order = self.batches.order(step)
                losses, not_finite = self.train_steps(_int64(step), _int64(call_end), order)
                if not_finite >= 0:
                    raise UserError(self._not_finite(f"a loss of step {int(not_finite) + 1}"))
                losses = {name: float(loss) for name, loss in losses.items()}
                step = call_end
                bar.show(step, losses)

                with runs.saving(self.run.path):
                    batch = functools.partial(self.batches.batch, _int64(step - 1), order)
                    recorder.record_step(step, losses, batch)
                    if step == epoch_end:
                        with self.ema.in_place():
                            figures = self._measure_epoch(step, losses)
                            recorder.record_epoch(step, losses, figures)
                        try:
                            with self.ema.in_place():
                                recorder.draw(step)
                        finally:  # Pictures that cannot be drawn should not cost the epoch.
                            recorder.flush()
                            self._save(step, figures.get(VALIDATION))
                # Not stored in `signals`: a signal that comes meanwhile would be overwritten.
                received = distribution.signal_of_any(self.strategy, signals.signal)
                if received and step < last_step:
                    if step != epoch_end:
                        recorder.flush()
                        self._save(step)
                    bar.close()
                    print(f"Stopped at step {step} of {last_step}, all saved. To go on:")
                    print(f"  {self._command_to_go_on()}")
                    raise SystemExit(128 + received)

    def _measure_epoch(self, step: int, losses: Mapping[str, float]) -> dict[str, float]:
        """The validation accuracy, where the model predicts labels, and what the model adds."""
        score = accuracy(self.model, self.data.validation)
        figures = {} if score is None else {VALIDATION: score}
        return figures | (self.model.on_epoch_end(step, {**losses, **figures}) or {})

    def _end(self, recorder: Recorder) -> tuple[int, dict[str, np.ndarray]]:
        """Exports and draws the best model, or the last where epochs have no score."""
        step = self.run.restore(self.state, best=True)
        try:
            with self.ema.in_place(), runs.saving(self.run.path):
                self.run.export(self.model.exports())
                return step, recorder.record_end(step)
        except (KeyboardInterrupt, SystemExit):  # A second signal.
            print("Stopped before the pictures of the end were all drawn; the training is finished")
            print(f"and saved. To have them:\n  {self._command_to_go_on()}")
            raise

    def _save(self, step: int, score: float | None = None) -> None:
        variables = [v for network in self.model.networks for v in network.variables]
        if not all(np.isfinite(v.numpy()).all() for v in variables):
            raise UserError(self._not_finite(f"a weight after step {step}"))
        self.run.save(self.state, step, score, self.flags.keep_every * self.per_epoch)
        with self.ema.in_place():
            self.run.export(self.model.exports())

    def _not_finite(self, value: str) -> str:
        return (
            f"{value} is not finite any more; the checkpoint of step {self.run.newest_step()} in "
            f"{self.run.path} is kept: start a new run with a smaller --learning_rate"
        )

    def _command_to_go_on(self) -> str:
        return stopping.command_to_go_on(type(self.model), self.run, self.flags)


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
    """What is stored with the run: not `auto`, but what it came to, found from any folder.

    Raises:
      UserError: `flags.txt` cannot hold a path, since the working directory's name has a line end.
    """
    is_file = data.name.endswith(".npz") or os.path.isabs(data.name)
    found = {
        "dataset": os.path.abspath(data.name) if is_file else data.name,
        "data_dir": flags.data_dir and os.path.abspath(os.path.expanduser(flags.data_dir)),
    }
    for name, path in found.items():
        flagfiles.check_text(name, path)
    return found


def _int64(step: int) -> tf.Tensor:
    """A tensor, since each Python number would trace a `tf.function` anew."""
    return tf.constant(step, tf.int64)
