"""The notebooks: what the pages and scripts make of them; and, slow, each of them run whole."""

import ast
import base64
import importlib
import io
import json
import os
import pathlib
import re
import signal
import sys
import types

from adversarial_autoencoder import options

import pytest
import tensorflow as tf
from conftest import ROOT
from PIL import Image
from tensorboard.backend.event_processing import event_accumulator

sys.path.insert(0, str(ROOT / "docs"))

import make_notebooks  # noqa: E402

each_part = pytest.mark.parametrize("part", range(1, 5))
# 120 steps: two points of each curve.
SMALL = dict(dataset="glyphs", n_images=600, batch_size=10, n_epochs=2, n_l1=16, n_l2=16)
OWN = {4: {"n_labeled": 200}}
ADDRESS = "https://github.com/somebody/something"


def path_of(part):
    return ROOT / "notebooks" / f"part{part}.ipynb"


def read(part):
    return json.loads(path_of(part).read_text(encoding="utf-8"))


def cells_of(part, kind):
    return {c["id"]: "".join(c["source"]) for c in read(part)["cells"] if c["cell_type"] == kind}


def script_of(part):
    (script,) = (path.stem for path in ROOT.glob(f"part{part}_*.py"))
    return script


@each_part
def test_a_notebook_is_that_of_its_page_and_script(part):
    made = json.loads(make_notebooks.notebook(part))
    assert make_notebooks.unrun(read(part)) == made, "run python docs/make_notebooks.py"
    text = path_of(part).read_text(encoding="utf-8")
    assert text == make_notebooks.as_text(read(part))


@each_part
def test_each_cell_of_a_notebook_has_a_name_of_its_own(part):
    content = read(part)
    assert (content["nbformat"], content["nbformat_minor"]) == (4, 5)
    names = [cell["id"] for cell in content["cells"]]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", name) for name in names)


@each_part
def test_a_notebook_holds_what_it_showed_in_few_bytes_and_without_folders(part):
    shown = {c["id"]: c["outputs"] for c in read(part)["cells"] if c["cell_type"] == "code"}
    for name, least in (("draw-curves", 1), ("show-pictures", 2), ("changed", 3)):
        pictures = [o for o in shown[name] if "image/png" in o.get("data", {})]
        assert len(pictures) >= least, "run python docs/make_notebooks.py --execute"
    assert not any(shown[name] for name in make_notebooks.LIVE)
    texts = ["".join(o["text"]) for outputs in shown.values() for o in outputs if "text" in o]
    assert any("Finished: Results/" in text for text in texts)
    assert not any("Data: glyphs" in text for text in texts), "give --data_dir"
    assert not any(re.search(r"(?<![\w.])/\w+/\w", text) for text in texts)
    assert path_of(part).stat().st_size < 300_000


@each_part
def test_the_settings_that_a_notebook_showed_are_the_script_s(part):
    settings = f"{script_of(part)}.DEFAULTS"
    for cell in read(part)["cells"]:
        if "".join(cell["source"]) == settings:
            shown = "".join(cell["outputs"][0]["data"]["text/plain"])
            assert ast.literal_eval(shown) == importlib.import_module(script_of(part)).DEFAULTS


@each_part
def test_a_notebook_shows_the_script_s_code_and_has_no_copy_of_it(part):
    shown = [code for code in cells_of(part, "code").values() if code.startswith("show(")]
    assert any(f"{script_of(part)}." in code and ".train_step" in code for code in shown)
    prose = "".join(cells_of(part, "markdown").values())
    assert "def " not in prose and "```" not in prose and "<!--" not in prose


@each_part
def test_every_link_of_a_notebook_leads_somewhere(part):
    prose = "".join(cells_of(part, "markdown").values())
    links = re.findall(r"\]\((?!https?:)([^)\s#]+)", prose)
    assert len(links) > 5
    for link in links:
        assert (ROOT / "notebooks" / link).exists(), link


@each_part
def test_every_training_that_a_notebook_suggests_is_understood(part):
    code, prose = cells_of(part, "code"), cells_of(part, "markdown")
    calls = re.findall(r"train\(.*\)", code["changed"])
    calls += re.findall(r"^\| `(train\(.+?\))` \|", prose["more"], re.MULTILINE)
    assert len(calls) > 2
    module = importlib.import_module(script_of(part))
    define = [module.define_flags] if hasattr(module, "define_flags") else []
    names = {}
    exec(code["budget"], names)
    for call in calls:
        changes = {k.arg: ast.literal_eval(k.value) for k in ast.parse(call).body[0].value.keywords}
        words = options.command_line(train=True, **{**names["BUDGET"], **changes})
        flags = options.parse(words, "", module.DEFAULTS, *define)
        assert all(options.is_given(flags, name) for name in changes)


