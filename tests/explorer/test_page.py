"""The page beside a run: that its own code computes what Keras does, and that one can use it."""

import base64
import functools
import io
import json
import re
import shutil
import subprocess
import sys
import time

import part1_autoencoder
import part2_aae
import part3_style_content
import part4_semisupervised
from adversarial_autoencoder import datasets, explorer, options, priors
from adversarial_autoencoder.explorer import convert, sheet
from adversarial_autoencoder.explorer.page import KINDS
from adversarial_autoencoder.runs import run as runs
from adversarial_autoencoder.runs.recorder import write_explorer
from adversarial_autoencoder.system import files
from adversarial_autoencoder.system.errors import UserError
from experiments import (
    clustering,
    dimensionality_reduction,
    disentangling_factors,
    label_regularized_aae,
    variational_style,
    virtual_adversarial,
)

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import ROOT, SMALL, blank_plots, disk_full, keep_checkpoint
from PIL import Image

sys.path.insert(0, str(ROOT / "docs"))

import draw_explorer  # noqa: E402
import screenshots  # noqa: E402

needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="there is no Node")
needs_chromium = pytest.mark.skipif(screenshots.chromium() is None, reason="there is no Chromium")

# Scripts and words that together use every operation of the scripts' networks.
MODELS = {
    "part 1": (part1_autoencoder, []),
    "label-regularized, tanh": (label_regularized_aae, ["--pixel_range=-1,1", "--n_labeled=30"]),
    "part 2, drawn codes": (part2_aae, ["--encoder=gaussian", "--dropout=0.2"]),
    "part 3": (part3_style_content, []),
    "part 4, all of it": (
        part4_semisupervised,
        ["--n_labeled=30", "--encoder=gaussian", "--dropout=0.2"],
    ),
}
# Its networks have convolutions, and its page pictures.
SWAPS = {"swaps": (disentangling_factors, ["--n_filters=2", "--s_dim=6", "--z_dim=5"])}
# Every script that writes a page, and what stands on it.
PAGES = {
    "part 1, map": (part1_autoencoder, [], ["Autoencoder: the latent space"]),
    "part 1, 5-D": (part1_autoencoder, ["--z_dim=5"], ["From image to code and back"]),
    "part 2": (part2_aae, ["--z_dim=2"], ["Lines of the prior: 1, 2, 3 standard deviations."]),
    "part 2, uniform": (part2_aae, ["--z_dim=2", "--prior=uniform"], ["Lines of the prior: edge."]),
    "part 2, petals": (part2_aae, ["--z_dim=2", "--prior=gaussian_mixture"], ["Petal 9"]),
    "part 3": (part3_style_content, [], ["as all ten digits", "Which digit is it?"]),
    "part 4": (part4_semisupervised, ["--n_labeled=30"], ["as all ten digits", "encoder’s label"]),
    "petals": (label_regularized_aae, ["--n_labeled=30"], ["Petal 9"]),
    "roll": (label_regularized_aae, ["--n_labeled=0", "--prior=swiss_roll"], ["Stretch 9"]),
    "heads": (
        dimensionality_reduction,
        ["--n_labeled=30"],
        ["Cluster 9", "around each cluster head"],
    ),
    "heads of clusters": (dimensionality_reduction, ["--n_clusters=20"], ["Cluster 19"]),
    "clusters": (clustering, ["--n_clusters=20"], ["in all 20 clusters", "The encoder’s cluster"]),
    "ten clusters": (clustering, ["--n_clusters=10"], ["in all ten clusters", "cluster 9"]),
    "variational style": (variational_style, [], ["as all ten digits", "Which digit is it?"]),
    "virtual adversarial": (virtual_adversarial, ["--n_labeled=30"], ["as all ten digits"]),
    "swaps": (*SWAPS["swaps"], ["s of the one, z of the other"]),
}


@pytest.fixture(scope="module")
def drawings():
    """A hundred test images in grey, 12 x 10, bright bars on black, in ten classes."""
    rng = np.random.default_rng(0)
    images = np.zeros([100, 12, 10, 1], np.uint8)
    labels = np.arange(100, dtype=np.int32) % 10
    for image, label in zip(images, labels, strict=True):
        image[1:-1, label] = rng.integers(150, 255)
        image[rng.integers(1, 11), 1:-1] = rng.integers(150, 255)
    split = datasets.Split(images, labels)
    return datasets.Dataset("bars", split, split, split, 10, tuple("0123456789"))


