"""Draws the architecture of each part, as the pages of this folder show it.

    python docs/draw_architecture.py         writes docs/images/architecture_part1.png … part4.png

A colour is a network, the same in all four figures; a number in a circle is the phase of the train
step in which the network's weights change.
"""

import argparse
import pathlib

from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyBboxPatch, Polygon

ENCODER, DECODER, DISCRIMINATOR, LABEL_DISCRIMINATOR = "#3b7dd8", "#2ca02c", "#d62728", "#ff8c1a"
INK, PALE, ARROW = "#222222", "#f2f2f2", "#555555"
WIDTH_INCHES, DPI = 9.6, 150
CONDITION = "not in the series: --noconditional_discriminator leaves it out"
MIDDLE = 4.35  # Height of the row encoder, code, decoder.


class Drawing:
    """A figure of 16 units' width, whose pieces are placed by their middle."""

    def __init__(self, low: float, high: float):
        self.figure = Figure(figsize=(WIDTH_INCHES, WIDTH_INCHES * (high - low) / 16), dpi=DPI)
        self.axes = self.figure.add_axes((0, 0, 1, 1))
        self.axes.set(xlim=(0, 16), ylim=(low, high))
        self.axes.set_axis_off()

    def save(self, path: pathlib.Path) -> None:
        self.figure.savefig(path, facecolor="white", pil_kwargs={"optimize": True})

    def text(self, x: float, y: float, words: str, **how: object) -> None:
        how = {"ha": "center", "va": "center", "fontsize": 10, "color": INK, **how}
        self.axes.text(x, y, words, **how)

    def arrow(self, *points: tuple[float, float], dashed: bool = False) -> None:
        """A line through the points, with a head at the last."""
        style = {"color": ARROW, "linewidth": 1.4, "linestyle": "--" if dashed else "-"}
        xs, ys = zip(*points[:-1], strict=True)
        self.axes.plot(xs, ys, solid_capstyle="butt", **style)
        head = {"arrowstyle": "-|>", "mutation_scale": 13, "shrinkA": 0, "shrinkB": 0, **style}
        self.axes.annotate("", points[-1], points[-2], arrowprops=head)

    def network(
        self, x: float, y: float, name: str, colour: str, narrows: bool, phases: tuple[int, ...]
    ) -> None:
        """A trapezium, its narrow side where there are fewer numbers, and its phases above it."""
        left, right = (1.45, 0.95) if narrows else (0.95, 1.45)
        corners = [(x - 1.3, y - left), (x - 1.3, y + left), (x + 1.3, y + right)]
        corners.append((x + 1.3, y - right))
        self.axes.add_patch(
            Polygon(corners, facecolor=colour, alpha=0.92, edgecolor="none", joinstyle="round")
        )
        self.text(x, y + 0.38, name, color="white", weight="bold", fontsize=11.5)
        self.text(x, y - 0.32, "1000 – 1000", color="white", fontsize=9)
        for k, phase in enumerate(phases):
            self.phase(x + 0.56 * (k - (len(phases) - 1) / 2), y + 1.78, phase, colour)

    def phase(self, x: float, y: float, number: int, colour: str) -> None:
        self.axes.add_patch(Circle((x, y), 0.23, facecolor="white", edgecolor=colour, lw=1.8))
        self.text(x, y - 0.015, str(number), fontsize=9.5, weight="bold", color=colour)

    def values(self, x: float, y: float, name: str, size: str, width: float = 1.5) -> None:
        """What goes in or comes out: a pale box."""
        height, corner = 1.3, (x - width / 2, y - 0.65)
        style = "round,pad=0,rounding_size=0.12"
        self.axes.add_patch(
            FancyBboxPatch(corner, width, height, boxstyle=style, fc=PALE, ec="0.6", lw=1)
        )
        self.text(x, y + 0.22, name, fontsize=11, weight="bold")
        self.text(x, y - 0.28, size, fontsize=8.5, color="0.3")

    def note(self, x: float, y: float, words: str) -> None:
        self.text(x, y, words, fontsize=9, style="italic", color="0.25")

    def gap(self, x: float, y: float) -> None:
        """Where a line is crossed by another: the first is interrupted."""
        self.axes.add_patch(Circle((x, y), 0.14, facecolor="white", edgecolor="none", zorder=2.5))

    def legend(self, y: float, phases: list[str], dashed: str = "") -> None:
        """The phases in their order, a line each; then what the dashed line is."""
        for k, words in enumerate(phases):
            self.phase(0.75, y - 0.62 * k, k + 1, INK)
            self.text(1.2, y - 0.62 * k, words, ha="left", fontsize=10)
        if dashed:
            y -= 0.62 * len(phases)
            self.axes.plot([0.45, 1.0], [y, y], "--", color=ARROW, linewidth=1.4)
            self.text(1.2, y, dashed, ha="left", fontsize=10)


def autoencoder(
    drawing: Drawing, z_dim: int, phases: tuple[int, ...], z_at: float = MIDDLE
) -> None:
    """The row that all parts have: image, encoder, code, decoder, copy."""
    y = MIDDLE
    drawing.values(1.15, y, "x", "784 pixels")
    drawing.network(4.1, y, "Encoder", ENCODER, True, phases)
    drawing.values(7.35, z_at, "z", f"{z_dim} numbers", width=1.7)
    drawing.network(11.2, y, "Decoder", DECODER, False, (1,))
    drawing.values(14.45, y, "x̂", "784 pixels")
    towards = 0.55 * (z_at - y)  # Where the arrow of the code leaves and enters the networks.
    drawing.arrow((1.9, y), (2.8, y))
    drawing.arrow((5.4, y + towards), (6.5, y + towards))
    drawing.arrow((8.2, y + towards), (9.9, y + towards))
    drawing.arrow((12.5, y), (13.7, y))


