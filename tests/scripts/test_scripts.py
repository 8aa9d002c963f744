"""The scripts run whole, as a user runs them, on a small data set."""

import contextlib
import functools
import io
import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time

import part1_autoencoder
import part2_aae
import part3_style_content
import part4_semisupervised
from adversarial_autoencoder import options
from adversarial_autoencoder.measures import classifiers, evaluation, probes
from adversarial_autoencoder.pictures import of_models as pictures
from adversarial_autoencoder.pictures import png
from adversarial_autoencoder.runs import exports, recorder
from adversarial_autoencoder.runs import run as runs
from adversarial_autoencoder.system import files
from adversarial_autoencoder.system.errors import UserError
from adversarial_autoencoder.training import loop as training
from adversarial_autoencoder.training import stopping
from experiments import (
    classifier,
    clustering,
    dimensionality_reduction,
    label_regularized_aae,
    variational_style,
    virtual_adversarial,
)

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import ROOT, SMALL, blank_plots, fit_line, start_elsewhere
from tensorflow.core.util import event_pb2

SCRIPTS = {
    "Autoencoder": part1_autoencoder,
    "Adversarial_Autoencoder": part2_aae,
    "Supervised": part3_style_content,
    "Semi_Supervised": part4_semisupervised,
    "Virtual_Adversarial": virtual_adversarial,
    "Variational_Style": variational_style,
    "Classifier": classifier,
    "Clustering": clustering,
    "Dimensionality": dimensionality_reduction,
}
WORDS = {
    "Semi_Supervised": ("--n_labeled=30",),
    "Virtual_Adversarial": ("--n_labeled=30",),
    "Classifier": ("--n_labeled=30",),
    "Clustering": ("--n_clusters=5", "--vat_radius=1"),
    "Dimensionality": ("--n_clusters=5",),
}
# Of part 2, in codes of another size.
EVERYTHING = ("--noise_stddev=0.3", "--dropout=0.2", "--ema_decay=0.9", "--batch_norm")
EVERYTHING = (*EVERYTHING, "--encoder=gaussian", "--z_dim=3", "--prior=uniform")
LONG = ("--batch_size=2", "--z_dim=2")  # A run of part 4 for several tests, of 3 epochs.


def start_in(results, npz, name, *words, n_epochs=2):
    """Runs a script in this process; returns the newest run's folder in `results`."""
    common = (f"--dataset={npz}", f"--results_dir={results}", *SMALL, f"--n_epochs={n_epochs}")
    SCRIPTS[name].main([f"{name}.py", *common, *WORDS.get(name, ()), *words])
    return max((results / name).iterdir())


@pytest.fixture
def start(npz, tmp_path):
    """Runs a script in this process, without page and plots; returns the newest run's folder."""

    def start_script(name, *words, n_epochs=2):
        with pytest.MonkeyPatch.context() as patch:
            blank_plots(patch)
            return start_in(tmp_path, npz, name, "--explorer=none", *words, n_epochs=n_epochs)

    return start_script


@pytest.fixture(scope="module")
def train_once(npz, tmp_path_factory):
    """Trains what several tests look at; returns the run's folder, which nobody changes.

    What was printed lies beside the run, in `printed.txt`. With further `words` plots are blank.
    """

    @functools.cache  # It would not know that 2 epochs and the default are the same.
    def train(name, words, n_epochs):
        results, printed = tmp_path_factory.mktemp("trained"), io.StringIO()
        with contextlib.redirect_stdout(printed), pytest.MonkeyPatch.context() as patch:
            if words:
                blank_plots(patch)
            run = start_in(results, npz, name, "--train", *words, n_epochs=n_epochs)
        (results / "printed.txt").write_text(printed.getvalue())
        return run

    return lambda name, *words, n_epochs=2: train(name, words, n_epochs)


@pytest.fixture
def trained(train_once, tmp_path):
    """A copy of a run that was trained once, for `start` to go on with."""

    def copy(name, *words, n_epochs=2):
        run = train_once(name, *words, n_epochs=n_epochs)
        return pathlib.Path(shutil.copytree(run, tmp_path / name / run.name))

    return copy


def events(run):
    for file in sorted((run / "Tensorboard").glob("events*")):
        for record in tf.data.TFRecordDataset(str(file)):
            yield event_pb2.Event.FromString(record.numpy())


def tags(run):
    return {value.tag for event in events(run) for value in event.summary.value}


