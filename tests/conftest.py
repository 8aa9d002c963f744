"""Small data and small models, so that tests of whole runs take seconds."""

import contextlib
import errno
import gc
import os
import pathlib
import runpy
import signal
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from adversarial_autoencoder import datasets
from adversarial_autoencoder.datasets import tfds
from adversarial_autoencoder.pictures import plots, png

import keras
import numpy as np
import pytest
import tensorflow as tf

ROOT = pathlib.Path(__file__).resolve().parent.parent
README_WIDTH = png.README_WIDTH
gc.set_threshold(50_000, 20, 20)  # Tracing makes objects by the million, and few are garbage.

SMALL = ("--n_l1=16", "--n_l2=16", "--batch_size=10", "--n_epochs=2")


@pytest.fixture(autouse=True)
def same_settings_for_each_test():
    tf.config.experimental.enable_op_determinism()
    tf.keras.utils.set_random_seed(0)
    keras.mixed_precision.set_global_policy("float32")
    yield
    keras.mixed_precision.set_global_policy("float32")  # For what a module shares.


@pytest.fixture(autouse=True, scope="session")
def signals_as_in_a_terminal():
    """What runs in the background, or under nohup, starts with some of them ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(autouse=True, scope="session")
def pictures_as_small_as_they_are():
    """Runs do not enlarge their pictures for a README: packing a large PNG takes a second."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(png, "README_WIDTH", 1)
        yield


@pytest.fixture
def pictures_for_a_readme(monkeypatch):
    """Enlarges them, as in earnest."""
    monkeypatch.setattr(png, "README_WIDTH", README_WIDTH)


@pytest.fixture(scope="session")
def npz(tmp_path_factory) -> str:
    """A data set of colour images, 6 x 5 x 3, in 3 classes; 110 + 10 + 30 of them."""
    path = tmp_path_factory.mktemp("data") / "small.npz"
    rng = np.random.default_rng(0)
    arrays = {}
    for part, n in (("train", 120), ("test", 30)):
        labels = rng.permutation(np.arange(n) % 3)
        images = rng.integers(0, 80, [n, 6, 5, 3])
        images[:, :, :3] += 60 * labels[:, None, None, None]
        arrays |= {f"x_{part}": images.astype(np.uint8), f"y_{part}": labels}
    np.savez(path, **arrays)
    return str(path)


@pytest.fixture(scope="session")
def data(npz) -> datasets.Dataset:
    return datasets.load(npz)


@pytest.fixture
def network(monkeypatch, tmp_path):
    """`network(False)` is a machine without a network, on which nothing was ever downloaded."""
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "nothing"))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "nothing"))
    return lambda there: monkeypatch.setattr(tfds, "_answers", lambda url: there)


@contextlib.contextmanager
def unsearchable(folder):
    """Takes the permission to search a folder, which root always has."""
    stat = os.stat

    def refuse(path, *args, **more):
        if not isinstance(path, int) and folder in pathlib.Path(os.fsdecode(path)).parents:
            raise PermissionError(errno.EACCES, "Permission denied")
        return stat(path, *args, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "stat", refuse)
        yield


def disk_full(path, content):
    """In place of `write_atomically`."""
    raise OSError(errno.ENOSPC, "No space left on device")


def keep_checkpoint(folder, step=10):
    """Makes a folder a run's, as far as messages tell: it has a checkpoint."""
    (folder / "flags.txt").touch()
    (folder / "Saved_models" / f"checkpoint-{step:09d}").mkdir(parents=True)


def variables(model) -> list[keras.Variable]:
    """All weights of a model's networks."""
    found = [v for network in model.networks for v in network.variables]
    assert found
    return found


def blank_plots(patch) -> None:
    """Where plots are not the thing tested: drawing one takes a second."""
    for name in ("scatter", "confusion_matrix"):
        patch.setattr(plots, name, lambda *_, **__: np.zeros([9, 10, 3], np.uint8))


def fit_line(z, targets, n_outputs, loss, seed, **stopping):
    """In place of a probe, whose own tests are elsewhere and which takes seconds: a linear one."""
    assert np.isfinite(z).all() and len(z) == len(targets)
    wanted = np.eye(n_outputs)[targets] if stopping["mode"] == "max" else targets
    assert wanted.shape == (len(z), n_outputs)

    def with_one(codes):
        return np.column_stack([codes, np.ones(len(codes))])

    weights, *_ = np.linalg.lstsq(with_one(z), wanted, rcond=None)
    return lambda codes: (with_one(codes) @ weights).astype(np.float32)


def optimizers_of(model) -> dict[str, keras.optimizers.Optimizer]:
    """A model's optimizers by the names of their phases."""
    found = {
        name.removesuffix("_optimizer"): value
        for name, value in vars(model).items()
        if isinstance(value, keras.optimizers.Optimizer)
    }
    assert found
    return found


def step_of(model, x, y, step):
    """One step outside of a graph, which for a few steps takes a fraction of tracing one."""
    return model.train_step.python_function(x, y, step)


def let_learn(model, *phases, rate=1e-3):
    """Sets the rates of all other phases to 0, which needs no new tracing of the step."""
    optimizers = optimizers_of(model)
    assert set(phases) <= optimizers.keys()
    for name, optimizer in optimizers.items():
        optimizer.learning_rate = rate if name in phases else 0.0


def start_elsewhere(script, folder, monkeypatch, *words) -> int:
    """Starts a script by its path from another folder; returns its exit code.

    In this process, since importing TensorFlow again takes seconds. `test_options.py` starts a
    script in a process of its own.
    """
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", [script.__file__, *words])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(script.__file__, run_name="__main__")
    return end.value.code
