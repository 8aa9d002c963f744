"""The edits and examples that stand on the pages work as they stand there."""

import importlib.util
import os
import re
import signal
import sys

import part2_aae
import part3_style_content
from adversarial_autoencoder import datasets, optimizers, options, runs
from adversarial_autoencoder.datasets.batches import Batches
from adversarial_autoencoder.runs import exports
from adversarial_autoencoder.training import command, trained_variables
from adversarial_autoencoder.training import loop as training

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import ROOT, SMALL, blank_plots

PAGE = (ROOT / "docs" / "extend.md").read_text()
EDITS = dict(re.findall(r"^## (.*?)\n.*?```diff\n(.*?)```", PAGE, re.DOTALL | re.MULTILINE))
CODE = re.findall(
    r"```python\n(.*?)```", (ROOT / "docs" / "reference" / "checkpoints.md").read_text(), re.DOTALL
)


def edited(source, diff):
    """The source after a diff, whose parts stand in the order of the functions that they name."""
    for where, lines in re.findall(
        r"^@@ (.*?) @@\n(.*?)(?=^@@|\Z)", diff, re.DOTALL | re.MULTILINE
    ):
        old, new = (
            "".join(line[1:] + "\n" for line in lines.splitlines() if line[:1] in kinds)
            for kinds in ((" ", "-"), (" ", "+"))
        )
        assert source.count(old) == 1, old
        assert where in source
        source = source.replace(old, new)
    return source


@pytest.fixture
def load(tmp_path, monkeypatch):
    """A copy of part 2 after an edit, as a module."""

    def load_edited(diff):
        path = tmp_path / "part2_edited.py"
        path.write_text(edited((ROOT / "part2_aae.py").read_text(), diff))
        spec = importlib.util.spec_from_file_location(path.stem, path)
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, path.stem, module)
        spec.loader.exec_module(module)
        return module

    return load_edited


def trained(script, data, n_steps=3):
    """A model after a few steps of the training loop, and the losses of the last one."""
    words = [*SMALL, "--seed=3"]
    flags = options.parse(["script", *words], "", script.DEFAULTS, script.define_flags)
    command.set_up(flags)
    model = script.AdversarialAutoencoder(data, flags)
    trained_variables.check(model)
    before = [v.numpy() for network in model.networks for v in network.trainable_variables]
    batches = Batches(data.train, data.n_classes, flags.batch_size, flags.seed)
    train_steps = training.step_loop(model, batches, optimizers.ExponentialMovingAverage([], 0.0))
    first, last = (tf.constant(step, tf.int64) for step in (0, n_steps))
    losses, not_finite = train_steps(first, last, batches.order(0))
    assert not_finite == -1
    after = [v.numpy() for network in model.networks for v in network.trainable_variables]
    return model, {name: float(loss) for name, loss in losses.items()}, before, after


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_has_fewer_than_20_lines_and_trains_every_layer(name, load, data):
    assert sum(bool(re.match("[+-]\\s*\\S", line)) for line in EDITS[name].splitlines()) < 20
    model, losses, before, after = trained(load(EDITS[name]), data)
    assert all((a != b).any() for a, b in zip(before, after, strict=True) if a.ndim > 1)
    names = {layer.name for network in model.networks for layer in network.layers}
    assert ("e_conv" in names) == ("convolution" in name)
    assert ("Image Discriminator Loss" in losses) == ("second discriminator" in name)
    assert hasattr(model, "gradient_penalty") == ("penalty" in name)


def test_there_are_five_edits():
    assert len(EDITS) == 5


def test_one_optimizer_keeps_its_rate_where_the_others_drop(load, data):
    model = trained(load(EDITS["A schedule for one optimizer"]), data)[0]
    optimizers = (model.discriminator_optimizer, model.generator_optimizer)
    first = [float(optimizer.learning_rate) for optimizer in optimizers]
    model.step.assign(10**6)
    rates = [float(optimizer.learning_rate) for optimizer in optimizers]
    np.testing.assert_allclose(rates, [first[0], 0.01 * first[1]], rtol=1e-5)