def tensors(run, step):
    """Everything in a checkpoint, by name."""
    reader = tf.train.load_checkpoint(f"{run}/Saved_models/checkpoint-{step:09d}/checkpoint")
    names = set(reader.get_variable_to_shape_map()) - {"_CHECKPOINTABLE_OBJECT_GRAPH"}
    assert len(names) > 20
    return {name: reader.get_tensor(name) for name in names}


def assert_same_weights(a, b):
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)


STYLES = {"styles_from_prior.png", "styles_from_test.png"}
LABELS = {"confusion_matrix.png", "mistakes.png"}
CLUSTERS = {"clusters.png", "clusters_and_labels.png"}
WHAT_A_SCRIPT_DRAWS_AND_MEASURES = [
    ("Autoencoder", {"at_zero.png", "codes.png", "reconstructions.png"}, {"reconstruction_mse"}),
    (
        "Adversarial_Autoencoder",
        {"codes.png", "manifold.png"},
        {"reconstruction_mse", "code_stddev", "code_ks", "parzen_log_likelihood"},
    ),
    (
        "Supervised",
        STYLES,
        {"reconstruction_mse", "content_accuracy", "z_probe_accuracy", "style_transfer_rows"},
    ),
    (
        "Variational_Style",
        STYLES,
        {"z_probe_accuracy", "z_mean_probe_accuracy", "style_transfer_accuracy"},
    ),
    (
        "Semi_Supervised",
        STYLES | LABELS,
        {"reconstruction_mse", "code_ks", "content_accuracy", "test_error"},
    ),
    pytest.param(
        "Virtual_Adversarial",
        STYLES | LABELS,
        {"reconstruction_mse", "code_ks", "test_error"},
        marks=pytest.mark.slow,
    ),
    ("Classifier", LABELS, {"test_error"}),
    pytest.param(
        "Clustering",
        CLUSTERS,
        {"clustering_error", "clusters_used", "code_ks"},
        marks=pytest.mark.slow,
    ),
    (
        "Dimensionality",
        CLUSTERS | {"codes.png", "manifold.png"},
        {"clustering_error", "nearest_neighbour_error", "head_distance"},
    ),
]


@pytest.fixture(scope="module")
def quick_classifier(data):
    """In place of the judge's, one that has learned next to nothing."""
    return classifiers.train_label_classifier(data, n_steps=2)


@pytest.fixture
def quick_measures(quick_classifier, monkeypatch):
    monkeypatch.setattr(evaluation, "N_GENERATED", 60)
    monkeypatch.setattr(probes, "N_EPOCHS", 1)
    monkeypatch.setattr(
        classifiers, "cached_label_classifier", lambda data, cache_dir: quick_classifier
    )


@pytest.mark.parametrize("name, pictures, measured", WHAT_A_SCRIPT_DRAWS_AND_MEASURES)
def test_a_script_trains_and_draws_and_loads_its_run_again_and_measures_it(
    name, pictures, measured, train_once, trained, start, quick_measures, monkeypatch, capsys
):
    run = train_once(name)
    results = run.parent.parent
    assert {path.name for path in (run / "images").iterdir()} == pictures
    printed = (results / "printed.txt").read_text()
    assert f"Finished: {run}" in printed
    assert f"tensorboard --logdir {results}/tensorboard" in printed
    (link,) = (results / "tensorboard").iterdir()
    assert link.resolve() == (run / "Tensorboard").resolve()
    assert " Loss " in (run / "log" / "log.txt").read_text()

    run = trained(name)
    for path in (run / "images").iterdir():
        path.unlink()
    if name != "Supervised":  # Whose probe is a real one.
        monkeypatch.setattr(probes, "_fit", fit_line)
    assert start(name, "--evaluate") == run
    assert {path.name for path in (run / "images").iterdir()} == pictures
    metrics = json.loads((run / "metrics.json").read_text())
    assert measured <= metrics.keys()
    assert metrics["dataset"].endswith("small.npz")
    assert all(isinstance(v, float) for k, v in metrics.items() if k not in ("dataset", "commit"))
    printed = capsys.readouterr().out
    assert all(key in printed for key in measured)
    assert {f"metrics/{key}" for key in measured} <= tags(run)


def test_codes_of_other_sizes_have_their_pictures_too(train_once):
    run = train_once("Adversarial_Autoencoder", *EVERYTHING)
    assert {path.name for path in (run / "images").iterdir()} == {"manifold.png"}


