"""How speed and memory grow: images a second and peak memory of part 3's training.

    python benchmarks/growth.py                                 a table, docs/images/growth.png
    python benchmarks/growth.py --only=batch_size,devices       these alone, no picture

One setting at a time differs from batches of 100, 1,000 units, 28 x 28 pixels, 10,000 images and
one device. Each is measured in a process of its own, on made-up images, for --seconds (10) after a
first call of the train loop. Memory is the largest resident set, TensorFlow's 0.6 GB included.

Two logical CPUs share the cores of one: what their row shows is the cost of dividing a batch, not
a speed-up.
"""

import argparse
import json
import os
import pathlib
import resource
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

USUAL = {"batch_size": 100, "n_units": 1000, "image_size": 28, "n_images": 10_000, "devices": 1}
GROWTH = {
    "batch_size": (32, 100, 320, 1024),
    "n_units": (250, 500, 1000, 2000),
    "image_size": (28, 64, 128),
    "n_images": (10_000, 50_000, 200_000),
    "devices": (1, 2),
}
LABELS = {
    "batch_size": "batch size",
    "n_units": "units of a layer",
    "image_size": "height and width",
    "n_images": "training images",
    "devices": "devices (logical CPUs)",
}
PICTURE = ROOT / "docs" / "images" / "growth.png"


def measure(setting: dict[str, int], seconds: float) -> dict[str, float]:
    """Returns `images_per_second` and `peak_gb` of this process, which must be a new one."""
    import part3_style_content as part3
    from adversarial_autoencoder import optimizers, options
    from adversarial_autoencoder.datasets import Dataset, Split, batches
    from adversarial_autoencoder.system import devices, distribution
    from adversarial_autoencoder.training import command
    from adversarial_autoencoder.training import loop as training

    import numpy as np
    import tensorflow as tf

    n_units, size, n = (setting[key] for key in ("n_units", "image_size", "n_images"))
    words = [f"--{key}={setting[key]}" for key in ("batch_size", "devices")]
    words += ["--train", f"--n_l1={n_units}", f"--n_l2={n_units}"]
    flags = options.parse(["growth", *words], "", part3.DEFAULTS, part3.define_flags)
    strategy = distribution.start(flags)
    command.set_up(flags)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (n, size, size, 1), dtype=np.uint8)
    train = Split(images, rng.integers(0, 10, n, dtype=np.int32))
    data = Dataset("made up", train, train[:100], train[:100], 10, tuple("0123456789"))
    with devices.scope(strategy):
        model = part3.AdversarialAutoencoder(data, flags)
    ema = optimizers.ExponentialMovingAverage(list(model.exports().values()), flags.ema_decay)
    train_batches = batches.Batches.of(train, 10, flags.batch_size, 0)
    steps = training.step_loop(model, train_batches, ema, strategy)

    def call() -> int:
        # Each call takes the first steps: an epoch may have fewer than the time allows.
        last = min(batches.STEPS_PER_CALL, train_batches.per_epoch)
        losses, _ = steps(tf.constant(0, tf.int64), tf.constant(last, tf.int64), order)
        float(losses["Autoencoder Loss"])
        return last * flags.batch_size

    order = train_batches.order(0)
    call()
    start, n_done = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        n_done += call()
    per_second = n_done / (time.perf_counter() - start)
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return {"images_per_second": per_second, "peak_gb": peak / 1e9}


def in_new_process(setting: dict[str, int], seconds: float) -> dict[str, float]:
    """As `measure`."""
    command = [sys.executable, __file__, f"--seconds={seconds}", f"--measure={json.dumps(setting)}"]
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=environment, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def draw(found: dict[str, dict[int, dict[str, float]]]) -> None:
    """Draws `PICTURE`: above images a second, below peak memory, a column for each setting."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(2, len(found), figsize=(15, 5.5), sharey="row", sharex="col")
    for (name, values), (above, below) in zip(found.items(), axes.T, strict=True):
        for axis, key in ((above, "images_per_second"), (below, "peak_gb")):
            axis.plot(list(values), [figures[key] for figures in values.values()], "o-")
            axis.grid(alpha=0.3)
        below.set_xlabel(LABELS[name])
        below.set_xscale("log")
        below.set_xticks(list(values), [f"{value:,}" for value in values])
        below.set_xticks([], minor=True)
    axes[0, 0].set_yscale("log")
    peaks = [figures["peak_gb"] for values in found.values() for figures in values.values()]
    axes[1, 0].set_ylim(0, 1.1 * max(peaks))
    axes[0, 0].set_ylabel("images a second")
    axes[1, 0].set_ylabel("peak memory, GB")
    figure.tight_layout()
    figure.savefig(PICTURE, dpi=80)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--only", default=",".join(GROWTH), help="settings, comma-separated")
    parser.add_argument("--seconds", type=float, default=10.0, help="of measuring each")
    parser.add_argument("--measure", type=json.loads, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(arguments.measure, arguments.seconds)))
        return
    names = arguments.only.split(",")
    if unknown := set(names) - set(GROWTH):
        parser.error(f"--only takes {', '.join(GROWTH)}, and not {', '.join(unknown)}")
    usual = in_new_process(USUAL, arguments.seconds)
    found = {}
    print("| setting | images a second | peak memory, GB |\n|---|---|---|")
    for name in names:
        found[name] = {}
        for value in GROWTH[name]:
            setting = USUAL | {name: value}
            figures = usual if setting == USUAL else in_new_process(setting, arguments.seconds)
            found[name][value] = figures
            columns = f"{figures['images_per_second']:,.0f} | {figures['peak_gb']:.2f}"
            print(f"| {LABELS[name]} {value:,} | {columns} |", flush=True)
    if names == list(GROWTH):
        draw(found)
        print(f"\nThe picture: {PICTURE}")


if __name__ == "__main__":
    main()
