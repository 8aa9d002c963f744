"""What is written of a run, and when: the log, TensorBoard's events, pictures, the page.

While it trains: losses, histograms and images every `LOG_EVERY` steps; a line in the log and on the
screen each epoch; pictures at epochs 1, 2, 5, 10, 20, ... At the end, and whenever it is loaded:
pictures, codes for TensorBoard's projector, `explorer.html`.
"""

import contextlib
from collections.abc import Callable, Mapping, Sequence

from adversarial_autoencoder import explorer, inference, pictures
from adversarial_autoencoder.datasets import Dataset, Split
from adversarial_autoencoder.datasets.batches import steps_per_epoch
from adversarial_autoencoder.model import Model
from adversarial_autoencoder.pictures import grids
from adversarial_autoencoder.runs import projector, tensorboard, truncation
from adversarial_autoencoder.runs import run as runs
from adversarial_autoencoder.system import files

import numpy as np
import tensorflow as tf
from tqdm import tqdm

TAG = "Pictures"  # In TensorBoard.
VALIDATION = "Validation Accuracy"
LOG_EVERY = 50  # Steps between two points of a curve in TensorBoard, as in the series.


class Recorder:
    """Writes a run's TensorBoard events and its log."""

    def __init__(
        self, model: Model, data: Dataset, run: runs.Run, flag_lines: Sequence[str], step: int
    ):
        """Continues after `step`: records of later steps are removed, see `truncation`."""
        self.model, self.data, self.run = model, data, run
        with runs.saving(run.path):
            run.make_folders()
            kept = truncation.cut_log(run.log, step)
            if kept is not None:
                files.write_atomically(run.log, kept)
            has_flags = truncation.cut_events(run.tensorboard, step)
            self.writer = tf.summary.create_file_writer(str(run.tensorboard))
            if not has_flags:
                with self.writer.as_default(step=0):
                    table = ["| flag |", "|---|", *(f"| `{line}` |" for line in flag_lines)]
                    tf.summary.text(truncation.FLAGS, "\n".join(table) + "\n")
                    tensorboard.write_hyperparameters(model, run)
                    tensorboard.write_graph(model)
        self.flush()

    def flush(self) -> None:
        """Waits until everything is on disk; to be called before a checkpoint is saved.

        Raises:
          UserError: it could not be written.
        """
        with runs.saving(self.run.path):
            self.writer.flush()
            if not any(self.run.tensorboard.rglob("*tfevents*")):  # They have been deleted.
                self.run.make_folders()
                self.writer = tf.summary.create_file_writer(str(self.run.tensorboard))
            truncation.flush(self.run.log, self.run.tensorboard)

    def close(self) -> None:
        """Closes the files, after writing what they have not written yet.

        Raises:
          UserError: that could not be written.
        """
        with runs.saving(self.run.path):
            self.writer.close()

    def record_step(
        self,
        step: int,
        losses: Mapping[str, float],
        batch: Callable[[], tuple[tf.Tensor, tf.Tensor]],
    ) -> None:
        """Every `LOG_EVERY` steps writes the losses, and histograms and images of the batch."""
        if step % LOG_EVERY:
            return
        x, y = batch()
        self._log(step, losses)
        with self.writer.as_default(step=step):
            for name, loss in losses.items():
                tf.summary.scalar(name, loss)
            for name, values in self.model.histograms(x, y, tf.constant(step, tf.int64)).items():
                tf.summary.histogram(name, values)
            shape = (-1, *self.data.image_shape)
            examples = self.model.example_images(x[:10], y[:10])
            if "Generated Images" in examples:
                pairs = grids.reconstructions(self.data, *examples.values())
                tf.summary.image(f"{TAG}/inputs_and_reconstructions", pairs[np.newaxis])
            for name, images in examples.items():
                tf.summary.image(name, tf.reshape(images, shape), max_outputs=10)

    def record_epoch(
        self, step: int, losses: Mapping[str, float], figures: Mapping[str, float]
    ) -> None:
        """Ends an epoch: its figures in TensorBoard, a line in the log and on the screen."""
        with self.writer.as_default(step=step):
            for name, value in figures.items():
                tf.summary.scalar(name, value)
        line = self._log(step, {**losses, **figures})
        tqdm.write(f"Epoch {self._epoch(step)}/{self.model.flags.n_epochs}: {line}")

    def draw(self, step: int) -> None:
        """Draws the pictures, at epochs 1, 2, 5, 10, 20, …"""
        epoch = self._epoch(step)
        if str(epoch).rstrip("0") in ("1", "2", "5") and epoch < self.model.flags.n_epochs:
            with self.writer.as_default(step=step):
                write_pictures(pictures.usual(self.model, self.data), self.run, step)

    def record_end(self, step: int) -> dict[str, np.ndarray]:
        """Ends the training with the model of this step: its pictures and its test accuracy.

        They have an event file of their own, so that a run that ends again has them once.

        Returns:
          The pictures by name.
        """
        test_accuracy = accuracy(self.model, self.data.test)
        writer = tf.summary.create_file_writer(
            str(self.run.tensorboard), filename_suffix=truncation.EVENTS_OF_END
        )
        with contextlib.closing(writer), writer.as_default(step=step):
            if test_accuracy is not None:
                tf.summary.scalar(truncation.TEST_ACCURACY, test_accuracy)
                line = self._log(step, {truncation.TEST_ACCURACY: test_accuracy})
                tqdm.write(f"Best epoch on validation images: {self._epoch(step)}; {line}")
            drawn = pictures.usual(self.model, self.data, at_end=True)
            write_pictures(drawn, self.run, step)
        projector.write(self.model, self.data, self.run)
        write_explorer(self.model, self.data, self.run, self.model.flags.explorer)
        return drawn

    def _epoch(self, step: int) -> int:
        return step // steps_per_epoch(self.data, self.model.flags.batch_size)

    def _log(self, step: int, losses: Mapping[str, float]) -> str:
        line = ", ".join([f"step {step}", *(f"{name} {loss:.6g}" for name, loss in losses.items())])
        self.run.log.parent.mkdir(parents=True, exist_ok=True)
        with open(self.run.log, "a", encoding="utf-8") as log:
            log.write(f"{line}\n")
        return line