def test_the_event_file_holds_the_series_tags_the_flags_and_the_pictures(start):
    # The series' discriminator; 110 steps, two points of each curve.
    run = start("Supervised", "--train", "--noconditional_discriminator", "--batch_size=2")
    losses = {"Autoencoder Loss", "Discriminator Loss", "Generator Loss"}
    assert tags(run) == losses | {
        "Encoder Distribution",
        "Real Distribution",
        "Input Images",
        "Generated Images",
        "Flags",
        "_hparams_/session_start_info",
        "Pictures/inputs_and_reconstructions",
        "Pictures/styles_from_prior",
        "Pictures/styles_from_test",
    }
    graphs = [event.graph_def for event in events(run) if event.graph_def]
    assert len(graphs) == 1 and len(graphs[0]) < 3_000_000
    points = [
        (event.step, value.tag)
        for event in events(run)
        for value in event.summary.value
        if value.tag in losses
    ]
    assert sorted(points) == sorted((step, tag) for step in (50, 100) for tag in losses)
    (flags,) = (v for e in events(run) for v in e.summary.value if v.tag == "Flags")
    assert b"--batch_size=2" in flags.tensor.string_val[0]


def test_part_4_has_the_series_tags_and_an_accuracy_for_each_epoch(train_once):
    run = train_once("Semi_Supervised", *LONG, n_epochs=3)
    assert tags(run) >= {
        "Autoencoder Loss",
        "Discriminator gauss Loss",
        "Discriminator categorical Loss",
        "Generator Loss",
        "Supervised Encoder Loss",
        "Encoder Gauss Distribution",
        "Real Gauss Distribution",
        "Encoder Categorical Distribution",
        "Real Categorical Distribution",
        "Input Images",
        "Generated Images",
        "Pictures/confusion_matrix",
        "Pictures/mistakes",
    }
    steps = {"Validation Accuracy": [], "Test Accuracy": []}
    for event in events(run):
        for value in event.summary.value:
            if value.tag in steps:
                steps[value.tag].append(event.step)
    assert steps["Validation Accuracy"] == [55, 110, 165]
    assert len(steps["Test Accuracy"]) == 1
    log = (run / "log" / "log.txt").read_text()
    assert log.count("Validation Accuracy") == 3 and log.count("Test Accuracy") == 1


