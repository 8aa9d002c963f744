"""A run is killed at each of its writes, and goes on as if nothing had been.

From the n-th write on nothing reaches the disk any more, as when the process is gone: clearing up
behind an error does not happen either. Real kills, of a whole script, are the slow tests.
"""

import builtins
import contextlib
import errno
import io
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import zipfile

import part1_autoencoder
from adversarial_autoencoder.runs import checkpoints, truncation
from adversarial_autoencoder.runs import run as runs
from adversarial_autoencoder.runs.recorder import Recorder
from adversarial_autoencoder.system.errors import UserError

import numpy as np
import pytest
import tensorflow as tf
from conftest import ROOT, SMALL
from small_runs import Model, make_run, open_run, read_events, state

LAST = 2  # Steps of the training in miniature.


class Killed(BaseException):
    """Not an Exception, so that nobody takes it for an error and goes on."""


class Faults:
    """Counts writes; from the n-th on each raises."""

    def __init__(self, n, error=Killed):
        self.n, self.error, self.count = n, error, 0

    def counted(self, write):
        def counting(*args, **kwargs):
            self.count += 1
            if self.count >= self.n:
                raise self.error()
            return write(*args, **kwargs)

        return counting

    def opening(self, open_file):
        counted = self.counted(open_file)

        def opening(file, mode="r", *args, **kwargs):
            return (counted if set(mode) & set("wax+") else open_file)(file, mode, *args, **kwargs)

        return opening

    def __enter__(self):
        self.patch = pytest.MonkeyPatch()
        for name in ("replace", "rename", "fsync", "mkdir", "unlink", "rmdir"):
            self.patch.setattr(os, name, self.counted(getattr(os, name)))
        for module in (builtins, io):
            self.patch.setattr(module, "open", self.opening(io.open))
        for owner, name in (
            (tf.train.Checkpoint, "write"),
            (zipfile.ZipFile, "writestr"),
            (tf.io.TFRecordWriter, "write"),
        ):
            self.patch.setattr(owner, name, self.counted(getattr(owner, name)))
        return self

    def __exit__(self, *error):
        self.patch.undo()


def train(run, data, model):
    """As the training loop: the log and the events, then the checkpoint, then the networks."""
    model.set(0)
    step = 0 if run.newest_step() is None else run.restore(state(model))
    with contextlib.closing(Recorder(model, data, run, ["--seed=0"], step)) as recorder:
        if step == 0:
            run.save(state(model), 0)
        for step in range(step + 1, LAST + 1):  # noqa: B020
            model.set(model.get() + 0.125)
            with runs.saving(run.path):
                recorder.record_epoch(step, {"Loss": step}, {"Validation Accuracy": 0.5})
            recorder.flush()
            run.save(state(model), step, score=step / 8)
            run.export({"encoder": model.encoder})


def begin(results, data):
    """The run that is there, or a new one."""
    try:
        return open_run(results=results)[0]
    except UserError:
        return make_run(results, data)


def check(run):
    """Whatever has its name is whole."""
    for _, folder in checkpoints.stored(run.checkpoints):
        assert checkpoints.is_whole(folder), folder
    if (run.checkpoints / "encoder.keras").exists():
        run.load("encoder")


def survives(n, results, data, model, error=Killed):
    """Whether a training was stopped at its n-th write; it has gone on then to the same end."""
    model.flags = open_run("--train", "--n_epochs=9", results=results)[1]
    faults = Faults(n, error)
    was_stopped = False
    with faults:
        try:
            run = begin(results, data)
            with run.training():
                train(run, data, model)
        except (Killed, UserError):
            was_stopped = True
    if not was_stopped:
        return False
    for path in results.glob("*/*/flags.txt"):
        check(runs.Run(path.parent))
    run = begin(results, data)
    with run.training():
        train(run, data, model)
    check(run)
    assert run.newest_step() == run.best_step() == LAST and model.get() == LAST / 8
    lines = run.log.read_text().splitlines()
    assert lines == [f"step {k}, Loss {k}, Validation Accuracy 0.5" for k in range(1, LAST + 1)]
    events = read_events(run.tensorboard)
    # Files of one second are numbered within the process, and 10 sorts before 9.
    steps = sorted(k for tag, k in events if tag == "Validation Accuracy")
    assert steps == list(range(1, LAST + 1))
    assert [tag for tag, _ in events].count(truncation.FLAGS) == 1
    assert not list(run.path.rglob("partial*"))
    return True


def disk_full():
    return OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("n", [2, 7, 13, 17, 23, 31])
def test_a_run_that_is_killed_at_a_write_goes_on_to_the_same_end(n, tmp_path, data):
    assert survives(n, tmp_path, data, Model())


