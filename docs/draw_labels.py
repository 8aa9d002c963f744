"""Draws the test error over the number of labels, from the tables of docs/part4.md.

python docs/draw_labels.py               writes docs/images/part4_labels.png
"""

import pathlib

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

PICTURE = pathlib.Path(__file__).resolve().parent / "images" / "part4_labels.png"

# Test error in percent by the number of labels; the recipes stand beside the tables.
ERRORS = {
    "a classifier, the labels alone": {100: 22.5, 1000: 8.84, 10_000: 3.32},
    "the AAE, part 4": {100: 3.31, 1000: 2.74},
    "the AAE with virtual adversarial training": {100: 1.90, 1000: 1.47, 55_000: 0.91},
}


def draw() -> Figure:
    """Returns the curves, both axes logarithmic."""
    figure = Figure(figsize=(7, 4), dpi=120, layout="constrained")
    axes = figure.subplots()
    for name, errors in ERRORS.items():
        axes.plot(list(errors), list(errors.values()), marker="o", label=name)
    axes.set_xscale("log")
    axes.set_yscale("log")
    numbers = sorted({n for errors in ERRORS.values() for n in errors})
    axes.set_xticks(numbers, [f"{n:,}" for n in numbers])
    axes.set_yticks([1, 2, 5, 10, 20])
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}%"))
    axes.minorticks_off()
    axes.set_xlabel("labelled training images")
    axes.set_ylabel("test error")
    axes.grid(alpha=0.3)
    axes.legend()
    return figure


if __name__ == "__main__":
    draw().savefig(PICTURE)
    print(PICTURE)
