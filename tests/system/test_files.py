"""Files are there whole or not at all, however many write them; what is read has a limit."""

import errno
import os
import subprocess
import sys
import time

from adversarial_autoencoder.system import files
from adversarial_autoencoder.system.errors import UserError

import pytest


def test_a_broken_pipe_is_not_taken_for_a_full_disk(tmp_path):
    with pytest.raises(BrokenPipeError):
        with files.saving(tmp_path):
            raise BrokenPipeError(errno.EPIPE, "Broken pipe")


@pytest.mark.parametrize(
    "error, told",
    [
        (OSError(errno.ENOSPC, "No space left on device"), "the disk is full; make room"),
        (PermissionError(errno.EACCES, "Permission denied"), "permission .* missing; grant it"),
        (OSError(errno.EROFS, "Read-only file system"), "the disk is read-only; make it writable"),
        (OSError(errno.EIO, "Input/output error"), "Input/output error; fix that"),
    ],
)
def test_why_a_write_failed_is_told_with_what_to_do(tmp_path, error, told):
    with pytest.raises(UserError, match=f"cannot write .*: {told} there, or give another folder"):
        with files.saving(tmp_path):
            raise error


def test_a_file_is_replaced_by_one_that_is_whole_and_on_the_disk(tmp_path, monkeypatch):
    path, flushed = tmp_path / "a.npz", []
    path.write_text("old")
    monkeypatch.setattr(files, "flush_to_disk", lambda p: flushed.append(p.read_text()))
    with pytest.raises(OSError), files.replacing(path) as partial:
        partial.write_text("hal")
        raise OSError(errno.ENOSPC, "No space left on device")
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path] and not flushed
    with files.replacing(path) as partial:
        partial.write_text("new")
        assert path.read_text() == "old" and partial.suffix == ".npz"
    assert path.read_text() == "new" and list(tmp_path.iterdir()) == [path] and flushed == ["new"]


def test_two_writers_of_one_file_do_not_disturb_each_other(tmp_path):
    path = tmp_path / "encoder.keras"
    with files.replacing(path) as first:
        first.write_text("first")
        with files.replacing(path) as second:
            second.write_text("second")
        assert path.read_text() == "second" and first.read_text() == "first"
    assert path.read_text() == "first" and list(tmp_path.iterdir()) == [path]


def test_a_folder_takes_the_place_of_another(tmp_path):
    for content in "12":
        with files.replacing(tmp_path / "checkpoint-1") as partial:
            partial.mkdir()
            (partial / content).write_text(content)
    assert [path.name for path in tmp_path.rglob("*")] == ["checkpoint-1", "2"]


@pytest.fixture
def ended() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_what_a_killed_process_left_is_removed_by_the_next_that_writes(tmp_path, ended):
    left = tmp_path / f"partial-{files._HOST}-{ended}-0123abcd.keras"
    left.write_text("half")
    folder = tmp_path / f"partial-{files._HOST}-{ended}-89abcdef"
    folder.mkdir()
    (folder / "checkpoint.index").write_text("half")
    files.write_atomically(tmp_path / "a", "x")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_what_others_may_still_write_is_left_alone_for_a_day(tmp_path, ended):
    alive = tmp_path / f"partial-{files._HOST}-{os.getppid()}-0123abcd.keras"
    elsewhere = tmp_path / f"partial-01234567-{ended}-0123abcd.keras"
    own = tmp_path / "partial-results.csv"  # The user's.
    for path in (alive, elsewhere, own):
        path.write_text("half")
    files.write_atomically(tmp_path / "a", "x")
    assert alive.exists() and elsewhere.exists()
    for path in (alive, elsewhere, own):
        os.utime(path, (0, time.time() - 2 * 24 * 3600))
    files.write_atomically(tmp_path / "a", "x")
    assert {path.name for path in tmp_path.iterdir()} == {"a", own.name}


def names(found):
    return {str(name): float(value) for name, value in found["names"].items()}


def test_json_is_read_into_what_is_wanted(tmp_path):
    (tmp_path / "a.json").write_text('{"names": {"a": 1}}')
    assert files.read_json(tmp_path / "a.json", names) == {"a": 1.0}


@pytest.mark.parametrize(
    "content, told",
    [
        (b"", "Expecting value"),
        (b"{", "Expecting property name"),
        (b"[]", "list indices must be integers"),
        (b"null", "not subscriptable"),
        (b"{}", "'names' is missing"),
        (b'{"names": []}', "no attribute 'items'"),
        (b'{"names": {"a": []}}', "not 'list'"),
        (b"[" * 100_000, "it is nested too deep"),
        (b"1" * 10_000, "int"),
        (b"\xff", "0xff"),
    ],
)
def test_json_of_another_shape_is_one_line_that_names_the_file(content, told, tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(UserError, match=told) as error:
        files.read_json(path, names)
    line = str(error.value)
    assert line.startswith(str(path)) and line.endswith(": delete it") and "\n" not in line


def test_files_without_end_are_not_read_to_it(tmp_path):
    with pytest.raises(UserError, match="/dev/zero cannot be read .it is larger than 16 MiB"):
        files.read_json(files.pathlib.Path("/dev/zero"), names)
    (tmp_path / "a").write_bytes(b"12345")
    assert files.read_limited(tmp_path / "a", 5) == b"12345"