def make(name, data):
    """A model with weights as after training: large, and statistics of its own in each layer."""
    script, words, *_ = (PAGES | MODELS | SWAPS)[name]
    if script is not disentangling_factors:
        words = ["--n_l1=64", "--n_l2=64", *words]
    words = ["script", *SMALL, "--initializer=he", *words]
    define_flags = getattr(script, "define_flags", None)
    model_class = getattr(script, "AdversarialAutoencoder", None) or script.Autoencoder
    model = model_class(data, options.parse(words, "", script.DEFAULTS, define_flags))
    rng = np.random.default_rng(1)
    for network in (model.encoder, model.decoder):
        for variable in network.weights:
            if "moving_variance" in variable.path:
                variable.assign(rng.uniform(0.5, 2, variable.shape))
            elif variable.ndim == 1 and "seed" not in variable.path:
                variable.assign(variable + rng.normal(0, 0.1, variable.shape))
            elif variable.path.startswith(("d_dense_s", "d_dense_z")):
                variable.assign(30 * variable)  # Or codes would hardly change the image.
    return model


@pytest.fixture(scope="module")
def model_of(drawings):
    """`model_of(name)` makes a model of the drawings once, for tests that do not change it."""
    return functools.cache(lambda name: make(name, drawings))


@pytest.fixture(scope="module")
def page_of(drawings, model_of):
    """`page_of(name)` is the page of that model, made once."""
    return functools.cache(
        lambda name, kind="float16": explorer.page(model_of(name), drawings, kind)
    )


def part(page, name):
    """The text of one of the page's script elements."""
    return re.search(rf'<script id="{name}"[^>]*>(.*?)</script>', page, re.DOTALL)[1]


