"""Draws the architecture of each part, as the pages of this folder show it.

    python docs/draw_architecture.py         writes docs/images/architecture_part1.png … part4.png
                                             and one figure per phase, part2_phase1.png …

A colour is a network, the same in all figures; a number in a circle is the phase of the train step
in which the network's weights change. In the figure of a phase, what takes no part is grey, and a
network whose weights stay fixed is pale.
"""

import argparse
import pathlib

from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyBboxPatch, Polygon

ENCODER, DECODER, DISCRIMINATOR, LABEL_DISCRIMINATOR = "#3b7dd8", "#2ca02c", "#d62728", "#ff8c1a"
INK, PALE, ARROW = "#222222", "#f2f2f2", "#555555"
OFF, OFF_INK = "#f4f4f4", "#d0d0d0"  # What takes no part in a phase.
WIDTH_INCHES, DPI = 9.6, 150
CONDITION = "not in the series: --noconditional_discriminator turns it off"
MIDDLE = 4.35  # Height of the row encoder, code, decoder.

RECONSTRUCTION = "reconstruction: encoder and decoder learn to reconstruct x"
FIRST = "regularization, 1: the discriminator learns to output 1 for z' and 0 for z"
SECOND = "regularization, 2: the encoder learns to make it output 1 for z"
PHASES = {
    1: [RECONSTRUCTION],
    2: [RECONSTRUCTION, FIRST, SECOND],
    3: [f"{RECONSTRUCTION}, given its label y", FIRST, SECOND],
    4: [
        f"{RECONSTRUCTION}; y is predicted",
        "regularization, 1: the discriminators learn to output 1 for z' and y', 0 for z and y",
        "regularization, 2: the encoder learns to make them output 1 for z and y",
        "classification: the encoder learns the known labels",
    ],
}


class Drawing:
    """A figure of 16 units' width, whose pieces are placed by their middle.

    With a `phase`, a piece is drawn in grey unless it takes part in that phase; `phases` of a piece
    are those in which it takes part, None: in all.
    """

    def __init__(self, low: float, high: float, phase: int | None = None):
        self.figure = Figure(figsize=(WIDTH_INCHES, WIDTH_INCHES * (high - low) / 16), dpi=DPI)
        self.axes = self.figure.add_axes((0, 0, 1, 1))
        self.axes.set(xlim=(0, 16), ylim=(low, high))
        self.axes.set_axis_off()
        self.one_phase = phase

    def save(self, path: pathlib.Path) -> None:
        self.figure.savefig(path, facecolor="white", pil_kwargs={"optimize": True})

    def is_on(self, phases: tuple[int, ...] | None) -> bool:
        return self.one_phase is None or phases is None or self.one_phase in phases

    def text(self, x: float, y: float, words: str, **how: object) -> None:
        how = {"ha": "center", "va": "center", "fontsize": 10, "color": INK, **how}
        self.axes.text(x, y, words, **how)

    def arrow(
        self,
        *points: tuple[float, float],
        dashed: bool = False,
        phases: tuple[int, ...] | None = None,
    ) -> None:
        """A line through the points, with a head at the last."""
        on = self.is_on(phases)
        style = {"color": ARROW if on else OFF_INK, "linestyle": "--" if dashed else "-"}
        style |= {"linewidth": 1.4, "zorder": 2 if on else 1}
        xs, ys = zip(*points[:-1], strict=True)
        self.axes.plot(xs, ys, solid_capstyle="butt", **style)
        head = {"arrowstyle": "-|>", "mutation_scale": 13, "shrinkA": 0, "shrinkB": 0, **style}
        self.axes.annotate("", points[-1], points[-2], arrowprops=head)

    def network(
        self,
        x: float,
        y: float,
        name: str,
        symbol: str,
        colour: str,
        narrows: bool,
        learns: tuple[int, ...],
        phases: tuple[int, ...],
    ) -> None:
        """A trapezium, narrow where there are fewer dimensions; above it the phases it learns in.

        Args:
          x: of its middle.
          y: of its middle.
          name: the network's.
          symbol: what the paper calls it.
          colour: its own.
          narrows: to the right.
          learns: phases in which its weights change.
          phases: those in which it takes part.
        """
        left, right = (1.45, 0.95) if narrows else (0.95, 1.45)
        corners = [(x - 1.3, y - left), (x - 1.3, y + left), (x + 1.3, y + right)]
        corners.append((x + 1.3, y - right))
        on, fixed = self.is_on(phases), self.one_phase and self.one_phase not in learns
        look = {"facecolor": colour if on else OFF, "alpha": 0.45 if on and fixed else 0.95}
        look["edgecolor"] = "none" if on else OFF_INK
        self.axes.add_patch(Polygon(corners, joinstyle="round", **look))
        ink = OFF_INK if not on else INK if fixed else "white"
        self.text(x, y + 0.5, name, color=ink, weight="bold", fontsize=11.5)
        self.text(x, y - 0.14, symbol, color=ink, fontsize=10.5)
        small = "weights fixed" if on and fixed else "1000 – 1000"
        self.text(x, y - 0.6, small, color=ink, fontsize=8.5)
        shown = [phase for phase in learns if self.one_phase in (None, phase)]
        for k, phase in enumerate(shown):
            self.phase(x + 0.56 * (k - (len(shown) - 1) / 2), y + 1.78, phase, colour)

    def phase(self, x: float, y: float, number: int, colour: str) -> None:
        self.axes.add_patch(Circle((x, y), 0.23, facecolor="white", edgecolor=colour, lw=1.8))
        self.text(x, y - 0.015, str(number), fontsize=9.5, weight="bold", color=colour)

    def values(
        self,
        x: float,
        y: float,
        name: str,
        size: str,
        width: float = 1.5,
        phases: tuple[int, ...] | None = None,
    ) -> None:
        """What goes in or comes out: a pale box."""
        height, corner = 1.3, (x - width / 2, y - 0.65)
        style, on = "round,pad=0,rounding_size=0.12", self.is_on(phases)
        edge = "0.6" if on else OFF_INK
        face = PALE if on else "white"
        self.axes.add_patch(
            FancyBboxPatch(corner, width, height, boxstyle=style, fc=face, ec=edge, lw=1)
        )
        ink = INK if on else OFF_INK
        self.text(x, y + 0.22, name, fontsize=11, weight="bold", color=ink)
        self.text(x, y - 0.28, size, fontsize=8.5, color="0.3" if on else OFF_INK)

    def note(self, x: float, y: float, words: str, phases: tuple[int, ...] | None = None) -> None:
        colour = "0.25" if self.is_on(phases) else OFF_INK
        self.text(x, y, words, fontsize=9, style="italic", color=colour)

    def legend(self, y: float, phases: list[str], dashed: str = "") -> None:
        """The phases in their order, a line each; then what the dashed line is."""
        shown = [(k + 1, words) for k, words in enumerate(phases)]
        if self.one_phase:
            shown, dashed = [shown[self.one_phase - 1]], ""
        for k, (number, words) in enumerate(shown):
            self.phase(0.75, y - 0.62 * k, number, INK)
            self.text(1.2, y - 0.62 * k, words, ha="left", fontsize=10)
        if dashed:
            y -= 0.62 * len(phases)
            self.axes.plot([0.45, 1.0], [y, y], "--", color=ARROW, linewidth=1.4)
            self.text(1.2, y, dashed, ha="left", fontsize=10)


