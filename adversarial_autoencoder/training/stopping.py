"""Ctrl-C and other signals end a training after its step, with everything saved."""

import contextlib
import os
import pathlib
import shlex
import signal
import sys

from adversarial_autoencoder import options
from adversarial_autoencoder.model import Model
from adversarial_autoencoder.runs import Run


class Stopping:
    """Notes Ctrl-C, SIGTERM and SIGHUP, so that the step can be finished; a second ends at once.

    SIGHUP comes when a terminal is closed, often twice, so it never ends at once; under `nohup` it
    is ignored.
    """

    def __init__(self):
        self.signal = 0

    def __enter__(self) -> "Stopping":
        numbers = [signal.SIGINT, signal.SIGTERM]
        if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
            numbers.append(signal.SIGHUP)
        self._previous = {number: signal.signal(number, self._note) for number in numbers}
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler or signal.SIG_DFL)

    def _note(self, number: int, frame: object) -> None:
        if self.signal and number == getattr(signal, "SIGHUP", None):
            return
        if self.signal:
            self.__exit__()  # A third ends at once in any case.
            raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)
        self.signal = number
        with contextlib.suppress(OSError, RuntimeError):  # The screen may just be written to.
            print("\nFinishing the current step, then saving …", file=sys.stderr)


def command_to_go_on(model_class: type[Model], run: Run, flags: options.Flags) -> str:
    """The command that goes on with the run; in a notebook, or at a prompt, the call."""
    script = getattr(sys.modules.get(model_class.__module__), "__file__", None)
    if script is None or "ipykernel" in sys.modules:
        return f"train(resume=True, run={str(run.path)!r})"
    with contextlib.suppress(OSError):  # The working directory may have been deleted.
        if pathlib.Path(script).is_relative_to(os.getcwd()):
            script = os.path.relpath(script)
    words = ["python", script, "--train", "--resume", f"--run={run.path}"]
    if flags.results_dir != flags["results_dir"].default:
        words.append(f"--results_dir={flags.results_dir}")
    return shlex.join(words)
