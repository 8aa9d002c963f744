"""Compares the codes of parts 1 and 2: what random ones decode to, and where similar images lie.

python docs/draw_neighbours.py Results/Autoencoder/<run> Results/Adversarial_Autoencoder/<run>
                                         writes docs/images/random_codes.png, and prints how far
                                         apart the codes of similar test images lie
"""

import argparse
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from adversarial_autoencoder import datasets, randomness, runs
from adversarial_autoencoder.measures import formulas
from adversarial_autoencoder.pictures import grids

import numpy as np
from matplotlib.figure import Figure

PICTURE = pathlib.Path(__file__).resolve().parent / "images" / "random_codes.png"
N_COLUMNS = 10
PRIOR_STDDEV = 5.0  # Part 2's.


def random_codes(z: np.ndarray, name: str) -> np.ndarray:
    """Random codes: part 2's from its prior; part 1, which has none, from a Gaussian like z."""
    mean, stddev = (0.0, PRIOR_STDDEV) if name == "part 2" else (z.mean(axis=0), z.std(axis=0))
    normal = randomness.numpy_generator(0, "random codes").standard_normal([N_COLUMNS**2, 2])
    return (mean + stddev * normal).astype(np.float32)


def rank_of_twins(z: np.ndarray, twins: np.ndarray) -> np.ndarray:
    """Of each code, the share of all others that lie nearer than its twin's, [n]."""
    shares = []
    for code, twin in zip(z, z[twins], strict=True):
        squares = np.sum((z - code) ** 2, axis=1)
        shares.append(np.mean(squares < np.sum((twin - code) ** 2)))
    return np.array(shares) - 1 / len(z)  # A code is no neighbour of itself.


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("runs", nargs=2, type=pathlib.Path, metavar="run")
    parser.add_argument("--dataset", default="mnist")
    parser.add_argument("--data_dir")
    arguments = parser.parse_args()
    data = datasets.load(arguments.dataset, arguments.data_dir)
    x = data.test.images.reshape(len(data.test), -1).astype(np.float32) / 255
    twins = formulas.neighbours(x, np.arange(len(x)))[:, 0]
    figure = Figure(figsize=(8, 4.3), dpi=120, layout="constrained")
    names = ("part 1", "part 2")
    for axes, path, name in zip(figure.subplots(1, 2), arguments.runs, names, strict=True):
        encoder, decoder = runs.Run(path).load()
        z = encoder.predict(x, verbose=0)
        decoded = data.as_images(decoder.predict(random_codes(z, name), verbose=0))
        axes.imshow(grids.grid(decoded, N_COLUMNS).squeeze(), cmap="gray")
        axes.set_axis_off()
        axes.set_title(f"{name}, random codes")
        rank = rank_of_twins(z, twins)
        print(
            f"{name}: of all other codes, those nearer than that of the most similar image are "
            f"{np.median(rank):.2%} in the median; more than a tenth for {np.mean(rank > 0.1):.1%}"
        )
    figure.savefig(PICTURE)
    print(PICTURE)


if __name__ == "__main__":
    main()
