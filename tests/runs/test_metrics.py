"""The file metrics.json."""

import json
import math

from adversarial_autoencoder.runs import run as runs
from adversarial_autoencoder.system.errors import UserError

import numpy as np
import pytest
from conftest import disk_full, keep_checkpoint


def test_metrics_json_is_flat_with_data_set_and_commit(tmp_path):
    path = tmp_path / "metrics.json"
    runs.Run(tmp_path).write_metrics({"a": np.float32(0.5), "n": np.int64(3)}, "mnist", "abc")
    content = json.loads(path.read_text())
    assert content == {"dataset": "mnist", "commit": "abc", "a": 0.5, "n": 3}
    assert list(tmp_path.iterdir()) == [path]


def test_figures_that_are_no_finite_numbers_leave_the_old_file_alone(tmp_path):
    path = tmp_path / "metrics.json"
    runs.Run(tmp_path).write_metrics({"a": 1}, "mnist", "")
    before = path.read_text()
    with pytest.raises(UserError, match="mse is nan"):
        runs.Run(tmp_path).write_metrics({"a": 2, "mse": math.nan}, "mnist", "")
    for wrong in ("0.5", None, True, np.ones(2)):
        with pytest.raises(TypeError, match="a is"):
            runs.Run(tmp_path).write_metrics({"a": wrong}, "mnist", "")
    assert path.read_text() == before


def test_metrics_that_cannot_be_written_are_one_line(tmp_path):
    with pytest.raises(UserError, match="cannot write"):
        runs.Run(tmp_path / "none").write_metrics({"a": 1}, "mnist", "")


def test_metrics_of_a_run_that_cannot_be_written_are_to_be_measured_again(tmp_path, monkeypatch):
    keep_checkpoint(tmp_path)
    monkeypatch.setattr(runs, "write_atomically", disk_full)
    with pytest.raises(UserError, match="step 10 is kept: make room, then --evaluate$"):
        runs.Run(tmp_path).write_metrics({"a": 1}, "mnist", "")
