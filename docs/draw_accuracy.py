"""Draws part 4's validation error over the epochs, beside that of a plain classifier.

python docs/draw_accuracy.py "the AAE=Results/Semi_Supervised/<run>" "the classifier=…"
                                         writes docs/images/part4_accuracy.png
"""

import argparse
import pathlib
import re

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

PICTURE = pathlib.Path(__file__).resolve().parent / "images" / "part4_accuracy.png"
ACCURACY = re.compile(r"Validation Accuracy ([\d.]+)$", re.MULTILINE)


def validation_errors(run: pathlib.Path) -> np.ndarray:
    """Returns the share of misclassified validation images after each epoch, [n_epochs]."""
    found = ACCURACY.findall((run / "log" / "log.txt").read_text())
    return 1 - np.array(found, float)


def draw(errors: dict[str, np.ndarray]) -> Figure:
    """Returns the curves, each with its name and its last value."""
    figure = Figure(figsize=(7, 4), dpi=120, layout="constrained")
    axes = figure.subplots()
    for name, values in errors.items():
        epochs = np.arange(1, len(values) + 1)
        axes.plot(epochs, values, marker=".")
        axes.annotate(
            f"{name}: {values[-1]:.1%}",
            (epochs[-1], values[-1]),
            xytext=(0, 7),
            textcoords="offset points",
            ha="right",
        )
    axes.set_xlabel("epoch")
    axes.set_ylabel("validation error")
    axes.set_ylim(0, 1.15 * max(values.max() for values in errors.values()))
    axes.yaxis.set_major_formatter(PercentFormatter(xmax=1, decimals=0))
    axes.grid(alpha=0.3)
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("runs", nargs="+", metavar="name=run")
    pairs = [argument.partition("=")[::2] for argument in parser.parse_args().runs]
    draw({name: validation_errors(pathlib.Path(run)) for name, run in pairs}).savefig(PICTURE)
    print(PICTURE)


if __name__ == "__main__":
    main()