def autoencoder(
    drawing: Drawing,
    z_dim: int,
    learns: tuple[int, ...],
    symbols: tuple[str, str] = ("q(z|x)", "p(x|z)"),
    z_at: float = MIDDLE,
) -> None:
    """The row that all parts have: image, encoder, code, decoder, reconstruction."""
    y = MIDDLE
    drawing.values(1.15, y, "x", "784 pixels")
    drawing.network(4.1, y, "Encoder", symbols[0], ENCODER, True, learns, (1, 2, 3, 4))
    drawing.values(7.35, z_at, "z", f"code, {z_dim}-D", width=1.7, phases=(1, 2, 3))
    drawing.network(11.2, y, "Decoder", symbols[1], DECODER, False, (1,), (1,))
    drawing.values(14.45, y, "x̂", "784 pixels", phases=(1,))
    towards = 0.55 * (z_at - y)  # Where the arrow of the code leaves and enters the networks.
    drawing.arrow((1.9, y), (2.8, y))
    drawing.arrow((5.4, y + towards), (6.5, y + towards), phases=(1, 2, 3))
    drawing.arrow((8.2, y + towards), (9.9, y + towards), phases=(1,))
    drawing.arrow((12.5, y), (13.7, y), phases=(1,))


def reconstruction(drawing: Drawing) -> None:
    """Above that row: the loss that compares image and reconstruction."""
    y, top = MIDDLE + 0.65, MIDDLE + 2.55
    drawing.arrow((1.15, y), (1.15, top), (14.45, top), (14.45, y), phases=(1,))
    words = "reconstruction loss: mean squared error between x and x̂"
    drawing.note(7.8, top + 0.27, words, (1,))