@pytest.mark.slow
@pytest.mark.parametrize("error", [Killed, disk_full])
def test_a_run_that_is_stopped_at_any_write_goes_on_to_the_same_end(error, tmp_path, data, capsys):
    n, model = 1, Model()
    while survives(n, tmp_path / str(n), data, model, error):
        tf.keras.backend.clear_session()
        n += 1
    with capsys.disabled():
        print(f"\n{n - 1} writes, each of them stopped once")
    assert n > 40


KILLED_AT = """
import os, sys
sys.path.insert(0, {root!r})
import part1_autoencoder
count = 0
def dying(write):
    def counted(*args, **kwargs):
        global count
        count += 1
        if count == {n}:
            os._exit(9)
        return write(*args, **kwargs)
    return counted
for name in ("replace", "rename", "fsync"):
    setattr(os, name, dying(getattr(os, name)))
part1_autoencoder.main(sys.argv)
"""


@pytest.mark.slow
@pytest.mark.parametrize("n", [12, 19, 29])
def test_a_script_that_dies_at_a_write_goes_on_to_the_same_end(n, npz, tmp_path):
    words = ["part1_autoencoder.py", f"--dataset={npz}", "--train", *SMALL]
    unbroken = part1_autoencoder.main([*words, f"--results_dir={tmp_path / 'unbroken'}"])
    program = KILLED_AT.format(root=str(ROOT), n=n)
    words += [f"--results_dir={tmp_path / 'killed'}"]
    assert subprocess.run([sys.executable, "-c", program, *words[1:]]).returncode == 9
    run = part1_autoencoder.main([*words, "--resume"])
    assert run.log.read_text() == unbroken.log.read_text()
    assert sorted(read_events(run.tensorboard)) == sorted(read_events(unbroken.tensorboard))
    readers = [
        tf.train.load_checkpoint(str(folder / "checkpoint"))
        for folder in (dict(checkpoints.stored(r.checkpoints))[22] for r in (run, unbroken))
    ]
    for name in set(readers[0].get_variable_to_shape_map()) - {"_CHECKPOINTABLE_OBJECT_GRAPH"}:
        np.testing.assert_array_equal(*(reader.get_tensor(name) for reader in readers))


@pytest.fixture
def read_only(data):
    """A run in a folder that this process may read only; as root, after taking off its rights."""
    with tempfile.TemporaryDirectory() as folder:
        results = pathlib.Path(folder)
        run = make_run(results, data)
        for step in (10, 20):
            run.save(state(Model(step / 32)), step)
        next((run.checkpoints / "checkpoint-000000020").glob("*.data*")).write_bytes(b"")
        paths = [results, *results.rglob("*")]
        for path in paths:
            path.chmod(0o555 if path.is_dir() else 0o444)
        is_root = os.geteuid() == 0
        if is_root:
            os.seteuid(65534)
        yield run
        if is_root:
            os.seteuid(0)
        for path in paths:
            if path.is_dir():
                path.chmod(0o755)


def test_a_run_on_read_only_media_is_loaded_past_a_damaged_checkpoint(read_only):
    model = Model()
    assert read_only.restore(state(model)) == 10 and model.get() == 10 / 32


def test_a_run_on_read_only_media_is_not_trained_and_why_is_told(read_only):
    told = "permission to write there is missing; the checkpoint of step 20 is kept: grant it"
    with pytest.raises(UserError, match=told):
        read_only.save(state(Model()), 30)
    with pytest.raises(UserError, match=told):
        with read_only.training():
            pass


def test_two_runs_that_begin_in_the_same_instant_have_a_folder_each(tmp_path, data, monkeypatch):
    monkeypatch.setattr(runs, "_now", lambda: "2025-01-31_12.00.00.000000")
    first, second = (open_run("--train", results=tmp_path)[0] for _ in range(2))
    assert first.path == second.path
    first.create("Autoencoder", [], data)
    times = iter(["2025-01-31_12.00.00.000000", "2025-01-31_12.00.00.000001"])
    monkeypatch.setattr(runs, "_now", lambda: next(times))
    second.create("Autoencoder", [], data)
    assert first.path.name < second.path.name
    assert first.path.name[26:] == second.path.name[26:]
    assert second.flagfile.exists() and second.checkpoints.parent == second.path


def test_folders_that_were_deleted_are_made_again(tmp_path, data):
    run, model = make_run(tmp_path, data), Model()
    model.flags = open_run("--train", "--n_epochs=9", results=tmp_path)[1]
    with contextlib.closing(Recorder(model, data, run, [], 0)) as recorder:
        shutil.rmtree(run.path)
        recorder.record_epoch(1, {"Loss": 1}, {"Validation Accuracy": 0.5})
        recorder.flush()
        run.save(state(model), 1)
        run.export({"encoder": model.encoder})
    again = open_run(f"--run={run.path}", results=tmp_path)[0]
    assert again.newest_step() == 1 and again.log.read_text()
    assert again.comment("data") == data.fingerprint
