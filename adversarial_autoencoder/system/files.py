"""Writing files, whole or not at all, and the messages when that fails."""

import contextlib
import errno
import os
import pathlib
from collections.abc import Callable, Iterator

from adversarial_autoencoder.system.errors import UserError

import tensorflow as tf

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
def replacing(path: pathlib.Path, writer: str = "") -> Iterator[pathlib.Path]:
    """Gives the path of a file to write, which takes the place of `path` as the block ends.

    So the file is there whole or as it was before, also after a power cut.

    Args:
      path: the file wanted.
      writer: tells processes apart that may write this file at the same time.

    Raises:
      OSError: it could not be written.
    """
    partial = path.with_name(f"partial-{writer}{path.name}")
    try:
        yield partial
        flush_to_disk(partial)
        os.replace(partial, path)
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


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
