"""The pages' pictures are laid out as today's code draws them."""

import importlib
import io
import pathlib
import sys

from adversarial_autoencoder import datasets, options, pictures
from adversarial_autoencoder.pictures import png

import numpy as np
import pytest
from conftest import ROOT, SMALL
from PIL import Image

sys.path.insert(0, str(ROOT / "docs"))

import make_pictures

SCRIPTS = {
    "part1": "part1_autoencoder",
    "part2": "part2_aae",
    "part3": "part3_style_content",
    "part4": "part4_semisupervised",
    "variational_style": "experiments.variational_style",
    "vat": "experiments.virtual_adversarial",
    "clusters": "experiments.clustering",
    "petals": "experiments.label_regularized_aae",
}
OWN = {
    "part4": ["--n_labeled=100"],
    "vat": ["--n_labeled=100"],
    "petals": ["--n_labeled=100"],
    "clusters": ["--n_clusters=30"],
}
# All columns of a style grid have a heading, over a margin of this many pixels.
HEADING = 20


@pytest.fixture(scope="module")
def digits():
    return datasets.load("glyphs", n_images=600)


@pytest.mark.usefixtures("pictures_for_a_readme")
@pytest.mark.parametrize("page", SCRIPTS)
def test_a_page_shows_pictures_of_the_size_and_with_the_headings_of_today(page, digits):
    script = importlib.import_module(SCRIPTS[page])
    words = [page, *SMALL, *OWN.get(page, [])]
    define = getattr(script, "define_flags", None)
    flags = options.parse(words, "", script.DEFAULTS, define)
    model = next(
        value
        for value in vars(script).values()
        if isinstance(value, type) and value.__module__ == script.__name__
    )(digits, flags)
    drawn = pictures.usual(model, digits, at_end=True)
    paths = {name: make_pictures.shown(page, f"{name}.png") for name in drawn}
    paths = {name: path for name, path in paths.items() if path.exists()}
    assert paths
    for name, path in paths.items():
        today = np.array(Image.open(io.BytesIO(png.encode(drawn[name]))).convert("RGB"))
        on_page = np.array(Image.open(path).convert("RGB"))
        assert on_page.shape == today.shape, f"python docs/make_pictures.py: {path.name}"
        if "style" in name:
            np.testing.assert_array_equal(on_page[:HEADING], today[:HEADING], path.name)


def test_a_runs_pictures_are_taken_into_the_pages_that_show_them(tmp_path, monkeypatch):
    run = tmp_path / "Results" / "Supervised" / "run"
    (run / "images").mkdir(parents=True)
    (run / "flags.txt").write_text("# model: Supervised\n")
    for name in ("styles_from_test", "samples"):
        (run / "images" / f"{name}.png").write_bytes(name.encode())
    monkeypatch.setattr(make_pictures, "IMAGES", tmp_path)
    (tmp_path / "part3_styles_from_test.png").write_bytes(b"of a former run")
    taken = make_pictures.take(make_pictures.Run(pathlib.Path(run)))
    assert [path.name for path in taken] == ["part3_styles_from_test.png"]
    assert taken[0].read_bytes() == b"styles_from_test"