def reconstruction(drawing: Drawing) -> None:
    """Above that row: what copies are measured by."""
    y, top = MIDDLE + 0.65, MIDDLE + 2.55
    drawing.arrow((1.15, y), (1.15, top), (14.45, top), (14.45, y))
    drawing.note(7.8, top + 0.27, "reconstruction: mean squared error between x and x̂")


def code_discriminator(drawing: Drawing, prior: str, y: float, z_at: float = MIDDLE) -> None:
    """Below the code: samples of the prior, and the network that tells codes from them."""
    drawing.values(7.35, y - 0.7, "z'", f"drawn from {prior}", width=2.4)
    drawing.network(11.2, y, "Discriminator", DISCRIMINATOR, True, (2,))
    drawing.values(14.45, y, "1 or 0", "prior or code?", width=1.9)
    drawing.arrow((7.35, z_at - 0.65), (7.35, y + 0.4), (9.9, y + 0.4))
    drawing.arrow((8.55, y - 0.7), (9.9, y - 0.7))
    drawing.arrow((12.5, y), (13.5, y))


def part1() -> Drawing:
    drawing = Drawing(1.6, 7.6)
    autoencoder(drawing, 2, (1,))
    reconstruction(drawing)
    drawing.legend(2.0, ["reconstruction: encoder and decoder learn to copy x"])
    return drawing


def part2() -> Drawing:
    drawing = Drawing(-3.4, 7.6)
    autoencoder(drawing, 2, (1, 3))
    reconstruction(drawing)
    code_discriminator(drawing, "N(0, 5²)", 0.2)
    phases = [
        "reconstruction: encoder and decoder learn to copy x",
        "regularization: the discriminator learns to say 1 to z' and 0 to z",
        "regularization: the encoder alone learns codes z to which it says 1",
    ]
    drawing.legend(-1.75, phases)
    return drawing


def part3() -> Drawing:
    drawing = Drawing(-5.1, 7.6)
    autoencoder(drawing, 15, (1, 3))
    reconstruction(drawing)
    code_discriminator(drawing, "N(0, 1)", -0.5)
    drawing.values(9.1, 2.0, "y", "label, one-hot", width=1.9)
    drawing.arrow((8.9, 2.65), (8.9, MIDDLE - 0.6), (9.9, MIDDLE - 0.6))
    drawing.arrow((8.9, 1.35), (8.9, 0.45), (9.9, 0.45), dashed=True)
    phases = [
        "reconstruction: encoder and decoder learn to copy x, the label given",
        "regularization: the discriminator learns to say 1 to z' and 0 to z",
        "regularization: the encoder alone learns codes z to which it says 1",
    ]
    drawing.legend(-2.75, phases, CONDITION)
    return drawing


def part4() -> Drawing:
    drawing = Drawing(-5.5, 10.75)
    y_at, z_at, top = MIDDLE + 0.85, MIDDLE - 0.85, MIDDLE + 4.1
    autoencoder(drawing, 10, (1, 3, 4), z_at)
    drawing.note(14.45, MIDDLE - 1.1, "mean squared error\nbetween x and x̂")
    code_discriminator(drawing, "N(0, 1)", -0.3, z_at)

    drawing.values(7.35, y_at, "y", "10 probabilities", width=1.7)
    drawing.arrow((5.4, MIDDLE + 0.6), (6.5, MIDDLE + 0.6))
    drawing.arrow((8.2, MIDDLE + 0.6), (9.9, MIDDLE + 0.6))
    drawing.gap(8.9, MIDDLE - 0.47)
    drawing.arrow((8.9, MIDDLE + 0.6), (8.9, 0.65), (9.9, 0.65), dashed=True)

    drawing.values(7.35, top + 0.65, "y'", "drawn: one-hot", width=2.4)
    name = "Discriminator\nof labels"
    drawing.network(11.2, top, name, LABEL_DISCRIMINATOR, True, (2,))
    drawing.values(14.45, top, "1 or 0", "one-hot or given?", width=2.2)
    drawing.arrow((7.75, y_at + 0.65), (7.75, top - 0.55), (9.9, top - 0.55))
    drawing.arrow((8.55, top + 0.65), (9.9, top + 0.65))
    drawing.arrow((12.5, top), (13.35, top))

    drawing.values(4.1, top - 0.6, "label", "of 1,000 images", width=2.1)
    drawing.arrow((5.15, top - 0.6), (6.9, top - 0.6), (6.9, y_at + 0.65))
    drawing.note(4.1, top + 0.55, "classification: cross-entropy\nbetween label and y")
    phases = [
        "reconstruction: encoder and decoder learn to copy x",
        "regularization: the discriminators learn to say 1 to z' and y', 0 to z and y",
        "regularization: the encoder alone learns codes and labels to which they say 1",
        "classification: the encoder learns the labels that are known",
    ]
    drawing.legend(-2.55, phases, CONDITION)
    return drawing


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    images = pathlib.Path(__file__).parent / "images"
    parser.add_argument("--to", type=pathlib.Path, default=images, help="folder of the PNG files")
    folder = parser.parse_args().to
    for part in (part1, part2, part3, part4):
        part().save(folder / f"architecture_{part.__name__}.png")


if __name__ == "__main__":
    main()
