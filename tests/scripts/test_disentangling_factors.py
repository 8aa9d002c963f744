"""Disentangling: triplets, which update changes what, the two steps, unseen things, the table."""

import dataclasses
import functools
import json
import pathlib
import shutil

from adversarial_autoencoder import datasets, losses, options
from adversarial_autoencoder.datasets import glyphs
from adversarial_autoencoder.measures import classifiers, disentangling, evaluation, probes
from adversarial_autoencoder.system.errors import UserError
from experiments import disentangling_factors as script

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import ROOT, fit_line, let_learn, optimizers_of, start_elsewhere

SMALL = ("--n_filters=2", "--s_dim=3", "--z_dim=4", "--batch_size=10", "--n_epochs=2")
SMALL = (*SMALL, "--learning_rate_drops=")
TWO_STEPS = ("--pretraining_epochs=2", "--n_epochs=3", "--noise_stddev=0.1", "--ema_decay=0.9")
PICTURES = {
    f"{name}.png"
    for name in ("swaps", "interpolation", "neighbours_by_s", "neighbours_by_z", "generated")
}
NETWORKS = {"encoder", "decoder", "discriminator"}


def flags_of(*words):
    words = ["script", *SMALL, *words]
    return options.parse(words, "", script.DEFAULTS, script.define_flags, script.UNUSED)


def build(data, *words):
    return script.AdversarialAutoencoder(data, flags_of(*words))


def fake(labels, shape=(6, 5, 3), test_labels=None, **factors):
    """A data set whose image number k is of brightness k."""

    def split(labels):
        pixels = np.arange(len(labels), dtype=np.uint8).reshape(-1, 1, 1, 1)
        pixels = np.broadcast_to(pixels, [len(labels), *shape]).copy()
        return datasets.Split(pixels, np.asarray(labels, np.int32), dict(factors))

    train, test = split(labels), split(labels if test_labels is None else test_labels)
    n = int(train.labels.max()) + 1
    names = tuple(map(str, range(max(n, int(test.labels.max()) + 1))))
    return datasets.Dataset("fake", train, train[:2], test, n, names)


def step_of(model, step=0, in_graph=False):
    """One step; where it has no conditions, outside of a graph, which takes seconds to trace."""
    n, data = model.flags.batch_size, model.triplets
    x = tf.random.stateless_uniform([n, data.images.shape[1]], [0, 0])
    y = tf.one_hot(np.arange(n) % data.n_classes, data.n_classes)
    train_step = model.train_step if in_graph else model.train_step.python_function
    return train_step(x, y, tf.constant(step, tf.int64))


def kernels(network):
    return [v for v in network.trainable_variables if "kernel" in v.path]


def changed(networks, change):
    """Which of the networks, by name, have all kernels changed; others must have none."""
    before = {name: [np.array(v) for v in kernels(n)] for name, n in networks.items()}
    change()
    found = set()
    for name, network in networks.items():
        differ = [
            (a != np.array(b)).any() for a, b in zip(before[name], kernels(network), strict=True)
        ]
        assert all(differ) or not any(differ), name
        found |= {name} if all(differ) else set()
    return found


@pytest.fixture
def start(npz, tmp_path):
    """Runs the script in this process; returns the newest run's folder."""

    def start_script(*words, dataset=npz):
        common = (f"--dataset={dataset}", f"--results_dir={tmp_path}", *SMALL)
        script.main(["disentangling_factors.py", *common, *words])
        return max((tmp_path / "Disentangling").iterdir())

    return start_script


@pytest.fixture(scope="module")
def trained(npz, tmp_path_factory):
    """The folder of a run in two steps, with noise and an average, trained and measured once."""
    results = tmp_path_factory.mktemp("results")
    words = (f"--dataset={npz}", f"--results_dir={results}", *SMALL, *TWO_STEPS)
    with pytest.MonkeyPatch.context() as patch:
        measure_quickly(patch)
        make_shallow(patch)
        script.main(["disentangling_factors.py", *words, "--train", "--evaluate"])
    (run,) = (results / "Disentangling").iterdir()
    return run


def measure_quickly(patch):
    patch.setattr(evaluation, "N_GENERATED", 60)
    patch.setattr(probes, "_fit", fit_line)
    train = classifiers.train_label_classifier
    patch.setattr(classifiers, "train_label_classifier", lambda data: train(data, n_steps=2))


