"""The table and metrics.json."""

import json
import math

from adversarial_autoencoder import evaluation
from adversarial_autoencoder.errors import UserError

import numpy as np
import pytest


def test_the_table_shows_each_figure_with_its_standard_error():
    metrics = {"a": 0.98765, "a_standard_error": 0.00123, "parzen": 340.123}
    assert evaluation.format_table(metrics).splitlines() == [
        "a       0.9877 ± 0.0012",
        "parzen  340.1",
    ]
    assert evaluation.format_table({}) == ""


def test_metrics_json_is_flat_with_data_set_and_commit(tmp_path):
    path = tmp_path / "metrics.json"
    evaluation.write_metrics(path, {"a": np.float32(0.5), "n": np.int64(3)}, "mnist", "abc")
    content = json.loads(path.read_text())
    assert content == {"dataset": "mnist", "commit": "abc", "a": 0.5, "n": 3}
    assert list(tmp_path.iterdir()) == [path]


def test_figures_that_are_no_finite_numbers_leave_the_old_file_alone(tmp_path):
    path = tmp_path / "metrics.json"
    evaluation.write_metrics(path, {"a": 1}, "mnist", "")
    before = path.read_text()
    with pytest.raises(UserError, match="mse is nan"):
        evaluation.write_metrics(path, {"a": 2, "mse": math.nan}, "mnist", "")
    for wrong in ("0.5", None, True, np.ones(2)):
        with pytest.raises(TypeError, match="a is"):
            evaluation.write_metrics(path, {"a": wrong}, "mnist", "")
    assert path.read_text() == before


def test_metrics_that_cannot_be_written_are_one_line(tmp_path):
    with pytest.raises(UserError, match="cannot write"):
        evaluation.write_metrics(tmp_path / "none" / "metrics.json", {"a": 1}, "mnist", "")