def test_early_stopping_ends_in_the_same_epoch_when_the_run_was_stopped_and_resumed(
    load, npz, tmp_path, monkeypatch, capsys
):
    script = load(EDITS["Stop early"])
    # Its error is the same after each epoch, so the first is the best, and five later it stops.
    same = lambda self, x, y: tf.zeros_like(x)  # noqa: E731
    monkeypatch.setattr(script.AdversarialAutoencoder, "reconstruct", same)
    blank_plots(monkeypatch)
    words = ["s", "--train", f"--dataset={npz}", f"--results_dir={tmp_path}", *SMALL]
    words += ["--n_epochs=9", "--explorer=none"]

    def interrupt(bar, n):
        calls.append(n)
        if len(calls) == 5:  # In the third epoch.
            os.kill(os.getpid(), signal.SIGINT)

    calls = []
    with monkeypatch.context() as patch:
        patch.setattr(training.ProgressBar, "update", interrupt)
        with pytest.raises(SystemExit):
            script.main(words)
    logs = []
    for _ in range(2):  # One that has ended stays as it is.
        run = script.main([*words, "--resume"])
        assert run.newest_step() == 6 * 11
        logs.append(run.log.read_text())
    assert logs[0] == logs[1]
    epochs = [line for line in logs[0].splitlines() if "Validation Error" in line]
    assert len(epochs) == 6 and epochs[0].startswith("step 11, ")


UNSEEDED = """@@ def encoder @@
-    hidden = dense(x, flags.n_l1, "e_dense_1", "relu")
+    hidden = keras.layers.Dense(20, name="e_unseeded")(x)
+    hidden = keras.layers.Dropout(0.1, name="e_dropout")(hidden)
+    hidden = dense(hidden, flags.n_l1, "e_dense_1", "relu")
@@ def train_step @@
         x_noisy = self.add_noise(x, step)
+        x_noisy += tf.random.normal(tf.shape(x), stddev=0.1) + tf.random.uniform([])
"""


def test_draws_without_a_seed_work_and_repeat(load, data):
    weights = [trained(load(UNSEEDED), data)[3] for _ in range(2)]
    for a, b in zip(*weights, strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_scripts_own_initial_weights_do_not_depend_on_the_seeds_of_keras(data):
    weights = []
    for seed in (0, 1):
        flags = options.parse(["s", *SMALL], "", part2_aae.DEFAULTS, part2_aae.define_flags)
        keras.utils.set_random_seed(seed)
        model = part2_aae.AdversarialAutoencoder(data, flags)
        weights.append([v.numpy() for network in model.networks for v in network.variables])
    for a, b in zip(*weights, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.fixture
def exported(tmp_path):
    """The folder `Saved_models` of a part 3 that has learned nothing."""
    pixels, labels = np.zeros([30, 28, 28, 1], np.uint8), np.arange(30) % 10
    split = datasets.Split(pixels, labels)
    data = datasets.Dataset("blank", split, split, split, 10, tuple("0123456789"))
    words = ["s", "--n_l1=8", "--n_l2=8", "--batch_size=10"]
    flags = options.parse(words, "", part3_style_content.DEFAULTS, part3_style_content.define_flags)
    run = runs.Run(tmp_path / "run")
    run.checkpoints.mkdir(parents=True)
    run.export(part3_style_content.AdversarialAutoencoder(data, flags).exports())
    return run.checkpoints


def test_the_example_for_the_exported_networks_runs(exported, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    images = np.random.default_rng(0).integers(0, 256, [20, 28, 28], np.uint8)
    np.savez("mnist.npz", x_test=images)
    (code,) = CODE
    names = {}
    exec(code.replace("Results/Supervised/<run>/Saved_models", str(exported)), names)
    assert names["pictures"].shape == (10, 28, 28)
    given = {"y": names["y"], "z": names["z"]}
    np.testing.assert_array_equal(names["decoder"].predict([*given.values()]), names["x_hat"])


def test_an_exported_decoder_refuses_inputs_in_the_wrong_order(exported):
    decoder = keras.models.load_model(exported / "decoder.keras")
    y, z = np.eye(10, dtype=np.float32), np.ones([10, 15], np.float32)
    right = decoder.predict([y, z], verbose=0)
    np.testing.assert_array_equal(decoder.predict({"z": z, "y": y}, verbose=0), right)
    for wrong in ([z, y], {"y": z, "z": y}):
        with pytest.raises((ValueError, tf.errors.InvalidArgumentError)):
            decoder.predict(wrong, verbose=0)
        with pytest.raises((ValueError, tf.errors.InvalidArgumentError)):
            decoder(wrong)


def test_checking_sizes_changes_no_number_and_no_weight(data):
    y, z = keras.Input([3], name="y"), keras.Input([4], name="z")
    hidden = keras.layers.Concatenate()([y, z])
    network = keras.Model([y, z], keras.layers.Dense(5, name="d_output")(hidden), name="decoder")
    checked = exports.check_sizes(network)
    given = [np.eye(3, dtype=np.float32), np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4)]
    np.testing.assert_array_equal(checked(given), network(given))
    assert [v.path for v in checked.variables] == [v.path for v in network.variables]