def code_discriminator(
    drawing: Drawing, prior: str, symbol: str, y: float, z_at: float = MIDDLE
) -> None:
    """Below the code: samples of the prior, and the network that tells codes from them."""
    drawing.values(7.35, y - 0.7, "z' ~ p(z)", f"prior: {prior}", width=2.4, phases=(2,))
    name = "Discriminator"
    drawing.network(11.2, y, name, symbol, DISCRIMINATOR, True, (2,), (2, 3))
    drawing.values(14.45, y, "1 or 0", "prior or code?", width=1.9, phases=(2, 3))
    drawing.arrow((7.35, z_at - 0.65), (7.35, y + 0.4), (9.9, y + 0.4), phases=(2, 3))
    drawing.arrow((8.55, y - 0.7), (9.9, y - 0.7), phases=(2,))
    drawing.arrow((12.5, y), (13.5, y), phases=(2, 3))


def part1(phase: int | None = None) -> Drawing:
    drawing = Drawing(1.6, 7.6, phase)
    autoencoder(drawing, 2, (1,))
    reconstruction(drawing)
    drawing.legend(2.0, PHASES[1])
    return drawing


def part2(phase: int | None = None) -> Drawing:
    drawing = Drawing(-2.2 if phase else -3.4, 7.6, phase)
    autoencoder(drawing, 2, (1, 3))
    reconstruction(drawing)
    code_discriminator(drawing, "N(0, 5²)", "D(z)", 0.2)
    drawing.legend(-1.75, PHASES[2])
    return drawing


def part3(phase: int | None = None) -> Drawing:
    drawing = Drawing(-3.2 if phase else -5.1, 7.6, phase)
    autoencoder(drawing, 15, (1, 3), ("q(z|x)", "p(x|y, z)"))
    reconstruction(drawing)
    code_discriminator(drawing, "N(0, 1)", "D(y, z)", -0.5)
    drawing.values(9.1, 2.0, "y", "label, one-hot", width=1.9)
    drawing.arrow((8.9, 2.65), (8.9, MIDDLE - 0.6), (9.9, MIDDLE - 0.6), phases=(1,))
    drawing.arrow((8.9, 1.35), (8.9, 0.45), (9.9, 0.45), dashed=True, phases=(2, 3))
    drawing.legend(-2.75, PHASES[3], CONDITION)
    return drawing


def part4(phase: int | None = None) -> Drawing:
    drawing = Drawing(-3.0 if phase else -5.5, 10.75, phase)
    y_at, z_at, top = MIDDLE + 0.85, MIDDLE - 0.85, MIDDLE + 4.1
    autoencoder(drawing, 10, (1, 3, 4), ("q(y, z|x)", "p(x|y, z)"), z_at)
    drawing.note(14.45, MIDDLE - 1.1, "mean squared error\nbetween x and x̂", (1,))
    code_discriminator(drawing, "N(0, 1)", "D(y, z)", -0.3, z_at)

    drawing.values(7.35, y_at, "y", "10 probabilities", width=1.7)
    drawing.arrow((5.4, MIDDLE + 0.6), (6.5, MIDDLE + 0.6))
    drawing.arrow((8.2, MIDDLE + 0.6), (9.9, MIDDLE + 0.6), phases=(1,))
    drawing.arrow((8.9, MIDDLE + 0.6), (8.9, 0.65), (9.9, 0.65), dashed=True, phases=(2, 3))

    drawing.values(7.35, top + 0.65, "y' ~ p(y)", "prior: one-hot", width=2.4, phases=(2,))
    name = "Discriminator\nof labels"
    drawing.network(11.2, top, name, "$D_y$(y)", LABEL_DISCRIMINATOR, True, (2,), (2, 3))
    drawing.values(14.45, top, "1 or 0", "prior or predicted?", width=2.4, phases=(2, 3))
    drawing.arrow((7.75, y_at + 0.65), (7.75, top - 0.55), (9.9, top - 0.55), phases=(2, 3))
    drawing.arrow((8.55, top + 0.65), (9.9, top + 0.65), phases=(2,))
    drawing.arrow((12.5, top), (13.25, top), phases=(2, 3))

    drawing.values(4.1, top - 0.6, "label y*", "of 1,000 images", width=2.1, phases=(4,))
    drawing.arrow((5.15, top - 0.6), (6.9, top - 0.6), (6.9, y_at + 0.65), phases=(4,))
    drawing.note(4.1, top + 0.55, "classification loss:\ncross-entropy of y* and y", (4,))
    drawing.legend(-2.55, PHASES[4], CONDITION)
    return drawing


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    images = pathlib.Path(__file__).parent / "images"
    parser.add_argument("--to", type=pathlib.Path, default=images, help="folder of the PNG files")
    folder = parser.parse_args().to
    for number, part in enumerate((part1, part2, part3, part4), 1):
        part().save(folder / f"architecture_part{number}.png")
        for phase in range(1, len(PHASES[number]) + 1 if number > 1 else 1):
            part(phase).save(folder / f"part{number}_phase{phase}.png")


if __name__ == "__main__":
    main()
