"""A screen that goes away does not stop what prints on it; nor does one that never was."""

import errno
import io
import os
import signal
import subprocess
import sys
import time

from adversarial_autoencoder import options
from adversarial_autoencoder.system import screen

import pytest
from conftest import ROOT, SMALL


def test_what_is_printed_into_a_closed_pipe_is_dropped(monkeypatch):
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        with screen.survive_closed_output():
            for _ in range(3):
                print("x" * 100_000, flush=True)
        monkeypatch.undo()


def test_what_is_printed_on_a_closed_stream_or_a_full_disk_is_dropped(monkeypatch):
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(sys, "stdout", closed)
    full = open("/dev/full", "w") if os.path.exists("/dev/full") else io.StringIO()
    monkeypatch.setattr(sys, "stderr", full)
    with screen.survive_closed_output():
        print("x")
        print("x", file=sys.stderr, flush=True)


def test_a_screen_is_as_it_was_before_and_behind(capsys):
    before = sys.stdout
    with screen.survive_closed_output():
        print("on the screen")
        assert not sys.stdout.isatty()
    assert sys.stdout is before and capsys.readouterr().out == "on the screen\n"


def test_a_script_whose_screen_goes_away_goes_on(monkeypatch):
    done = []

    def main(argv):
        print("x", flush=True)
        done.append(True)

    stream = io.TextIOWrapper(Broken())
    monkeypatch.setattr(sys, "stdout", stream)
    options.exit_on_user_error(main)
    monkeypatch.undo()
    assert done


@pytest.mark.parametrize(
    "encoding, shown", [("ascii", rb"\xe4\u258e \u2192"), ("cp1252", b"\xe4\\u258e \\u2192")]
)
def test_characters_that_the_screen_does_not_have_are_shown_as_escapes(
    encoding, shown, monkeypatch
):
    def main(argv):
        print("ä▎ →")
        print("still there", flush=True)

    screen_bytes = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(screen_bytes, encoding))
    options.exit_on_user_error(main)
    assert screen_bytes.getvalue() == shown + b"\nstill there\n"
    monkeypatch.undo()


def test_other_errors_of_printing_are_not_taken_for_a_lost_screen(monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    with pytest.raises(TypeError), screen.survive_closed_output():
        sys.stdout.write(b"x")


class Broken(io.RawIOBase):
    """Breaks as a pipe does that nobody reads."""

    def writable(self):
        return True

    def write(self, data):
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    def close(self):
        pass


def in_shell(command, npz, results, **more):
    words = [f"--dataset={npz}", f"--results_dir={results}", *SMALL, "--train"]
    python = f"{sys.executable} {ROOT / 'part1_autoencoder.py'} {' '.join(words)}"
    return subprocess.Popen(["bash", "-c", command.format(python=python)], text=True, **more)


@pytest.mark.slow
@pytest.mark.parametrize("command", ["{python} >&- 2>&-", "{python} <&- >&-", "{python} | head -1"])
def test_a_script_trains_without_a_screen(command, npz, tmp_path):
    process = in_shell(command, npz, tmp_path, stderr=subprocess.PIPE)
    _, told = process.communicate()
    assert "Traceback" not in told and "make room" not in told
    (run,) = (tmp_path / "Autoencoder").iterdir()
    assert (run / "Saved_models" / "checkpoint-000000022").exists()
    assert (run / "images" / "reconstructions.png").exists()


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0.1, 0.5, 1, 2, 4])
def test_ctrl_c_while_modules_are_imported_is_one_line(seconds):
    command = [sys.executable, str(ROOT / "part1_autoencoder.py"), "--help"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    # From when Python has its handler of Ctrl-C, and the package is being imported.
    while "tensorflow" not in open(f"/proc/{process.pid}/maps").read():
        time.sleep(0.01)
    time.sleep(seconds)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate()
    if process.returncode != 0:  # Else it had printed its help before.
        assert process.returncode == 130
        assert told.splitlines()[-1] == "part1_autoencoder: interrupted"
        assert "Traceback" not in told
