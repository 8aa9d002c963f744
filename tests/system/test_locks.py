"""A run is trained by one process at a time, however that process ends."""

import errno
import os
import re
import signal
import subprocess
import sys

from adversarial_autoencoder.system import locks
from adversarial_autoencoder.system.errors import UserError

import pytest
from conftest import ROOT

HOLDER = """
import pathlib, sys, types
package = types.ModuleType("adversarial_autoencoder")  # Without TensorFlow, which takes seconds.
package.__path__ = [{root!r} + "/adversarial_autoencoder"]
sys.modules["adversarial_autoencoder"] = package
from adversarial_autoencoder.system import locks
with locks.held(pathlib.Path({path!r}), "x"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    program = HOLDER.format(root=str(ROOT), path=str(tmp_path / "lock"))
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_a_lock_that_another_process_holds_is_refused_with_its_name(tmp_path, holder):
    with pytest.raises(UserError) as error:
        with locks.held(tmp_path / "lock", "Results/x is being trained"):
            pass
    assert re.fullmatch(
        rf"Results/x is being trained by process {holder.pid} on \S+ since \d{{4}}-\d\d-\d\d "
        r"\d\d:\d\d:\d\d: stop that one, or wait",
        str(error.value),
    )


def test_a_lock_that_a_killed_process_left_does_not_stop_the_next_one(tmp_path, holder):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert str(holder.pid) in (tmp_path / "lock").read_text()
    with locks.held(tmp_path / "lock", ""):
        assert f"process {os.getpid()} on " in (tmp_path / "lock").read_text()


def test_a_lock_is_free_again_at_the_end_also_after_an_error(tmp_path):
    for _ in range(2):
        with pytest.raises(KeyError):
            with locks.held(tmp_path / "lock", ""):
                raise KeyError
    assert (tmp_path / "lock").read_text() == ""


def test_where_there_are_no_locks_a_warning_says_so(tmp_path, monkeypatch, capsys):
    def no_locks(file):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(locks, "lock", no_locks)
    with locks.held(tmp_path / "lock", ""):
        pass
    (line,) = capsys.readouterr().err.splitlines()
    assert "cannot be locked (No locks available)" in line
