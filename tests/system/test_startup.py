"""What the package does before TensorFlow is imported."""

import subprocess
import sys

import pytest
from conftest import ROOT


@pytest.fixture
def start(tmp_path):
    """Imports the package where `keras` and `tensorflow` are files; returns how that ended."""
    (tmp_path / "keras.py").write_text("")

    def run(*lines, shell="", **environment):
        (tmp_path / "tensorflow.py").write_text("\n".join(lines))
        command = [sys.executable, "-c", "import adversarial_autoencoder; print('started')"]
        if shell:
            command = ["sh", "-c", f'"$@" {shell}', "sh", *command]
        environment |= {"PYTHONPATH": f"{tmp_path}:{ROOT}", "PATH": "/usr/bin:/bin"}
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)

    return run


def test_tensorflow_is_told_to_print_less_and_keras_to_use_it(start):
    ended = start("import os", "print(os.environ['TF_CPP_MIN_LOG_LEVEL'])")
    assert (ended.stdout, ended.stderr) == ("3\nstarted\n", "")
    ended = start("import os", "print(os.environ['KERAS_BACKEND'])")
    assert ended.stdout == "tensorflow\nstarted\n"


@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_another_backend_of_keras_is_one_line(backend, start):
    ended = start(KERAS_BACKEND=backend)
    assert ended.returncode == 1 and not ended.stdout
    told = f"-c: KERAS_BACKEND={backend}, but this is TensorFlow's: unset the variable\n"
    assert ended.stderr == told


def test_ctrl_c_while_tensorflow_is_imported_is_one_line(start):
    ended = start("raise KeyboardInterrupt")
    assert (ended.returncode, ended.stderr) == (130, "-c: interrupted\n")


@pytest.mark.parametrize("closed", ["2>&-", "0<&- 2>&-", "0<&- 1>&- 2>&-"])
def test_files_do_not_take_the_numbers_of_closed_standard_streams(closed, start):
    ended = start("assert open('/dev/zero').fileno() > 2", shell=closed)
    assert ended.returncode == 0