def test_validation_images_choose_the_epoch_that_is_reported_and_test_images_do_not(
    start, monkeypatch, capsys
):
    accuracies = {10: [0.2, 0.9, 0.4, 0.3, 0.5], 30: [0.8, 0.8]}  # By the number of images.
    asked = []

    def accuracy(model, split):
        asked.append(len(split))
        return accuracies[len(split)].pop(0)

    monkeypatch.setattr(training, "accuracy", accuracy)
    monkeypatch.setattr(recorder, "accuracy", accuracy)
    run = start("Classifier", "--train", n_epochs=5)
    assert asked == [10] * 5 + [30]
    assert "Best epoch on validation images: 2; step 22, Test Accuracy 0.8" in (
        capsys.readouterr().out
    )
    kept = sorted(path.name for path in (run / "Saved_models").glob("checkpoint-*"))
    assert kept == [f"checkpoint-0000000{step}" for step in (22, 33, 44, 55)]
    start("Classifier", n_epochs=5)
    assert "trained for 22 steps" in capsys.readouterr().out
    exported = keras.models.load_model(run / "Saved_models" / "classifier.keras")
    # From epoch 5, and so at its end at once.
    start("Classifier", "--train", "--resume", n_epochs=5)
    assert "at step 55" in capsys.readouterr().out
    again = keras.models.load_model(run / "Saved_models" / "classifier.keras")
    for a, b in zip(exported.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def interrupt(monkeypatch, number=signal.SIGINT):
    """The next training is sent a signal at its first call, after at most ten steps."""
    monkeypatch.setattr(
        training.ProgressBar,
        "update",
        lambda self, *names, **losses: os.kill(os.getpid(), number),
    )


def test_a_run_with_noise_averages_and_statistics_goes_on_to_the_same_weights(
    train_once, start, monkeypatch
):
    unbroken = tensors(train_once("Adversarial_Autoencoder", *EVERYTHING), 22)
    interrupt(monkeypatch)
    with pytest.raises(SystemExit):
        start("Adversarial_Autoencoder", "--train", *EVERYTHING)
    monkeypatch.undo()
    again = start("Adversarial_Autoencoder", "--train", "--resume")
    assert_same_weights(tensors(again, 22), unbroken)


def test_the_averaged_weights_are_those_exported_and_measured(start, train_once):
    run = start("Autoencoder", "--train", "--ema_decay=0.9")
    plain = train_once("Autoencoder")
    average = keras.models.load_model(run / "Saved_models" / "encoder.keras").get_weights()
    last = keras.models.load_model(plain / "Saved_models" / "encoder.keras").get_weights()
    assert any((a != b).any() for a, b in zip(average, last, strict=True))
    # A checkpoint names shared variables by the shortest path, which leads through the average.
    trained = list(tensors(run, 22).values())
    for name, value in tensors(plain, 22).items():
        if not re.search("optimizer|OPTIMIZER|score", name):
            assert any(np.array_equal(value, other) for other in trained), name


def test_a_chosen_epoch_is_loaded_and_one_that_was_not_kept_is_told(start, capsys):
    run = start("Autoencoder", "--train", "--keep_every=2", n_epochs=8)
    kept = sorted(path.name for path in (run / "Saved_models").glob("checkpoint-*"))
    assert kept == [f"checkpoint-{11 * epoch:09d}" for epoch in (2, 4, 6, 7, 8)]
    capsys.readouterr()
    start("Autoencoder", "--epoch=2", "--evaluate", n_epochs=8)
    assert "trained for 22 steps" in capsys.readouterr().out
    # What is told of the run itself stays as it is.
    assert (run / "metrics_epoch_2.json").exists() and not (run / "metrics.json").exists()
    assert (run / "images" / "epoch_2" / "reconstructions.png").exists()
    with pytest.raises(UserError, match="--epoch=3 was not kept .* epochs 2, 4, 6, 7, 8: "):
        start("Autoencoder", "--epoch=3", n_epochs=8)
    with pytest.raises(UserError, match="--epoch loads a run"):
        start("Autoencoder", "--train", "--epoch=2", n_epochs=8)


@pytest.mark.parametrize(
    "name, own, n_epochs, manifolds",
    [
        ("Adversarial_Autoencoder", (), 2, {"manifold.png"}),  # Codes are 2-D anyway.
        ("Supervised", ("--z_dim=2",), 2, {f"manifold_{k}.png" for k in range(3)}),
        ("Semi_Supervised", LONG, 3, {f"manifold_{k}.png" for k in range(3)}),
    ],
)
def test_samples_and_the_manifold_can_be_drawn_alone(
    name, own, n_epochs, manifolds, start, trained
):
    run = trained(name, *own, n_epochs=n_epochs)

    def drawn(*words):
        for path in (run / "images").iterdir():
            path.unlink()
        assert start(name, *own, *words, n_epochs=n_epochs) == run
        return {path.name for path in (run / "images").iterdir()}

    if name == "Adversarial_Autoencoder":
        assert drawn("--generate") == {"samples.png"}
        assert drawn("--visualize") == {"codes.png", "prior.png"} | manifolds
    both = {"samples.png", "codes.png", "prior.png"} | manifolds
    assert drawn("--generate", "--visualize") == both


@pytest.mark.parametrize("words", [(), ("--train", "--resume")])
def test_pictures_are_drawn_once_to_be_stored_and_shown(words, start, trained, monkeypatch):
    trained("Autoencoder")
    draw, drawn, shown = pictures.usual, [], []
    for module in (pictures, recorder.pictures):
        monkeypatch.setattr(
            module, "usual", lambda *args, **more: drawn.append(draw(*args, **more)) or drawn[-1]
        )
    monkeypatch.setattr(png, "show", lambda picture, name: shown.append(picture))
    start("Autoencoder", "--show", *words)
    (found,) = drawn
    assert all(a is b for a, b in zip(shown, found.values(), strict=True))


def test_what_cannot_be_drawn_is_told(start, trained):
    trained("Adversarial_Autoencoder", *EVERYTHING)
    with pytest.raises(UserError, match="2 dimensions, and --z_dim is 3"):
        start("Adversarial_Autoencoder", "--visualize")
    with pytest.raises(UserError, match="a prior, and part 1 has none"):
        start("Autoencoder", "--train", "--generate")
    with pytest.raises(UserError, match="--generate has no effect in this script"):
        start("Classifier", "--train", "--generate")


def test_the_same_seed_makes_the_same_run_and_another_another(start, train_once):
    first = tensors(train_once("Adversarial_Autoencoder"), 22)
    assert_same_weights(first, tensors(start("Adversarial_Autoencoder", "--train"), 22))
    first = tensors(train_once("Adversarial_Autoencoder"), 11)
    other = tensors(start("Adversarial_Autoencoder", "--train", "--seed=1", n_epochs=1), 11)
    assert any((first[name] != other[name]).any() for name in first)


def test_a_run_stopped_by_signals_goes_on_to_the_same_weights(
    train_once, start, monkeypatch, capsys
):
    """In the middle of an epoch, at its end, and in the middle of the last."""
    unbroken, words = tensors(train_once("Supervised"), 22), ()
    for step, number in ((10, signal.SIGINT), (11, signal.SIGTERM), (20, signal.SIGINT)):
        interrupt(monkeypatch, number)
        with pytest.raises(SystemExit) as stop:
            start("Supervised", "--train", *words)
        assert stop.value.code == 128 + number
        printed = capsys.readouterr().out
        assert f"Stopped at step {step} of 22, all saved. To go on:" in printed
        monkeypatch.undo()
        words = ("--resume",)

    run = start("Supervised", "--train", "--resume")
    assert f"--train --resume --run={run}" in printed
    assert f"Going on with {run} at step 20." in capsys.readouterr().out
    assert_same_weights(tensors(run, 22), unbroken)


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="a terminal is not closed so here")
def test_closing_the_terminal_saves_and_a_second_signal_of_it_does_no_harm(
    start, monkeypatch, capsys
):
    def close_terminal(self, *names, **losses):
        os.kill(os.getpid(), signal.SIGHUP)
        os.kill(os.getpid(), signal.SIGHUP)

    monkeypatch.setattr(training.ProgressBar, "update", close_terminal)
    with pytest.raises(SystemExit) as stop:
        start("Autoencoder", "--train")
    assert stop.value.code == 128 + signal.SIGHUP
    assert "Stopped at step 10 of 22, all saved" in capsys.readouterr().out