@pytest.mark.parametrize(
    "flag, argument",
    [
        ("--z_dim=15", "z_dim=15"),
        ("--noise_stddev=0.3", "noise_stddev=0.3"),
        ("--prior=uniform", 'prior="uniform"'),
        ("--learning_rate_drops=", 'learning_rate_drops=""'),
        ("--batch_norm", "batch_norm=True"),
        ("--nobatch_norm", "batch_norm=False"),
    ],
)
def test_a_flag_of_the_page_becomes_an_argument(flag, argument):
    assert make_notebooks.argument(flag) == argument


def test_a_page_s_text_becomes_a_notebook_s():
    page = "<!-- figures -->\n   ```math\n   x^2\n   ```\n[b](#c) ![d](images/e.png) [f](../g.py#h)"
    assert make_notebooks.in_notebook(page, "docs/a.md") == (
        "   $$\n   x^2\n   $$\n[b](../docs/a.md#c) ![d](../docs/images/e.png) [f](../g.py#h)"
    )


def test_with_the_repository_s_address_a_notebook_opens_in_colab(monkeypatch):
    monkeypatch.setattr(make_notebooks, "REPOSITORY", "")
    assert "colab.research" not in make_notebooks.notebook(2)
    monkeypatch.setattr(make_notebooks, "REPOSITORY", ADDRESS)
    made = make_notebooks.notebook(2)
    assert "/github/somebody/something/blob/main/notebooks/part2.ipynb" in made
    assert f"({ADDRESS}/raw/main/docs/images/part2_phase1.png)" in made
    assert f'REPOSITORY = \\"{ADDRESS}\\"' in made
    assert "](../" not in made


def test_code_that_a_script_has_not_is_refused():
    block = "## A\n\n<!-- code part1_autoencoder.py: nothing -->\n<!-- end -->\n"
    with pytest.raises(ValueError, match="part1_autoencoder.py has no nothing"):
        make_notebooks.story_cells("a", block, 1, "part1_autoencoder", {"encoder": None})
    with pytest.raises(ValueError, match="part 2 shows code of part1_autoencoder.py"):
        make_notebooks.story_cells("a", block, 2, "part2_aae", {"nothing": None})


@pytest.fixture
def make(tmp_path, monkeypatch, capsys):
    """Runs make_notebooks.py in an empty folder, of notebooks that have these three cells."""
    monkeypatch.setattr(make_notebooks, "DOCS", tmp_path / "docs")

    def run(*words, code="1 + 1", prose="A sum.", shown="show(one)"):
        cells = [make_notebooks.text("prose", prose), make_notebooks.code("sum", code)]
        cells += [make_notebooks.code("shown", shown)]
        text = make_notebooks.as_text({"cells": cells})
        monkeypatch.setattr(make_notebooks, "notebook", lambda part: text)
        monkeypatch.setattr(sys, "argv", ["make_notebooks.py", *words])
        with pytest.raises(SystemExit) as end:
            make_notebooks.main()
        return end.value.code, capsys.readouterr().out

    return run


def test_a_stale_notebook_is_told_and_rewritten(make, tmp_path):
    names = ", ".join(f"part{part}.ipynb" for part in range(1, 5))
    assert make("--check") == (1, f"stale: {names}\n") and not list(tmp_path.iterdir())
    assert make() == (0, f"rewritten: {names}\n")
    assert make("--check") == (0, "")
    (tmp_path / "notebooks" / "part3.ipynb").write_text('{"cells": []}')
    assert make("--check") == (1, "stale: part3.ipynb\n")


def test_outputs_stay_until_the_code_is_another(make, tmp_path, monkeypatch):
    def executed(made, settings, data_dir):
        made["cells"][1] |= {"outputs": [{"n": 2}], "execution_count": 1}
        return made

    monkeypatch.setattr(make_notebooks, "executed", executed)
    path = tmp_path / "notebooks" / "part2.ipynb"

    def outputs():
        cell = json.loads(path.read_text())["cells"][1]
        return cell["outputs"], cell["execution_count"]

    assert make("--execute", "--parts", "2") == (0, "rewritten: part2.ipynb\n")
    assert outputs() == ([{"n": 2}], 1)
    assert make("--check", "--parts", "2") == (0, "")
    assert make("--parts", "2", prose="Two numbers.") == (0, "rewritten: part2.ipynb\n")
    assert "Two numbers." in path.read_text() and outputs() == ([{"n": 2}], 1)
    assert make("--parts", "2", shown="show(two)") == (0, "rewritten: part2.ipynb\n")
    assert "show(two)" in path.read_text() and outputs() == ([{"n": 2}], 1)
    assert make("--parts", "2", code="1 + 2") == (0, "rewritten: part2.ipynb\n")
    assert outputs() == ([], None)


