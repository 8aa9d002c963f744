"""How the error falls with the length of training: runs of several lengths, a fit, a picture.

    python benchmarks/learning_curves.py --recipe=recipes/part4_semisupervised/default.txt \\
        --epochs=25,50,100,200 --paper=1.60@1500 --data_dir=...

Each length is a training of its own with the recipe's schedule stretched: learning rates drop at
the same shares of it. Ten checkpoints of each are measured on validation and test images. A run can
be stopped and goes on with the same command; lengths and seeds can be added later, one by one
(--epochs=200 --seeds=1). All that is found in `<results_dir>/learning_curves/<script>/<variant>/`
goes into its `table.md` and `curve.png`. Other flags go to the script.

The table ends with a fit through the ends of the trainings, and how sure it is: `power_law.py`.
Clusters also have the error with names by majority, and the fit is of that: by the paper's protocol
one image names a cluster, and another one at the next checkpoint.
"""

import argparse
import importlib
import json
import pathlib
import resource
import statistics
import sys
import unittest.mock
from typing import NamedTuple

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from adversarial_autoencoder import options, training
from adversarial_autoencoder.datasets.batches import steps_per_epoch
from adversarial_autoencoder.inference import classify, encode
from adversarial_autoencoder.measures import clusters
from adversarial_autoencoder.optimizers import ExponentialMovingAverage
from adversarial_autoencoder.runs import checkpoints
from adversarial_autoencoder.system.files import read_json, write_atomically

import numpy as np
import power_law
import reproduce

STRETCHED = ("learning_rate_drops", "kl_epochs", "pretraining_epochs")  # Counted in epochs.
N_TEST = 10_000  # Images, for standard errors.


class Point(NamedTuple):
    """One checkpoint of one run: errors are shares of images, hours are of CPU time."""

    length: int
    seed: int
    epoch: int
    cpu_hours: float
    validation: float
    test: float
    test_by_majority: float | None = None  # Of clusters.

    @property
    def steady(self) -> float:
        """The test error that does not depend on single images."""
        return self.test if self.test_by_majority is None else self.test_by_majority


def stretched(words: list[str], length: int) -> list[str]:
    """Returns a recipe's flags with all that is counted in epochs scaled to `length` epochs."""
    given = dict(word.lstrip("-").partition("=")[::2] for word in words)
    factor = length / int(given["n_epochs"])
    more = [f"--n_epochs={length}"]
    for name in STRETCHED:
        if given.get(name):
            scaled = [float(value) * factor for value in given[name].split(",")]
            values = scaled if name == "kl_epochs" else [max(1, round(value)) for value in scaled]
            more.append(f"--{name}={','.join(f'{value:g}' for value in values)}")
    return [*words, *more, f"--keep_every={max(1, length // 10)}"]


def errors(model, data) -> tuple[float, ...]:
    """Returns the errors on validation and test images; of clusters, then that by majority."""
    splits = (data.validation, data.test)
    if not model.labels_are_clusters:
        return tuple(float(np.mean(classify(model.classify, s.images) != s.labels)) for s in splits)
    naming, test = ((encode(model.classify, s.images), s.labels) for s in splits)
    of_validation, of_test = (clusters.clustering(*naming, *each) for each in (naming, test))
    by_majority = of_test["clustering_error_by_majority"]
    return of_validation["clustering_error"], of_test["clustering_error"], by_majority


