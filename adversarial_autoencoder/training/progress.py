"""The progress bar, which fits into 80 columns with all losses, and the hint about a short run."""

import pathlib
import sys
from collections.abc import Mapping

from adversarial_autoencoder.model import Model
from adversarial_autoencoder.runs import tensorboard

from tqdm import tqdm

DOCS = pathlib.Path(__file__).resolve().parents[2] / "docs"
FORMAT = "{desc}|{bar:8}| {remaining} left{postfix}"


class ProgressBar(tqdm):
    """A bar of the steps up to the last, `Epoch 3/80: |▎       | 18:20 left, A 0.021 D 1.386`.

    It is shown on a terminal and in a notebook, and omitted where the screen is a file.
    """

    def __init__(self, step: int, last_step: int, per_epoch: int):
        self.per_epoch = per_epoch
        in_notebook = "ipykernel" in sys.modules  # Whose screen is no terminal.
        super().__init__(
            desc=self._epoch(step, last_step),
            total=last_step,
            initial=step,
            bar_format=FORMAT,
            dynamic_ncols=True,
            disable=False if in_notebook else None,
        )

    def show(self, step: int, losses: Mapping[str, float]) -> None:
        """Moves the bar to a step, with the losses of the one before."""
        if not self.disable:
            self.set_description(self._epoch(step, self.total), refresh=False)
            short = abbreviate(losses)
            self.postfix = " ".join(f"{name} {loss:.3f}" for name, loss in short.items())
        self.update(step - self.n)

    def _epoch(self, step: int, last_step: int) -> str:
        n_epochs = last_step // self.per_epoch
        return f"Epoch {min(step // self.per_epoch + 1, n_epochs)}/{n_epochs}"


def abbreviate(losses: Mapping[str, float]) -> dict[str, float]:
    """Shortens the names to initials, or to as many letters as tell them apart.

    `Discriminator gauss Loss` becomes `Dg`.
    """
    words = [[word for word in name.split() if word != "Loss"] for name in losses]
    for n in range(1, 20):
        short = ["".join(word[:n] for word in own) for own in words]
        if len(set(short)) == len(short) and all(short):
            return dict(zip(short, losses.values(), strict=True))
    return dict(losses)


def short_run(model: Model) -> str | None:
    """Returns a line about a run of less than a quarter of the script's usual epochs, or None."""
    usual, n_epochs = model.flags["n_epochs"].default, model.flags.n_epochs
    if 4 * n_epochs >= usual:
        return None
    name = tensorboard.script_name(model)
    page = f"docs/{name}.md" if name.startswith("part") else f"docs/experiments/{name}.md"
    where = f"; {page} says what to expect at which epoch" if (DOCS.parent / page).exists() else ""
    return (
        f"This was a short run, {n_epochs} of the usual {usual} epochs: blurred images, and "
        f"columns or codes that look alike, are to be expected{where}."
    )
