"""The screen may disappear; a run continues without it.

`python part2_aae.py --train | head -1` closes the pipe, a terminal is closed, standard output is a
full disk: what is written to the screen from then on is dropped.
"""

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import TextIO


class Screen:
    """A stream whose writes never fail: after the first failure they are discarded."""

    def __init__(self, stream: TextIO):
        self._stream = stream

    def write(self, text: str) -> int:
        """Writes, or drops, the text."""
        try:
            return self._stream.write(text)
        except (OSError, ValueError):  # Closed by the other side, or by this one.
            self._lose()
            return len(text)

    def flush(self) -> None:
        """Flushes, or discards, buffered text."""
        try:
            self._stream.flush()
        except (OSError, ValueError):
            self._lose()

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)

    def _lose(self) -> None:
        """Points the stream at the null device, which discards its buffer as well."""
        with contextlib.suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)
            self._stream.flush()


@contextlib.contextmanager
def may_go_away() -> Iterator[None]:
    """Discards what is printed within a `with` block once the screen is gone."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = map(Screen, before)
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        sys.stdout, sys.stderr = before
