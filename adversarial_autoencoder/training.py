"""The training loop: epochs, progress bar, TensorBoard, log, checkpoints, stopping cleanly.

Everything that the loop needs to go on at step k is in the checkpoint of step k: batches and random
draws are functions of the seed and k.
"""

import contextlib
import functools
import os
import pathlib
import shlex
import signal
import sys
from collections.abc import Callable, Mapping, Sequence

from adversarial_autoencoder import (
    averaging,
    datasets,
    evaluation,
    images,
    inference,
    layers,
    optimizers,
    options,
    pictures,
    projector,
    provenance,
    randomness,
    runs,
)
from adversarial_autoencoder.datasets import Dataset, Split
from adversarial_autoencoder.errors import UserError
from adversarial_autoencoder.judge import Judge

import keras
import numpy as np
import tensorflow as tf
from absl import flags
from tqdm import tqdm

STEPS_PER_CALL = 10  # Steps inside one call of a tf.function; a signal waits for so many.
LOG_EVERY = 50  # Steps between two points of a curve in TensorBoard, as in the series.


class Model(tf.Module):
    """What a script defines and the loop trains.

    Attributes:
      NAME: the name of its folder under `Results/`.
      MEASURES: the functions that measure it, see `evaluation`.
      CHOSEN_BY: the words of the command line that choose it among its script's models.
      flags: the run's flags.
      n_components: parts of a prior that has parts (petals, stretches of the roll).
      average: of the weights, with `--averaging` above 0; `main` makes it.
      classify: images as in `train_step` to how likely each label is, float32 [n, n_classes], if
        the model gives labels. Validation images then choose the epoch to report.
      encoder, decoder: Keras models, exported with each checkpoint. Layers that act in training
        alone (dropout) or otherwise (batch normalization) want `training=True` in the train step.
    """

    NAME: str
    MEASURES: tuple[Callable, ...]
    CHOSEN_BY: tuple[str, ...] = ()
    flags: flags.FlagValues
    n_components: int = 10
    classify: Callable[[tf.Tensor], tf.Tensor] | None = None
    encoder: keras.Model
    decoder: keras.Model
    average: averaging.Average | None = None

    def __init__(self, data: Dataset, flags: flags.FlagValues):
        super().__init__()
        self.flags = flags

    @classmethod
    def load_data(cls, values: flags.FlagValues) -> Dataset:
        """Returns the data set that the flags ask for."""
        return datasets.load(values.dataset, values.data_dir, values.n_images)

    def train_step(self, x: tf.Tensor, y: tf.Tensor, step: tf.Tensor) -> dict[str, tf.Tensor]:
        """A `tf.function` that does all phases of one step.

        Args:
          x: images, float32 [batch, input_dim] in [0, 1].
          y: their labels, one-hot, float32 [batch, n_classes].
          step: int64 scalar, from 0.

        Returns:
          The losses by name, scalars.
        """
        raise NotImplementedError

    def training_images(self, data: Dataset) -> Split:
        """Returns what `train_step` is shown."""
        return data.train

    def decode(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        """Makes images, float32 [n, input_dim] in [0, 1], of codes and (where used) labels."""
        raise NotImplementedError

    def exports(self) -> dict[str, keras.Model]:
        """Returns the networks that are exported, by the name of their file."""
        return {"encoder": self.encoder, "decoder": self.decoder}

    def copies(self, x: tf.Tensor, y: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns images and what the model makes of them, for TensorBoard, by name."""
        return {"Input Images": x, "Generated Images": self.reconstruct(x, y)}

    def histograms(self, x: tf.Tensor, y: tf.Tensor, step: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns what TensorBoard shows as histograms, by name."""
        raise NotImplementedError

    def pictures(self, data: Dataset) -> dict[str, np.ndarray]:
        """Returns the pictures by name, uint8 [height, width, channels]."""
        raise NotImplementedError

    def add_noise(self, x: tf.Tensor, step: tf.Tensor, purpose: str = "noise") -> tf.Tensor:
        """Adds N(0, noise_stddev²) to each pixel, for the encoder to see in training.

        So an autoencoder learns to undo the noise (Vincent et al. 2008); the AAE paper has it in
        part 4, at 0.3 (Makhzani et al. 2015, appendix).
        """
        if not self.flags.noise_stddev:
            return x
        seed = randomness.stateless_seed(self.flags.seed, purpose, step)
        return x + self.flags.noise_stddev * tf.random.stateless_normal(tf.shape(x), seed)

    def encode(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Makes codes, float32 [n, z_dim], of images."""
        return self.encoder(x, training=training)

    def reconstruct(self, x: tf.Tensor, y: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Encodes and decodes images."""
        return self.decode(self.encode(x, training), y)

    def averaged(self) -> contextlib.AbstractContextManager:
        """The context in which weights are their averages, with `--averaging` above 0."""
        return contextlib.nullcontext() if self.average is None else self.average.in_place()


def set_up(values: flags.FlagValues) -> None:
    """Makes TensorFlow repeat itself bit for bit and sets the layers' precision."""
    tf.config.experimental.enable_op_determinism()
    keras.mixed_precision.set_global_policy(values.precision)


def main(model_class: type[Model], values: flags.FlagValues) -> None:
    """What a script does: trains a model or loads its newest run, then makes the pictures.

    Args:
      model_class: called with the data set and the flags.
      values: the flags.

    Raises:
      UserError: something that the user can put right.
      SystemExit: training was stopped by a signal.
    """
    run = runs.open_run(values, model_class.NAME)
    pictures.check(values)
    set_up(values)
    data = model_class.load_data(values)
    # Stored with the run: not `auto`, but what it came to, found again from any folder.
    is_file = data.name.endswith(".npz")
    values.dataset = os.path.abspath(data.name) if is_file else data.name
    values.data_dir = values.data_dir and os.path.abspath(os.path.expanduser(values.data_dir))
    model = model_class(data, values)
    if values.averaging:
        model.average = averaging.Average(list(model.exports().values()), values.averaging)
    if values.train:
        step = train(model, data, run, values)
    else:
        runs.check_data(run, data)
        if values.epoch:
            step = run.restore_exactly(
                model, values.epoch, steps_per_epoch(data, values.batch_size)
            )
            run = run.of_epoch(values.epoch)
        else:
            step = run.restore(model, best=True)
        print(f"Loaded {run.path}, trained for {step} steps.")
    with model.averaged():
        if not values.train or values.generate or values.visualize:
            pictures.write(pictures.asked_for(model, data), run)
        if not (values.train or values.epoch or values.generate or values.visualize):
            projector.write(model, data, run)
        if values.evaluate:
            cache_dir = pathlib.Path(values.results_dir) / "Classifiers"
            evaluate(model, data, run, step, Judge(data, cache_dir))
        if values.show:
            for name, picture in pictures.asked_for(model, data).items():
                images.show(picture, name)
    print(f"Pictures: {run.images}")


def steps_per_epoch(data: Dataset, batch_size: int) -> int:
    """Returns how many whole batches the training images make.

    Raises:
      UserError: not one.
    """
    if batch_size > len(data.train):
        raise UserError(
            f"--batch_size={batch_size}, but {data.name} has only {len(data.train)} training images"
        )
    return len(data.train) // batch_size


def learning_rate(data: Dataset, values: flags.FlagValues, factor: float = 1.0, every: int = 1):
    """Returns `--learning_rate`, or the schedule that divides it by ten at each of the drops.

    Args:
      data: whose images make an epoch.
      values: the flags.
      factor: what the rate is multiplied by, for a phase that should learn faster or slower. A
        weight of its loss would not do: Adam divides it out again.
      every: how many steps there are for one of the phase's own, by which the schedule counts.
    """
    if not values.learning_rate_drops:
        return factor * values.learning_rate
    per_epoch = steps_per_epoch(data, values.batch_size)
    boundaries = [int(epoch) * per_epoch // every for epoch in values.learning_rate_drops]
    rates = [factor * values.learning_rate * 0.1**k for k in range(len(boundaries) + 1)]
    # The schedule changes *after* a boundary's step.
    return keras.optimizers.schedules.PiecewiseConstantDecay([b - 1 for b in boundaries], rates)


def adam(
    data: Dataset,
    values: flags.FlagValues,
    variables: Sequence[keras.Variable],
    factor: float = 1.0,
    every: int = 1,
    now: tf.Variable | None = None,
) -> optimizers.FusedAdam:
    """Returns the Adam of one phase: for these variables, at `learning_rate(…, factor, every)`.

    A phase that leaves out steps as they come gives `now`, which holds the run's step, and its
    rate is the run's, not that of its own count.
    """
    rate = learning_rate(data, values, factor, every)
    if now is not None and callable(rate):
        rate = functools.partial(rate, now)
    return optimizers.adam(rate, values.beta1, variables)


class Batches:
    """The training images of each step; which they are depends on the seed and the step alone.

    Each epoch goes through a permutation of its own. Images left over at its end, fewer than a
    batch, are others in the next epoch. Images stay uint8 and are scaled batch by batch.
    """

    def __init__(self, split: Split, n_classes: int, batch_size: int, seed: int):
        self.images = tf.constant(split.images.reshape(len(split), -1))
        self.labels = tf.constant(split.labels)
        self.n_classes, self.batch_size, self.seed = n_classes, batch_size, seed
        self.per_epoch = len(split) // batch_size

    def order(self, step: int) -> tf.Tensor:
        """Returns the order of the images, int32 [n], in the epoch to which the step belongs."""
        purpose = f"order of images in epoch {step // self.per_epoch}"
        generator = randomness.numpy_generator(self.seed, purpose)
        return tf.constant(generator.permutation(len(self.labels)), tf.int32)

    def batch(self, step: tf.Tensor, order: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the images and labels of a step.

        Args:
          step: int64 scalar.
          order: `order(step)`.

        Returns:
          float32 [batch_size, input_dim] in [0, 1] and one-hot float32 [batch_size, n_classes].
        """
        first = tf.cast(step % self.per_epoch, tf.int32) * self.batch_size
        indices = order[first : first + self.batch_size]
        # The shape is static, which a slice at a tensor's place loses.
        indices = tf.ensure_shape(indices, [self.batch_size])
        return self._examples(indices)

    def draw(self, step: tf.Tensor, purpose: str) -> tf.Tensor:
        """Returns images and labels drawn at random, each time from all of them.

        Args:
          step: int64 scalar.
          purpose: what they are for; see `randomness`.

        Returns:
          As `batch` does.
        """
        seed = randomness.stateless_seed(self.seed, purpose, step)
        n = len(self.labels)
        return self._examples(
            tf.random.stateless_uniform([self.batch_size], seed, 0, n, dtype=tf.int32)
        )

    def _examples(self, indices: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        x = tf.cast(tf.gather(self.images, indices), tf.float32) / 255.0
        return x, tf.one_hot(tf.gather(self.labels, indices), self.n_classes)


def step_loop(model: Model, batches: Batches, average: averaging.Average | None = None) -> Callable:
    """Returns the function that trains from one step up to another without leaving TensorFlow.

    Args:
      model: what to train.
      batches: what to train on.
      average: of the model's weights, kept up to date.

    Returns:
      A function of two int64 scalars `first` and `last` and the epoch's order of images, that does
      the steps first … last - 1 of one epoch. It returns the last step's losses by name, and the
      first step whose losses were not all finite (-1: none).
    """
    a_step = tf.constant(0, tf.int64)
    a_batch = batches.batch(a_step, batches.order(0))
    names = sorted(model.train_step.get_concrete_function(*a_batch, a_step).structured_outputs)

    @tf.function
    def train_steps(
        first: tf.Tensor, last: tf.Tensor, order: tf.Tensor
    ) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        losses = {name: tf.constant(0.0) for name in names}
        not_finite = tf.constant(-1, tf.int64)
        for step in tf.range(first, last):
            layers.draw_anew(_networks(model), batches.seed, step)
            losses = model.train_step(*batches.batch(step, order), step)
            if average is not None:
                average.update(step)
            finite = tf.reduce_all(tf.math.is_finite(tf.stack([losses[name] for name in names])))
            not_finite = tf.where(finite | (not_finite >= 0), not_finite, step)
        return losses, not_finite

    return train_steps


def train(model: Model, data: Dataset, run: runs.Run, values: flags.FlagValues) -> int:
    """Trains to `--n_epochs`, from the start or from the run's newest checkpoint.

    Args:
      model: what to train.
      data: what to train on.
      run: a new run, or with `--resume` the one to go on with.
      values: the flags.

    Returns:
      The number of steps that the model is trained for.

    Raises:
      UserError: a loss is no longer finite, or the run's folder cannot be written. The last good
        checkpoint stays.
      SystemExit: after Ctrl-C or SIGTERM, once the step is finished and saved.
    """
    per_epoch = steps_per_epoch(data, values.batch_size)
    if values.resume:
        runs.check_data(run, data)
        step = run.restore(model)
        print(f"Going on with {run.path} at step {step}.")
    else:
        step = 0
        run.create(model.NAME, options.to_flagfile(values), data)
        _save(model, run, step)
    run.keep_every = values.keep_every * per_epoch
    batches = Batches(model.training_images(data), data.n_classes, values.batch_size, values.seed)
    train_steps = step_loop(model, batches, model.average)
    order = batches.order(step)
    last_step = values.n_epochs * per_epoch

    with (
        Stopping() as stopping,
        contextlib.closing(Recorder(model, data, run, values)) as recorder,
        tqdm(total=last_step, initial=step, unit="step", disable=None) as bar,
    ):
        while step < last_step:
            epoch_end = (step // per_epoch + 1) * per_epoch
            call_end = min(step - step % STEPS_PER_CALL + STEPS_PER_CALL, epoch_end)
            losses, not_finite = train_steps(_int64(step), _int64(call_end), order)
            if not_finite >= 0:
                raise UserError(_not_finite(f"a loss of step {int(not_finite) + 1}", run))
            losses = {name: float(loss) for name, loss in losses.items()}
            bar.update(call_end - step)
            bar.set_postfix({name: f"{loss:.4f}" for name, loss in losses.items()}, refresh=False)
            step = call_end

            with runs.saving(run.path):
                if step % LOG_EVERY == 0:
                    recorder.record_step(step, losses, *batches.batch(_int64(step - 1), order))
                if step == epoch_end:
                    with model.averaged():
                        accuracy = _accuracy(model, data.validation)
                    _save(model, run, step, accuracy)
                    with model.averaged():
                        recorder.record_epoch(step, step // per_epoch, losses, accuracy)
                    order = batches.order(step)
            if stopping.signal and step < last_step:
                if step != epoch_end:
                    _save(model, run, step)
                bar.close()
                folder = shlex.quote(str(run.path))
                print(f"Stopped at step {step} of {last_step}, all saved. To go on:")
                words = " ".join([shlex.quote(sys.argv[0]), *model.CHOSEN_BY])
                print(f"  python {words} --train --resume --run={folder}")
                raise SystemExit(128 + stopping.signal)
        if run.best_step() is not None:
            step = run.restore(model, best=True)
        with model.averaged(), runs.saving(run.path):
            run.export(model.exports())
            recorder.record_end(step, step // per_epoch)
    print(f"Finished: {run.path}")
    print(f"Watch it: tensorboard --logdir {shlex.quote(str(run.tensorboard))}")
    if stopping.signal:
        raise SystemExit(128 + stopping.signal)
    return step


def evaluate(model: Model, data: Dataset, run: runs.Run, step: int, judge: Judge) -> None:
    """Measures the model: a table on the screen, `metrics.json`, scalars in TensorBoard.

    Raises:
      UserError: the run's folder cannot be written.
    """
    metrics = {}
    for measure in model.MEASURES:
        metrics |= measure(model, data, judge)
    print(evaluation.format_table(metrics))
    evaluation.write_metrics(run.metrics, metrics, data.name, provenance.commit_of_source())
    writer = tf.summary.create_file_writer(str(run.tensorboard))
    with runs.saving(run.path):
        with writer.as_default(step=step):
            for name, value in metrics.items():
                tf.summary.scalar(f"metrics/{name}", value)
        writer.close()


class Stopping:
    """Notes Ctrl-C and SIGTERM, so that the step can be finished; a second one ends at once."""

    def __init__(self):
        self.signal = 0

    def __enter__(self) -> "Stopping":
        self._previous = {n: signal.signal(n, self._note) for n in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: object) -> None:
        self.signal = number
        signal.signal(number, self._previous[number])
        print("\nFinishing the step, then saving …", file=sys.stderr)


class Recorder:
    """Writes a run's TensorBoard events and its log."""

    def __init__(self, model: Model, data: Dataset, run: runs.Run, values: flags.FlagValues):
        self.model, self.data, self.run, self.n_epochs = model, data, run, values.n_epochs
        with runs.saving(run.path):
            self.log = open(run.log, "a", buffering=1, encoding="utf-8")
            self.writer = tf.summary.create_file_writer(str(run.tensorboard))
            with self.writer.as_default(step=0):
                tf.summary.text("Flags", _table(options.to_flagfile(values)))

    def close(self) -> None:
        """Closes the files, which writes what they have not written yet.

        Raises:
          UserError: that could not be written.
        """
        with runs.saving(self.run.path):
            try:
                self.writer.close()
            finally:
                self.log.close()

    def record_step(
        self, step: int, losses: Mapping[str, float], x: tf.Tensor, y: tf.Tensor
    ) -> None:
        """Writes the losses after `step` steps, and what becomes of the batch (x, y)."""
        self._log(step, losses)
        with self.writer.as_default(step=step):
            for name, loss in losses.items():
                tf.summary.scalar(name, loss)
            for name, values in self.model.histograms(x, y, _int64(step)).items():
                tf.summary.histogram(name, values)
            shape = (-1, *self.data.image_shape)
            for name, shown in self.model.copies(x[:10], y[:10]).items():
                tf.summary.image(name, tf.reshape(shown, shape), max_outputs=10)

    def record_epoch(
        self, step: int, epoch: int, losses: Mapping[str, float], accuracy: float | None
    ) -> None:
        """Ends an epoch: a line on the screen, and at epochs 1, 2, 5, 10, 20, … the pictures."""
        figures = dict(losses)
        if accuracy is not None:
            figures["Validation Accuracy"] = accuracy
            with self.writer.as_default(step=step):
                tf.summary.scalar("Validation Accuracy", accuracy)
        line = self._log(step, figures)
        tqdm.write(f"Epoch {epoch}/{self.n_epochs}: {line}")
        if str(epoch).rstrip("0") in ("1", "2", "5") and epoch < self.n_epochs:
            with self.writer.as_default(step=step):
                pictures.write(pictures.usual(self.model, self.data), self.run, step)
        self.writer.flush()

    def record_end(self, step: int, epoch: int) -> None:
        """Ends the training with the model of this epoch: its pictures, and how good it is."""
        accuracy = _accuracy(self.model, self.data.test)
        with self.writer.as_default(step=step):
            if accuracy is not None:
                tf.summary.scalar("Test Accuracy", accuracy)
                line = self._log(step, {"Test Accuracy": accuracy})
                tqdm.write(f"Best on validation images is epoch {epoch}: {line}")
            pictures.write(pictures.usual(self.model, self.data, at_end=True), self.run, step)
        projector.write(self.model, self.data, self.run)

    def _log(self, step: int, losses: Mapping[str, float]) -> str:
        line = ", ".join([f"step {step}", *(f"{name} {loss:.6g}" for name, loss in losses.items())])
        self.log.write(f"{line}\n")
        return line


def _accuracy(model: Model, split: Split) -> float | None:
    """The share of images whose label the model gives rightly; None if it gives no labels."""
    if model.classify is None:
        return None
    return float(np.mean(inference.classify(model.classify, split.images) == split.labels))


def _int64(step: int) -> tf.Tensor:
    """A tensor, since each Python number would make a `tf.function` anew."""
    return tf.constant(step, tf.int64)


def _save(model: Model, run: runs.Run, step: int, score: float | None = None) -> None:
    variables = [v for network in _networks(model) for v in network.variables]
    if not all(np.isfinite(v.numpy()).all() for v in variables):
        raise UserError(_not_finite(f"a weight after step {step}", run))
    run.save(model, step, score)
    with model.averaged():
        run.export(model.exports())


def _networks(model: Model) -> list[keras.Model]:
    return [value for value in vars(model).values() if isinstance(value, keras.Model)]


def _not_finite(what: str, run: runs.Run) -> str:
    return (
        f"{what} is not finite any more; the checkpoint of step {run.newest_step()} in {run.path} "
        "is kept: start a new run with a smaller --learning_rate"
    )


def _table(lines: list[str]) -> str:
    return "".join(["| flag |\n|---|\n", *(f"| `{line}` |\n" for line in lines)])