def record_loaded(model: Model, data: Dataset, run: runs.Run) -> dict[str, np.ndarray]:
    """Writes what a run that is loaded has: pictures, codes, networks and page; all, if not told.

    With `--generate` and `--visualize` it is what they draw, and with `--epoch` pictures alone.

    Returns:
      The pictures by name.

    Raises:
      UserError: the folder cannot be written.
    """
    flags = model.flags
    drawn = pictures.asked_for(model, data)
    write_pictures(drawn, run)
    if not (flags.epoch or flags.generate or flags.visualize):
        projector.write(model, data, run)
        write_explorer(model, data, run, flags.explorer)
        # Those written by an earlier version of Keras, or damaged, come right.
        if run.is_writable() and not run.is_pretrained:
            run.export(model.exports())
    return drawn


def accuracy(model: Model, split: Split) -> float | None:
    """Returns the share of images whose label is predicted correctly; None if none is predicted."""
    if model.classify is None or model.labels_are_clusters:
        return None
    return float(np.mean(inference.classify(model.classify, split.images) == split.labels))


def write_pictures(
    drawn: Mapping[str, np.ndarray], run: runs.Run, tensorboard_step: int | None = None
) -> None:
    """Writes pictures to the run's `images/` and, with a step, to TensorBoard.

    Raises:
      UserError: the folder cannot be written.
    """
    with runs.saving(run.path):  # Somebody may have deleted it.
        run.images.mkdir(parents=True, exist_ok=True)
    for name, picture in drawn.items():
        run.write_picture(run.images / f"{name}.png", picture)
        if tensorboard_step is not None:
            tf.summary.image(f"{TAG}/{name}", picture[np.newaxis], step=tensorboard_step)


def write_explorer(model: Model, data: Dataset, run: runs.Run, kind: str = "float16") -> None:
    """Writes `explorer.html` into the run's folder; a line says so where networks do not fit.

    The kind is that of the weights, see `explorer.page`; of `none` nothing is written.

    Raises:
      UserError: the folder cannot be written.
    """
    if kind == "none":
        return
    try:
        content = explorer.page(model, data, kind)
    except explorer.DoesNotFit as reason:
        print(f"No explorer.html for this run: {reason}.")
        return
    with runs.saving(run.path, runs.LOAD_AGAIN):
        files.write_atomically(run.explorer, content)
