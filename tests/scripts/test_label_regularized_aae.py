"""Labels in the regularization: who meets which petal, and what is measured of it."""

import dataclasses
import json

from adversarial_autoencoder import datasets, options, pictures, priors
from adversarial_autoencoder.measures import evaluation
from adversarial_autoencoder.system.errors import UserError
from adversarial_autoencoder.training import loop as training
from experiments import label_regularized_aae as script

import numpy as np
import pytest
import tensorflow as tf
from conftest import SMALL, blank_plots, let_learn, optimizers_of, start_elsewhere, step_of

PETALS = priors.make("gaussian_mixture", 2, n_components=3)
PICTURES = {"codes.png", "same_style.png", *(f"manifold_{k}.png" for k in range(3))}


def build(data, *words):
    words = [*SMALL, "--n_labeled=30", *words]
    flags = options.parse(["script", *words], "", script.DEFAULTS, script.define_flags)
    return script.AdversarialAutoencoder(data, flags)


def one_hot(labels):
    """A row of zeros for label 3, as the loop makes it of a hidden label."""
    return tf.one_hot(labels, 3)


def step_seen(model, labels):
    """What the discriminator is shown in the regularization phases of one step, in turn."""
    seen, discriminator = [], model.discriminator
    model.discriminator = lambda inputs, training=None: seen.append(inputs) or discriminator(inputs)
    x = tf.random.stateless_uniform([len(labels), 90], [0, 0])
    step_of(model, x, one_hot(labels), tf.constant(0, tf.int64))
    return [[value.numpy() for value in inputs] for inputs in seen]


def nearest(z, prior="gaussian_mixture"):
    return priors.make(prior, z.shape[1], n_components=3).nearest_component(z).numpy()


@pytest.fixture
def start(npz, tmp_path, monkeypatch):
    """Runs the script in this process, without page and plots; returns the newest run's folder."""
    blank_plots(monkeypatch)

    def start_script(*words):
        common = (f"--dataset={npz}", f"--results_dir={tmp_path}", *SMALL, "--n_labeled=30")
        common = (*common, "--explorer=none")
        script.main(["label_regularized_aae.py", *common, *words])
        return max((tmp_path / "Label_Regularized").iterdir())

    return start_script


@pytest.mark.parametrize("prior", priors.WITH_COMPONENTS)
def test_a_labelled_image_meets_its_own_petal_and_an_unlabelled_one_any(prior, data):
    labels = np.arange(4000) % 4
    (_, z), _ = step_seen(build(data, f"--prior={prior}"), labels)
    petals = nearest(z[:4000], prior)  # The first half; codes follow.
    for k in range(3):
        assert np.mean(petals[labels == k] == k) > 0.98
    np.testing.assert_allclose(np.bincount(petals[labels == 3]) / 1000, 1 / 3, atol=0.05)


def test_the_discriminator_is_told_a_class_more_for_unlabelled_images(data):
    model = build(data)
    (y, _), (y_of_codes, z) = step_seen(model, [0, 1, 2, 3])
    np.testing.assert_array_equal(y, np.tile(np.eye(4), [2, 1]))
    np.testing.assert_array_equal(y_of_codes, np.eye(4))
    told = [model.discriminator([row[None], z[:1]]) for row in np.eye(4, dtype="float32")]
    assert len({logit.numpy().item() for logit in told}) == 4


def test_as_many_labels_as_asked_for_reach_the_train_step(data):
    model = build(data)
    shown = model.training_images(data)
    np.testing.assert_array_equal(shown.images, data.train.images)
    assert np.bincount(shown.labels).tolist() == [10, 10, 10, 80]
    labelled = shown.labels < 3
    np.testing.assert_array_equal(shown.labels[labelled], data.train.labels[labelled])
    with_all = build(data, "--n_labeled=0").training_images(data)
    np.testing.assert_array_equal(with_all.labels, data.train.labels)

    batches = training.Batches(shown, data.n_classes, 110, seed=0)
    _, y = batches.batch(tf.constant(0, tf.int64), batches.order(0))
    assert np.sum(y) == 30


