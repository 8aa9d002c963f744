"""TensorBoard as its users see it: started on a trained run, and opened in a browser."""

import importlib.util
import time
import urllib.request

import part2_aae
from adversarial_autoencoder.pictures import plots

import numpy as np
import pytest
from conftest import ROOT, SMALL
from matplotlib.colors import to_rgb

spec = importlib.util.spec_from_file_location("screenshots", ROOT / "docs" / "screenshots.py")
screenshots = importlib.util.module_from_spec(spec)
spec.loader.exec_module(screenshots)

no_chromium = screenshots.chromium() is None
pytestmark = [pytest.mark.slow, pytest.mark.skipif(no_chromium, reason="there is no Chromium")]
LABELS = "data/plugin/projector/metadata?run=.&name=Test%20codes"
ALL_TEXT = """
const parts = [...all(document)].flatMap((element) => [...element.childNodes]);
return parts.filter((node) => node.nodeType === Node.TEXT_NODE).map((node) => node.data).join(' ');
"""


@pytest.fixture(scope="module")
def grey_npz(tmp_path_factory):
    """Images of 6 x 6 in 3 classes, bright ones, so that thumbnails show their colour."""
    path = tmp_path_factory.mktemp("data") / "grey.npz"
    rng = np.random.default_rng(0)
    arrays = {}
    for part, n in (("train", 120), ("test", 30)):
        labels = np.arange(n) % 3
        pixels = rng.integers(200, 256, [n, 6, 6])
        pixels[np.arange(n), 2 * labels] = 0
        arrays |= {f"x_{part}": pixels.astype(np.uint8), f"y_{part}": labels}
    np.savez(path, **arrays)
    return path


@pytest.fixture(scope="module")
def run(grey_npz, tmp_path_factory):
    """A run of part 2, long enough for two points of each curve."""
    results = tmp_path_factory.mktemp("Results")
    words = [f"--dataset={grey_npz}", f"--results_dir={results}", *SMALL, "--batch_size=2"]
    part2_aae.main(["part2_aae.py", "--train", *words])
    (run,) = (results / "Adversarial_Autoencoder").iterdir()
    return run


@pytest.fixture(scope="module")
def browser():
    with screenshots.Browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def address(run):
    """TensorBoard's, on that run."""
    with screenshots.serve(run / "Tensorboard") as address:
        yield address


@pytest.fixture
def show(address, browser):
    """Opens a page of TensorBoard and waits until it has drawn something; returns its text."""

    def show_page(name):
        browser.open(f"{address}#{name}&tagFilter=.")
        browser.wait_for(screenshots.DRAWN[name])
        return browser.evaluate(ALL_TEXT)

    return show_page


@pytest.mark.parametrize(
    "page, tags",
    [
        ("scalars", ["Autoencoder Loss", "Discriminator Loss", "Generator Loss"]),
        ("histograms", ["Encoder Distribution", "Real Distribution"]),
        ("images", ["Input Images", "Generated Images", "codes", "manifold"]),
    ],
)
def test_curves_histograms_and_images_are_drawn(page, tags, show):
    text = show(page)
    for tag in tags:
        assert tag in text


def all_colours(picture):
    """Whether points of all three classes are drawn, each in its colour."""
    between_panels = np.asarray(picture, int)[130:, 320:970]
    colours = [255 * np.array(to_rgb(colour)) for colour in plots.COLOURS[:3]]
    near = [np.abs(between_panels - colour).max(axis=-1) < 40 for colour in colours]
    return min(mask.sum() for mask in near) > 200


def test_the_projector_shows_each_test_code_as_a_thumbnail_in_the_colour_of_its_label(
    show, browser, address
):
    assert "Test codes" in show("projector")
    points = browser.evaluate("return within('vz-projector', '.numDataPoints')[0].textContent")
    assert points == "30"
    deadline = time.monotonic() + 60
    while not all_colours(browser.screenshot()):  # The points turn, so it never stands still.
        assert time.monotonic() < deadline
    with urllib.request.urlopen(f"{address}{LABELS}") as answer:
        assert answer.read().decode().split() == ["0", "1", "2"] * 10