def test_a_signal_that_comes_while_other_workers_are_asked_for_theirs_is_not_lost(
    start, monkeypatch
):
    asked = []

    def ask(strategy, number):
        asked.append(number)
        if len(asked) == 1:
            os.kill(os.getpid(), signal.SIGTERM)
        return number

    monkeypatch.setattr(training.distribution, "signal_of_any", ask)
    with pytest.raises(SystemExit) as stop:
        start("Autoencoder", "--train")
    assert stop.value.code == 128 + signal.SIGTERM and asked == [0, signal.SIGTERM]


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="there is no nohup here")
def test_under_nohup_closing_the_terminal_changes_nothing():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stopping.Stopping() as signals:
            os.kill(os.getpid(), signal.SIGHUP)
        assert not signals.signal and signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize(
    "number, stop", [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)]
)
def test_a_second_signal_while_the_pictures_are_drawn_tells_how_to_have_them(
    number, stop, start, monkeypatch, capsys, tmp_path
):
    def interrupt(*args):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), number)

    monkeypatch.setattr(recorder.projector, "write", interrupt)
    with pytest.raises(stop):
        start("Autoencoder", "--train", n_epochs=1)
    monkeypatch.undo()
    (run,) = (tmp_path / "Autoencoder").iterdir()
    *_, told, and_saved, command = capsys.readouterr().out.splitlines()
    assert told.startswith("Stopped before the pictures of the end") and "saved" in and_saved
    found = shlex.split(command)
    assert found[0] == "python" and os.path.samefile(found[1], part1_autoencoder.__file__)
    assert found[2:] == ["--train", "--resume", f"--run={run}", f"--results_dir={tmp_path}"]
    start("Autoencoder", "--train", "--resume", n_epochs=1)
    assert (run / "Tensorboard" / "projector_config.pbtxt").exists()


def test_in_a_notebook_it_is_a_call_that_goes_on(monkeypatch):
    monkeypatch.setitem(sys.modules, "ipykernel", None)
    run, flags = runs.Run(pathlib.Path("Results/a b")), options.parse(["script"], "", {})
    told = stopping.command_to_go_on(part1_autoencoder.Autoencoder, run, flags)
    assert told == "train(resume=True, run='Results/a b')"


