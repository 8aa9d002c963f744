"""Draws examples for the pages: one word in many fonts, and samples that do and do not fit a prior.

python docs/draw_examples.py             writes docs/images/style_and_content.png and
                                         docs/images/formulas.png, and prints the measures
"""

import argparse
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from adversarial_autoencoder.measures import formulas

import numpy as np
from matplotlib import font_manager
from matplotlib.figure import Figure

WORD = "Abracadabra"
# Families that come with matplotlib, style and weight.
FONTS = [
    ("DejaVu Sans", "normal", "normal"),
    ("DejaVu Serif", "italic", "normal"),
    ("STIXGeneral", "normal", "bold"),
    ("cmtt10", "normal", "normal"),
    ("cmr10", "normal", "normal"),
    ("DejaVu Sans Mono", "oblique", "bold"),
    ("STIXGeneral", "italic", "normal"),
    ("cmmi10", "normal", "normal"),
    ("DejaVu Serif", "normal", "bold"),
    ("cmss10", "normal", "normal"),
]
N_SAMPLES, N_SHOWN = 4000, 1500
DPI = 120


def style_and_content() -> Figure:
    figure = Figure(figsize=(8, 4.4), dpi=DPI)
    for k, (family, style, weight) in enumerate(FONTS):
        font = font_manager.FontProperties(family=family, style=style, weight=weight, size=25)
        x, y = 0.26 + 0.48 * (k % 2), 0.9 - 0.2 * (k // 2)
        figure.text(x, y, WORD, ha="center", va="center", fontproperties=font)
    return figure


def samples() -> dict[str, np.ndarray]:
    """Samples [N_SAMPLES, 2] by what is wrong with them, beside the prior N(0, 1)."""
    generator = np.random.default_rng(0)
    good = generator.standard_normal([N_SAMPLES, 2])
    many = generator.standard_normal([2 * N_SAMPLES, 2])
    x = generator.standard_normal(N_SAMPLES)
    return {
        "N(0, 1), as the prior": good,
        "shifted by 0.1": good + [0.1, 0],
        "shifted by 0.5": good + [0.5, 0],
        "standard deviation 1.1": good * [1.1, 1],
        "a hole of radius 0.7": many[np.hypot(*many.T) > 0.7][:N_SAMPLES],
        "on two diagonals": np.stack([x, x * generator.choice([-1, 1], N_SAMPLES)], axis=1),
    }


def measures_of_codes() -> Figure:
    prior = np.random.default_rng(1).standard_normal([N_SAMPLES, 2])
    figure = Figure(figsize=(8, 6.3), dpi=DPI, layout="constrained")
    grid = figure.subplots(2, 3, sharex=True, sharey=True)
    for axes, (name, codes) in zip(grid.flat, samples().items(), strict=True):
        ks = max(formulas.ks_distance(a, b) for a, b in zip(codes.T, prior.T, strict=True))
        energy = formulas.energy_distance(codes, prior)
        print(f"{name:24} KS distance {ks:.3f}   energy distance {energy:.4f}")
        axes.scatter(*codes[:N_SHOWN].T, s=3, linewidths=0, alpha=0.6, color="#3b7dd8")
        axes.set_title(f"{name}\nKS {ks:.3f}, energy {energy:.4f}", fontsize=9.5)
        axes.set(xlim=(-3.8, 3.8), ylim=(-3.8, 3.8), aspect="equal")
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    images = pathlib.Path(__file__).parent / "images"
    parser.add_argument("--to", type=pathlib.Path, default=images, help="folder of the PNG files")
    folder = parser.parse_args().to
    for name, draw in (("style_and_content", style_and_content), ("measures", measures_of_codes)):
        draw().savefig(folder / f"{name}.png", facecolor="white", pil_kwargs={"optimize": True})


if __name__ == "__main__":
    main()