def measure(seed: reproduce.Seed, length: int, cpu_hours: float) -> list[Point]:
    """Measures the checkpoints that a run has kept."""
    module = importlib.import_module(seed.script.removesuffix(".py").replace("/", "."))
    with unittest.mock.patch.object(training, "main", lambda *given: given):
        model_class, flags = module.main([seed.script, *seed.asked[1:], f"--seed={seed.number}"])
    data, run = model_class.load_data(flags), seed.run()
    model = model_class(data, flags)
    ema = ExponentialMovingAverage(list(model.exports().values()), flags.ema_decay)
    state, per_epoch = checkpoints.state_of(model, ema), steps_per_epoch(data, flags.batch_size)
    points = []
    for epoch in sorted({step // per_epoch for step, _ in checkpoints.stored(run.checkpoints)}):
        if epoch:
            run.restore_exactly(state, epoch, per_epoch)
            with ema.in_place():
                found = errors(model, data)
            points.append(Point(length, seed.number, epoch, cpu_hours * epoch / length, *found))
    return points


def cpu_hours() -> float:
    """CPU time of all processes that this one has started and waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (used.ru_utime + used.ru_stime) / 3600


def train(seed: reproduce.Seed, length: int, settings: argparse.Namespace) -> None:
    """Trains, goes on, or does nothing, and notes the CPU time and the errors."""
    notes = seed.folder / "curve.json"
    known = read_json(notes, dict) if notes.exists() else {"cpu_hours": 0.0, "points": []}
    if known["points"]:
        return
    before = cpu_hours()
    try:
        reproduce.complete([seed], settings)
    finally:
        known["cpu_hours"] += cpu_hours() - before
        if seed.folder.exists():
            write_atomically(notes, json.dumps(known))
    known["points"] = measure(seed, length, known["cpu_hours"])
    write_atomically(notes, json.dumps(known))


def ends(points: list[Point]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns lengths, mean steady errors at their ends and standard errors of these means."""
    lengths = sorted({point.length for point in points})
    means, deviations = [], []
    for length in lengths:
        found = [p.steady for p in points if p.epoch == p.length == length]
        means.append(statistics.fmean(found))
        of_images = means[-1] * (1 - means[-1]) / N_TEST
        of_seeds = statistics.variance(found) / len(found) if len(found) > 1 else 0
        deviations.append(max(of_images, of_seeds) ** 0.5)
    return np.array(lengths), np.array(means), np.array(deviations)


def report(points: list[Point], paper: str, ask: list[int]) -> str:
    """Returns a table of the trainings' ends, and what the fit says and how sure it is."""
    of_clusters = any(p.test_by_majority is not None for p in points)
    head = ["epochs", "seed", "CPU hours", "validation error", "test error"]
    rows = [head + ["by majority"] * of_clusters]
    rows.append(["---"] * len(rows[0]))
    for p in sorted(p for p in points if p.epoch == p.length):
        row = [p.length, p.seed, f"{p.cpu_hours:.2f}", f"{p.validation:.2%}", f"{p.test:.2%}"]
        rows.append(row + [f"{p.steady:.2%}"] * of_clusters)
    if paper:
        error, _, epochs = paper.partition("@")
        rows.append([epochs, "the paper's", "", "", f"{error}%", *[""] * of_clusters])
    lines = ["| " + " | ".join(map(str, row)) + " |" for row in rows]
    lengths, means, deviations = ends(points)
    if len(lengths) < 4:
        return "\n".join([*lines, "", f"Too few lengths for a fit: {len(lengths)} of 4."])
    gain = means[-2] - means[-1]
    if gain < 2 * np.hypot(*deviations[-2:]):
        lines += ["", f"From {lengths[-2]} to {lengths[-1]} epochs the gain, {gain:.2%}, is not "
                  "more than chance (two standard errors)."]  # fmt: skip
    a, b, c = power_law.fit(lengths, means, deviations)
    lines += ["", f"Fit: {a:.2%} + {b:.3g} · epochs^-{c:.2f}. What it predicts:"]
    for epochs in ask:
        middle, low, high = power_law.predict(lengths, means, deviations, epochs)
        sure = "" if high - low < middle / 2 else ", which is to say that it is not known"
        lines.append(f"- {epochs} epochs: {middle:.2%}, in 90% of {low:.2%} to {high:.2%}{sure}")
    return "\n".join(lines)


def draw(points: list[Point], path: pathlib.Path) -> None:
    """Draws errors over epochs and over CPU hours.

    Test images as lines, validation images dotted; clusters by majority as lines, and their errors
    on test images by the paper's protocol dashed.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4), dpi=100, layout="constrained")
    for axes, key in zip(figure.subplots(1, 2, sharey=True), ("epoch", "cpu_hours"), strict=True):
        for k, (length, seed) in enumerate(sorted({(p.length, p.seed) for p in points})):
            of_run = sorted(p for p in points if (p.length, p.seed) == (length, seed))
            x = [getattr(p, key) for p in of_run]
            for error, style in (("validation", ":"), ("test", "--"), ("steady", ".-")):
                y = [100 * getattr(p, error) for p in of_run]
                (line,) = axes.plot(x, y, style, color=f"C{k % 10}", linewidth=1)
            line.set(label=f"{length} epochs, seed {seed}", linewidth=1.5)
        axes.set(xscale="log", yscale="log", xlabel=key.replace("cpu_hours", "CPU hours"))
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter("{x:g}")
        axes.grid(alpha=0.3, which="both")
    lengths, means, deviations = ends(points)
    left = figure.axes[0]
    if len(lengths) >= 4:
        x = np.geomspace(lengths[0], 5 * lengths[-1])
        left.plot(
            x, 100 * power_law.fit(lengths, means, deviations).at(x), "k--", label="fit of the ends"
        )
    left.set_ylabel("error, %")
    left.legend(fontsize=8)
    figure.savefig(path)


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0], allow_abbrev=False)
    parser.add_argument("--recipe", type=pathlib.Path, required=True, help="a flag file")
    parser.add_argument("--epochs", default="25,50,100,200", help="the lengths")
    parser.add_argument("--seeds", default="0", help="the seeds of each length")
    parser.add_argument("--results_dir", default="Results", help="where the runs go")
    parser.add_argument("--paper", default="", help="<error in percent>@<epochs>, for the table")
    parser.add_argument("--predict", default="1500,5000", help="lengths to predict the error of")
    given, more = parser.parse_known_args(argv[1:])
    script, words, _ = reproduce.read_recipe(given.recipe, more)
    place = pathlib.Path(given.results_dir, "learning_curves", pathlib.Path(script).stem)
    place /= given.recipe.stem
    settings = argparse.Namespace(jobs=1, evaluate=False, results_dir=given.results_dir)
    for length in map(int, given.epochs.split(",")):
        for number in map(int, given.seeds.split(",")):
            seed = reproduce.Seed(number, place / str(length), script, stretched(words, length))
            train(seed, length, settings)
    found = (read_json(path, lambda known: known["points"]) for path in place.rglob("curve.json"))
    points = [Point(*values) for of_run in found for values in of_run]
    told = report(points, given.paper, [int(word) for word in given.predict.split(",")])
    write_atomically(place / "table.md", told + "\n")
    draw(points, place / "curve.png")
    print(f"{told}\n\n{place / 'curve.png'}")


if __name__ == "__main__":
    options.exit_on_user_error(main)