def test_a_run_is_trained_by_one_process_at_a_time(start, trained):
    run = trained("Autoencoder", n_epochs=1)
    before = tensors(run, 11)
    with runs.Run(run).training():
        with pytest.raises(
            UserError, match=f"is being trained by process {os.getpid()} on .* since"
        ):
            start("Autoencoder", "--train", "--resume", n_epochs=1)
        start("Autoencoder", n_epochs=1)  # It may be looked at meanwhile.
    assert_same_weights(tensors(run, 11), before)


def test_a_run_that_goes_on_where_rounding_is_other_says_so(start, trained, monkeypatch, capsys):
    run = trained("Autoencoder", n_epochs=1)
    start("Autoencoder", "--train", "--resume", n_epochs=1)
    assert "rounding" not in capsys.readouterr().out
    before = training.machine.machine()
    monkeypatch.setattr(training.machine, "machine", lambda *devices: before | {"cpus": 97})
    start("Autoencoder", "--train", "--resume", n_epochs=1)
    lines = [line for line in capsys.readouterr().out.splitlines() if "rounding" in line]
    assert lines == [
        f"Its end will differ by rounding from an unbroken run's: cpus {before['cpus']} → 97."
    ]
    monkeypatch.undo()
    start("Autoencoder", "--train", "--resume", n_epochs=1)
    assert "cpus 97 → " in capsys.readouterr().out  # What the other one did stays in the weights.
    assert [machine["cpus"] for machine in json.loads((run / "machines.json").read_text())] == [
        before["cpus"],
        97,
    ]


def test_what_is_recorded_behind_the_checkpoint_is_there_once_after_a_resume(start, trained):
    run = trained("Semi_Supervised", *LONG, n_epochs=3)
    log, recorded = (run / "log" / "log.txt").read_text(), sorted(curves(run))
    for step in (110, 165):
        shutil.rmtree(run / "Saved_models" / f"checkpoint-{step:09d}")
    start("Semi_Supervised", "--train", "--resume", *LONG, n_epochs=3)
    assert (run / "log" / "log.txt").read_text() == log
    assert sorted(curves(run)) == recorded
    assert len({(tag, step) for tag, step, _ in recorded}) == len(recorded)


def curves(run):
    for event in events(run):
        for value in event.summary.value:
            if value.metadata.plugin_data.plugin_name == "scalars":
                yield value.tag, event.step, tf.make_ndarray(value.tensor).item()


def test_pictures_that_cannot_be_drawn_do_not_cost_the_epoch(start, monkeypatch, tmp_path):
    def disk_full(path, content):
        if path.suffix == ".png":
            raise OSError(28, "No space left on device")
        write(path, content)

    write = runs.write_atomically
    monkeypatch.setattr(runs, "write_atomically", disk_full)
    told = r"manifold.png: the disk is full; the training is safe: make room, then the script with "
    with pytest.raises(UserError, match=told):
        start("Adversarial_Autoencoder", "--train")
    (run,) = (tmp_path / "Adversarial_Autoencoder").iterdir()
    assert runs.Run(run).newest_step() == 11
    with pytest.raises(UserError, match=f"safe: make room, then the script with --run={run} "):
        start("Adversarial_Autoencoder")


@pytest.mark.slow
def test_a_run_of_the_series_size_that_was_stopped_goes_on_to_the_same_weights(
    tmp_path, monkeypatch
):
    """Small layers would not show it if sums were added up in another order."""
    rng = np.random.default_rng(0)
    arrays = {}
    for part, n in (("train", 1200), ("test", 100)):
        arrays[f"x_{part}"] = rng.integers(0, 256, [n, 28, 28]).astype(np.uint8)
        arrays[f"y_{part}"] = np.arange(n) % 10
    np.savez(tmp_path / "noise.npz", **arrays)
    words = ["part3.py", "--train", f"--dataset={tmp_path / 'noise.npz'}", "--n_epochs=3"]
    unbroken = part3_style_content.main([*words, f"--results_dir={tmp_path / 'unbroken'}"])
    words += [f"--results_dir={tmp_path / 'stopped'}"]
    last = unbroken.newest_step()
    for _ in range(last):
        interrupt(monkeypatch)
        try:
            run = part3_style_content.main(words)
            break
        except SystemExit:
            words += ["--resume"] if "--resume" not in words else []
        finally:
            monkeypatch.undo()
    assert_same_weights(tensors(run.path, last), tensors(unbroken.path, last))