@pytest.fixture
def one_convolution(monkeypatch):
    """Networks of one convolution in place of three, where their depth is not the thing tested."""
    make_shallow(monkeypatch)


def make_shallow(patch):
    patch.setitem(script.CONVOLUTIONS, "small", script.CONVOLUTIONS["small"][:1])


@pytest.fixture
def unseen_npz(tmp_path_factory):
    """Sorted by identity, as such data come: 0 to 3 for training, 10 and 11 for testing."""
    rng = np.random.default_rng(0)
    arrays = {"factor_names": np.array(["hat", "slant"])}
    for part, values in (("train", range(4)), ("test", (10, 11))):
        labels = np.repeat(values, 20)
        arrays[f"x_{part}"] = rng.integers(0, 255, [len(labels), 8, 8], np.uint8)
        arrays[f"y_{part}"] = labels
        hat = labels % 2
        arrays[f"factors_{part}"] = np.column_stack([hat, rng.random(len(labels))])
    path = tmp_path_factory.mktemp("data") / "unseen.npz"
    np.savez(path, **arrays)
    return str(path)


# Triplets.


def drawn(labels, step, batch_size=50, seed=0):
    data = fake(labels)
    triplets = script.Triplets(data, data.train, batch_size, seed)
    x1, other, x2, y1, y2 = triplets.triplets(tf.constant(step, tf.int64))
    numbers = [np.rint(255 * x.numpy()[:, 0]).astype(int) for x in (x1, other, x2)]
    return *numbers, np.argmax(y1, 1), np.argmax(y2, 1)


def test_the_first_two_of_a_triplet_are_different_images_of_one_identity():
    labels = np.random.default_rng(0).permutation(np.repeat([0, 1, 3], [2, 30, 7]))
    seen = set()
    for step in range(20):
        x1, other, x2, y1, y2 = drawn(labels, step)
        np.testing.assert_array_equal(labels[x1], y1)
        np.testing.assert_array_equal(labels[other], y1)
        np.testing.assert_array_equal(labels[x2], y2)
        assert (x1 != other).all()
        assert (y1 != y2).any()
        seen |= set(zip(x1, other, strict=True))
    # All ordered pairs of the small identities come up.
    assert sum(labels[a] == 0 for a, _ in seen) == 2
    assert sum(labels[a] == 3 for a, _ in seen) == 42


def test_triplets_are_a_function_of_seed_and_step_alone():
    labels = np.arange(60) % 4
    a, b = drawn(labels, 7), drawn(labels, 7)
    for x, again in zip(a, b, strict=True):
        np.testing.assert_array_equal(x, again)
    assert (a[0] != drawn(labels, 8)[0]).any() and (a[0] != drawn(labels, 7, seed=1)[0]).any()


def test_an_identity_with_one_image_is_told_and_so_is_a_lone_identity():
    with pytest.raises(UserError, match="of identity 1 there is one training image only"):
        build(fake([0, 0, 0, 1, 2, 2]))
    with pytest.raises(UserError, match="show one identity only"):
        build(fake([2, 2, 2]))
    with pytest.raises(UserError, match="--batch_size=1: x2 is the x1 of another triplet"):
        build(fake([0, 0, 1, 1]), "--batch_size=1")


# Networks.


@pytest.mark.parametrize("size", script.CONVOLUTIONS)
@pytest.mark.parametrize("shape", [(5, 5, 1), (28, 28, 1), (13, 30, 3), (64, 64, 3)])
def test_images_of_any_size_come_back_in_their_size(shape, size):
    model = build(fake([0, 1, 0, 1], shape), f"--model_size={size}")
    x = tf.random.stateless_uniform([2, int(np.prod(shape))], [0, 0])
    s, mean, stddev = model.encoder(x)
    assert s.shape == (2, 3) and mean.shape == stddev.shape == (2, 4)
    assert (stddev.numpy() > 0).all()
    x_hat = model.decoder([s, mean]).numpy()
    assert x_hat.shape == x.shape and 0 <= x_hat.min() <= x_hat.max() <= 1
    y = tf.one_hot([0, 1], 2)
    assert model.discriminator([y, x]).shape == (2, 1)
    strides = [s for _, _, s in script.CONVOLUTIONS[size]]
    assert np.prod(strides) == 8 and len(strides) == {"small": 3, "big": 6}[size]


