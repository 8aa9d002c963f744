"""Writes notebooks/part1.ipynb to part4.ipynb, the series to run, from the pages of this folder.

    python docs/make_notebooks.py              rewrites the notebooks
    python docs/make_notebooks.py --check      only tells which are stale; exit code 1 if one is
    python docs/make_notebooks.py --execute    also runs them, and saves what they show; a few
                                               minutes each, with pip install -e '.[notebooks]'

A notebook has its page's story up to `Run it`, with the script's code where the page has a block
of `make_pages.py`: a cell that shows it, since a copy would age. Then it trains on a small budget,
draws the curves, shows the pictures, TensorBoard and the explorer, and changes one setting. What it
showed when it was last run stays while its code is the same.
"""

import argparse
import base64
import copy
import io
import json
import os
import pathlib
import posixpath
import re
import tempfile
import textwrap

import make_pages

DOCS = pathlib.Path(__file__).resolve().parent

# The repository's address, such as https://github.com/<owner>/<name>. Where it is known, notebooks
# have a badge that opens them in Colab, clone it there, and find their figures there.
REPOSITORY = ""
BRANCH = "main"

# A minute or two of training on a laptop's CPU.
SMALL = 'dataset="auto", n_l1=300, n_l2=300'
BUDGETS = {
    1: 'n_epochs=15, learning_rate_drops="12"',
    2: 'n_epochs=20, learning_rate_drops="15"',
    3: 'n_epochs=10, learning_rate_drops="7,9"',
    4: 'n_epochs=8, batch_size=100, learning_rate=0.001, learning_rate_drops="6"',
}
# What to look for after so short a training, and the setting that the last cell changes.
CURVES = {
    1: "The loss falls quickly in the first epoch, then slowly.",
    2: "The reconstruction loss falls. The other two belong to a game that nobody should win: a "
    "discriminator that can only guess has a loss of 2 · ln 2 ≈ 1.39, and the generator's is then "
    "ln 2 ≈ 0.69.",
    3: "The losses are those of part 2; read them the same way: 1.39 and 0.69 are those of a "
    "discriminator that can only guess.",
    4: "`Validation Accuracy` is the curve to watch. `Supervised Encoder Loss` is that of the "
    "labelled images, which are soon learned by heart.",
}
PICTURES = {
    1: "In `reconstructions` a test image is on the left of each pair. `codes` are those of the "
    "test images, coloured by label: look for gaps, and for classes that overlap. `at_zero` is "
    "the image that the decoder makes of the code (0, 0), with which the series' second article "
    "begins.",
    2: "`codes` are those of the test images, over circles that are the prior's standard "
    "deviations. `manifold` is the decoder's output for codes from -10 to 10: does nearly every "
    "place show a digit?",
    3: "Each row of `styles_from_prior` is one code drawn from the prior, each column a label. In "
    "`styles_from_test` the style is that of the test image on the left. Along a row slant and "
    "stroke should stay the same, down a column the digit.",
    4: "`styles_from_test` has a test image, its reconstruction, and its style with each label. "
    "`confusion_matrix` has the true labels as rows and the predicted ones as columns, "
    "`mistakes` the misclassified test images.",
}
EXPLORER = {
    1: "Drag across the map of test codes, and see the image that the decoder makes of the code "
    "under the pointer.",
    2: "Drag across the map: there are fewer gaps than in part 1.",
    3: "Draw a digit, say which it is, and see your style with all ten labels.",
    4: "Draw a digit: the encoder says which it sees, and your style has all ten labels.",
}
CHANGES = {
    1: ("z_dim=15", "With more dimensions the reconstructions are sharper."),
    2: ('prior="gaussian_mixture"', "Ten petals in place of a round cloud."),
    3: (
        "conditional_discriminator=False",
        "Without the label the discriminator lets the code keep the digit: look for rows in which "
        "the label changes little.",
    ),
    4: ("n_labeled=100", "Ten labelled images of each class: how many mistakes are added?"),
}