@pytest.mark.parametrize(
    "phase, networks",
    [
        ("autoencoder", {"encoder", "decoder"}),
        ("discriminator", {"discriminator"}),
        ("generator", {"encoder"}),
    ],
)
def test_each_phase_changes_its_own_variables_alone(phase, networks, data):
    model = build(data, "--learning_rate_drops=")
    assert optimizers_of(model).keys() == {"autoencoder", "discriminator", "generator"}
    let_learn(model, phase)
    kernels = {
        name: [v for v in getattr(model, name).trainable_variables if "kernel" in v.path]
        for name in ("encoder", "decoder", "discriminator")
    }
    before = {name: [np.array(v) for v in own] for name, own in kernels.items()}
    x = tf.random.stateless_uniform([8, 90], [0, 0])
    step_of(model, x, one_hot(np.arange(8) % 4), tf.constant(0, tf.int64))
    for name, own in kernels.items():
        changed = [(a != np.array(b)).any() for a, b in zip(before[name], own, strict=True)]
        assert all(changed) if name in networks else not any(changed)


def test_it_trains_and_draws_and_measures_and_loads_its_run_again(start, monkeypatch):
    monkeypatch.setattr(evaluation, "N_GENERATED", 60)
    run = start("--train", "--evaluate")
    assert {path.name for path in (run / "images").iterdir()} == PICTURES
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics.keys() >= {
        "reconstruction_mse",
        "code_ks",
        "petal_accuracy",
        "petal_accuracy_standard_error",
        "petal_accuracy_of_prior",
        "petal_mean_error",
        "petal_along_error",
        "petal_across_error",
    }
    for path in (run / "images").iterdir():
        path.unlink()
    assert start() == run
    assert {path.name for path in (run / "images").iterdir()} == PICTURES


def test_a_swiss_roll_in_more_dimensions_has_its_losses_and_pictures_too(data):
    model = build(data, "--prior=swiss_roll", "--z_dim=4")
    x, y = data.test_inputs()
    losses = step_of(model, x, y, tf.constant(0, tf.int64))
    assert len(losses) == 3 and all(np.isfinite(loss) for loss in losses.values())
    drawn = {f"{name}.png" for name in pictures.usual(model, data, at_end=True)}
    assert drawn == PICTURES - {"codes.png"}


def test_started_from_anywhere_it_ends_with_one_line_for_bad_input(tmp_path, monkeypatch, capsys):
    assert start_elsewhere(script, tmp_path, monkeypatch, "--prior=uniform") == 2
    told = capsys.readouterr().err
    assert told.splitlines()[-1].startswith("label_regularized_aae: --prior=uniform has no")
    assert "Traceback" not in told


@pytest.mark.parametrize(
    "words, told",
    [
        (["--prior=gaussian"], "--prior=gaussian .*: choose gaussian_mixture or swiss_roll"),
        (["--prior=uniform"], "has no component for each class"),
        (["--z_dim=3"], "z_dim 3 is odd: choose 4"),
        (["--prior_stddev=1"], "--prior_stddev has no effect in this script: omit it"),
        (["--n_labeled=330"], "only 110 labelled"),
        (["--n_labeled=31"], "divided evenly among 3 classes"),
        (["--n_labeled=-3"], "n_labeled"),
    ],
)
def test_bad_input_is_told_and_nothing_is_written(words, told, start, tmp_path):
    with pytest.raises(UserError, match=told):
        start("--train", *words)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("prior", priors.WITH_COMPONENTS)
@pytest.mark.parametrize("z_dim", [2, 4])
def test_pictures_walk_on_each_class_own_petal(prior, z_dim, data):
    model = build(data, f"--prior={prior}", f"--z_dim={z_dim}")
    decoded = []
    model.decoder = lambda z: decoded.append(z.numpy()) or tf.zeros([len(z), data.input_dim])
    pictures = model.pictures(data)
    assert pictures["manifold_2"].shape == (20 * 8 - 2, 20 * 7 - 2, 3)
    assert pictures["same_style"].shape == (14 + 10 * 8 - 2, 3 * 7 - 2, 3)
    for k, z in enumerate(decoded[:3]):
        assert z.shape == (400, z_dim)
        np.testing.assert_array_equal(z[:, :2], z[:, -2:])
        # A stretch's ends are its neighbours' beginnings.
        inner = z.reshape(20, 20, z_dim)[:, 1:-1].reshape(-1, z_dim)
        assert np.mean(nearest(inner, prior) == k) > 0.99
    assert decoded[3].shape == (30, z_dim)


