"""Compares the codes of parts 1 and 2: what lies around (0, 0), and where similar images lie.

python docs/draw_neighbours.py Results/Autoencoder/<run> Results/Adversarial_Autoencoder/<run>
                                         writes docs/images/around_zero.png, and prints how far
                                         apart the codes of similar test images lie
"""

import argparse
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from adversarial_autoencoder import datasets, grids, runs

import numpy as np
from matplotlib.figure import Figure

PICTURE = pathlib.Path(__file__).resolve().parent / "images" / "around_zero.png"
N_STEPS = 9  # On each side of the picture.


def around_zero(encoder, decoder, images: np.ndarray) -> tuple[np.ndarray, float]:
    """Decoded codes around (0, 0), and how far the picture reaches: a standard deviation."""
    reach = float(encoder.predict(images, verbose=0).std())
    steps = np.linspace(-reach, reach, N_STEPS)
    z = np.stack(np.meshgrid(steps, -steps), axis=-1).reshape(-1, 2).astype(np.float32)
    side = int(np.sqrt(decoder.output_shape[-1]))
    decoded = decoder.predict(z, verbose=0).reshape(-1, side, side, 1)
    return grids.grid(decoded, N_STEPS, gap=0), reach


def distances(points: np.ndarray) -> np.ndarray:
    """Squared distances of all rows of float [n, dim] from each other, infinite from themselves."""
    points = points.astype(np.float64)
    squares = np.sum(points**2, axis=1)
    found = squares[:, np.newaxis] + squares - 2 * points @ points.T
    np.fill_diagonal(found, np.inf)
    return found


def rank_of_twins(x: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Of each image, the share of all others whose codes lie nearer than its twin's, [n].

    Its twin is the image that is most similar in its pixels.
    """
    twin = distances(x).argmin(axis=1)
    between = distances(z)
    return np.mean(between < between[np.arange(len(x)), twin][:, np.newaxis], axis=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("runs", nargs=2, type=pathlib.Path, metavar="run")
    parser.add_argument("--dataset", default="mnist")
    parser.add_argument("--data_dir")
    arguments = parser.parse_args()
    test = datasets.load(arguments.dataset, arguments.data_dir).test
    x = test.images.reshape(len(test), -1).astype(np.float32) / 255
    figure = Figure(figsize=(8, 4.4), dpi=120, layout="constrained")
    names = ("part 1", "part 2")
    for axes, path, name in zip(figure.subplots(1, 2), arguments.runs, names, strict=True):
        encoder, decoder = runs.Run(path).load()
        picture, reach = around_zero(encoder, decoder, x)
        axes.imshow(picture.squeeze(), cmap="gray", extent=[-reach, reach] * 2)
        axes.set_title(f"{name}: the decoder's output around (0, 0)")
        axes.plot(0, 0, "s", mfc="none", mec="tab:orange", ms=17)
        rank = rank_of_twins(x, encoder.predict(x, verbose=0))
        print(
            f"{name}: between an image's code and that of the image most similar to it lie, in the "
            f"median, {np.median(rank):.2%} of all others; more than a tenth for "
            f"{np.mean(rank > 0.1):.1%} of the images"
        )
    figure.savefig(PICTURE)
    print(PICTURE)


if __name__ == "__main__":
    main()