# Cells that are not run for the saved outputs: what they show lives, or takes megabytes.
LIVE = ("load-tensorboard", "explore")
# Of a picture in the saved outputs: pixels of its width (curves, in colour, in grey), and shades.
MOST_OF_CURVES, MOST_WIDTH, MOST_OF_GREY = 1100, 600, 420
N_COLOURS, N_GREYS = 64, 8

COMMENT = re.compile(r"^<!-- .*? -->\n", re.M | re.S)
ABOUT_DIFF = re.compile(r"^The core of `diff .*?(?=\n\n)", re.M | re.S)
MATH = re.compile(r"^( *)```math\n(.*?)\n *```$", re.M | re.S)
LINK = re.compile(r"(!?)\[([^\[\]]*)\]\((?!https?:)([^)\s]+)\)")
NUMBER = re.compile(r"-?\d+(\.\d+)?")
TRY = re.compile(r"^\| `--train ([^`]+)` \| (.+) \|$", re.M)

SET_UP = """\
import inspect
import pathlib
import subprocess
import sys

REPOSITORY = "{repository}"  # Where there is no checkout, as on Colab: the address to clone.

folders = [pathlib.Path.cwd(), *pathlib.Path.cwd().parents, pathlib.Path("checkout").resolve()]
found = [folder for folder in folders if (folder / "{script}.py").exists()]
if not found:
    if not REPOSITORY:
        raise SystemExit("No checkout above this folder: set REPOSITORY to the address to clone.")
    found = folders[-1:]
    subprocess.run(["git", "clone", "--depth=1", REPOSITORY, found[0]], check=True)
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", "-e", found[0]], check=True)
root = found[0]
sys.path.insert(0, str(root))"""

TOOLS = '''\
import html

import {script}

import tensorflow as tf
from IPython.display import HTML, Image, Markdown, display
from matplotlib import pyplot as plt
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator


def show(*pieces):
    """Shows code as it stands in the script."""
    sources = [inspect.getsource(inspect.unwrap(piece)) for piece in pieces]
    display(Markdown("```python\\n" + "\\n".join(sources) + "```"))


def curves(run):
    """Draws a run's losses and accuracies, which are in TensorBoard's event files."""
    events = EventAccumulator(str(run.tensorboard), size_guidance={{"tensors": 0}}).Reload()
    try:
        tags = list(events.PluginTagToContent("scalars"))
    except KeyError:
        print("No curves yet: a point is written every 50 steps.")
        return
    columns = min(len(tags), 4)
    rows = -(-len(tags) // columns)
    size = (3.2 * columns, 2.6 * rows)
    figure, plots = plt.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained")
    for plot in plots.flat[len(tags) :]:
        plot.remove()
    for plot, tag in zip(plots.flat, tags, strict=False):
        points = [(e.step, tf.make_ndarray(e.tensor_proto)) for e in events.Tensors(tag)]
        plot.plot(*zip(*points, strict=True), "." if len(points) == 1 else "-")
        plot.set_title(tag, fontsize=9)
        plot.set_xlabel("step")
    plt.show()


def pictures(run):
    for path in sorted(run.images.glob("*.png")):
        display(Markdown(f"`{{path.stem}}`"), Image(filename=path, width=600))


def explore(run):
    page = html.escape((run.path / "explorer.html").read_text(encoding="utf-8"))
    style = "width: 100%; height: 900px; border: 0"
    frame = f'<iframe title="explorer" srcdoc="{{page}}" style="{{style}}"></iframe>'
    display(HTML(f"<div>{{frame}}</div>"))'''


