"""What a script says and writes, from the command line to the pictures."""

import os
import pathlib
import runpy
import shutil
import types

import part1_autoencoder
from adversarial_autoencoder import options, runs
from adversarial_autoencoder.runs import finding
from adversarial_autoencoder.runs import run as run_module
from adversarial_autoencoder.system.errors import UserError
from adversarial_autoencoder.training import stopping

import pytest
from conftest import ROOT, SMALL, blank_plots


@pytest.fixture(scope="module")
def trained(npz, tmp_path_factory):
    """Trains part 1 for an epoch, or loads that run; returns it."""
    results = tmp_path_factory.mktemp("Results")

    def start(*words):
        common = [f"--dataset={npz}", f"--results_dir={results}", *SMALL, "--n_epochs=1"]
        with pytest.MonkeyPatch.context() as patch:
            blank_plots(patch)
            return part1_autoencoder.main(["part1_autoencoder.py", *common, *words])

    start("--train")
    return start


def files_of(run):
    """What lies in a run's folder, and when each file was written."""
    return {path: path.stat().st_mtime_ns for path in run.path.rglob("*") if path.is_file()}


def test_the_screen_names_data_run_and_page(trained, npz, capsys):
    for words in ([], ["--train"]):
        run = trained(*words)
        told = capsys.readouterr().out.splitlines()
        assert told[0] == (
            f"Data: {npz}, 110 training, 10 validation, 30 test images of 6 x 5 x 3, 3 classes"
        )
        assert str(run.path) in told[1]
        assert told[-1] == f"Try it: {run.path}/explorer.html"
    run = trained("--explorer=none", "--train")
    assert "Try it" not in capsys.readouterr().out


def test_a_working_directory_whose_name_has_a_line_end_is_told_and_nothing_is_written(
    npz, tmp_path, monkeypatch, capsys
):
    folder = tmp_path / "a\n\x1b[2Jb"
    folder.mkdir()
    shutil.copy(npz, folder / "own.npz")
    monkeypatch.chdir(folder)
    words = ["--train", "--dataset=own.npz", "--results_dir=Results", *SMALL]
    with pytest.raises(UserError, match="--dataset=.* holds characters that cannot be printed"):
        part1_autoencoder.main(["part1_autoencoder.py", *words])
    assert os.listdir(folder) == ["own.npz"]


def test_loading_a_run_writes_a_damaged_export_anew(trained):
    run = trained()
    (run.checkpoints / "encoder.keras").write_bytes(b"PK")
    told = "encoder.keras cannot be read .*: load the run again .the script without --train., which"
    with pytest.raises(UserError, match=told):
        run.load()
    encoder, _ = trained().load()
    assert encoder.count_params()


@pytest.mark.parametrize("folder_of_results", ["own", "given"])
def test_a_run_that_cannot_be_written_is_drawn_elsewhere(
    folder_of_results, trained, tmp_path, monkeypatch, capsys
):
    run = trained()
    before = files_of(run)
    monkeypatch.setattr(runs.Run, "is_writable", lambda self: False)
    words = [f"--run={run.path}"]
    if folder_of_results == "given":
        words.append(f"--results_dir={tmp_path / 'new'}")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    capsys.readouterr()
    drawn = trained(*words)
    told = capsys.readouterr().out
    folder = drawn.images.parent
    assert f"{run.path} cannot be written: pictures and figures go to {folder}." in told
    assert folder.is_relative_to(tmp_path / "new" if folder_of_results == "given" else tmp_path)
    assert {"codes.png", "reconstructions.png"} <= set(os.listdir(drawn.images))
    assert (folder / "explorer.html").exists() and f"Try it: {folder}/explorer.html" in told
    assert files_of(run) == before


def test_the_command_to_go_on_is_told_where_the_working_directory_is_gone(monkeypatch):
    def gone():
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr(os, "getcwd", gone)
    flags = options.parse(["script"], "", {})
    model_class = part1_autoencoder.Autoencoder
    run = types.SimpleNamespace(path=pathlib.Path("/elsewhere/run"))
    told = stopping.command_to_go_on(model_class, run, flags)
    assert told == f"python {part1_autoencoder.__file__} --train --resume --run=/elsewhere/run"


def test_without_a_run_the_trained_example_is_drawn_and_said_so(
    trained, npz, tmp_path, monkeypatch, capsys
):
    make_pretrained = runpy.run_path(str(ROOT / "docs" / "make_pretrained.py"))
    for place in (make_pretrained["main"].__globals__, vars(run_module), vars(finding)):
        monkeypatch.setitem(place, "PRETRAINED", tmp_path / "pretrained")
    made = trained("--train", "--ema_decay=0.5", "--explorer=int8")
    make_pretrained["main"](str(made.path))
    flags = (tmp_path / "pretrained" / "Autoencoder" / "flags.txt").read_text()
    assert "--data_dir" not in flags
    before = sorted((tmp_path / "pretrained").rglob("*"))
    blank_plots(monkeypatch)
    words = [f"--dataset={npz}", f"--results_dir={tmp_path / 'Results'}"]
    run = part1_autoencoder.main(["part1_autoencoder.py", *words])
    assert "No run yet: this is the trained example" in capsys.readouterr().out
    # Kept as the run's own: the networks are its averages, drawn alike.
    for name in ("reconstructions.png", "at_zero.png"):
        assert (run.images / name).read_bytes() == (made.images / name).read_bytes()
    assert run.images == tmp_path / "Results" / "Autoencoder" / "pretrained" / "images"
    assert run.explorer.is_file()
    assert sorted((tmp_path / "pretrained").rglob("*")) == before
    # Neither to go on with, nor to take an epoch or other settings from.
    for more in (["--train", "--resume"], ["--epoch=1"], ["--n_l1=17"]):
        with pytest.raises(UserError, match="there is no run"):
            part1_autoencoder.main(["part1_autoencoder.py", *words, *more])
