"""Writes the code that the pages of this folder show, from the scripts as they are.

    python docs/make_pages.py            rewrites the blocks in docs/part1.md … part4.md
    python docs/make_pages.py --check    only tells which pages are stale; exit code 1 if one is

A block stands between two lines, and everything between them is rewritten:

    <!-- code part1_autoencoder.py: encoder, train_step -->
    <!-- end -->
    <!-- diff part1_autoencoder.py part2_aae.py: discriminator, train_step -->
    <!-- end -->

The names are functions, methods, classes' or modules' assignments of the scripts. A diff shows what
changes in them from the first script to the second.
"""

import argparse
import ast
import difflib
import pathlib
import re

DOCS = pathlib.Path(__file__).resolve().parent
BLOCK = re.compile(
    r"^<!-- (?P<kind>code|diff) (?P<scripts>[^:\n]+): (?P<names>[^\n]+) -->\n.*?^<!-- end -->$",
    re.MULTILINE | re.DOTALL,
)


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

    return BLOCK.sub(block, text)


def named_pieces(source: str) -> dict[str, list[str]]:
    """Returns the lines of each function, method and assignment of a script, by its name.

    Of equal names in several classes, the first is meant.
    """
    tree, lines, pieces = ast.parse(source), source.splitlines(keepends=True), {}
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    for node in [*tree.body, *(node for each in classes for node in each.body)]:
        if isinstance(node, ast.FunctionDef):
            first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
            name = node.name
        elif isinstance(node, ast.Assign):
            first, name = node.lineno, ast.unparse(node.targets[0])
        else:
            continue
        pieces.setdefault(name, lines[first - 1 : node.end_lineno])
    return pieces


def code(names: list[str], pieces: dict[str, list[str]]) -> str:
    """Returns the named pieces, a blank line between two."""
    missing = [name for name in names if name not in pieces]
    if missing:
        raise ValueError(f"the script has no {', '.join(missing)}")
    return "\n".join("".join(pieces[name]) for name in names)


def diff(names: list[str], old: dict[str, list[str]], new: dict[str, list[str]]) -> str:
    """Returns what changes in the named pieces, each under a line `@@ name @@`."""
    found = []
    for name in names:
        before, after = old.get(name, []), new.get(name, [])
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing")
    check = parser.parse_args().check
    stale = []
    for path in sorted(DOCS.glob("part?.md")):
        text = path.read_text()
        wanted = page_as_it_should_be(text)
        if wanted != text:
            stale.append(path.name)
            if not check:
                path.write_text(wanted)
    if stale:
        print(f"{'stale' if check else 'rewritten'}: {', '.join(stale)}")
    raise SystemExit(bool(check and stale))


if __name__ == "__main__":
    main()
