"""Draws a picture of a run as it was after some epochs, side by side, from TensorBoard's file.

python docs/draw_progress.py Results/Supervised/<run> --epochs=1,5,80
                                         writes docs/images/part3_progress.png
"""

import argparse
import io
import pathlib

from matplotlib.figure import Figure
from PIL import Image
from tensorboard.backend.event_processing import event_accumulator

PICTURE = pathlib.Path(__file__).resolve().parent / "images" / "part3_progress.png"


def pictures(run: pathlib.Path, tag: str) -> dict[int, Image.Image]:
    """Returns the pictures of this name in a run's events, by step."""
    everything = {event_accumulator.TENSORS: 0}
    events = event_accumulator.EventAccumulator(str(run / "Tensorboard"), everything)
    events.Reload()
    # A summary of images is their width, their height and then each of them as a PNG.
    pngs = {event.step: event.tensor_proto.string_val[2] for event in events.Tensors(tag)}
    return {step: Image.open(io.BytesIO(png)) for step, png in pngs.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0], allow_abbrev=False)
    parser.add_argument("run", type=pathlib.Path)
    parser.add_argument("--tag", default="Pictures/styles_from_prior", help="the picture's name")
    parser.add_argument("--epochs", default="1,5,80", help="of those that TensorBoard shows")
    parser.add_argument("--steps_per_epoch", type=int, default=550)
    words = parser.parse_args()
    found = pictures(words.run, words.tag)
    epochs = [int(epoch) for epoch in words.epochs.split(",")]
    figure = Figure(figsize=(3.4 * len(epochs), 3.9), dpi=100, layout="constrained")
    for axes, epoch in zip(figure.subplots(1, len(epochs), squeeze=False)[0], epochs, strict=True):
        axes.imshow(found[epoch * words.steps_per_epoch], cmap="gray")
        axes.set_axis_off()
        axes.set_title(f"after epoch {epoch}")
    drawn = io.BytesIO()
    figure.savefig(drawn)
    Image.open(drawn).convert("L").quantize(16).save(PICTURE, optimize=True)
    print(PICTURE)


if __name__ == "__main__":
    main()