def test_saved_outputs_have_small_pictures_and_no_folder_of_this_machine():
    def after(picture):
        file = io.BytesIO()
        picture.save(file, "PNG")
        content = {"image/png": base64.b64encode(file.getvalue()).decode()}
        outputs = [{"output_type": "display_data", "data": content}]
        (output,) = make_notebooks.kept_outputs(outputs, "/results")
        return Image.open(io.BytesIO(base64.b64decode(output["data"]["image/png"]))).convert("RGB")

    small = after(Image.linear_gradient("L").resize([2000, 1500]))
    assert small.size == (420, 315) and len(small.getcolors()) == 8
    assert small.getextrema() == ((0, 255),) * 3
    image = Image.new("RGB", [5, 4], "red")
    image.putpixel((1, 2), (0, 0, 255))
    enlarged = image.resize([20, 16], Image.Resampling.NEAREST)
    assert after(enlarged).tobytes() == image.tobytes()

    def said(text, name="stdout"):
        return {"output_type": "stream", "name": name, "text": text.splitlines(keepends=True)}

    outputs = [said("Epoch 1\n"), said("50%", "stderr"), said(f"/results/a\n{ROOT}/docs/b.md\n")]
    assert make_notebooks.kept_outputs(outputs, "/results") == [
        said("Epoch 1\nResults/a\ndocs/b.md\n")
    ]


def test_a_run_too_short_for_a_curve_is_told(tmp_path, capsys):
    (function,) = (
        node
        for node in ast.parse(cells_of(1, "code")["set-up-tools"]).body
        if isinstance(node, ast.FunctionDef) and node.name == "curves"
    )
    names = {"EventAccumulator": event_accumulator.EventAccumulator}
    exec(ast.unparse(function), names)
    with tf.summary.create_file_writer(str(tmp_path)).as_default(step=0):
        tf.summary.text("flags", "none")
    names["curves"](types.SimpleNamespace(tensorboard=tmp_path))
    assert capsys.readouterr().out.startswith("No curves yet")


@pytest.fixture
def run_whole(tmp_path, monkeypatch):
    """Runs a notebook with small settings; returns it with its outputs."""
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    for name in ("TMPDIR", "IPYTHONDIR", "JUPYTER_RUNTIME_DIR"):
        (tmp_path / name).mkdir()
        monkeypatch.setenv(name, str(tmp_path / name))
    # Where the `tensorboard` of this Python is.
    monkeypatch.setenv("PATH", os.path.dirname(sys.executable), prepend=os.pathsep)

    def run(part, **settings):
        content = nbformat.read(path_of(part), as_version=4)
        nbformat.validate(content)
        settings = {**SMALL, "results_dir": str(tmp_path), **settings}
        tags = [cell.metadata.get("tags", []) for cell in content.cells]
        (k,) = (k for k, names in enumerate(tags) if "parameters" in names)
        content.cells.insert(k + 1, nbformat.v4.new_code_cell(f"BUDGET |= {settings!r}"))
        where = {"metadata": {"path": str(ROOT / "notebooks")}}
        nbclient.NotebookClient(content, timeout=600, resources=where).execute()
        return content

    yield run
    for info in pathlib.Path(tmp_path, "TMPDIR", ".tensorboard-info").glob("pid-*.info"):
        os.kill(json.loads(info.read_text())["pid"], signal.SIGTERM)  # The notebook's TensorBoard.


@pytest.mark.slow
@each_part
def test_a_notebook_runs_whole_and_shows_code_curves_pictures_and_the_explorer(part, run_whole):
    content = run_whole(part, **OWN.get(part, {}))
    shown = {cell.id: cell.outputs for cell in content.cells if cell.cell_type == "code"}

    def data(name, kind):
        return [o.data[kind] for o in shown[name] if kind in o.get("data", {})]

    assert any("def train_step" in text for name in shown for text in data(name, "text/markdown"))
    for cell in json.loads(make_notebooks.notebook(part))["cells"]:
        if cell["cell_type"] == "code" and make_notebooks.is_made(cell):
            made = "".join(cell["outputs"][0]["data"]["text/markdown"])
            assert data(cell["id"], "text/markdown") == [made]
    assert len(data("draw-curves", "image/png")) == 1
    assert len(data("show-pictures", "image/png")) >= 2
    assert len(data("changed", "image/png")) >= 2
    assert "<iframe" in data("load-tensorboard", "text/html")[0]
    assert "srcdoc" in data("explore", "text/html")[0]
