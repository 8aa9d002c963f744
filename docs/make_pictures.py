"""Takes the pictures of finished runs into the pages.

    python docs/make_pictures.py Results/Supervised/<run> Results/Semi_Supervised/<run>

Each run's `images/` hold what its script drew at the end of training. Those that a page shows are
copied to `docs/images/`, under the name of the page; the others stay where they are.
"""

import pathlib
import shutil
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from adversarial_autoencoder.runs.run import Run

IMAGES = pathlib.Path(__file__).resolve().parent / "images"
# What the names of a page's pictures start with, by the model of the run.
PAGES = {
    "Autoencoder": "part1",
    "Adversarial_Autoencoder": "part2",
    "Supervised": "part3",
    "Semi_Supervised": "part4",
    "Clustering": "clusters",
    "Label_Regularized": "petals",
    "Variational_Style": "variational_style",
    "Virtual_Adversarial": "vat",
}


def shown(page: str, name: str) -> pathlib.Path:
    """Returns where the pages have a picture of that name, `styles_from_test.png` for example."""
    return IMAGES / (name if name.startswith(page) else f"{page}_{name}")


def take(run: Run) -> list[pathlib.Path]:
    """Copies a run's pictures that a page shows, and returns the copies."""
    page, copies = PAGES[run.comment("model")], []
    for picture in sorted(run.images.glob("*.png")):
        copy = shown(page, picture.name)
        if copy.exists():
            shutil.copy(picture, copy)
            copies.append(copy)
    return copies


if __name__ == "__main__":
    for folder in sys.argv[1:]:
        for copy in take(Run(pathlib.Path(folder))):
            print(copy)
