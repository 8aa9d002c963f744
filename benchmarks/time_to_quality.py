"""Time to quality: seconds from the command until style is apart from content, ours and 2017's.

    python benchmarks/time_to_quality.py --data_dir=...    a table, docs/images/time_to_quality.png

The quick start's recipe and the 2017 settings, ten epochs of them, are trained one after the other.
Only then are the kept epochs measured on test images: content accuracy, and a probe on the code as
the decoder gets it. The time of an epoch is when its checkpoint is written, counted from the start
of the command. Runs go into --results_dir and stay there. On two AVX-512 cores training takes
thirteen minutes.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import time
from typing import NamedTuple

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
PICTURE = ROOT / "docs" / "images" / "time_to_quality.png"

# By name: script, recipe, epochs, and every how many of them are measured.
CONTENDERS = {
    "quick start": ("part3_style_content.py", "part3_style_content/quick_start.txt", 12, 2),
    "2017's settings": ("part3_style_content.py", "part3_style_content/series.txt", 10, 2),
}
# What is measured, its name in the picture, and the wanted value: at least, or at most.
GOALS = {
    "content_accuracy": ("content accuracy", 0.98, "at least"),
    "z_probe_accuracy": ("probe accuracy on z", 0.25, "at most"),
}


class Measured(NamedTuple):
    """An epoch, when it was done, and its figures by name."""

    epoch: int
    seconds: float
    figures: dict[str, float]


class Contender:
    """Settings that are trained and then measured; `words` say where data and results are."""

    def __init__(self, name: str, words: list[str]):
        script, self.recipe, self.n_epochs, self.every = CONTENDERS[name]
        self.command = [sys.executable, str(ROOT / script), *words]

    def train(self, results: pathlib.Path) -> None:
        """Trains into `results`, and notes when each kept epoch was done."""
        from adversarial_autoencoder import runs
        from adversarial_autoencoder.runs import checkpoints

        before, start = set(results.glob("*/*/log/log.txt")), time.time()
        words = ["--train", f"--flagfile={ROOT / 'recipes' / self.recipe}"]
        words += [f"--n_epochs={self.n_epochs}", f"--keep_every={self.every}"]
        subprocess.run([*self.command, *words], check=True)
        (log,) = set(results.glob("*/*/log/log.txt")) - before
        self.run = runs.Run(log.parent.parent)
        written = {step: at for step, at in checkpoints.stored(self.run.checkpoints) if step}
        per_epoch = max(written) // self.n_epochs
        self.seconds = {
            step // per_epoch: at.stat().st_mtime - start for step, at in sorted(written.items())
        }

    def measure(self) -> list[Measured]:
        """Measures the kept epochs on test images."""
        found = []
        for epoch, seconds in self.seconds.items():
            words = [f"--run={self.run.path}", f"--epoch={epoch}", "--evaluate"]
            subprocess.run([*self.command, *words], check=True)
            figures = json.loads(self.run.of_epoch(epoch).metrics.read_text())
            found.append(Measured(epoch, seconds, {key: figures[key] for key in GOALS}))
        return found


def is_reached(figures: dict[str, float]) -> bool:
    """Whether all goals are."""
    return all(
        figures[key] >= goal if kind == "at least" else figures[key] <= goal
        for key, (_, goal, kind) in GOALS.items()
    )


def report(found: dict[str, list[Measured]]) -> str:
    """Returns a table of all that was measured, and a line for each contender."""
    lines = ["| settings | epoch | seconds | " + " | ".join(name for name, *_ in GOALS.values())]
    lines = [lines[0] + " |", "|---" * (3 + len(GOALS)) + "|"]
    for name, measured in found.items():
        for epoch, seconds, figures in measured:
            values = " | ".join(f"{figures[key]:.1%}" for key in GOALS)
            lines.append(f"| {name} | {epoch} | {seconds:.0f} | {values} |")
    goals = ", ".join(f"{name} {kind} {goal:.0%}" for name, goal, kind in GOALS.values())
    for name, measured in found.items():
        first = next((m for m in measured if is_reached(m.figures)), None)
        when = f"after {first.seconds:.0f} s" if first else f"not in {measured[-1].seconds:.0f} s"
        lines.append(f"{name}: {goals}: {when}")
    return "\n".join(lines)


def draw(found: dict[str, list[Measured]]) -> None:
    """Draws `PICTURE`: a panel for each measure, over the seconds, with its goal."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, NullFormatter, PercentFormatter, StrMethodFormatter

    figure = Figure(figsize=(9, 3.6), dpi=100, layout="constrained")
    for axes, (key, (label, goal, kind)) in zip(
        figure.subplots(1, len(GOALS)), GOALS.items(), strict=True
    ):
        for name, measured in found.items():
            seconds, values = zip(*((m.seconds, m.figures[key]) for m in measured), strict=True)
            axes.plot(seconds, values, marker=".", label=name)
        axes.axhline(goal, color="grey", linestyle="--", label=f"wanted: {kind} {goal:.0%}")
        axes.set_xlabel("seconds from the command")
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:.0f}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_ylabel(label)
        axes.set_ylim(0, 1)
        axes.yaxis.set_major_formatter(PercentFormatter(xmax=1, decimals=0))
        axes.grid(alpha=0.3)
        axes.legend()
    figure.savefig(PICTURE)


def main() -> None:
    description = (__doc__ or "").split("\n")[0]
    parser = argparse.ArgumentParser(description=description, allow_abbrev=False)
    parser.add_argument("--dataset", default="mnist", help="as for the scripts")
    parser.add_argument("--data_dir", help="as for the scripts")
    parser.add_argument("--results_dir", type=pathlib.Path, help="folder of the runs, a new one")
    arguments = parser.parse_args()
    words = [f"--dataset={arguments.dataset}"]
    words += [f"--data_dir={arguments.data_dir}"] if arguments.data_dir else []
    results = arguments.results_dir or pathlib.Path(tempfile.mkdtemp(prefix="time_to_quality_"))
    words += [f"--results_dir={results}"]
    contenders = {name: Contender(name, words) for name in CONTENDERS}
    for contender in contenders.values():
        contender.train(results)
    found = {name: contender.measure() for name, contender in contenders.items()}
    print(report(found))
    draw(found)
    print(PICTURE)


if __name__ == "__main__":
    main()
