"""What a run writes while it trains: TensorBoard's events, the log, lines on the screen."""

import contextlib
from collections.abc import Mapping, Sequence

from adversarial_autoencoder import (
    dashboard,
    explorer,
    grids,
    history,
    inference,
    pictures,
    projector,
    runs,
)
from adversarial_autoencoder.datasets import Dataset, Split
from adversarial_autoencoder.model import Model

import numpy as np
import tensorflow as tf
from tqdm import tqdm


class Recorder:
    """Writes a run's TensorBoard events and its log."""

    def __init__(
        self, model: Model, data: Dataset, run: runs.Run, flag_lines: Sequence[str], step: int
    ):
        """Continues after `step`: records of later steps are removed, see `history`."""
        self.model, self.data, self.run = model, data, run
        with runs.saving(run.path):
            run.make_folders()
            kept = history.cut_log(run.log, step)
            if kept is not None:
                runs.write_atomically(run.log, kept)
            has_flags = history.cut_events(run.tensorboard, step)
            self.writer = tf.summary.create_file_writer(str(run.tensorboard))
            if not has_flags:
                with self.writer.as_default(step=0):
                    tf.summary.text(history.FLAGS, _table(flag_lines))
                    dashboard.write_hyperparameters(model, run)
                    dashboard.write_graph(model)
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
            history.flush(self.run.log, self.run.tensorboard)

    def close(self) -> None:
        """Closes the files, after writing what they have not written yet.

        Raises:
          UserError: that could not be written.
        """
        with runs.saving(self.run.path):
            self.writer.close()

    def record_step(
        self, step: int, losses: Mapping[str, float], x: tf.Tensor, y: tf.Tensor
    ) -> None:
        """Writes the losses after `step` steps, and histograms and images of the batch (x, y)."""
        self._log(step, losses)
        with self.writer.as_default(step=step):
            for name, loss in losses.items():
                tf.summary.scalar(name, loss)
            for name, values in self.model.histograms(x, y, tf.constant(step, tf.int64)).items():
                tf.summary.histogram(name, values)
            shape = (-1, *self.data.image_shape)
            examples = self.model.example_images(x[:10], y[:10])
            if len(examples) == 2:
                pairs = grids.reconstructions(self.data, *examples.values())
                tf.summary.image(f"{pictures.TAG}/inputs_and_reconstructions", pairs[np.newaxis])
            for name, images in examples.items():
                tf.summary.image(name, tf.reshape(images, shape), max_outputs=10)

    def record_epoch(
        self, step: int, epoch: int, losses: Mapping[str, float], validation_accuracy: float | None
    ) -> None:
        """Ends an epoch: a line in the log and on the screen."""
        figures = dict(losses)
        if validation_accuracy is not None:
            figures["Validation Accuracy"] = validation_accuracy
            with self.writer.as_default(step=step):
                tf.summary.scalar("Validation Accuracy", validation_accuracy)
        line = self._log(step, figures)
        tqdm.write(f"Epoch {epoch}/{self.model.flags.n_epochs}: {line}")

    def draw(self, step: int, epoch: int) -> None:
        """Draws the pictures, at epochs 1, 2, 5, 10, 20, …"""
        if str(epoch).rstrip("0") in ("1", "2", "5") and epoch < self.model.flags.n_epochs:
            with self.writer.as_default(step=step):
                pictures.write(pictures.usual(self.model, self.data), self.run, step)

    def record_end(self, step: int, epoch: int) -> dict[str, np.ndarray]:
        """Ends the training with the model of this epoch: its pictures and its test accuracy.

        They have an event file of their own, so that a run that ends again has them once.

        Returns:
          The pictures by name.
        """
        test_accuracy = accuracy(self.model, self.data.test)
        writer = tf.summary.create_file_writer(
            str(self.run.tensorboard), filename_suffix=history.EVENTS_OF_END
        )
        with contextlib.closing(writer), writer.as_default(step=step):
            if test_accuracy is not None:
                tf.summary.scalar(history.TEST_ACCURACY, test_accuracy)
                line = self._log(step, {history.TEST_ACCURACY: test_accuracy})
                tqdm.write(f"Best epoch on validation images: {epoch}; {line}")
            drawn = pictures.usual(self.model, self.data, at_end=True)
            pictures.write(drawn, self.run, step)
        projector.write(self.model, self.data, self.run)
        explorer.write(self.model, self.data, self.run, self.model.flags.explorer)
        return drawn

    def _log(self, step: int, losses: Mapping[str, float]) -> str:
        line = ", ".join([f"step {step}", *(f"{name} {loss:.6g}" for name, loss in losses.items())])
        self.run.log.parent.mkdir(parents=True, exist_ok=True)
        with open(self.run.log, "a", encoding="utf-8") as log:
            log.write(f"{line}\n")
        return line


def accuracy(model: Model, split: Split) -> float | None:
    """Returns the share of images whose label is predicted correctly; None without labels."""
    if model.classify is None:
        return None
    return float(np.mean(inference.classify(model.classify, split.images) == split.labels))


def _table(lines: Sequence[str]) -> str:
    return "".join(["| flag |\n|---|\n", *(f"| `{line}` |\n" for line in lines)])
