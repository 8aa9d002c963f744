"""The screen may disappear; a run continues without it.

`python part2_aae.py --train | head -1` closes the pipe, a terminal is closed, standard output is a
full disk: what is written to the screen from then on is dropped.
"""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from typing import TextIO


class Screen:
    """A stream whose writes never fail: after the first failure they are discarded.

    Characters that its encoding does not have are shown as escapes, such as `\\xe4`.
    """

    def __init__(self, stream: TextIO):
        self._stream = stream
        if hasattr(stream, "reconfigure") and not stream.closed:
            stream.reconfigure(errors="backslashreplace")

    def write(self, text: str) -> int:
        """Writes, or drops, the text."""
        self._unless_lost(self._stream.write, text)
        return len(text)

    def flush(self) -> None:
        """Flushes, or discards, buffered text."""
        self._unless_lost(self._stream.flush)

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)

    def _unless_lost(self, do: Callable, *text: str) -> None:
        if self._stream.closed:
            return
        try:
            do(*text)
        except OSError:  # The null device discards the buffer as well.
            with contextlib.suppress(OSError), open(os.devnull, "w") as nowhere:
                os.dup2(nowhere.fileno(), self._stream.fileno())
                self._stream.flush()


@contextlib.contextmanager
def survive_closed_output() -> Iterator[None]:
    """Discards what is printed within a `with` block once the screen is gone."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = map(Screen, before)
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        sys.stdout, sys.stderr = before
