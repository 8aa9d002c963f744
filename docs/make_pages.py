"""Writes the code, flags and numbers that pages show, from the scripts and results.json.

    python docs/make_pages.py            rewrites the blocks of README.md and the pages in docs/
    python docs/make_pages.py --check    only tells which are stale; exit code 1 if one is

A block stands between two lines, and everything between them is rewritten:

    <!-- code part1_autoencoder.py: encoder, train_step -->
    <!-- end -->
    <!-- diff part1_autoencoder.py part2_aae.py: discriminator, train_step -->
    <!-- end -->
    <!-- flags -->
    <!-- end -->
    <!-- results part1_autoencoder/default, part2_aae/*#test_error: what, here, seeds, paper -->
    <!-- end -->

The names are functions, methods, classes' or modules' assignments of the scripts. A diff shows what
changes in them from the first script to the second. The flags are those whose defaults differ.
Results are rows and columns of benchmarks/results.json, see benchmarks/results.py; what recipes say
of minutes, seeds and results in their comments comes from there, too.
"""

import argparse
import ast
import contextlib
import difflib
import importlib
import io
import pathlib
import re
import sys
from typing import NamedTuple

DOCS = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS.parent))
sys.path.insert(0, str(DOCS.parent / "benchmarks"))

import results  # noqa: E402

BLOCK = re.compile(
    r"^<!-- (?P<kind>code|diff) (?P<scripts>[^:\n]+): (?P<names>[^\n]+) -->\n.*?^<!-- end -->$",
    re.MULTILINE | re.DOTALL,
)
RESULTS = re.compile(
    r"^<!-- results (?P<rows>[^:\n]+): (?P<columns>[^\n]+) -->\n.*?^<!-- end -->$",
    re.MULTILINE | re.DOTALL,
)
FLAGS = re.compile(r"^<!-- flags -->\n.*?^<!-- end -->$", re.MULTILINE | re.DOTALL)
HELP_LINE = re.compile(r"  --(?P<name>\w+) +.* \(default: (?P<default>.*)\)")


class Piece(NamedTuple):
    """A function, method or assignment: its name, of a method `<class>.<name>`, and its lines."""

    path: str
    lines: list[str]


def page_as_it_should_be(text: str, root: pathlib.Path | None = None) -> str:
    """Returns a page with its blocks made anew from the scripts in `root`, above this folder.

    Raises:
      ValueError: a block asks for a name that its scripts have not, or that does not change.
    """

    root = root or DOCS.parent

    def block(found: re.Match) -> str:
        pieces = [named_pieces((root / name).read_text()) for name in found["scripts"].split()]
        names = [name.strip() for name in found["names"].split(",")]
        make, language = {"code": (code, "python"), "diff": (diff, "diff")}[found["kind"]]
        head = found[0].splitlines()[0]
        return f"{head}\n```{language}\n{make(names, *pieces)}```\n<!-- end -->"

    def numbers(found: re.Match) -> str:
        rows, columns = (found[name].split(", ") for name in ("rows", "columns"))
        made = results.table(content_of(root), rows, columns, titles_of(root))
        return f"{found[0].splitlines()[0]}\n{made}<!-- end -->"

    text = RESULTS.sub(numbers, BLOCK.sub(block, text))
    if FLAGS.search(text):
        made = f"<!-- flags -->\n{flag_table(root)}<!-- end -->"
        text = FLAGS.sub(lambda found: made, text)
    return text


def content_of(root: pathlib.Path) -> dict:
    """Returns benchmarks/results.json."""
    return results.load(root / "benchmarks" / "results.json")


def titles_of(root: pathlib.Path) -> dict[str, str]:
    """Returns each recipe's first line, by `<script>/<variant>`."""
    return {
        f"{path.parent.name}/{path.stem}": path.read_text().splitlines()[0].lstrip("# ")
        for path in root.glob("recipes/*/*.txt")
    }


def named_pieces(source: str) -> dict[str, Piece]:
    """Returns each function, method and assignment of a script, by its name.

    Of equal names in several classes, the first is meant.
    """
    tree, lines, pieces = ast.parse(source), source.splitlines(keepends=True), {}
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    for of_class, nodes in [("", tree.body), *((each.name, each.body) for each in classes)]:
        for node in nodes:
            if isinstance(node, ast.FunctionDef):
                first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
                name = node.name
            elif isinstance(node, ast.Assign):
                first, name = node.lineno, ast.unparse(node.targets[0])
            else:
                continue
            path = f"{of_class}.{name}".lstrip(".")
            pieces.setdefault(name, Piece(path, lines[first - 1 : node.end_lineno]))
    return pieces


def code(names: list[str], pieces: dict[str, Piece]) -> str:
    """Returns the named pieces, a blank line between two."""
    missing = [name for name in names if name not in pieces]
    if missing:
        raise ValueError(f"the script has no {', '.join(missing)}")
    return "\n".join("".join(pieces[name].lines) for name in names)


def diff(names: list[str], old: dict[str, Piece], new: dict[str, Piece]) -> str:
    """Returns what changes in the named pieces, each under a line `@@ name @@`."""
    found = []
    for name in names:
        before, after = (pieces[name].lines if name in pieces else [] for pieces in (old, new))
        if before == after:
            raise ValueError(f"nothing changes in {name}, or neither script has it")
        heading = f"@@ {name} @@\n"
        for line in list(difflib.unified_diff(before, after, n=1))[2:]:
            if line.startswith("@@"):
                found.append(heading)
                heading = "@@ … @@\n"  # Further down in the same piece.
            elif line.strip() or not found[-1].startswith("@@"):  # Empty ones first tell nothing.
                found.append(line)
    return "".join(found)


def flag_table(root: pathlib.Path) -> str:
    """Returns a table of the flags whose defaults differ between the parts."""
    parts = [defaults_of(path, root) for path in sorted(root.glob("part?_*.py"))]
    numbers = range(1, len(parts) + 1)
    lines = [["default in", *(f"part {number}" for number in numbers)], ["---"] * (len(parts) + 1)]
    for name in dict.fromkeys(name for defaults in parts for name in defaults):
        row = [defaults.get(name, "") for defaults in parts]
        if len(set(row) - {""}) > 1:
            lines.append([f"`--{name}`", *row])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def defaults_of(path: pathlib.Path, root: pathlib.Path) -> dict[str, str]:
    """Returns the default of each flag in a script's `--help`, in its order."""
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    module = importlib.import_module(".".join(path.relative_to(root).with_suffix("").parts))
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
        module.main([path.name, "--help"])
    lines = re.sub(r"\n {20,}", " ", printed.getvalue()).splitlines()
    found = [HELP_LINE.fullmatch(line) for line in lines]
    return {line["name"]: line["default"].strip() or "none" for line in found if line}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing")
    check = parser.parse_args().check
    stale = []
    root = DOCS.parent
    recipes = sorted(root.glob("recipes/*/*.txt"))
    for path in [*root.glob("README.md"), *sorted(DOCS.rglob("*.md")), *recipes]:
        text = path.read_text()
        if path.suffix == ".md":
            wanted = page_as_it_should_be(text, root)
        else:
            name = f"{path.parent.name}/{path.stem}"
            wanted = results.recipe_as_it_should_be(text, name, content_of(root))
        if wanted != text:
            stale.append(str(path.relative_to(root)))
            if not check:
                path.write_text(wanted)
    if stale:
        print(f"{'stale' if check else 'rewritten'}: {', '.join(stale)}")
    raise SystemExit(bool(check and stale))


if __name__ == "__main__":
    main()
