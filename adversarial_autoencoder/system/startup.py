"""What has to be done before anything else is imported: the package does it when it is imported."""

import contextlib
import os
import re
import signal
import sys
import threading
from collections.abc import Iterator

# What TensorFlow prints about itself at each start, whatever its settings: that there is no GPU,
# and on some processors that oneDNN is used; a line in which anything else stands is passed on.
NOISE = re.compile(
    rb"WARNING: All log messages before absl::InitializeLog\(\) is called are written to STDERR\n"
    rb"|I0000 \S+ +\d+ cudart_stub\.cc:\d+\] Could not find cuda drivers on your machine, "
    rb"GPU will not be used\.\n"
    rb"|I0000 \S+ +\d+ port\.cc:\d+\] oneDNN custom operations are on\. [^\n]*\n"
)


def open_missing_streams() -> None:
    """Points closed standard streams at the null device.

    Otherwise the next files to be opened, checkpoints among them, would take their numbers, and
    what libraries write to the screen would go into them.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # Takes the lowest number that is free: this one.
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))


def import_tensorflow() -> None:
    """Imports TensorFlow, which takes seconds; Ctrl-C meanwhile is one line and exit code 130."""
    # Without it each start prints a screen about CPU flags and CUDA.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        with _without_noise():
            import keras  # noqa: F401
            import tensorflow  # noqa: F401
    except KeyboardInterrupt:
        script = os.path.splitext(os.path.basename(sys.argv[0]))[0]
        print(f"{script}: interrupted", file=sys.stderr)
        sys.exit(130)


@contextlib.contextmanager
def _without_noise() -> Iterator[None]:
    """Keeps `NOISE` from the screen within a `with` block.

    A child process reads what is written to standard error meanwhile, so that the last words of an
    import that ends in a crash are still passed on.
    """
    if "tensorflow" in sys.modules or not hasattr(os, "fork") or threading.active_count() > 1:
        yield  # Nothing to keep quiet, or no child to be had: it prints what it prints.
        return
    screen = os.dup(2)
    source, target = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(target)
        _pass_on(source, screen)
    os.close(source)
    os.dup2(target, 2)
    os.close(target)
    try:
        yield
    finally:
        os.dup2(screen, 2)
        os.close(screen)
        os.waitpid(child, 0)


def _pass_on(source: int, screen: int) -> None:
    """In the child: copies lines until all writers are gone, except those of `NOISE`; then ends."""
    try:
        for number in (signal.SIGINT, signal.SIGTERM):  # The parent's to answer.
            signal.signal(number, signal.SIG_IGN)
        with os.fdopen(source, "rb") as lines:
            for line in lines:
                if not NOISE.fullmatch(line):
                    os.write(screen, line)
    finally:
        os._exit(0)
