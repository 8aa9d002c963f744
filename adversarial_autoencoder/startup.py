"""What has to be done before anything else is imported: the package does it when it is imported."""

import os
import sys


def open_missing_streams() -> None:
    """Has standard streams that are closed lead nowhere.

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
        import keras  # noqa: F401
        import tensorflow  # noqa: F401
    except KeyboardInterrupt:
        script = os.path.splitext(os.path.basename(sys.argv[0]))[0]
        print(f"{script}: interrupted", file=sys.stderr)
        sys.exit(130)