def test_a_killed_run_goes_on_to_the_same_weights(start, npz, tmp_path, capsys):
    unbroken = tensors(start("Autoencoder", "--train", n_epochs=15), 165)
    command = [sys.executable, str(ROOT / "part1_autoencoder.py"), "--train", *SMALL]
    command += [f"--dataset={npz}", "--n_epochs=15", f"--results_dir={tmp_path / 'killed'}"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not (found := list((tmp_path / "killed").glob("*/*/Saved_models/checkpoint-00000001*"))):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    process.kill()
    process.wait()

    run = found[0].parent.parent
    assert not (run / "Saved_models" / "checkpoint-000000165").exists()
    capsys.readouterr()
    start("Autoencoder", "--train", "--resume", f"--run={run}", n_epochs=15)
    assert re.search(r"at step [1-9]\d+\.", capsys.readouterr().out)
    assert_same_weights(tensors(run, 165), unbroken)


def test_a_run_that_lost_its_newest_checkpoint_goes_on_from_the_one_before(start, trained, capsys):
    run = trained("Autoencoder")
    unbroken = tensors(run, 22)
    next((run / "Saved_models" / "checkpoint-000000022").glob("*.data*")).write_bytes(b"\0" * 99)
    start("Autoencoder", "--train", "--resume")
    assert "checkpoint-000000022 is damaged" in capsys.readouterr().err
    assert_same_weights(tensors(run, 22), unbroken)


def test_a_finished_run_that_is_resumed_stays_as_it_is(start, trained):
    run = trained("Autoencoder")
    unbroken = tensors(run, 22)
    assert start("Autoencoder", "--train", "--resume") == run
    assert_same_weights(tensors(run, 22), unbroken)


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_the_last_checkpoint(start, tmp_path):
    with pytest.raises(UserError, match=r"step \d+ is not finite .* smaller --learning_rate"):
        start("Supervised", "--train", "--learning_rate=1e6")
    (run,) = (tmp_path / "Supervised").iterdir()
    trained = {name: value for name, value in tensors(run, 0).items() if name[:6] != "score/"}
    assert all(np.isfinite(value).all() for value in trained.values())


def test_a_full_disk_while_saving_keeps_the_last_checkpoint(
    start, train_once, monkeypatch, tmp_path
):
    flush = files.flush_to_disk

    def fill_the_disk(path):
        if path.parent.name.startswith("partial-"):  # A checkpoint's.
            if (path.parent.parent / "checkpoint-000000011").exists():
                raise OSError(28, "No space left on device")
        flush(path)

    monkeypatch.setattr(files, "flush_to_disk", fill_the_disk)
    with pytest.raises(UserError, match="the disk is full; the checkpoint of step 11 is kept"):
        start("Autoencoder", "--train")
    monkeypatch.undo()
    (broken,) = (tmp_path / "Autoencoder").iterdir()
    start("Autoencoder", "--train", "--resume", f"--run={broken}")
    assert_same_weights(tensors(broken, 22), tensors(train_once("Autoencoder"), 22))


@pytest.mark.parametrize(
    "n_labeled, told",
    [(330, "only 110 labelled"), (31, "divided evenly among 3 classes"), (-3, "n_labeled")],
)
def test_labels_that_cannot_be_had_are_told_and_nothing_is_written(
    n_labeled, told, start, tmp_path
):
    with pytest.raises(UserError, match=told):
        start("Semi_Supervised", "--train", f"--n_labeled={n_labeled}")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "words, told",
    [
        (["--train", "--batch_size=111"], "--batch_size=111"),
        (["--train", "--dataset=nowhere.npz"], "nowhere.npz"),
        (["--train", "--n_images=500"], "--n_images=500"),
        (["--train", "--noise_stddev=-0.1"], r"noise_stddev=-0.1: .*in the range \[0, "),
        (["--train", "--dropout=1"], r"dropout=1: .*in the range \[0, 0.99"),
        ([], "there is no run"),
        (["--train", "--resume"], "there is no run"),
    ],
)
def test_bad_input_is_told_and_nothing_is_written(words, told, start, tmp_path):
    with pytest.raises(UserError, match=told):
        start("Supervised", *words)
    assert not list(tmp_path.iterdir())