@pytest.mark.parametrize("size", script.CONVOLUTIONS)
def test_images_too_small_for_the_strides_are_told(size):
    with pytest.raises(UserError, match="4 x 9, are too small for the strides .* 5 x 5 is"):
        build(fake([0, 1, 0, 1], (4, 9, 1)), f"--model_size={size}")


def test_the_discriminator_adds_a_plane_of_the_identity_at_each_of_three_layers():
    model = build(fake([0, 1, 2, 0, 1, 2], (8, 8, 1)))
    shapes = {v.path: v.shape for v in model.discriminator.trainable_variables}
    for k, side in enumerate((4, 2, 1)):
        assert shapes[f"dc_plane_{k + 1}/kernel"] == (3, side * side)
    x = tf.random.stateless_uniform([3, 64], [0, 0])
    told = [model.discriminator([tf.one_hot([k] * 3, 3), x]).numpy() for k in range(3)]
    assert (told[0] != told[1]).any() and (told[1] != told[2]).any()


def test_the_exported_networks_open_and_fit_together(trained):
    folder, load = trained / "Saved_models", keras.models.load_model
    encoder, decoder = (load(folder / f"{name}.keras") for name in ("encoder", "decoder"))
    s, z, _ = encoder(np.zeros([2, 90], np.float32))
    assert decoder([s, z]).shape == (2, 90)


# The updates.


def test_each_update_changes_its_own_variables_alone(data):
    updates = {
        "autoencoder": {"encoder", "decoder"},
        "discriminator": {"discriminator"},
    }
    model = build(data, "--discriminator_ceiling=2")
    assert optimizers_of(model).keys() == updates.keys()
    networks = {name: getattr(model, name) for name in NETWORKS}
    for moving, moved in updates.items():
        let_learn(model, moving)
        assert changed(networks, lambda: step_of(model)) == moved


@pytest.mark.parametrize("ceiling, learns", [(1e-9, False), (2, True)])
def test_a_discriminator_that_is_too_good_is_held_back(ceiling, learns, data, one_convolution):
    model = build(data, f"--discriminator_ceiling={ceiling}")
    networks = {"discriminator": model.discriminator}
    assert bool(changed(networks, lambda: step_of(model, in_graph=True))) == learns
    assert int(model.discriminator_optimizer.iterations) == learns
    assert int(model.autoencoder_optimizer.iterations) == 1


def test_without_the_adversarial_term_the_discriminator_takes_no_part(data, one_convolution):
    model = build(data, "--adversarial_weight=0")
    assert changed({n: getattr(model, n) for n in NETWORKS}, lambda: step_of(model)) == {
        "encoder",
        "decoder",
    }


WEIGHTS = ("reconstruction", "swap", "adversarial", "sampled", "dependence", "kl", "classification")


@pytest.mark.parametrize("name", WEIGHTS)
def test_each_weight_brings_its_own_loss_to_the_update(name, data, one_convolution):
    """With one weight alone, what learns tells which loss it was."""
    words = [f"--{n}_weight={float(n == name)}" for n in WEIGHTS]
    model = build(data, *words)
    model.discriminator_optimizer.apply = lambda gradients: None
    found, gradients = [], model.autoencoder_optimizer
    gradients.apply = lambda values: found.extend(
        zip([v.path for v in model.autoencoder_variables], values, strict=True)
    )
    model.train_step.python_function(None, None, tf.constant(0, tf.int64))
    reached = {path for path, g in found if g is not None and np.any(g)}
    of_z = ("kl", "dependence")
    assert ("d_output/kernel" in reached) == (name not in (*of_z, "classification"))
    assert ("c_output/kernel" in reached) == (name == "classification")
    assert ("e_specified/kernel" in reached) == (name not in of_z)
    of_s = ("sampled", "classification")
    assert ("e_latent_stddev/kernel" in reached) == (name not in (*of_s, "dependence"))


