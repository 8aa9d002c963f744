"""The README and the pages of docs/: what they show is there, and their commands are understood."""

import functools
import importlib
import importlib.util
import re
import sys

import part3_style_content
from adversarial_autoencoder import datasets, options, training

import numpy as np
import pytest
from conftest import ROOT

README = ROOT / "README.md"
PAGES = [README, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", ROOT / "Results" / "README.md"]
PAGES += sorted((ROOT / "docs").rglob("*.md"))
LINK = re.compile(r"\]\((?!https?:)([^)\s#]*)(?:#([^)\s]+))?\)")
COMMAND = re.compile(r"python (\w+/)?(\w+)\.py((?: +[^\s`|&<]+)*)")
FLAG = re.compile(r"--([a-z]\w*)")
MOST_BYTES = 300_000  # Of a picture.
MOST_WORDS = 1300  # Of the README.
MOST_WORDS_OF_PAGES = 22_000


def load(name):
    """A script of docs/, which is no package."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


make_pages = load("make_pages")


def relative(path):
    return str(path.relative_to(ROOT))


each_page = pytest.mark.parametrize("page", PAGES, ids=relative)


@pytest.fixture
def understood(monkeypatch, capsys):
    """Has a script read its command line, and returns its flags."""
    monkeypatch.chdir(ROOT)

    def read(script, words):
        found = []
        monkeypatch.setattr(training, "main", lambda model_class, flags: found.append(flags))
        parse_own = options.parse_own

        def parse(*given):  # Of a script that trains nothing, which would now begin its work.
            found.append(parse_own(*given))
            raise SystemExit(0)

        monkeypatch.setattr(options, "parse_own", parse)
        module = importlib.import_module(script)
        try:
            module.main([f"{script}.py", *words])
        except SystemExit as end:  # After --help.
            assert end.code == 0 and (found or "--z_dim" in capsys.readouterr().out)
        finally:
            monkeypatch.setattr(options, "parse_own", parse_own)
        return found[0] if found else None

    return read


def headings(page):
    """The names by which links find a page's sections."""
    lines = [line.lstrip("# ") for line in page.read_text().splitlines() if line.startswith("#")]
    return {re.sub(r"[^\w\- ]", "", line.lower()).replace(" ", "-") for line in lines}


@each_page
def test_every_link_leads_somewhere(page):
    for path, section in LINK.findall(page.read_text()):
        if path.startswith("../../actions/"):  # GitHub's, of a workflow that is here.
            assert (
                ROOT / ".github" / path.removeprefix("../../actions/").split("/badge")[0]
            ).exists()
            continue
        target = (page.parent / path) if path else page
        assert target.exists(), path
        if section:
            assert section in headings(target), f"{path}#{section}"


@each_page
def test_every_command_is_understood(page, understood):
    for folder, name, words in COMMAND.findall(page.read_text()):
        assert (ROOT / folder / f"{name}.py").exists(), name
        if folder in ("", "experiments/"):
            understood(f"{folder}{name}".replace("/", "."), words.split())


@pytest.mark.parametrize("part", range(1, 5))
def test_every_suggestion_of_a_part_is_understood_by_its_script(part, understood):
    (script,) = (path.stem for path in ROOT.glob(f"part{part}_*.py"))
    suggestions = re.findall(r"^\| `(--[^`]+)` \|", page_text(part), re.MULTILINE)
    assert len(suggestions) > 3
    for words in suggestions:
        understood(script, words.split())


def page_text(part):
    return (ROOT / "docs" / f"part{part}.md").read_text()


@each_page
def test_every_flag_that_is_named_is_there(page, understood):
    scripts = [path.stem for path in ROOT.glob("part*.py")]
    scripts += [f"experiments.{path.stem}" for path in (ROOT / "experiments").glob("*.py")]
    known = {name for script in scripts for name in understood(script, [])}
    known |= {"help", "logdir"}  # Every script's, TensorBoard's.
    for path in [*(ROOT / "benchmarks").glob("*.py"), *(ROOT / "docs").glob("*.py")]:
        known |= set(re.findall(r'(?:"--|flags, "|DEFINE_\w+\(")(\w+)"', path.read_text()))
    text = page.read_text()
    if page.name == "differences.md":  # The other's flags stand in the first column.
        text = re.sub(r"^\|[^|]*\|", "|", text, flags=re.MULTILINE)
    if page.name == "CHANGELOG.md":  # It names flags that are gone.
        text = ""
    for name in FLAG.findall(text):
        assert name in known or name.removeprefix("no") in known, name


@each_page
def test_every_recipe_that_is_named_is_there(page):
    text = page.read_text()
    if page.name == "CHANGELOG.md":  # It names recipes by the names they had.
        text = ""
    for name in re.findall(r"recipes/([\w/]+\.txt)", text):
        assert (ROOT / "recipes" / name).exists(), name


def test_no_picture_is_too_large_for_a_page():
    pictures = list((ROOT / "docs").rglob("*.png"))
    assert pictures
    assert not [path.name for path in pictures if path.stat().st_size >= MOST_BYTES]


@pytest.mark.parametrize("part", range(1, 5))
def test_the_code_on_a_part_s_page_is_that_of_the_scripts(part):
    text = page_text(part)
    assert make_pages.BLOCK.search(text)
    assert text == make_pages.page_as_it_should_be(text), "run python docs/make_pages.py"


def test_the_page_of_flags_is_that_of_the_scripts():
    text = (ROOT / "docs" / "reference" / "flags.md").read_text()
    assert make_pages.FLAGS.search(text)
    assert text == make_pages.page_as_it_should_be(text), "run python docs/make_pages.py"


@each_page
def test_the_numbers_on_a_page_are_those_of_results_json(page):
    found = [block[0] for block in make_pages.RESULTS.finditer(page.read_text())]
    assert found == [make_pages.page_as_it_should_be(block) for block in found]


def test_the_readme_is_short_and_lists_its_sections():
    text = README.read_text()
    assert len(text.split()) <= MOST_WORDS
    contents = text.partition("**Contents:**")[2].partition("##")[0]
    sections = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert re.findall(r"\[(.+?)\]\(#", contents) == sections


def test_the_pages_are_read_in_an_hour_or_two_and_all_are_listed():
    pages = sorted((ROOT / "docs").rglob("*.md"))
    assert sum(len(page.read_text().split()) for page in pages) <= MOST_WORDS_OF_PAGES
    contents = ROOT / "docs" / "README.md"
    listed = {contents, *(contents.parent / path for path, _ in LINK.findall(contents.read_text()))}
    assert not [relative(page) for page in pages if page not in listed]


def test_the_readme_s_ten_lines_of_python_run(tmp_path, monkeypatch):
    (block,) = re.findall(r"```python\n(.*?\.train\(.*?)```", README.read_text(), re.DOTALL)
    assert len([line for line in block.splitlines() if line.strip()]) <= 10
    small = {"n_l1": 8, "n_l2": 8, "n_images": 200, "n_epochs": 1, "results_dir": tmp_path}
    train = part3_style_content.train
    monkeypatch.setattr(part3_style_content, "train", lambda **given: train(**{**given, **small}))
    load = functools.cache(datasets.load)
    monkeypatch.setattr(datasets, "load", lambda name, *_, **__: load(name, None, 200))
    names = {}
    exec(block, names)
    digits = np.asarray(names["digits"])
    assert digits.shape == (10, 784) and 0 <= digits.min() <= digits.max() <= 1


OLD = """
LAYERS = 2

def network(x):
    return x

class Model:
    def train_step(self, x):
        first(x)
        second(x)

    @property
    def loss(self):
        return 1
"""
NEW = OLD.replace("second(x)", "second(x)\n        third(x)").replace("LAYERS = 2", "LAYERS = 3")


@pytest.fixture
def make(tmp_path):
    (tmp_path / "old.py").write_text(OLD)
    (tmp_path / "new.py").write_text(NEW)
    return lambda text: make_pages.page_as_it_should_be(text, tmp_path)


def test_a_page_s_code_is_made_anew_and_its_text_left_alone(make):
    page = "A\n<!-- code old.py: loss, network -->\nstale\n<!-- end -->\nB\n"
    made = make(page)
    code = "    @property\n    def loss(self):\n        return 1\n\ndef network(x):\n    return x\n"
    assert made == page.replace("stale\n", f"```python\n{code}```\n")
    assert make(made) == made


def test_a_page_s_diff_shows_what_changes(make):
    made = make("<!-- diff old.py new.py: LAYERS, train_step -->\n<!-- end -->")
    assert "@@ LAYERS @@\n-LAYERS = 2\n+LAYERS = 3\n" in made
    assert "@@ train_step @@\n         second(x)\n+        third(x)\n" in made


@pytest.mark.parametrize("block", ["code old.py: nothing", "diff old.py new.py: network"])
def test_a_block_without_content_is_refused(block, make):
    with pytest.raises(ValueError, match="noth"):
        make(f"<!-- {block} -->\n<!-- end -->")


def test_a_stale_page_is_told_and_rewritten(tmp_path, monkeypatch, capsys):
    scripts = tmp_path.joinpath("old.py")
    scripts.write_text(OLD)
    page = tmp_path / "docs" / "part1.md"
    page.parent.mkdir()
    page.write_text("<!-- code old.py: network -->\n<!-- end -->\n")
    monkeypatch.setattr(make_pages, "DOCS", page.parent)

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["make_pages.py", *words])
        with pytest.raises(SystemExit) as end:
            make_pages.main()
        return end.value.code, capsys.readouterr().out

    stale = page.read_text()
    assert run("--check") == (1, "stale: docs/part1.md\n") and page.read_text() == stale
    assert run() == (0, "rewritten: docs/part1.md\n") and "def network" in page.read_text()
    assert run("--check") == (0, "")


def test_the_figures_of_the_architectures_can_be_drawn(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["draw_architecture.py", f"--to={tmp_path}"])
    draw_architecture = load("draw_architecture")
    monkeypatch.setattr(draw_architecture, "DPI", 20)  # Quicker.
    draw_architecture.main()
    names = {path.name for path in tmp_path.iterdir()}
    phases = {f"part{part}_phase{k}.png" for part in (2, 3) for k in range(1, 4)}
    phases |= {f"part4_phase{k}.png" for k in range(1, 5)}
    assert names == {f"architecture_part{part}.png" for part in range(1, 5)} | phases


def test_the_examples_can_be_drawn(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["draw_examples.py", f"--to={tmp_path}"])
    draw_examples = load("draw_examples")
    monkeypatch.setattr(draw_examples, "DPI", 20)
    monkeypatch.setattr(draw_examples, "N_SAMPLES", 200)
    draw_examples.main()
    assert {path.name for path in tmp_path.iterdir()} == {"style_and_content.png", "measures.png"}
    assert capsys.readouterr().out.count("KS distance") == 6