def test_a_flag_that_contradicts_the_resumed_run_is_told_and_the_run_is_untouched(start, trained):
    run = trained("Autoencoder")
    before = tensors(run, 22)
    with pytest.raises(UserError, match="--z_dim=7 contradicts"):
        start("Autoencoder", "--train", "--resume", "--z_dim=7")
    assert_same_weights(tensors(run, 22), before)


def test_mixed_precision_trains_other_weights_that_are_still_float32(train_once):
    run = train_once("Supervised", "--precision=mixed_bfloat16")
    mixed, full = tensors(run, 22), tensors(train_once("Supervised"), 22)
    floats = [name for name in mixed if mixed[name].dtype.kind == "f"]
    assert floats and all(mixed[name].dtype == np.float32 for name in floats)
    assert any((mixed[name] != full[name]).any() for name in floats)


def test_a_resumed_run_keeps_its_precision(start, trained):
    run = trained("Supervised", "--precision=mixed_bfloat16")
    unbroken = tensors(run, 22)
    shutil.rmtree(run / "Saved_models" / "checkpoint-000000022")
    keras.mixed_precision.set_global_policy("float32")
    start("Supervised", "--train", "--resume")
    assert_same_weights(tensors(run, 22), unbroken)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
def test_a_log_that_cannot_be_written_is_told_in_one_line(start, trained):
    run = trained("Autoencoder")
    shutil.rmtree(run / "Saved_models" / "checkpoint-000000022")
    (run / "log" / "log.txt").unlink()
    (run / "log" / "log.txt").symlink_to("/dev/full")
    # Without its line in the log the epoch is not saved: it is trained again.
    with pytest.raises(UserError, match="the disk is full; the checkpoint of step 11 is kept"):
        start("Autoencoder", "--train", "--resume")


def test_a_script_ends_with_one_line_and_exit_code_1(tmp_path, monkeypatch, capsys):
    words = ("--dataset=no_such.npz", "--train")
    assert start_elsewhere(part1_autoencoder, tmp_path, monkeypatch, *words) == 1
    told = capsys.readouterr().err
    assert told.splitlines()[-1].startswith("part1_autoencoder: no_such.npz does not exist")
    assert "Traceback" not in told


def test_exported_models_open_where_this_package_is_not(start, data, tmp_path):
    run = start("Supervised", "--train", n_epochs=1)
    script, words = label_regularized_aae, (*SMALL, "--n_labeled=30", "--pixel_range=-1,1")
    flags = options.parse(["script", *words], "", script.DEFAULTS, script.define_flags)
    for name, network in script.AdversarialAutoencoder(data, flags).exports().items():
        exports.save(network, tmp_path / f"{name}_tanh.keras")
    program = f"""
import keras, numpy as np
encoder = keras.models.load_model("{run}/Saved_models/encoder.keras")
decoder = keras.models.load_model("{run}/Saved_models/decoder.keras")
z = encoder.predict(np.ones([2, 90], "float32"), verbose=0)
x = decoder.predict([np.eye(3, dtype="float32")[:2], z], verbose=0)
assert z.shape == (2, 15) and x.shape == (2, 90) and 0 <= x.min() and x.max() <= 1
encoder = keras.models.load_model("{tmp_path}/encoder_tanh.keras")
decoder = keras.models.load_model("{tmp_path}/decoder_tanh.keras")
x = decoder.predict(encoder.predict(np.ones([2, 90], "float32"), verbose=0), verbose=0)
assert decoder.get_layer("d_output_float32").activation.__name__ == "tanh"
assert x.shape == (2, 90) and 0 <= x.min() and x.max() <= 1
import sys
assert "adversarial_autoencoder" not in sys.modules
"""
    path = pathlib.Path(run) / "program.py"
    path.write_text(program)
    subprocess.run([sys.executable, str(path)], check=True, cwd=run)


def test_a_script_trains_from_python_and_gives_the_networks(npz, tmp_path):
    run = part3_style_content.train(
        dataset=npz, results_dir=tmp_path, n_epochs=1, n_l1=16, n_l2=16, batch_size=10
    )
    encoder, decoder = run.load()
    z = encoder(np.ones([2, 90], "float32"))
    assert decoder({"y": tf.eye(3)[:2], "z": z}).shape == (2, 90)
    assert run.path.parent.parent == tmp_path