def node(page, tmp_path, body, **inputs):
    """Runs the page's code and the body of an asynchronous function in Node; what that returns."""
    (tmp_path / "page.json").write_text(json.dumps({"weights": part(page, "weights"), **inputs}))
    script = f"""
        {part(page, "engine")}
        {part(page, "strokes").replace('"use strict";', "")}
        const input = JSON.parse(require("fs").readFileSync("page.json", "utf8"));
        const description = {part(page, "description")};
        (async () => {{ {body} }})().then((result) => console.log(JSON.stringify(result)));
    """
    (tmp_path / "page.js").write_text(script)
    ran = subprocess.run(["node", "page.js"], cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


RUN_NETWORKS = """
const engine = await Engine.load(description, input.weights);
const { z, probabilities } = engine.encode(input.images.flat(), input.images.length);
const images = engine.decode(z, input.labels);
const all = engine.decodeAll(z.subarray(0, engine.zDim));
return [z, probabilities ?? [], images, all].map((array) => Array.from(array));
"""


def in_node_and_keras(model, page, data, tmp_path):
    """Codes, class probabilities, images, and those of the first code with every label: of both."""
    x, y = data.test_examples(100)
    z = model.encode(x)
    n_all = data.n_classes if len(model.decoder.inputs) == 2 else 1
    all_images = model.decode(tf.repeat(z[:1], n_all, axis=0), tf.eye(data.n_classes)[:n_all])
    probabilities = model.classify(x) if model.classify is not None else np.zeros(0)
    expected = [z, probabilities, model.decode(z, y), all_images]
    labels = np.argmax(y, axis=1).tolist()
    found = node(page, tmp_path, RUN_NETWORKS, images=x.numpy().tolist(), labels=labels)
    return [
        (np.reshape(a, np.shape(b)), np.asarray(b)) for a, b in zip(found, expected, strict=True)
    ]


@needs_node
@pytest.mark.parametrize("name", MODELS)
def test_the_page_computes_what_keras_does(name, model_of, page_of, drawings, tmp_path):
    both = in_node_and_keras(model_of(name), page_of(name), drawings, tmp_path)
    for found, expected in both:
        np.testing.assert_allclose(found, expected, rtol=2e-3, atol=2e-3)


@needs_node
@pytest.mark.parametrize("name", ["part 3", "part 4, all of it"])
def test_int8_costs_little(name, model_of, page_of, drawings, tmp_path):
    both = in_node_and_keras(model_of(name), page_of(name, "int8"), drawings, tmp_path)
    codes, probabilities, images, _ = both
    errors = {
        "codes": np.abs(codes[0] - codes[1]) / codes[1].std(),
        "pixels": np.abs(images[0] - images[1]),
    }
    if probabilities[0].size:
        errors["probabilities"] = np.abs(probabilities[0] - probabilities[1])
    for what, error in errors.items():
        print(f"{name}, int8, {what}: {error.mean():.4f} off on average, {error.max():.4f} at most")
        assert 1e-6 < error.mean() < 0.02 and error.max() < 0.2


def test_int8_pages_are_smaller(page_of):
    sizes = [len(part(page_of("part 3", kind), "weights")) for kind in KINDS]
    assert sizes[1] < 0.85 * sizes[0]  # Small layers stay in float16.


def test_a_normalization_becomes_part_of_the_dense_layer_before_it(model_of):
    encoder = convert.convert(model_of("part 4, all of it").encoder)
    layers = ["dense", "relu", "dense", "relu", "dense", "softmax", "dense"]
    assert [step.op for step in encoder.steps] == layers


def test_arithmetic_of_vectors_and_numbers_is_converted():
    x, y = keras.Input([3]), keras.Input([3])
    network = keras.Model([x, y], [1.0 - 2.0 * x, x * y - y, keras.layers.Add()([x, y, x])])
    converted = convert.convert(network)
    values = [np.float32([1, 2, 3]), np.float32([5, -1, 0])]
    named = {"add": np.add, "subtract": np.subtract, "multiply": np.multiply}
    vectors = dict(enumerate(values))
    for step in converted.steps:
        inputs = [vectors[k] for k in step.inputs]
        vectors[step.output] = (
            step.arrays["scale"] * inputs[0] + step.arrays["shift"]
            if step.op == "affine"
            else named[step.op](*inputs)
        )
    expected = network([value[np.newaxis] for value in values])
    for k, output in zip(converted.outputs, expected, strict=True):
        np.testing.assert_allclose(vectors[k], output[0])


def test_convolutions_do_not_fit_and_one_line_says_so(drawings, tmp_path, capsys):
    model = make("part 1", drawings)
    x = keras.Input([120])
    planes = keras.layers.Conv2D(2, 3)(keras.layers.Reshape([12, 10, 1], name="planes")(x))
    model.encoder = keras.Model(x, keras.layers.Dense(2)(keras.layers.Flatten()(planes)))
    write_explorer(model, drawings, runs.Run(tmp_path))
    said = capsys.readouterr().out
    assert said.startswith("No explorer.html for this run: ") and said.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("method", ["encode", "decode"])
def test_a_model_that_does_more_than_its_networks_does_not_fit(method, drawings):
    model = make("part 3", drawings)
    of_network = getattr(model, method)
    setattr(model, method, lambda *inputs: 0.5 * of_network(*inputs))
    with pytest.raises(convert.DoesNotFit, match=method):
        explorer.page(model, drawings)


def test_a_model_without_networks_does_not_fit(drawings):
    model = make("part 3", drawings)
    del model.decoder
    with pytest.raises(convert.DoesNotFit, match="no encoder and decoder"):
        explorer.page(model, drawings)


@pytest.mark.parametrize("name", ["part 3", "swaps"])
def test_the_page_asks_for_nothing_and_class_names_cannot_end_its_script(name, model_of, drawings):
    names = ("</script><b>", *drawings.class_names[1:])
    split = drawings.test
    data = datasets.Dataset("bars", split, split, split, 10, names)
    page = explorer.page(model_of(name), data)
    description = json.loads(part(page, "description"))
    assert description["classes"][0] == "</script><b>"
    code = page
    for content in filter(None, [part(page, "weights"), description.get("png")]):
        code = code.replace(content, "")
    assert not re.findall(r"https?:|//\w|fetch\(|@import|import\(|(?:src|href)=(?!\"data:)", code)


def test_the_slider_that_changes_the_image_most_comes_first(drawings):
    model = make("part 3", drawings)
    kernel = model.decoder.get_layer("d_dense_1").kernel
    factors = np.ones([kernel.shape[0], 1])
    factors[10 + 3], factors[10 + 5] = 20, 0
    kernel.assign(kernel * factors)
    order = json.loads(part(explorer.page(model, drawings), "description"))["order"]
    assert order[0] == 3 and order[-1] == 5 and sorted(order) == list(range(15))


def shown_prior(model, data):
    return json.loads(part(explorer.page(model, data), "description"))["prior"]


@pytest.mark.parametrize("name", priors.NAMES)
def test_the_map_has_the_prior_s_outline_and_the_middle_of_each_component(name, drawings):
    model = make("part 2, drawn codes", drawings)
    model.prior = priors.make(name, 2, stddev=2.0, n_components=3)
    shown, outline = shown_prior(model, drawings), model.prior.outline()
    wanted = {
        "gaussian": "1, 2, 3 standard deviations",
        "gaussian_mixture": "2 standard deviations",
        "swiss_roll": "2 standard deviations",
    }
    assert shown["caption"] == f"Lines of the prior: {wanted.get(name, ', '.join(outline))}."
    for found, expected in zip(shown["outline"], outline.values(), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-3)
    if name not in priors.WITH_COMPONENTS:
        assert shown["places"] == {}
        return
    places = list(shown["places"].values())
    assert list(shown["places"])[2] == {"swiss_roll": "Stretch 2"}.get(name, "Petal 2")
    np.testing.assert_array_equal(model.prior.nearest_component(places), [0, 1, 2])


@pytest.mark.parametrize("name", ["gaussian", "uniform"])
def test_the_map_has_the_prior_s_outline_around_each_cluster_head(name, drawings):
    model, heads = make("part 2, drawn codes", drawings), np.array([[1, 2], [30, 4]], np.float32)
    model.prior, model.heads = priors.make(name, 2, stddev=2.0), lambda: heads
    shown = shown_prior(model, drawings)
    assert shown["places"] == {"Cluster 0": [1, 2], "Cluster 1": [30, 4]}
    for lines in shown["outline"]:
        middles = [(np.max(line, axis=0) + np.min(line, axis=0)) / 2 for line in lines]
        np.testing.assert_allclose(middles, heads, atol=1e-2)


def test_colour_images_are_chosen_and_not_drawn(data, drawings):
    for images, is_drawing in ((data, False), (drawings, True)):
        description = json.loads(part(explorer.page(make("part 3", images), images), "description"))
        assert bool(description["drawing"]) == is_drawing
        assert description["labels"] == list(images.class_names)


def test_the_documentation_s_example_has_today_s_code():
    page = draw_explorer.EXAMPLE.read_text(encoding="utf-8")
    assert page == draw_explorer.example(page), "python docs/draw_explorer.py --example <this page>"


@needs_node
def test_drawings_are_scaled_and_centred_as_mnist_is(page_of, tmp_path):
    page = page_of("part 3")
    body = "return [[1, 0], [2.5, 7], [0.2, 20]].map(([scale, shift]) => Array.from("
    body += "imageOfStrokes(input.strokes.map((stroke) => stroke.map(([x, y]) => "
    body += "[scale * x + shift, scale * y + shift])), 28, 28, 20, 2.5)))"
    strokes = [[[5, 8], [9, 6], [15, 7], [12, 20]], [[8, 13], [14, 13]]]
    found = np.reshape(node(page, tmp_path, body, strokes=strokes), [3, 28, 28])
    np.testing.assert_allclose(found[1], found[0], atol=1e-4)  # Where and how large, is the same.
    image = found[0]
    rows, columns = np.flatnonzero(image.max(1) > 0.4), np.flatnonzero(image.max(0) > 0.4)
    assert 19 <= max(np.ptp(rows), np.ptp(columns)) + 1 <= 21
    places = np.arange(28) + 0.5
    centre = [(image.sum(axis) * places).sum() / image.sum() for axis in (0, 1)]
    np.testing.assert_allclose(centre, [14, 14], atol=0.05)
    assert 0 <= image.min() and image.max() == 1


def sheet_of(page):
    """The description of a page of swaps, and its pictures, uint8 [row, column, h, w, channels]."""
    description = json.loads(part(page, "description"))
    height, width, channels = description["image"]
    content = base64.b64decode(description["png"].removeprefix("data:image/png;base64,"))
    pixels = np.asarray(Image.open(io.BytesIO(content)))
    cells = pixels.reshape(-1, height, len(description["shown"]), width, channels)
    return description, cells.transpose(0, 2, 1, 3, 4)


@pytest.mark.parametrize("kind", ["grey", "colour"])
def test_pictures_of_swaps_are_the_decoder_s(kind, model_of, data, drawings):
    data = drawings if kind == "grey" else data
    model = model_of("swaps") if kind == "grey" else make("swaps", data)
    description, cells = sheet_of(explorer.page(model, data))
    pool, rows = model.shown(data)
    assert description["view"] == "swaps" and description["shown"] == pool.labels[rows].tolist()
    assert len(set(description["shown"])) == min(10, data.n_classes)
    assert cells.shape == (1 + 10 * 8, 10, *data.image_shape)
    np.testing.assert_array_equal(cells[0], pool.images[rows])

    codes = model.all_codes(pool)
    s, z = codes["s"][rows], codes["z_mean"][rows]
    for position in (0, 8, 11, 40, 72, 79):  # Swaps, and places between two.
        i, share = position // 8, position % 8 / 8
        way = (1 - share) * z[i] + share * z[(i + 1) % 10]
        expected = data.as_images(model.decode_both(s, np.tile(way, [10, 1])))
        assert expected.std(axis=0).max() > 2 / 255  # The s of each makes a difference.
        np.testing.assert_allclose(cells[1 + position], 255 * expected, atol=0.501)


def test_large_pictures_of_swaps_are_made_smaller_and_fewer(data, monkeypatch):
    model = make("swaps", data)
    _, whole = sheet_of(explorer.page(model, data))
    monkeypatch.setattr(sheet, "MAX_BYTES", 2000)
    description, cells = sheet_of(explorer.page(model, data))
    assert description["steps"] < 8
    np.testing.assert_array_equal(cells[1:], whole[1 :: 8 // description["steps"]])

    monkeypatch.setattr(sheet, "MAX_SIDE", 3)
    _, cells = sheet_of(explorer.page(model, data))
    pool, rows = model.shown(data)
    means = pool.images[rows][:, :, :4].reshape(10, 3, 2, 2, 2, 3).mean(axis=(2, 4))
    np.testing.assert_array_equal(cells[0], np.rint(means))


def test_a_diverged_model_has_no_page_and_one_line_says_so(drawings, tmp_path, capsys):
    model = make("swaps", drawings)
    kernel = model.decoder.get_layer("d_dense_z").kernel
    kernel.assign(np.full(kernel.shape, np.nan))
    write_explorer(model, drawings, runs.Run(tmp_path))
    said = capsys.readouterr().out
    assert said.startswith("No explorer.html for this run: its decoder") and said.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_told_with_how_to_have_the_page(tmp_path, monkeypatch):
    keep_checkpoint(tmp_path)
    monkeypatch.setattr(explorer, "page", lambda *_: "")
    monkeypatch.setattr(files, "write_atomically", disk_full)
    with pytest.raises(UserError, match="make room, then load the run again"):
        write_explorer(None, None, runs.Run(tmp_path))


def test_a_script_writes_the_page_when_trained_and_when_loaded(npz, tmp_path, monkeypatch):
    blank_plots(monkeypatch)
    common = (f"--dataset={npz}", f"--results_dir={tmp_path}", *SMALL, "--n_epochs=1")
    run = part2_aae.main(["part2_aae.py", "--train", *common])
    page = run.path / "explorer.html"
    float16 = page.read_text()
    assert "explorer" not in run.flagfile.read_text()  # Free to differ the next time.

    for words, is_written in ((["--explorer=none"], 0), (["--generate"], 0), ([], 1)):
        page.unlink(missing_ok=True)
        part2_aae.main(["part2_aae.py", *common, *words])
        assert page.exists() == is_written, words
    assert page.read_text() == float16
    part2_aae.main(["part2_aae.py", *common, "--explorer=int8"])
    assert page.read_text() != float16


@pytest.fixture(scope="module")
def browser():
    with draw_explorer.Page() as page:
        yield page


@pytest.fixture
def show(browser, page_of, tmp_path):
    """Opens a model's page, of the drawings or of other data; returns the browser."""

    def show_page(name, data=None, **view):
        path = tmp_path / "explorer.html"
        content = explorer.page(make(name, data), data) if data else page_of(name)
        path.write_text(content, encoding="utf-8")
        browser.errors.clear()
        browser.show(path, **view)
        assert browser.evaluate("return document.getElementById('problem').hidden")
        assert not browser.errors
        return browser

    return show_page


# The pixels of all canvases that match a selector.
PIXELS = """return [...document.querySelectorAll('%s')].map((canvas) => Array.from(
canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data).join())"""


@needs_chromium
@pytest.mark.parametrize("name", PAGES)
def test_the_page_of_each_script_opens_without_an_error_and_names_what_it_shows(name, show):
    page = show(name, width=390, height=844, dark=True)
    assert page.evaluate("return document.documentElement.scrollWidth <= innerWidth")  # A phone.
    text = page.evaluate("return document.body.innerText")
    assert all(words in text for words in PAGES[name][2]), text


@needs_chromium
def test_ten_images_change_while_a_digit_is_drawn(show):
    page = show("part 4, all of it")
    before = page.evaluate(PIXELS % "#tiles canvas")
    assert len(set(before)) == 10
    strokes = page.draw(steps=3)
    for _ in range(6):
        next(strokes)
    half = page.wait_for(
        f"const now = (() => {{ {PIXELS % '#tiles canvas'} }})();"
        f"return now.every((pixels, k) => pixels !== {json.dumps(before)}[k]) && now"
    )
    for _ in strokes:
        pass
    page.wait_for(
        f"return (() => {{ {PIXELS % '#tiles canvas'} }})()"
        f".every((pixels, k) => pixels !== {json.dumps(half)}[k])"
    )
    shares = page.evaluate(
        "return [...document.querySelectorAll('#bars .number')].map((e) => parseInt(e.textContent))"
    )
    assert len(shares) == 10 and 95 <= sum(shares) <= 105
    assert "handwriting" in page.evaluate(
        "return document.getElementById('style-status').textContent"
    )


@needs_chromium
def test_a_drawing_is_taken_for_the_label_of_the_nearest_image_until_one_is_chosen(show):
    page = show("part 3")
    checked = "return Number(document.querySelector('#choice input:checked').value)"
    known = page.evaluate(checked)
    assert known == 0  # The test image's.
    for _ in page.draw(steps=3):
        pass
    page.wait_for("return (document.getElementById('style-status').textContent.match('Your'))")
    time.sleep(0.3)

    def pixels(canvases):
        found = page.evaluate(PIXELS % canvases)
        return np.array([text.split(",") for text in found]).astype(float)

    errors = np.square(pixels("#tiles canvas") - pixels("#input")).sum(axis=1)
    assert page.evaluate(checked) == np.argmin(errors)
    other = (np.argmin(errors) + 1) % 10
    page.evaluate(f"document.querySelectorAll('#choice input')[{other}].click()")
    for _ in page.draw(steps=3):
        pass
    time.sleep(0.3)
    assert page.evaluate(checked) == other
    caption = "return document.getElementById('reconstruction-caption').textContent"
    assert page.evaluate(caption) == f"Reconstruction: a {other}"
    page.evaluate("document.getElementById('clear').click()")
    for _ in page.draw(steps=3):
        pass
    page.wait_for(f"return (() => {{ {checked} }})() === {np.argmin(errors)}")


@needs_chromium
def test_the_console_has_the_networks(show, model_of, drawings):
    page = show("part 3")
    x = drawings.test.images[3].reshape(-1) / 255
    page.evaluate(
        f"aae.encode({x.tolist()}).then(async (z) => {{ window.found = "
        "[Array.from(z), Array.from(await aae.decode(z, 7)), await aae.classify([])]; })"
    )
    z, image, probabilities = page.wait_for("return window.found")
    model = model_of("part 3")
    expected = model.encode(tf.constant(x[np.newaxis], tf.float32))
    np.testing.assert_allclose(z, expected[0], atol=2e-3)
    np.testing.assert_allclose(image, model.decode(expected, tf.one_hot([7], 10))[0], atol=2e-3)
    assert probabilities is None


@needs_chromium
def test_the_code_follows_pointer_and_keys_on_the_map(show):
    page = show("part 2, drawn codes", width=390, height=844, dark=True)
    assert page.evaluate("return document.documentElement.scrollWidth <= innerWidth")  # A phone.
    decoded, reconstruction = page.evaluate(PIXELS % "#decoded, #chosen-copy")
    assert decoded == reconstruction and len(set(decoded.split(","))) > 10  # Of a test image.
    left, top, width, height = page.place("map-canvas")
    code = "return document.getElementById('map-code').textContent"
    seen = {page.evaluate(code)}
    page.page.mouse.move(left + 0.3 * width, top + 0.3 * height)
    page.page.mouse.down()
    seen.add(page.evaluate(code))
    page.page.mouse.move(left + 0.6 * width, top + 0.7 * height)
    page.page.mouse.up()
    seen.add(page.evaluate(code))
    assert len(seen) == 3
    page.evaluate("document.getElementById('origin').click()")
    assert page.evaluate(code) == "z = (0.00, 0.00)"
    page.evaluate("document.getElementById('map-canvas').focus()")
    page.page.keyboard.press("ArrowRight")
    x, y = re.findall(r"[\d.]+", page.evaluate(code))
    assert float(x) > 0 and float(y) == 0
    page.page.keyboard.press("Enter")
    assert page.evaluate(code) != f"z = ({x}, {y})"
    chosen = page.evaluate("return document.getElementById('chosen-caption').textContent")
    assert re.fullmatch(r"Test image: a \d", chosen)


@needs_chromium
def test_a_walk_plays_until_it_is_stopped(show, data):
    page = show("part 3", data)  # In colour: a strip of test images stands for the drawing.
    buttons = page.evaluate("return document.querySelectorAll('#strip button').length")
    assert buttons == 12
    page.evaluate("document.getElementById('walk').click()")
    status = "return document.querySelector('#sliders output').textContent"
    before = page.evaluate(status)
    page.wait_for(f"return (() => {{ {status} }})() !== '{before}'")
    page.evaluate("document.querySelectorAll('#strip button')[1].click()")
    page.wait_for("return document.getElementById('walk').ariaPressed === 'false'")
    time.sleep(0.3)
    stopped = page.evaluate(status)
    time.sleep(0.3)
    assert page.evaluate(status) == stopped


@needs_chromium
def test_a_swap_is_chosen_by_click_and_key(show, page_of):
    page = show("swaps", width=390, height=844, dark=True)
    assert page.evaluate("return document.documentElement.scrollWidth <= innerWidth")
    _, cells = sheet_of(page_of("swaps"))

    def assert_shown(s, z):
        pixels = np.reshape(page.evaluate(PIXELS % "#swap")[0].split(","), [12, 10, 4]).astype(int)
        np.testing.assert_array_equal(pixels[..., :1], cells[1 + 8 * z, s])
        said = page.evaluate("return document.getElementById('swap-status').textContent")
        assert said == f"s of image {s + 1}, a {s}; z of image {z + 1}, a {z}"

    assert_shown(1, 0)
    page.evaluate("document.querySelectorAll('#of-s input')[7].click()")
    page.evaluate("document.querySelectorAll('#of-z input')[3].click()")
    assert_shown(7, 3)
    page.evaluate("document.getElementById('grid').scrollIntoView()")
    left, top, width, height = page.place("grid")
    page.page.mouse.click(left + 0.4 * width, top + 0.6 * height)
    assert_shown(3, 5)
    page.evaluate("document.getElementById('grid').focus()")
    for name in ("ArrowRight", "ArrowRight", "ArrowDown", "ArrowLeft", "ArrowUp", "ArrowUp"):
        page.page.keyboard.press(name)
    assert_shown(4, 4)


@needs_chromium
def test_z_moves_at_ten_pictures_a_second_until_it_is_stopped(show, data):
    page = show("swaps", data)
    position = "return document.getElementById('position').valueAsNumber"
    shown = "return document.getElementById('swap-status').textContent"
    page.evaluate("document.getElementById('play').click()")
    page.wait_for(f"{position} >= 3")
    assert page.evaluate(shown) == "z is moving"
    page.evaluate("document.getElementById('play').click()")
    stopped = page.evaluate(position)
    assert page.evaluate(shown).endswith("z of image 1, 1") == (stopped % 80 == 0)
    time.sleep(0.3)
    assert page.evaluate(position) == stopped
    page.evaluate(
        "const slider = document.getElementById('position'); slider.value = 12;"
        "slider.dispatchEvent(new Event('input'))"
    )
    assert "z between image 2, " in page.evaluate(shown)
    assert ", and image 3, " in page.evaluate(shown)
