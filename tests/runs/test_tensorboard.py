"""Names of runs in TensorBoard, and what compares them there."""

import pathlib
import shutil
import types

import part3_style_content
from adversarial_autoencoder import options, runs
from adversarial_autoencoder.runs import tensorboard
from experiments import label_regularized_aae

import pytest


def model_of(script, results, *words):
    words = [f"--results_dir={results}", "--learning_rate=0.0003", *words]
    flags = options.parse(["script", *words], "", script.DEFAULTS, script.define_flags)
    model = object.__new__(script.AdversarialAutoencoder)
    object.__setattr__(model, "flags", flags)
    return model


@pytest.fixture
def make(tmp_path):
    def run_of(script=part3_style_content, second="05", *words):
        model = model_of(script, tmp_path, *words)
        run = runs.Run(tmp_path / "Supervised" / f"2026-11-24_15.04.{second}.123456_15_X")
        run.tensorboard.mkdir(parents=True)
        return model, run

    return run_of


def names(folder):
    return {path.name for path in folder.iterdir()}


def test_a_run_has_a_short_name_that_leads_to_its_events(make, tmp_path):
    model, run = make()
    folder = tensorboard.link(model, run)
    assert folder == tmp_path / "tensorboard"
    assert names(folder) == {"part3 11-24 15.04 z15 lr3e-4"}
    (run.tensorboard / "events").write_text("here")
    assert (folder / "part3 11-24 15.04 z15 lr3e-4" / "events").read_text() == "here"
    assert tensorboard.link(model, run) == folder and len(names(folder)) == 1  # As with --resume.


def test_a_second_run_in_a_minute_has_its_seconds_in_the_name(make):
    tensorboard.link(*make())
    folder = tensorboard.link(*make(second="09"))
    assert names(folder) == {"part3 11-24 15.04 z15 lr3e-4", "part3 11-24 15.04.09 z15 lr3e-4"}


def test_names_hold_whatever_moves_and_go_with_their_run(make, tmp_path):
    tensorboard.link(*make())
    results = tmp_path.rename(tmp_path.with_name(f"{tmp_path.name}-moved"))
    (name,) = (results / "tensorboard").iterdir()
    assert name.is_dir()
    shutil.rmtree(results / "Supervised")
    results.rename(tmp_path)
    folder = tensorboard.link(*make(second="09"))
    assert names(folder) == {"part3 11-24 15.04 z15 lr3e-4"}


def test_an_experiment_is_called_as_its_file(make):
    model, run = make(label_regularized_aae, "05", "--learning_rate=0.00025")
    assert tensorboard.short_names(model, run)[0].startswith("label_regularized_aae 11-24 15.04 z")
    assert tensorboard.short_names(model, run)[0].endswith("lr2.5e-4")


def test_without_links_the_runs_own_folder_is_named(make, monkeypatch):
    def refuse(*args, **kwargs):
        raise OSError("no links on this file system")

    monkeypatch.setattr(pathlib.Path, "symlink_to", refuse)
    model, run = make()
    assert tensorboard.link(model, run) == run.tensorboard


def test_on_windows_a_junction_stands_in_for_a_link(make, monkeypatch):
    def refuse(*args, **kwargs):
        raise OSError("a required privilege is not held by the client")

    made = []
    junctions = types.SimpleNamespace(CreateJunction=lambda *paths: made.append(paths))
    monkeypatch.setitem(tensorboard.sys.modules, "_winapi", junctions)
    monkeypatch.setattr(tensorboard.sys, "platform", "win32")
    monkeypatch.setattr(pathlib.Path, "symlink_to", refuse)
    model, run = make()
    folder = tensorboard.link(model, run)
    assert made == [(str(run.tensorboard), str(folder / "part3 11-24 15.04 z15 lr3e-4"))]


def test_a_renamed_run_is_found_by_its_own_folder(make, tmp_path):
    model, run = make()
    renamed = runs.Run(run.path.rename(run.path.with_name("best")))
    assert tensorboard.link(model, renamed) == renamed.tensorboard


def test_runs_are_compared_by_flags_that_change_what_is_trained(tmp_path):
    words = ["--train", "--learning_rate_drops=3,4", "--noconditional_discriminator"]
    found = tensorboard.hyperparameters(model_of(part3_style_content, tmp_path, *words))
    assert found["script"] == "part3" and found["z_dim"] == 15
    assert found["learning_rate_drops"] == "3,4" and found["conditional_discriminator"] is False
    assert not {"train", "results_dir", "data_dir", "keep_every", "run"} & found.keys()
    assert all(isinstance(value, bool | int | float | str) for value in found.values())
