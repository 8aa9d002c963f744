"""The lines that TensorFlow prints at each start are kept from the screen, and no others."""

import subprocess
import sys

import pytest
from conftest import ROOT

NOISE = r"""
WARNING: All log messages before absl::InitializeLog() is called are written to STDERR
I0000 00:00:1795508598.721263   28933 cudart_stub.cc:31] Could not find cuda drivers on your machine, GPU will not be used.
I0000 00:00:1795833503.709393   27487 port.cc:153] oneDNN custom operations are on. You may see slightly different numerical results due to floating-point round-off errors from different computation orders. To turn them off, set the environment variable `TF_ENABLE_ONEDNN_OPTS=0`.
"""  # noqa: E501


@pytest.fixture
def start(tmp_path):
    """Imports the package where `tensorflow` is a file with these lines; returns what is told."""
    (tmp_path / "keras.py").write_text("")

    def run(*lines, shell="", then=""):
        source = ["import os", f"NOISE = {NOISE.lstrip()!r}.encode()", "os.write(2, NOISE)", *lines]
        (tmp_path / "tensorflow.py").write_text("\n".join(source))
        command = [sys.executable, "-c"]
        command += [f"import adversarial_autoencoder; print('started'); {then}"]
        if shell:
            command = ["sh", "-c", f'"$@" {shell}', "sh", *command]
        environment = {"PYTHONPATH": f"{tmp_path}:{ROOT}", "PATH": "/usr/bin:/bin"}
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)

    return run


def test_tensorflows_own_lines_are_not_printed(start):
    ended = start()
    assert (ended.stdout, ended.stderr) == ("started\n", "")


def test_other_lines_are_passed_on(start):
    ended = start("os.write(2, b'E0000 something else\\nno end of line')")
    assert (ended.stdout, ended.stderr) == ("started\n", "E0000 something else\nno end of line")


def test_the_traceback_of_a_failed_import_is_printed(start):
    ended = start("raise ImportError('a broken installation')")
    assert ended.returncode == 1
    assert ended.stderr.startswith("Traceback") and "a broken installation" in ended.stderr


def test_the_last_words_of_an_import_that_crashes_are_printed(start):
    ended = start("os.write(2, b'F0000 needs AVX\\n')", "os.abort()")
    assert ended.returncode < 0 and ended.stderr == "F0000 needs AVX\n"


def test_nothing_is_filtered_after_the_import(start):
    ended = start(then="import os, tensorflow; os.write(2, tensorflow.NOISE)")
    assert ended.stderr == NOISE.lstrip()


@pytest.mark.parametrize("closed", ["2>&-", "0<&- 2>&-"])
def test_a_closed_standard_error_does_no_harm(start, closed):
    ended = start(shell=closed)
    assert (ended.returncode, ended.stdout) == (0, "started\n")