def notebook(part: int, root: pathlib.Path | None = None) -> str:
    """Returns a part's notebook, JSON, made from its page and its script in `root`.

    Raises:
      ValueError: the page shows code that its script has not.
    """
    root = root or DOCS.parent
    (script,) = (path.stem for path in root.glob(f"part{part}_*.py"))
    pieces = make_pages.named_pieces((root / f"{script}.py").read_text(encoding="utf-8"))
    page = (root / "docs" / f"part{part}.md").read_text(encoding="utf-8")
    title, *sections = re.split(r"^(?=## )", page, flags=re.M)
    names = [section.splitlines()[0].removeprefix("## ") for section in sections]
    story = sections[: names.index("Run it")]

    cells = [
        text("title", head(title, part, script)),
        text("set-up", "## Set-up\n\nThis finds the project, or on Colab fetches it."),
        code("set-up-project", SET_UP.format(repository=REPOSITORY, script=script)),
        code("set-up-tools", TOOLS.format(script=script)),
    ]
    for name, section in zip(names, story, strict=False):
        cells += story_cells(slug(name), section, part, script, pieces)
    cells += training_cells(part, script, sections[names.index("What to try next")])
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    content = {
        "cells": cells,
        "metadata": {"kernelspec": kernel, "language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return as_text(content)


def as_text(content: dict) -> str:
    return json.dumps(content, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def head(title: str, part: int, script: str) -> str:
    badge = ""
    if REPOSITORY:
        repository = REPOSITORY.removeprefix("https://github.com/")
        address = f"https://colab.research.google.com/github/{repository}/blob/{BRANCH}"
        picture = "https://colab.research.google.com/assets/colab-badge.svg"
        badge = f"[![Open in Colab]({picture})]({address}/notebooks/part{part}.ipynb)\n\n"
    return (
        f"{title.splitlines()[0]}\n\n{badge}"
        f"{link(f'Part {part} of the series', f'docs/part{part}.md')}, to run: its idea, the code "
        f"of {link(f'`{script}.py`', f'{script}.py')}, and a training of a minute or two with "
        "small networks. The page has the pictures and the numbers of a full training."
    )


def story_cells(name: str, section: str, part: int, script: str, pieces: dict) -> list[dict]:
    """A section of the page as cells: its text, and its code shown from the script."""
    page = f"docs/part{part}.md"
    diff = f"The code as it stands in the script; [the page](part{part}.md) has the diff."
    section = ABOUT_DIFF.sub(diff, section)
    cells, end = [], 0
    for found in make_pages.BLOCK.finditer(section):
        add_text(cells, name, in_notebook(section[end : found.start()], page))
        shown = found["scripts"].split()[-1].removesuffix(".py")
        if shown != script:
            raise ValueError(f"part {part} shows code of {shown}.py, its notebook has {script}.py")
        names, sources = [], []
        for piece in found["names"].split(", "):
            if piece not in pieces:
                raise ValueError(f"{script}.py has no {piece}")
            names.append(f"{script}.{pieces[piece].path}")
            sources.append("".join(pieces[piece].lines))
        if names == [f"{script}.DEFAULTS"]:
            cells.append(code(f"{name}-{len(cells)}", names[0]))
        else:
            cells.append(code(f"{name}-{len(cells)}", calls(names)))
            cells[-1]["outputs"] = [shown_code(sources)]
        end = found.end()
    add_text(cells, name, in_notebook(section[end:], page))
    return cells


def training_cells(part: int, script: str, suggestions: str) -> list[dict]:
    """From training to the setting that is changed."""
    page = f"docs/part{part}.md"
    budget = f"BUDGET = dict(\n    {SMALL},\n    {BUDGETS[part]},\n)".replace(", ", ",\n    ")
    change, look_for = CHANGES[part]
    change = f"train({change})"
    others = [f"| `{call}` | {what} |" for call, what in tries(suggestions) if call != change]
    table = "\n".join(["| | what to look for |", "|---|---|", *others])
    reading = link("More about reading them", f"{page}#what-tensorboard-shows")
    full = link("Those of a full training", f"{page}#what-you-will-see")
    return [
        text(
            "train",
            "## Train\n\nSmaller networks and fewer epochs than the script's own settings. "
            "`auto` is MNIST, or digits drawn from fonts where it cannot be downloaded. Every "
            f"{link('flag', 'docs/reference/flags.md')} is an argument of `train`.",
        ),
        code("budget", budget, tags=["parameters"]),
        code(
            "training",
            "def train(**changes):\n"
            f'    settings = {{"results_dir": root / "Results", **BUDGET, **changes}}\n'
            f"    return {script}.train(**settings)\n\n\n"
            "run = train()",
        ),
        text("curves", f"## The curves\n\n{CURVES[part]} {reading}."),
        code("draw-curves", "curves(run)"),
        text("pictures", f"## The pictures\n\n{PICTURES[part]} {full} are sharper."),
        code("show-pictures", "pictures(run)"),
        text(
            "tensorboard",
            "## TensorBoard\n\nIt also has histograms, pictures and a rotatable view of test "
            "codes. It appears when you run the cell.",
        ),
        code(
            "load-tensorboard",
            '%load_ext tensorboard\n%tensorboard --logdir "{run.tensorboard}"',
        ),
        text(
            "explorer",
            f"## The networks, to try out\n\n{EXPLORER[part]} It appears when you run the cell.",
        ),
        code("explore", "explore(run)"),
        text("change", f"## What to change\n\n{look_for} It takes as long as the first training."),
        code("changed", f"changed = {change}\ncurves(changed)\npictures(changed)"),
        text("more", f"Or:\n\n{in_notebook(table, page)}"),
    ]


def tries(suggestions: str) -> list[tuple[str, str]]:
    """The page's suggestions that are a training with other settings, as calls of `train`."""
    found = []
    for words, what in TRY.findall(suggestions):
        if "--flagfile" not in words and ".npz" not in words:
            call = f"train({', '.join(argument(word) for word in words.split())})"
            found.append((call, re.sub(r"`--(\w+)`", r"`\1=True`", what)))
    return found


def argument(word: str) -> str:
    """A flag as an argument of `train`: `--nobatch_norm` is `batch_norm=False`."""
    name, is_equal, value = word.removeprefix("--").partition("=")
    if not is_equal:
        return f"{name.removeprefix('no')}={not name.startswith('no')}"
    return f"{name}={value if NUMBER.fullmatch(value) else json.dumps(value)}"


def calls(pieces: list[str]) -> str:
    """`show(...)`, on one line where it fits."""
    line = f"show({', '.join(pieces)})"
    return line if len(line) <= 100 else "show(\n    " + ",\n    ".join(pieces) + ",\n)"


def shown_code(sources: list[str]) -> dict:
    """What a cell with `show` gives."""
    markdown = "```python\n" + "\n".join(sources) + "```"
    name = "<IPython.core.display.Markdown object>"
    data = {"text/markdown": lines(markdown), "text/plain": [name]}
    return {"output_type": "display_data", "data": data, "metadata": {}}


def in_notebook(markdown: str, page: str) -> str:
    """A page's text as a notebook shows it: formulas in $$, links from the notebooks' folder."""

    def formula(found: re.Match) -> str:
        body = textwrap.indent(textwrap.dedent(found[2]), found[1])
        return f"{found[1]}$$\n{body}\n{found[1]}$$"

    def address(found: re.Match) -> str:
        path, mark, section = found[3].partition("#")
        target = posixpath.normpath(posixpath.join("docs", path)) if path else page
        return found[1] + link(found[2], f"{target}{mark}{section}", is_picture=bool(found[1]))

    return LINK.sub(address, MATH.sub(formula, COMMENT.sub("", markdown)))


def link(name: str, target: str, is_picture: bool = False) -> str:
    """A link to a file of the repository, given by its path from the top."""
    above = ".."
    if REPOSITORY:
        above = f"{REPOSITORY}/{'raw' if is_picture else 'blob'}/{BRANCH}"
    return f"[{name}]({above}/{target})"


def add_text(cells: list[dict], name: str, markdown: str) -> None:
    if markdown.strip():
        cells.append(text(f"{name}-{len(cells)}", markdown))


def text(name: str, markdown: str) -> dict:
    return {"cell_type": "markdown", "id": name, "metadata": {}, "source": lines(markdown)}


def code(name: str, source: str, tags: list[str] | None = None) -> dict:
    return {
        "cell_type": "code",
        "execution_count": None,
        "id": name,
        "metadata": {"tags": tags} if tags else {},
        "outputs": [],
        "source": lines(source),
    }


def lines(source: str) -> list[str]:
    return source.strip("\n").splitlines(keepends=True)


def slug(heading: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", heading.lower()).strip("-")[:50]


def is_made(cell: dict) -> bool:
    """Whether the outputs of a code cell are made here, of the script, without running it."""
    return "".join(cell["source"]).startswith("show(")


def unrun(content: dict) -> dict:
    """Returns a notebook as it is made, without what running it has added."""
    content = copy.deepcopy(content)
    for cell in content["cells"]:
        if cell["cell_type"] == "code":
            cell["execution_count"] = None
            cell["outputs"] = cell["outputs"] if is_made(cell) else []
    return content


def with_outputs(made: dict, old: dict) -> dict:
    """Returns a notebook with the outputs of an older one, if that has the same code to run.

    Cells that only show the script's code may differ: they change nothing.
    """
    made = copy.deepcopy(made)
    new, ran = (
        [c for c in content["cells"] if c["cell_type"] == "code" and not is_made(c)]
        for content in (made, old)
    )
    if [cell["source"] for cell in new] == [cell["source"] for cell in ran]:
        for cell, before in zip(new, ran, strict=True):
            cell["outputs"] = before["outputs"]
        if any(cell["execution_count"] for cell in ran):
            number(made)
    return made


def number(content: dict) -> None:
    """Numbers the cells that were run, in their order."""
    cells = [c for c in content["cells"] if c["cell_type"] == "code" and c["id"] not in LIVE]
    for count, cell in enumerate(cells, 1):
        cell["execution_count"] = count
        for output in cell["outputs"]:
            if "execution_count" in output:
                output["execution_count"] = count


def executed(made: dict, settings: dict, data_dir: str | None = None) -> dict:
    """Runs a notebook and returns it with what it showed, fit to be kept in the repository.

    Args:
      made: the notebook.
      settings: arguments of each training, beside the notebook's own, such as `n_images`; the
        notebook then says so.
      data_dir: where MNIST lies, which it does not say.

    Raises:
      ValueError: an output names a folder of this machine.
    """
    import nbclient
    import nbformat

    content = nbformat.reads(json.dumps(made), as_version=4)
    content.cells = [cell for cell in content.cells if cell.id not in LIVE]
    (k,) = (k for k, cell in enumerate(content.cells) if cell.id == "budget")
    with tempfile.TemporaryDirectory() as results:
        unsaid = {"results_dir": results}
        if data_dir:
            data_dir = str(pathlib.Path(data_dir).resolve())
            unsaid |= {"dataset": "mnist", "data_dir": data_dir}
        changes = f"BUDGET |= {settings | unsaid!r}"
        content.cells.insert(k + 1, nbformat.v4.new_code_cell(changes))
        where = {"metadata": {"path": str(DOCS.parent / "notebooks")}}
        nbclient.NotebookClient(
            content, timeout=None, startup_timeout=600, resources=where
        ).execute()
        ran = {cell["id"]: cell for cell in json.loads(nbformat.writes(content))["cells"]}
        made = copy.deepcopy(made)
        for cell in made["cells"]:
            if cell["cell_type"] != "code" or cell["id"] in LIVE or is_made(cell):
                continue
            cell["outputs"] = kept_outputs(ran[cell["id"]]["outputs"], results)
            if cell["id"] == "budget" and settings:
                also = ", ".join(f"{name}={value!r}" for name, value in settings.items())
                said = lines(f"The outputs below are of trainings with {also}.")
                cell["outputs"] = [{"name": "stdout", "output_type": "stream", "text": said}]
        number(made)
    for folder in filter(None, (results, str(DOCS.parent), data_dir)):
        if folder in as_text(made):
            raise ValueError(f"an output names {folder}")
    return made


def kept_outputs(outputs: list[dict], results: str) -> list[dict]:
    """Returns a cell's outputs as they are saved.

    Pictures are small, folders are called as on the pages, and progress bars are left out.
    """
    found = []
    for output in outputs:
        if output["output_type"] == "stream":
            if output["name"] == "stderr":
                continue
            text = "".join(output["text"]).replace(results, "Results")
            text = text.replace(f"{DOCS.parent}{os.sep}", "")
            if found and found[-1]["output_type"] == "stream":  # Parted by a progress bar.
                text = "".join(found.pop()["text"]) + text
            output = {**output, "text": text.splitlines(keepends=True)}
        elif "image/png" in (data := output.get("data", {})):
            output = {**output, "data": {**data, "image/png": small_png(data["image/png"])}}
        found.append(output)
    return found


def small_png(content: str) -> str:
    """Returns a PNG picture, in base64, made smaller."""
    from PIL import Image

    picture = Image.open(io.BytesIO(base64.b64decode(content))).convert("RGB")
    is_grey = picture.convert("L").convert("RGB").tobytes() == picture.tobytes()
    for scale in range(8, 1, -1):  # Images are drawn enlarged: a pixel is a square.
        small = picture.reduce(scale)
        enlarged = small.resize(
            (small.width * scale, small.height * scale), Image.Resampling.NEAREST
        )
        if enlarged.size == picture.size and enlarged.tobytes() == picture.tobytes():
            picture = small
            break
    most = MOST_OF_CURVES if picture.width > 2 * picture.height else MOST_WIDTH
    most = MOST_OF_GREY if is_grey else most
    if picture.width > most:
        height = round(picture.height * most / picture.width)
        picture = picture.resize((most, height), Image.Resampling.LANCZOS)
    if is_grey:
        shades = [round(v * (N_GREYS - 1) / 255) * 255 // (N_GREYS - 1) for v in range(256)]
        picture = picture.convert("L").point(shades)
    # This method keeps the colours of classes apart.
    method = Image.Quantize.FASTOCTREE if is_grey else Image.Quantize.MAXCOVERAGE
    picture = picture.quantize(N_COLOURS, method, dither=Image.Dither.NONE)
    file = io.BytesIO()
    picture.save(file, "PNG", optimize=True)
    return base64.b64encode(file.getvalue()).decode() + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing")
    parser.add_argument("--execute", action="store_true", help="run them, and save the outputs")
    parser.add_argument(
        "--parts", type=int, nargs="+", default=list(BUDGETS), help="by default all"
    )
    parser.add_argument("--data_dir", help="with --execute: where MNIST lies")
    parser.add_argument("--n_images", type=int, help="with --execute: train on so many, and say so")
    words = parser.parse_args()
    stale = []
    for part in words.parts:
        path = DOCS.parent / "notebooks" / f"part{part}.ipynb"
        made = json.loads(notebook(part))
        old = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"cells": []}
        if words.execute and not words.check:
            settings = {"n_images": words.n_images} if words.n_images else {}
            new = executed(made, settings, words.data_dir)
        elif unrun(old) != made:
            new = with_outputs(made, old)
        else:
            continue
        stale.append(path.name)
        if not words.check:
            path.parent.mkdir(exist_ok=True)
            path.write_text(as_text(new), encoding="utf-8")
    if stale:
        print(f"{'stale' if words.check else 'rewritten'}: {', '.join(stale)}")
    raise SystemExit(bool(words.check and stale))


if __name__ == "__main__":
    main()
