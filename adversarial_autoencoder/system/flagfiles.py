"""The words of a command line before they become flags: flag files, and unusable text."""

import os
import pathlib
import re
import unicodedata
from collections.abc import Sequence

from adversarial_autoencoder.system import files
from adversarial_autoencoder.system.errors import UserError, one_line

from absl import flags as absl_flags

LONGEST_WORD = 3000  # Characters of a flag; Python reads no numbers of more than 4300 digits.
LONGEST_TEXT = 2048  # Of a single path or name: half of what a path may have on Linux.
LARGEST_FILE = 2**20  # Bytes of a flag file.
LONGEST_NAME = 255  # Bytes of a file's name, on all usual file systems.

_TRUE_WORDS = ("true", "t", "yes", "y", "1")
_FALSE_WORDS = ("false", "f", "no", "n", "0")

_LINE_ENDS_AND_HALF_CHARACTERS = ("Cc", "Zl", "Zp", "Cs")  # Unicode's names of their categories.


def expand(words: Sequence[str], within: tuple[str, ...] = ()) -> list[str]:
    """Returns the words with the flags of each `--flagfile` in its place.

    As absl does, but the text is UTF-8 wherever it is read, and may begin with a byte-order mark,
    as Windows' editors write it.

    Args:
      words: of the command line, without the script's name.
      within: the flag files that these words come from.

    Raises:
      UserError: a file cannot be read, is not such text, or names itself; a word is too long.
    """
    words, expanded = list(words), []
    while words:
        word = words.pop(0)
        if len(word) > LONGEST_WORD:
            raise UserError(
                f"{one_line(word, 80)} has {len(word)} characters, of at most {LONGEST_WORD}"
            )
        found = re.fullmatch(r"--?flagfile(?:=(.*))?", word, re.DOTALL)
        if not found:
            expanded.append(word)
            continue
        if found[1] is None and not words:
            raise UserError("--flagfile wants the name of a file")
        path = os.path.expanduser((words.pop(0) if found[1] is None else found[1]).strip())
        if path in within:
            raise UserError(f"the flag file {one_line(path, 80)} names itself")
        if path:
            lines = (line.strip() for line in read_lines(pathlib.Path(path)))
            lines = [line for line in lines if line and not line.startswith(("#", "//"))]
            expanded += expand(lines, (*within, path))
    return expanded


def join_boolean_words(words: list[str], flags: absl_flags.FlagValues) -> list[str]:
    """Turns `--train True` into `--train=true`: readers type what the articles print."""
    joined = []
    for word in words:
        previous = joined[-1].lstrip("-") if joined and joined[-1].startswith("-") else ""
        is_boolean = previous in flags and flags[previous].boolean
        if is_boolean and word.lower() in _TRUE_WORDS:
            joined[-1] = f"--{previous}=true"
        elif is_boolean and word.lower() in _FALSE_WORDS:
            joined[-1] = f"--{previous}=false"
        else:
            joined.append(word)
    return joined


def read_lines(path: pathlib.Path) -> list[str]:
    """Returns the lines of a flag file.

    Raises:
      UserError: it cannot be read, is not UTF-8, or larger than any flag file.
    """
    try:
        content = files.read_limited(path, LARGEST_FILE)
    except (OSError, ValueError) as error:  # The latter of its size, or of a NUL in its name.
        reason = getattr(error, "strerror", None) or error
        if isinstance(error, PermissionError):
            reason = f"{reason}; grant it"
        raise UserError(f"the flag file {one_line(path, 500)} cannot be read: {reason}") from None
    try:
        return content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        kind = " but UTF-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else ""
        raise UserError(
            f"the flag file {one_line(path, 500)} is not UTF-8{kind}: byte {error.start} is "
            f"0x{content[error.start]:02x}; save it as UTF-8"
        ) from None


def check_text(name: str, value: object) -> None:
    """Raises UserError if no flag file or file system could hold a flag's text."""
    for text in value if isinstance(value, list) else [value]:
        if not isinstance(text, str):
            continue
        if any(unicodedata.category(c) in _LINE_ENDS_AND_HALF_CHARACTERS for c in text):
            raise UserError(
                f"--{name}={one_line(text, 80)} holds characters that cannot be printed"
            )
        longest = max(len(part.encode()) for part in re.split(r"[/\\]", text))
        if longest > LONGEST_NAME or len(text) > LONGEST_TEXT:
            raise UserError(
                f"--{name}={one_line(text, 80)} is too long: at most {LONGEST_NAME} bytes for a "
                f"name, and {LONGEST_TEXT} for a path"
            )
