"""What has to be done before TensorFlow is imported: the package does it when it is imported."""

import os
import sys


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
    """Imports Keras and TensorFlow, which takes seconds.

    Another backend of Keras is one line and exit code 1, Ctrl-C meanwhile one line and 130.
    """
    script = os.path.splitext(os.path.basename(sys.argv[0]))[0]
    backend = os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    if backend != "tensorflow":
        sys.exit(f"{script}: KERAS_BACKEND={backend}, but this is TensorFlow's: unset the variable")
    # Without it each start prints a screen about CPU flags and CUDA.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        import keras  # noqa: F401
        import tensorflow  # noqa: F401
    except KeyboardInterrupt:
        print(f"{script}: interrupted", file=sys.stderr)
        sys.exit(130)