def test_the_picture_of_a_petal_is_as_far_along_and_across_as_the_papers(data):
    model = build(data)
    decoded = []
    model.decoder = lambda z: decoded.append(z.numpy()) or tf.zeros([len(z), data.input_dim])
    model.pictures(data)
    # Petal 0 lies along z[0]; the first row is the uppermost.
    z = decoded[0].reshape(20, 20, 2)
    np.testing.assert_allclose(z[0, 0], [1.4 - 1, 0.2], atol=1e-6)
    np.testing.assert_allclose(z[-1, -1], [1.4 + 1, -0.2], atol=1e-6)
    # The same style: the third place of either walk is the petal's centre, in all columns.
    z = decoded[3].reshape(10, 3, 2)
    centres = model.prior.at(np.arange(3), 0.0, 0.0)
    np.testing.assert_allclose(z[2], centres, atol=1e-6)
    np.testing.assert_allclose(z[7], centres, atol=1e-6)
    np.testing.assert_allclose(z[:5, 0, 0], [0.4, 0.9, 1.4, 1.9, 2.4], atol=1e-6)
    np.testing.assert_allclose(z[5:, 0, 1], [-0.2, -0.1, 0, 0.1, 0.2], atol=1e-6)


def measured(data, change, *words, n=30_000):
    """`measure_petals` of a model whose test codes are change(labels, codes that fit the prior)."""
    labels = np.arange(n, dtype=np.int32) % 3
    model = build(data, *words)
    z = change(labels, model.sample_prior(n, 7, labels).numpy())
    parts = iter(np.split(z, n // 1000))  # In which test images come to be encoded.
    model.encode = lambda x: next(parts)
    test = datasets.Split(np.zeros([n, 1, 1, 1], np.uint8), labels)
    return script.measure_petals(model, dataclasses.replace(data, test=test), None)


def errors(found):
    return [found[f"petal_{name}_error"] for name in ("mean", "along", "across")]


@pytest.mark.parametrize("z_dim", [2, 4])
def test_codes_that_are_the_prior_fit_it(z_dim, data):
    found = measured(data, lambda labels, z: z, f"--z_dim={z_dim}")
    assert found["petal_accuracy"] == pytest.approx(found["petal_accuracy_of_prior"], abs=0.002)
    assert found["petal_accuracy"] > 0.99
    assert max(errors(found)) < 0.03


def test_codes_on_a_petal_that_is_not_their_class_own_lower_the_accuracy_alone(data):
    def swap_a_tenth(labels, z):
        swapped = z.copy()
        swapped[:3000] = np.roll(z[:3000], 1, axis=0)  # Classes come in turn.
        return swapped

    found = measured(data, swap_a_tenth)
    assert found["petal_accuracy"] == pytest.approx(0.9, abs=0.005)
    assert found["petal_accuracy_standard_error"] == pytest.approx(0.0017, abs=0.0001)
    assert max(errors(found)) < 0.03


@pytest.mark.parametrize(
    "moved, along, across, wanted",
    [(0.28, 1, 1, [0.2, 0, 0]), (0, 0.6, 1, [0, 0.4, 0]), (0, 1, 1.5, [0, 0, 0.5])],
)
def test_the_petal_that_fits_worst_is_told(moved, along, across, wanted, data):
    def spoil_petal_2(labels, z):
        draw = np.random.default_rng(0).normal(size=[2, len(labels)])
        along_it, across_it = moved + 0.5 * along * draw[0], 0.5 * across * draw[1]
        spoilt = PETALS.at(labels, along_it, across_it).numpy()
        return np.where((labels == 2)[:, None], spoilt, z)

    # Moved outwards, fewer of its codes are cut off near the origin, which widens what is left.
    assert errors(measured(data, spoil_petal_2)) == pytest.approx(wanted, abs=0.035)


def test_an_empty_petal_is_wholly_off(data):
    found = measured(data, lambda labels, z: PETALS.at(labels % 2, 0.0, 0.0).numpy())
    assert found["petal_accuracy"] == pytest.approx(2 / 3)
    assert errors(found) == [1, 1, 1]


def test_of_a_roll_the_accuracy_alone_is_measured(data):
    found = measured(data, lambda labels, z: z, "--prior=swiss_roll")
    assert found["petal_accuracy"] > 0.99
    assert not any(name.endswith("error") and "standard" not in name for name in found)
