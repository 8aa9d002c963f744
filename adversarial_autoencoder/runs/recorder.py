"""What a run writes while it trains: TensorBoard's events, the log, lines on the screen."""

import contextlib
from collections.abc import Mapping, Sequence

from adversarial_autoencoder import explorer, inference, pictures
from adversarial_autoencoder.datasets import Dataset, Split
from adversarial_autoencoder.model import Model
from adversarial_autoencoder.pictures import grids
from adversarial_autoencoder.runs import projector, tensorboard, truncation
from adversarial_autoencoder.runs import run as runs
from adversarial_autoencoder.system import files

import numpy as np
import tensorflow as tf
from tqdm import tqdm

TAG = "1 pictures"  # TensorBoard sorts by tag: pictures stand before the batch of images.


class Recorder:
    """Writes a run's TensorBoard events and its log."""

    def __init__(
        self, model: Model, data: Dataset, run: runs.Run, flag_lines: Sequence[str], step: int
    ):
        """Continues after `step`: records of later steps are removed, see `history`."""
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
                    tf.summary.text(truncation.FLAGS, _table(flag_lines))
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
            if "Generated Images" in examples:
                pairs = grids.reconstructions(self.data, *examples.values())
                tf.summary.image(f"{TAG}/inputs_and_reconstructions", pairs[np.newaxis])
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
                write_pictures(pictures.usual(self.model, self.data), self.run, step)

    def record_end(self, step: int, epoch: int) -> dict[str, np.ndarray]:
        """Ends the training with the model of this epoch: its pictures and its test accuracy.

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
                tqdm.write(f"Best epoch on validation images: {epoch}; {line}")
            drawn = pictures.usual(self.model, self.data, at_end=True)
            write_pictures(drawn, self.run, step)
        projector.write(self.model, self.data, self.run)
        write_explorer(self.model, self.data, self.run, self.model.flags.explorer)
        return drawn

    def _log(self, step: int, losses: Mapping[str, float]) -> str:
        line = ", ".join([f"step {step}", *(f"{name} {loss:.6g}" for name, loss in losses.items())])
        self.run.log.parent.mkdir(parents=True, exist_ok=True)
        with open(self.run.log, "a", encoding="utf-8") as log:
            log.write(f"{line}\n")
        return line


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

    Args:
      model: see `explorer.page`.
      data: its data set; test images and their codes go into the page.
      run: where to.
      kind: of the weights, see `explorer.page`; or `none`: nothing is written.

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
        files.write_atomically(run.path / "explorer.html", content)


def _table(lines: Sequence[str]) -> str:
    return "".join(["| flag |\n|---|\n", *(f"| `{line}` |\n" for line in lines)])
