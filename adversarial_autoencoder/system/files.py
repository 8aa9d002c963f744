"""Files written whole or not at all, and read with a limit; the messages when that fails."""

import contextlib
import errno
import json
import os
import pathlib
import platform
import re
import secrets
import shutil
import time
import zlib
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from adversarial_autoencoder.system.errors import UserError, one_line

import tensorflow as tf

LARGEST_JSON = 16 * 2**20  # Bytes.

T = TypeVar("T")

# What a failure to write means, and what can be done about it.
_FULL = ("the disk is full", "make room")
_FORBIDDEN = ("permission to write there is missing", "grant it")
_READ_ONLY = ("the disk is read-only", "make it writable")
_FAILURES = {
    errno.ENOSPC: _FULL,
    getattr(errno, "EDQUOT", errno.ENOSPC): _FULL,
    errno.EACCES: _FORBIDDEN,
    errno.EPERM: _FORBIDDEN,
    errno.EROFS: _READ_ONLY,
}


@contextlib.contextmanager
def saving(path: pathlib.Path, advise: Callable[[str], str] | None = None) -> Iterator[None]:
    """Turns a failure to write below `path` into one line for the user.

    Args:
      path: what is written, or a folder that holds it.
      advise: turns the remedy, such as "make room", into what to do.

    Raises:
      UserError: in place of an `OSError` or `tf.errors.OpError` of the block.
    """
    try:
        yield
    except BrokenPipeError:  # It comes from the screen, not from the disk.
        raise
    except (OSError, tf.errors.OpError) as error:
        reason, remedy = _failure(error)
        advice = advise(remedy) if advise else f"{remedy} there, or give another folder"
        raise UserError(f"cannot write {path}: {reason}; {advice}") from error


def _failure(error: Exception) -> tuple[str, str]:
    """What went wrong with a write, and what to do about it."""
    number = getattr(error, "errno", None)
    text = str(error).lower()
    for known in _FAILURES:  # TensorFlow gives the system's words, but not its number.
        if number == known or os.strerror(known).lower() in text:
            return _FAILURES[known]
    lines = str(error).splitlines() or [type(error).__name__]
    return getattr(error, "strerror", None) or lines[0], "fix that"


def write_atomically(path: pathlib.Path, content: str | bytes) -> None:
    """Writes a file so that it is there whole or as it was before, also after a power cut.

    Raises:
      OSError: it could not be written.
    """
    with replacing(path) as partial:
        partial.write_bytes(content.encode() if isinstance(content, str) else content)


@contextlib.contextmanager
def replacing(path: pathlib.Path) -> Iterator[pathlib.Path]:
    """Gives the name of a file or folder to write, which takes the place of `path` at the end.

    So `path` is there whole or as it was before, also after a power cut. The name is this writer's
    own: several processes may replace the same file, and the last one's stays. What a killed
    process has left in the folder is removed.

    Raises:
      OSError: it could not be written.
    """
    for left in path.parent.glob("partial-*"):
        if _is_abandoned(left):
            _remove(left)
    name = f"partial-{_HOST}-{os.getpid()}-{secrets.token_hex(4)}{path.suffix}"
    partial = path.with_name(name)
    _being_written.add(name)
    try:
        yield partial
        for file in partial.iterdir() if partial.is_dir() else [partial]:
            flush_to_disk(file)
        if partial.is_dir():  # A folder takes the place of an empty one only.
            _remove(path)
        os.replace(partial, path)
    finally:
        _being_written.discard(name)
        _remove(partial)


_HOST = f"{zlib.crc32(platform.node().encode()):08x}"  # Whose process has this number.
_being_written: set[str] = set()  # By this process.
_A_DAY = 24 * 60 * 60  # Seconds; no write takes as long.


def _is_abandoned(partial: pathlib.Path) -> bool:
    """Whether a file is one of `replacing` whose writer has ended."""
    found = re.fullmatch(r"partial-([0-9a-f]{8})-([0-9]{1,9})-[0-9a-f]{8}(\..*)?", partial.name)
    if found is None or partial.name in _being_written:
        return False
    with contextlib.suppress(OSError):
        if time.time() - partial.lstat().st_mtime > _A_DAY:
            return True
    if found[1] != _HOST or os.name != "posix":  # Elsewhere `kill` would do what it says.
        return False
    try:
        os.kill(int(found[2]), 0)
    except ProcessLookupError:
        return True
    except OSError:  # Another user's.
        return False
    return int(found[2]) == os.getpid()


def _remove(path: pathlib.Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def flush_to_disk(path: pathlib.Path) -> None:
    """Waits until a file, or a folder's list of names, has reached the disk, for power cuts."""
    if path.is_dir():
        with contextlib.suppress(OSError):  # Windows and some file systems have no such thing.
            folder = os.open(path, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        return
    with open(path, "rb") as file:
        os.fsync(file.fileno())


def read_limited(path: pathlib.Path, most: int) -> bytes:
    """Returns what a file holds; it may be a device or a pipe, which have no size.

    Raises:
      OSError: it cannot be read.
      ValueError: it holds more than so many bytes, or its name is none.
    """
    with open(path, "rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise ValueError(f"it is larger than {most // 2**20} MiB")
    return content


def read_json(path: pathlib.Path, check: Callable[[Any], T], advice: str = "delete it") -> T:
    """Returns what `check` makes of a JSON file, see `parse_json`.

    Raises:
      UserError: it cannot be read, or is not what `check` wants.
    """
    try:
        text = read_limited(path, LARGEST_JSON).decode()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or one_line(error, 80)
        raise UserError(f"{path} cannot be read ({reason}): {advice}") from None
    return parse_json(text, check, f"{path} is damaged", advice)


def parse_json(text: str, check: Callable[[Any], T], complaint: str, advice: str) -> T:
    """Returns what JSON text means.

    Args:
      check: takes what was parsed, and returns the result in its types, for example
        `lambda found: {str(name): float(value) for name, value in found.items()}`. What it raises
        on data of another shape (TypeError, KeyError, …) is told.
      complaint, advice: how the message begins and ends.

    Raises:
      UserError: it is no JSON, or of another shape.
    """
    try:
        return check(json.loads(text))
    except KeyError as error:
        reason = f"{error} is missing"
    except RecursionError:
        reason = "it is nested too deep"
    except (ValueError, TypeError, AttributeError, LookupError, OverflowError) as error:
        reason = str(error)
    raise UserError(f"{complaint} ({one_line(reason, 120)}): {advice}")
