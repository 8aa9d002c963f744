"""TensorBoard's projector: test codes as points to turn around, each with its image and label."""

import pathlib

from adversarial_autoencoder import inference
from adversarial_autoencoder.datasets import Dataset
from adversarial_autoencoder.model import Model
from adversarial_autoencoder.pictures import grids
from adversarial_autoencoder.runs import run as runs
from adversarial_autoencoder.system import files

import numpy as np
from tensorboard.plugins import projector

MOST_CODES = 2000  # The projector still turns and clusters them smoothly in a browser.
FOLDER = "projector"  # Below the run's Tensorboard/; its configuration lies beside the events.


def write(model: Model, data: Dataset, run: runs.Run) -> None:
    """Writes the codes of test images for the projector, and replaces earlier ones.

    The files are codes (one a line), metadata (the label and, where the model predicts labels, the
    predicted one) and a sprite of thumbnails.

    Raises:
      UserError: the folder cannot be written.
    """
    test = data.test.spread(MOST_CODES)
    codes = model.draw_codes(test.images)
    if codes.shape[1] < 3:  # The projector shows nothing of fewer dimensions.
        codes = np.pad(codes, ((0, 0), (0, 3 - codes.shape[1])))
    columns = {"label": [data.class_names[k] for k in test.labels]}
    if model.classify is not None and not model.labels_are_clusters:
        predicted = inference.classify(model.classify, test.images)
        columns["predicted"] = [data.class_names[k] for k in predicted]
    sprite, side = grids.sprite(test.images, test.labels, len(data.class_names))

    config = projector.ProjectorConfig()
    embedding = config.embeddings.add()
    embedding.tensor_name = "Test codes"
    embedding.tensor_path = f"{FOLDER}/codes.tsv"
    embedding.tensor_shape.extend(codes.shape)
    embedding.metadata_path = f"{FOLDER}/metadata.tsv"
    embedding.sprite.image_path = f"{FOLDER}/sprite.png"
    embedding.sprite.single_image_dim.extend([side, side])

    folder = run.tensorboard / FOLDER
    with runs.saving(run.path, runs.LOAD_AGAIN):
        folder.mkdir(parents=True, exist_ok=True)
        _write_table(folder / "codes.tsv", [[f"{v:.6g}" for v in code] for code in codes.tolist()])
        rows = [list(row) for row in zip(*columns.values(), strict=True)]
        # The projector wants no heading over a single column.
        _write_table(folder / "metadata.tsv", [list(columns), *rows] if len(columns) > 1 else rows)
        run.write_picture(folder / "sprite.png", sprite, scale=1)
        projector.visualize_embeddings(str(run.tensorboard), config)


def _write_table(path: pathlib.Path, rows: list[list[str]]) -> None:
    # A cell keeps to its line and column; a line without a word would be passed over.
    lines = ["\t".join(" ".join(cell.split()) or "?" for cell in row) for row in rows]
    files.write_atomically(path, "".join(f"{line}\n" for line in lines))