def test_swapped_images_meet_the_discriminator_with_the_identity_of_their_s(data, one_convolution):
    model, seen = build(data), []
    decoder, discriminator = model.decoder, model.discriminator
    decoded = []

    def decode(codes, **settings):
        decoded.append([c.numpy() for c in codes])
        return decoder(codes, **settings)

    def discriminate(inputs, **settings):
        seen.append([i.numpy() for i in inputs])
        return discriminator(inputs, **settings)

    model.decoder, model.discriminator = decode, discriminate
    step = tf.constant(3, tf.int64)
    triplets = model.triplets.triplets(step)
    _, _, x2, _, y2 = (v.numpy() for v in triplets)
    s_of_both = model.encoder(tf.concat(triplets[:2], 0), training=True)[0].numpy()
    model.train_step.python_function(None, None, step)
    (real_y, real), (fake_y, fake_x), (y, x) = seen
    for identity in (real_y, fake_y, y):
        np.testing.assert_array_equal(identity, y2)
    np.testing.assert_array_equal(real, x2)
    np.testing.assert_array_equal(fake_x, x)
    ((s, z),) = decoded
    n = len(x2)
    np.testing.assert_allclose(s[: 2 * n], s_of_both, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(s[2 * n :], np.roll(s[:n], -1, axis=0))
    np.testing.assert_array_equal(z[:n], z[n : 2 * n])
    np.testing.assert_array_equal(z[:n], z[2 * n :])


def test_both_copies_of_an_image_are_compared_with_it(data, one_convolution):
    """The copy by its own s, and that by the s of another image of its identity."""
    model = build(data)
    n, kind = model.flags.batch_size, model.flags.reconstruction_loss
    x1, *_ = model.triplets.triplets(tf.constant(3, tf.int64))
    offsets = tf.repeat([0.1, 0.2, 0.3], n)[:, tf.newaxis]
    decoder = model.decoder
    model.decoder = lambda codes, **settings: (
        0 * decoder(codes, **settings) + tf.tile(x1, [3, 1]) + offsets
    )
    told = model.disentangle(tf.constant(3, tf.int64))
    for name, offset in (("Autoencoder Loss", 0.1), ("Swap Loss", 0.2)):
        wanted = losses.reconstruction(x1, x1 + offset, kind)
        assert float(told[name]) == pytest.approx(float(wanted), rel=1e-4)


def test_the_divergence_weighs_more_in_the_first_epochs_of_disentangling(data, one_convolution):
    words = ("--kl_weight=3", "--kl_start=20", "--kl_epochs=2", "--n_epochs=4")
    model = build(data, *words, "--pretraining_epochs=1")  # Epochs of 11 steps.
    weights = [float(model.kl_weight(tf.constant(step, tf.int64))) for step in (11, 22, 33, 40)]
    np.testing.assert_allclose(weights, [63, 33, 3, 3])


def test_turned_characters_swap_codes_and_leave_the_rest_as_it_is(one_convolution, monkeypatch):
    monkeypatch.setattr(glyphs, "N_TURNED", 1000)
    data = datasets.load("glyphs", n_images=200)
    model, plain = (build(data, "--kl_epochs=4", *words) for words in (["--turned"], []))
    assert len(model.triplets.labels) == 1000 and model.triplets.n_classes == 80
    assert len(plain.triplets.labels) == 200 and plain.triplets.n_classes == 10
    step = tf.constant(7, tf.int64)
    assert float(model.kl_weight(step)) == float(plain.kl_weight(step))  # Epochs are the data's.
    assert np.isfinite(float(step_of(model)["Swap Loss"]))


def test_rates_drop_at_an_epoch_of_the_run_whatever_an_update_left_out(data, one_convolution):
    words = ("--learning_rate_drops=2", "--discriminator_ceiling=1e-9", "--discriminator_rate=2")
    model = build(data, *words, "--n_epochs=3")  # Epochs of 11 steps.
    names = ("autoencoder_optimizer", "discriminator_optimizer")
    for step, rates in ((21, [1e-3, 2e-3]), (22, [1e-4, 2e-4])):
        model.step.assign(step)
        step_of(model, step)
        found = [float(getattr(model, name).learning_rate) for name in names]
        np.testing.assert_allclose(found, rates, rtol=1e-5)


def test_two_steps_teach_s_first_and_then_freeze_it(data, one_convolution):
    model = build(data, "--pretraining_epochs=1")  # 11 steps.
    networks = {name: getattr(model, name) for name in NETWORKS - {"encoder"}}
    networks |= {"specified": model.specified, "classifier": model.classifier}

    def encoder_of_z():
        return [np.array(v) for v in model.autoencoder_variables if v.path.startswith("e_")]

    before = encoder_of_z()
    step = functools.partial(step_of, model, in_graph=True)
    assert changed(networks, lambda: step(10)) == {"specified", "classifier"}
    assert all((a == b).all() for a, b in zip(before, encoder_of_z(), strict=True))

    weights = model.specified.get_weights()  # With the statistics of normalization.
    assert changed(networks, lambda: step(11)) == {"decoder", "discriminator"}
    assert all((a == b).all() for a, b in zip(weights, model.specified.get_weights(), strict=True))
    assert any((a != b).any() for a, b in zip(before, encoder_of_z(), strict=True))
    x = tf.random.stateless_uniform([4, 90], [0, 0])
    np.testing.assert_array_equal(model.encoder(x)[0], model.specified(x))


def test_a_loss_that_is_added_is_among_those_of_the_step(data, one_convolution):
    added = {"Swap Loss": tf.constant(1.0), "Loss of One's Own": tf.constant(2.0)}
    assert build(data).all_losses(added) == added
    found = build(data, "--pretraining_epochs=1").all_losses(added)
    assert found == {**dict.fromkeys(found, tf.constant(0.0)), **added} and len(found) == 9


def test_the_divergence_is_that_of_gaussians():
    mean, stddev = tf.constant([[0.0, 1.0]]), tf.constant([[1.0, 0.5]])
    wanted = 0.5 * (1 + 0.25 - 1 - np.log(0.25))
    assert float(losses.kl_to_standard_normal(mean, stddev)) == pytest.approx(wanted, rel=1e-5)
    assert np.isfinite(losses.kl_to_standard_normal(mean, tf.zeros_like(stddev)))


def test_codes_depend_on_the_identity_where_one_can_be_told_from_the_other():
    rng = np.random.default_rng(0)
    y, spread = tf.one_hot(np.arange(300) % 3, 3), rng.normal(size=[300, 2])

    def dependence(codes):
        return float(losses.dependence(tf.constant(codes, tf.float32), y))

    of_class = np.arange(300)[:, None] % 3
    apart, wider = spread + 3 * of_class, spread * (1 + 2 * of_class)
    assert abs(dependence(spread)) < 0.01
    assert dependence(apart) > 0.3 and dependence(wider) > 0.03
    assert dependence(1e-3 * apart) == pytest.approx(dependence(apart), abs=1e-2)


def test_a_target_below_one_makes_no_discriminator_too_sure():
    prior = (tf.constant([[v]], tf.float32) for v in (50.0, np.log(19.0)))
    sure, fairly = (losses.discriminator(logits, tf.constant([[-50.0]]), 0.95) for logits in prior)
    assert float(sure) > float(fairly)


# Data.


def test_unseen_identities_are_loaded_only_where_they_are_welcome(unseen_npz):
    with pytest.raises(UserError, match="2 of the test labels' classes, such as 10, are not"):
        datasets.load(unseen_npz)
    data = datasets.load(unseen_npz, by_identity=True)
    assert (data.n_classes, data.class_names) == (4, ("0", "1", "2", "3", "10", "11"))
    np.testing.assert_array_equal(np.unique(data.test.labels), [4, 5])
    np.testing.assert_array_equal(data.test.factors["hat"], data.test.labels - 4)
    # Though the file is sorted, training images show all identities.
    assert np.bincount(data.train.labels).min() > 10
    np.testing.assert_array_equal(data.train.factors["hat"], data.train.labels % 2)


def grouped_npz(path, **arrays):
    """Eleven identities, one after the other, but not in the order of their numbers."""
    labels = np.repeat([7, 3, 9, 1, 0, 2, 4, 5, 6, 8, 10], 10)
    pixels = np.broadcast_to(labels[:, None, None].astype(np.uint8), [110, 6, 6])
    for part in ("train", "test"):
        arrays |= {f"x_{part}": pixels, f"y_{part}": labels}
    np.savez(path, **arrays)
    return str(path)


def test_no_identity_is_lost_to_validation_where_images_come_one_identity_after_the_other(tmp_path):
    data = datasets.load(grouped_npz(tmp_path / "grouped.npz"), by_identity=True)
    assert set(data.train.labels) == set(range(11))
    assert not disentangling.has_unseen_identities(data)


@pytest.mark.parametrize(
    "names, values, told",
    [
        (["hat"], [["red"]] * 110, "factors_train is .*must be finite numbers"),
        (["hat"], [[np.nan]] * 110, "factors_train is .*must be finite numbers"),
        (["identity"], [[1]] * 110, "no factor can be called identity: rename it"),
    ],
)
def test_factors_that_cannot_be_read_are_told_before_training(names, values, told, start, tmp_path):
    factors = {"factors_train": values, "factors_test": values, "factor_names": names}
    path = grouped_npz(tmp_path / "factors.npz", **factors)
    with pytest.raises(UserError, match=told):
        start("--train", dataset=path)
    assert not (tmp_path / "Disentangling").exists()


def test_too_few_test_images_for_the_pictures_are_told_before_training(start, tmp_path):
    pixels, labels = np.zeros([40, 6, 6], np.uint8), np.arange(40) % 2
    path = tmp_path / "few.npz"
    np.savez(path, x_train=pixels, y_train=labels, x_test=pixels[:8], y_test=labels[:8])
    with pytest.raises(UserError, match="has 8 test images, too few"):
        start("--train", dataset=str(path))


def test_classes_that_are_held_out_are_those_and_all_of_those_tested(npz):
    whole, data = datasets.load(npz), datasets.load(npz, by_identity=True, unseen=["0"])
    assert (data.n_classes, data.class_names) == (2, ("1", "2", "0"))
    np.testing.assert_array_equal(np.unique(data.train.labels), [0, 1])
    np.testing.assert_array_equal(data.train.images, whole.train.images[whole.train.labels > 0])
    np.testing.assert_array_equal(data.train.labels, whole.train.labels[whole.train.labels > 0] - 1)
    np.testing.assert_array_equal(data.test.images, whole.test.images[whole.test.labels == 0])
    assert set(data.test.labels) == {2} == set(data.held_out.labels)
    held_out = whole.train.images[whole.train.labels == 0]
    np.testing.assert_array_equal(data.held_out.images, held_out)
    assert whole.held_out is None
    for unseen, told in ((["7"], "no class '7' to hold out"), (["0", "1"], "leave two or more")):
        with pytest.raises(UserError, match=told):
            datasets.load(npz, unseen=unseen)


def test_of_small_norb_the_toy_is_the_identity(monkeypatch, tmp_path, one_convolution):
    tfds = pytest.importorskip("tensorflow_datasets")
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(datasets.tfds, "require_answer", lambda url: None)

    n = 120

    def toys(builder, split, **settings):
        rng = np.random.default_rng(0 if split == "train" else 1)
        among = [4, 6] if split == "train" else [0, 1]  # Other toys of the same categories.
        columns = {
            "image": np.full([n, 96, 96, 1], 7, np.uint8),
            "instance": rng.choice(among, n),
            "label_category": rng.integers(0, 5, n),
            "label_azimuth": rng.integers(0, 18, n),
            "label_elevation": rng.integers(0, 9, n),
            "label_lighting": rng.integers(0, 6, n),
        }
        return tf.data.Dataset.from_tensor_slices(columns)

    with tfds.testing.mock_data(as_dataset_fn=toys):
        data = datasets.load("smallnorb", by_identity=True)
        assert datasets.load("smallnorb").n_classes == 5  # To the parts, categories.
    assert (data.image_shape, data.n_classes, len(data.class_names)) == ((96, 96, 1), 10, 20)
    assert set(data.train.factors) == {"category", "azimuth", "elevation", "lighting"}
    assert data.test.labels.min() == 10
    toys_of = [int(data.class_names[label]) for label in data.test.labels]
    np.testing.assert_array_equal(np.floor_divide(toys_of, 10), data.test.factors["category"])
    model = build(data)
    assert np.isfinite(step_of(model)["Swap Loss"])
    assert model.decode_both(*(model.all_codes(data.test)[c] for c in "sz")).shape == (n, 96 * 96)


# Runs.


@pytest.fixture
def quick_measures(monkeypatch):
    measure_quickly(monkeypatch)


def test_it_trains_and_draws_and_measures(trained):
    run = trained
    assert {path.name for path in (run / "images").iterdir()} == PICTURES
    assert (run / "explorer.html").exists()
    metrics = json.loads((run / "metrics.json").read_text())
    codes, parts = ("z", "z_mean", "s", "pixels"), ("train", "test")
    errors = {f"on_{code}_{part}" for code in codes for part in parts}
    assert metrics.keys() >= {f"identity_error_{name}" for name in errors | {"by_chance"}}
    assert metrics.keys() >= {f"{code}_neighbour_accuracy" for code in codes[:3]}
    assert "neighbour_chance" in metrics
    assert metrics.keys() >= {"content_accuracy", "classifier_accuracy", "reconstruction_mse"}


def test_with_unseen_identities_and_factors_the_table_has_a_row_for_each(
    start, unseen_npz, quick_measures, one_convolution, capsys
):
    run = start("--train", "--n_epochs=1", "--evaluate", dataset=unseen_npz)
    table = capsys.readouterr().out
    assert all(what in table for what in ("identity", "hat", "factors", "on_pixels_test"))
    assert {path.name for path in (run / "images").iterdir()} == PICTURES
    metrics = json.loads((run / "metrics.json").read_text())
    for what in ("identity", "hat", "factors"):
        assert 0 <= metrics[f"{what}_error_on_z_test"] <= 1
    assert metrics["factors_error_on_s_test"] == metrics["hat_error_on_s_test"]
    assert metrics["hat_error_by_chance"] == 0.5
    assert metrics["neighbour_chance"] == pytest.approx(2 * 20 * 19 / (40 * 39))
    assert {"z_style_factor_r2_slant", "s_style_factor_r2_slant"} <= metrics.keys()
    assert "content_accuracy" not in metrics  # No classifier knows them.


def test_letters_can_be_held_out_and_other_settings_train_too(
    start, quick_measures, one_convolution, monkeypatch
):
    monkeypatch.setattr(glyphs, "N_TRAIN", 200)
    monkeypatch.setattr(glyphs, "N_TEST", 80)
    monkeypatch.setattr(glyphs, "MAX_VALIDATION", 20)
    words = ("--pixel_range=-1,1", "--sampled_weight=0.1", "--nobatch_norm")
    words = (*words, "--precision=mixed_bfloat16", "--unseen=3,5")
    run = start("--train", "--n_epochs=1", *words, "--evaluate", dataset="glyphs")
    metrics = json.loads((run / "metrics.json").read_text())
    assert {"z_style_factor_r2_slant", "font_error_on_z_test"} <= metrics.keys()
    assert "--unseen=3,5" in (run / "flags.txt").read_text()


def tensors(run, step):
    reader = tf.train.load_checkpoint(f"{run}/Saved_models/checkpoint-{step:09d}/checkpoint")
    names = set(reader.get_variable_to_shape_map()) - {"_CHECKPOINTABLE_OBJECT_GRAPH"}
    assert len(names) > 20
    return {name: reader.get_tensor(name) for name in names}


def test_a_run_in_two_steps_that_was_stopped_in_the_first_goes_on_to_the_same_weights_and_is_loaded(
    trained, start, one_convolution, tmp_path
):
    run = pathlib.Path(shutil.copytree(trained, tmp_path / "Disentangling" / trained.name))
    for step in (22, 33):
        shutil.rmtree(run / "Saved_models" / f"checkpoint-{step:09d}")
    assert start("--train", "--resume", "--n_epochs=3") == run
    again, expected = tensors(run, 33), tensors(trained, 33)
    assert again.keys() == expected.keys()
    for name in again:
        np.testing.assert_array_equal(again[name], expected[name], err_msg=name)
    for path in (run / "images").iterdir():
        path.unlink()
    assert start("--n_epochs=3") == run
    assert {path.name for path in (run / "images").iterdir()} == PICTURES


def test_large_networks_train_too(data):
    model = build(data, "--model_size=big", "--discriminator_ceiling=2")
    networks = {name: getattr(model, name) for name in NETWORKS}
    assert changed(networks, lambda: step_of(model)) == NETWORKS


RECIPES = sorted((ROOT / "recipes" / "disentangling_factors").glob("*.txt"))
WITHOUT_ADVERSARY = ("letters", "mnist", "no_adversary")


@pytest.mark.parametrize("recipe", RECIPES)
def test_recipes_are_understood(recipe):
    flags = flags_of(f"--flagfile={recipe}")
    assert (flags.adversarial_weight == 0) == (recipe.stem in WITHOUT_ADVERSARY)
    assert (flags.pretraining_epochs > 0) == ("two_step" in recipe.name)


# The pictures' ingredients.


def test_pictures_show_one_of_each_identity_drawn_from_all_of_its_images(data):
    model = build(data)
    order = np.argsort(data.test.labels, kind="stable")  # As a file may have them.
    data = dataclasses.replace(data, test=data.test[order])
    firsts = np.searchsorted(data.test.labels, np.unique(data.test.labels))
    shown = []
    model.swaps = lambda data, s, z, x: shown.append(x)
    model.interpolation = lambda *codes: None
    model.pictures(data)
    assert len(np.unique(shown[0].reshape(len(shown[0]), -1), axis=0)) == len(shown[0])
    drawn = shown[0][: len(firsts)]
    assert [row.tobytes() for row in drawn] != [data.test.images[k].tobytes() for k in firsts]


def test_z_is_drawn_around_its_mean_and_always_the_same(data, one_convolution):
    model = build(data)
    codes, x = model.all_codes(data.test), data.test.images.reshape(30, 90) / np.float32(255)
    s, mean, stddev = model.encoder(x)
    np.testing.assert_allclose(codes["s"], s, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(codes["z_mean"], mean, rtol=1e-5, atol=1e-6)
    noise = (codes["z"] - mean) / stddev
    assert abs(np.mean(noise)) < 0.2 and 0.8 < np.std(noise) < 1.2
    np.testing.assert_array_equal(codes["z"], model.all_codes(data.test)["z"])


def test_swaps_take_s_from_the_top_and_z_from_the_left(data, one_convolution):
    model, decoded = build(data), []
    model.decoder = lambda codes: decoded.append(codes) or tf.zeros([len(codes[0]), 90])
    codes = np.arange(3, dtype=np.float32)[:, None]
    x = data.test.images[:3]
    picture = model.swaps(data, codes, 10 * codes, x)
    ((s, z),) = decoded
    np.testing.assert_array_equal(s[:, 0], [0, 1, 2] * 3)
    np.testing.assert_array_equal(z[:, 0], [0, 0, 0, 10, 10, 10, 20, 20, 20])
    assert picture.shape == (4 * 8 - 2, 4 * 7 - 2, 3)
    np.testing.assert_array_equal(picture[:6, 7:12], x[0])
    np.testing.assert_array_equal(picture[8:14, :5], x[0])


def test_an_interpolation_begins_and_ends_with_its_images(data, one_convolution):
    model, decoded = build(data), []
    model.decoder = lambda codes: decoded.append(codes) or tf.zeros([len(codes[0]), 90])
    codes, x = np.array([[0.0], [7.0]], np.float32), data.test.images[:2]
    picture = model.interpolation(data, codes, codes, x)
    ((s, z),) = decoded
    np.testing.assert_allclose(s[:8, 0], range(8), rtol=1e-6)
    np.testing.assert_allclose(z[::8, 0], range(8), rtol=1e-6)
    np.testing.assert_array_equal(picture[:6, :5], x[0])
    np.testing.assert_array_equal(picture[-6:, -5:], x[1])


@pytest.mark.parametrize(
    "words, told",
    [
        (["--model_size=huge"], "model_size"),
        (["--swap_weight=-1"], "swap_weight"),
        (["--discriminator_ceiling=0"], "--discriminator_ceiling=0: 0.0 is not a number in"),
        (["--label_smoothing=1"], "--label_smoothing=1: 1.0 is not a number in"),
        (["--pretraining_epochs=2"], "leaves none of --n_epochs=2 for the second step"),
        (["--pretraining_epochs=1", "--classification_weight=1"], "omit one"),
        (["--pretraining_epochs=1", "--turned"], "upright letters alone: omit it or --turned"),
        (["--turned"], "--turned draws glyphs"),
        (["--unseen=7"], "no class '7' to hold out"),
        (["--unseen=0,1"], "leave two or more to train on"),
        (["--visualize"], "--visualize has no effect in this script"),
        (["--n_l1=7"], "--n_l1 has no effect in this script"),
    ],
)
def test_bad_input_is_told_and_nothing_is_written(words, told, start, tmp_path):
    with pytest.raises(UserError, match=told):
        start("--train", *words)
    assert not list(tmp_path.iterdir())


def test_started_from_anywhere_it_ends_with_one_line_for_bad_input(tmp_path, monkeypatch, capsys):
    pixels, labels = np.zeros([40, 9, 4], np.uint8), np.arange(40) % 2
    path = tmp_path / "narrow.npz"
    np.savez(path, x_train=pixels, y_train=labels, x_test=pixels, y_test=labels)
    assert start_elsewhere(script, tmp_path, monkeypatch, "--train", f"--dataset={path}") == 1
    told = capsys.readouterr().err
    last = told.splitlines()[-1]
    assert last.startswith("disentangling_factors: ") and "too small for the strides" in last
    assert "Traceback" not in told
