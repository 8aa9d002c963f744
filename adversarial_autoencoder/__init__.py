"""Adversarial autoencoders in TensorFlow 2: what the parts of the series share."""

import os
import re
import signal
import sys
import threading

# Before TensorFlow is imported: without it each start prints a screen about CPU flags and CUDA.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# What TensorFlow prints about itself at each start on a machine without a GPU, whatever its
# settings; a line in which anything else stands is passed on.
NOISE = re.compile(
    rb"WARNING: All log messages before absl::InitializeLog\(\) is called are written to STDERR\n"
    rb"|I0000 \S+ +\d+ cudart_stub\.cc:\d+\] Could not find cuda drivers on your machine, "
    rb"GPU will not be used\.\n"
)


def _import_tensorflow() -> None:
    """Imports TensorFlow and Keras, and keeps `NOISE` from the screen while they are imported.

    A child process reads what is written to standard error meanwhile, so that the last words of an
    import that ends in a crash are still passed on.
    """
    if "tensorflow" in sys.modules or not hasattr(os, "fork") or threading.active_count() > 1:
        return  # Nothing to keep quiet, or no child to be had: it prints what it prints.
    try:
        screen = os.dup(2)
    except OSError:  # There is no standard error.
        return
    source, target = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(target)
        _pass_on(source, screen)
    os.close(source)
    os.dup2(target, 2)
    os.close(target)
    try:
        import keras  # noqa: F401
        import tensorflow  # noqa: F401
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


_import_tensorflow()
