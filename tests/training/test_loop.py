import functools

import part1_autoencoder
import part2_aae
import part3_style_content
import part4_semisupervised
from adversarial_autoencoder import losses, optimizers, options
from adversarial_autoencoder.datasets import batches
from adversarial_autoencoder.training import loop as training
from experiments import classifier, virtual_adversarial

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import SMALL, let_learn, optimizers_of, step_of, variables

MODELS = {
    "part1": (part1_autoencoder.Autoencoder, None),
    "part2": (part2_aae.AdversarialAutoencoder, part2_aae.define_flags),
    "part3": (part3_style_content.AdversarialAutoencoder, part3_style_content.define_flags),
    "part4": (part4_semisupervised.AdversarialAutoencoder, part4_semisupervised.define_flags),
    "vat": (virtual_adversarial.AdversarialAutoencoder, virtual_adversarial.define_flags),
    "classifier": (classifier.Classifier, classifier.define_flags),
}


def build(part, data, *words):
    model_class, define_flags = MODELS[part]
    words = [*SMALL, "--initializer=he", *words]
    flags = options.parse([part, *words], "", {}, define_flags)
    if "n_labeled" in flags and not options.is_given(flags, "n_labeled"):
        flags.n_labeled = 0
    return model_class(data, flags)


def no_average():
    return optimizers.ExponentialMovingAverage([], 0.0)


def weights(of_variables):
    return [np.array(v) for v in of_variables]


def changed(before, now):
    return [bool((a != np.array(b)).any()) for a, b in zip(before, now, strict=True)]


def int64(step):
    return tf.constant(step, tf.int64)


def make_batches(data):
    return batches.Batches(data.train, data.n_classes, batch_size=10, seed=0)


def first_batch(data):
    train_batches = make_batches(data)
    return train_batches.batch(int64(0), train_batches.order(0))


@pytest.fixture(scope="module")
def built(data):
    """A model of a part for several tests."""
    return functools.cache(lambda part: build(part, data))


def state_of(model):
    """Everything that a step changes."""
    slots = [v for optimizer in optimizers_of(model).values() for v in optimizer.variables]
    return [*variables(model), *slots]


def put_back(model, values):
    for variable, value in zip(state_of(model), values, strict=True):
        variable.assign(value)


@pytest.mark.parametrize("part", MODELS)
def test_a_step_changes_every_weight_of_every_network(part, built, data):
    model = built(part)
    let_learn(model, *optimizers_of(model))
    kernels = [v for v in variables(model) if "kernel" in v.path]
    before = weights(kernels)
    step_of(model, *first_batch(data), int64(0))
    assert all(changed(before, kernels))


AAE = {
    "autoencoder": ("encoder", "decoder"),
    "discriminator": ("discriminator",),
    "generator": ("encoder",),
}
SEMI_SUPERVISED = AAE | {
    "label_discriminator": ("label_discriminator",),
    "classifier": ("encoder",),
}


@pytest.mark.parametrize(
    "part, phases, phase",
    [
        *[("part2", AAE, phase) for phase in AAE],
        *[("part3", AAE, phase) for phase in AAE],
        *[("part4", SEMI_SUPERVISED, phase) for phase in SEMI_SUPERVISED],
        *[("vat", SEMI_SUPERVISED, phase) for phase in SEMI_SUPERVISED],
    ],
)
def test_each_phase_changes_its_own_variables_alone(part, phases, phase, built, data):
    model = built(part)
    assert optimizers_of(model).keys() == phases.keys()
    let_learn(model, phase)
    networks = {name for own in phases.values() for name in own}
    kernels = {
        name: [v for v in getattr(model, name).trainable_variables if "kernel" in v.path]
        for name in networks
    }
    if phase == "classifier":  # Which says nothing of the style.
        kernels["encoder"] = [v for v in kernels["encoder"] if "latent" not in v.path]
    before = {name: weights(own_kernels) for name, own_kernels in kernels.items()}
    step_of(model, *first_batch(data), int64(0))
    assert all(all(changed(before[name], kernels[name])) for name in phases[phase])
    others = networks - set(phases[phase])
    assert not any(any(changed(before[name], kernels[name])) for name in others)


def test_part_4_does_not_look_at_the_labels_of_its_unlabelled_images(data):
    model, results = build("part4", data, "--n_labeled=30"), []
    before = weights(state_of(model))
    for shift in (0, 1):
        put_back(model, before)
        x, y = first_batch(data)
        step_of(model, x, tf.roll(y, shift, axis=1), int64(0))
        results.append(weights(variables(model)))
    for a, b in zip(*results, strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_classification_phase_leaves_the_code_alone(built, data):
    model = built("part4")
    let_learn(model, "classifier")
    latent = model.encoder.get_layer("e_latent_variable")
    before = latent.kernel.numpy()
    step_of(model, *first_batch(data), int64(0))
    np.testing.assert_array_equal(latent.kernel, before)


def test_the_discriminator_of_codes_sends_no_gradient_to_the_label(data):
    model = build("part4", data)
    gradients = {}
    model.generator_optimizer.apply = lambda found: gradients.update(
        {v.path: g for v, g in zip(model.encoder_variables, found, strict=True)}
    )
    # Of the label discriminator nothing comes either: its weights are 0.
    for variable in model.label_discriminator.variables:
        variable.assign(tf.zeros_like(variable))
    for phase in ("autoencoder", "discriminator", "label_discriminator", "classifier"):
        getattr(model, f"{phase}_optimizer").apply = lambda found: None
    step_of(model, *first_batch(data), int64(0))
    assert not np.any(gradients["e_label/kernel"])
    assert np.any(gradients["e_latent_variable/kernel"])


def test_part_4_draws_its_labelled_batches_from_the_chosen_training_images_alone(data):
    model = build("part4", data, "--n_labeled=30")
    chosen = {image.tobytes() for image in model.labeled.images.numpy()}
    assert len(chosen) == 30
    known = {image.tobytes() for image in data.train.images.reshape(len(data.train), -1)}
    assert chosen <= known
    seen = set()
    for step in range(40):
        x, _ = model.labeled.draw(int64(step), "labelled batch")
        seen |= {image.tobytes() for image in np.rint(x.numpy() * 255).astype(np.uint8)}
    assert seen == chosen


def test_noise_and_dropout_change_the_step_and_not_the_pictures(data):
    plain, noisy = build("part3", data), build("part3", data, "--noise_stddev=0.3", "--dropout=0.5")
    x, y = first_batch(data)
    np.testing.assert_array_equal(plain.reconstruct(x, y), noisy.reconstruct(x, y))
    a, b = (step_of(model, x, y, int64(0))["Autoencoder Loss"] for model in (plain, noisy))
    assert float(a) != float(b)


@pytest.mark.parametrize("part", ["part1", "part2", "part3", "part4"])
def test_dropout_drops_hidden_units_of_every_network_and_no_output(data, part):
    model = build(part, data, "--dropout=0.5")
    for network in model.networks:
        dropped = [
            layer.name for layer in network.layers if isinstance(layer, keras.layers.Dropout)
        ]
        assert dropped == [
            f"{layer.name}_dropout"
            for layer in network.layers
            if isinstance(layer, keras.layers.Dense) and layer.units == model.flags.n_l1
        ]
        assert len(dropped) == 2


def test_noise_has_the_spread_asked_for_and_depends_on_step_and_purpose(data):
    model = build("part1", data, "--noise_stddev=0.3")
    x = tf.zeros([50, 1000])
    drawn = model.add_noise(x, int64(3))
    assert np.std(drawn) == pytest.approx(0.3, rel=0.02)
    assert np.mean(drawn) == pytest.approx(0, abs=0.01)
    np.testing.assert_array_equal(model.add_noise(x, int64(3)), drawn)
    assert (model.add_noise(x, int64(4)) != drawn).numpy().any()
    assert (model.add_noise(x, int64(3), "another") != drawn).numpy().any()


def test_the_loop_keeps_the_average_up_to_date(data):
    model, train_batches = build("part1", data), make_batches(data)
    average = optimizers.ExponentialMovingAverage([model.encoder, model.decoder], 0.9)
    before = weights(variables(model))
    training.step_loop(model, train_batches, average)(int64(0), int64(5), train_batches.order(0))
    with average.in_place():
        averages = weights(variables(model))
    for first, mean, last in zip(before, averages, weights(variables(model)), strict=True):
        assert np.linalg.norm(mean - last) < np.linalg.norm(first - last)
        assert (mean != last).any()


def plain_step_of_part3(model, x, y, step):
    """As the article writes it: each phase by itself, an encoder pass for each."""
    with tf.GradientTape() as tape:
        autoencoder_loss = losses.reconstruction(x, model.decoder([y, model.encoder(x)]))
    gradients = tape.gradient(autoencoder_loss, model.autoencoder_variables)
    model.autoencoder_optimizer.apply(gradients)

    z_prior = model.sample_prior(len(x), step)
    with tf.GradientTape() as tape:
        logits_of_prior = model.discriminator([y, z_prior])
        logits_of_codes = model.discriminator([y, model.encoder(x)])
        discriminator_loss = losses.discriminator(logits_of_prior, logits_of_codes)
    gradients = tape.gradient(discriminator_loss, model.discriminator_variables)
    model.discriminator_optimizer.apply(gradients)

    with tf.GradientTape() as tape:
        generator_loss = losses.generator(model.discriminator([y, model.encoder(x)]))
    gradients = tape.gradient(generator_loss, model.encoder_variables)
    model.generator_optimizer.apply(gradients)
    return {
        "Autoencoder Loss": autoencoder_loss,
        "Discriminator Loss": discriminator_loss,
        "Generator Loss": generator_loss,
    }


def plain_step_of_part4(model, x, y, step):
    """The same for part 4, both of whose discriminators have an encoder pass of their own."""
    with tf.GradientTape() as tape:
        autoencoder_loss = losses.reconstruction(x, model.decoder(model.encoder(x)))
    gradients = tape.gradient(autoencoder_loss, model.autoencoder_variables)
    model.autoencoder_optimizer.apply(gradients)

    with tf.GradientTape() as tape:
        y, z = model.encoder(x)
        z_prior = model.sample_prior(len(x), step)
        logits = [model.discriminator([y, codes]) for codes in (z_prior, z)]
        discriminator_loss = losses.discriminator(*logits)
    gradients = tape.gradient(discriminator_loss, model.discriminator_variables)
    model.discriminator_optimizer.apply(gradients)

    with tf.GradientTape() as tape:
        y, _ = model.encoder(x)
        y_prior = model.sample_label_prior(len(x), step)
        categorical_loss = losses.discriminator(*map(model.label_discriminator, (y_prior, y)))
    gradients = tape.gradient(categorical_loss, model.label_discriminator_variables)
    model.label_discriminator_optimizer.apply(gradients)

    with tf.GradientTape() as tape:
        y, z = model.encoder(x)
        generator_loss = losses.generator(model.discriminator([tf.stop_gradient(y), z]))
        generator_loss += losses.generator(model.label_discriminator(y))
    gradients = tape.gradient(generator_loss, model.encoder_variables)
    model.generator_optimizer.apply(gradients)

    x, y = model.labeled.draw(step, "labelled batch")
    with tf.GradientTape() as tape:
        classification_loss = losses.classification(y, model.classifier(x))
    gradients = tape.gradient(classification_loss, model.classifier_variables)
    model.classifier_optimizer.apply(gradients)
    return {
        "Autoencoder Loss": autoencoder_loss,
        "Discriminator gauss Loss": discriminator_loss,
        "Discriminator categorical Loss": categorical_loss,
        "Generator Loss": generator_loss,
        "Supervised Encoder Loss": classification_loss,
    }


@pytest.mark.parametrize(
    "part, plain_step, phases",
    [("part3", plain_step_of_part3, AAE), ("part4", plain_step_of_part4, SEMI_SUPERVISED)],
)
def test_the_fast_loop_equals_the_plain_one(part, plain_step, phases, data):
    fast, plain = build(part, data), build(part, data)
    for name in phases:
        keras_adam = tf.keras.optimizers.Adam(0.001, beta_1=0.9, epsilon=1e-8)
        keras_adam.build(getattr(plain, f"{name.replace('generator', 'encoder')}_variables"))
        setattr(plain, f"{name}_optimizer", keras_adam)
    train_batches = make_batches(data)
    order = train_batches.order(0)

    fast_losses, _ = training.step_loop(fast, train_batches, no_average())(
        int64(0), int64(8), order
    )
    for step in map(int64, range(8)):
        plain_losses = plain_step(plain, *train_batches.batch(step, order), step)

    for name, loss in plain_losses.items():
        assert float(fast_losses[name]) == pytest.approx(float(loss), abs=1e-5)
    for a, b in zip(variables(fast), variables(plain), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-5)


def test_steps_do_not_depend_on_how_many_are_done_in_a_call(data):
    model, train_batches = build("part2", data), make_batches(data)
    steps = training.step_loop(model, train_batches, no_average())
    before = weights(state_of(model))

    def train(*calls):
        put_back(model, before)
        for first, last in zip(calls, calls[1:], strict=False):
            steps(int64(first), int64(last), train_batches.order(0))
        return weights(variables(model))

    for a, b in zip(train(0, 6), train(0, 1, 4, 6), strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_first_step_with_a_loss_that_is_not_finite_is_named(data):
    model = build("part1", data)

    class Breaking(tf.Module):
        step, networks = model.step, model.networks

        @tf.function
        def train_step(self, x, y, step):
            losses = model.train_step(x, y, step)
            return {k: tf.where(step >= 3, float("nan"), v) for k, v in losses.items()}

    train_batches = make_batches(data)
    steps = training.step_loop(Breaking(), train_batches, no_average())
    assert int(steps(int64(0), int64(3), train_batches.order(0))[1]) == -1
    assert int(steps(int64(2), int64(6), train_batches.order(0))[1]) == 3


@pytest.mark.parametrize("part", ["part2", "part3", "part4"])
def test_each_phase_has_the_rate_that_is_asked_for(part, data):
    words = ["--learning_rate=0.01", "--discriminator_rate=2", "--generator_rate=3"]
    expected = {"autoencoder": 0.01, "discriminator": 0.02, "generator": 0.03}
    if part == "part4":
        words += ["--classification_rate=5"]
        expected |= {"label_discriminator": 0.01, "classifier": 0.05}
    model = build(part, data, *words)
    rates = {name: getattr(model, f"{name}_optimizer").learning_rate for name in expected}
    assert {k: float(rate) for k, rate in rates.items()} == pytest.approx(expected)


def test_the_rate_falls_at_the_start_of_the_named_epochs(data):
    model = build("part1", data, "--learning_rate_drops=1,3")
    optimizer = model.adam(model.autoencoder_variables, rate_factor=3)
    found = []
    for step in (0, 10, 11, 32, 33):  # An epoch has 11 steps.
        model.step.assign(step)
        found.append(float(optimizer.learning_rate))
    assert found == pytest.approx([3e-3, 3e-3, 3e-4, 3e-4, 3e-5])
    # One optimizer may fall less, or not at all.
    model.step.assign(33)
    rates = [model.adam(model.autoencoder_variables, drop=d).learning_rate for d in (0.5, 1)]
    assert [float(rate) for rate in rates] == pytest.approx([2.5e-4, 1e-3])


def test_the_loop_sets_the_models_step(data):
    model, train_batches = build("part1", data), make_batches(data)
    steps = training.step_loop(model, train_batches, no_average())
    steps(int64(3), int64(7), train_batches.order(0))
    assert int(model.step) == 6


def test_the_classification_phase_may_take_part_in_every_third_step_only(data):
    model = build("vat", data, "--classification_every=3")
    for phase in SEMI_SUPERVISED.keys() - {"classifier"}:
        getattr(model, f"{phase}_optimizer").apply = lambda gradients: None
    label = [v for v in variables(model) if v.path == "e_label/kernel"]
    moved = []
    for step in range(6):
        before = weights(label)
        loss = model.train_step(*first_batch(data), int64(step))["Supervised Encoder Loss"]
        moved.append(changed(before, label)[0])
        assert (float(loss) > 0) == moved[-1]
    assert moved == [False, False, True] * 2


@pytest.mark.parametrize("word, n", [("--novat_on_labeled", 10), ("--vat_on_labeled", 20)])
def test_unlabelled_images_are_perturbed_and_if_asked_labelled_ones(word, n, data, monkeypatch):
    perturbed = []
    monkeypatch.setattr(
        losses, "virtual_adversarial", lambda classify, x, *_: perturbed.append(len(x)) or 0.0
    )
    model = build("vat", data, word)
    step_of(model, *first_batch(data), int64(0))
    assert perturbed == [n]


def test_the_perturbation_takes_part_in_the_classification_loss(data):
    models = [build("vat", data, f"--vat_radius={radius}") for radius in (1e-3, 3)]
    steps = [step_of(model, *first_batch(data), int64(0)) for model in models]
    small, large = (float(step["Supervised Encoder Loss"]) for step in steps)
    assert large > small


@pytest.mark.parametrize("part", ["part3", "part4"])
def test_a_step_of_mixed_precision_gives_losses_in_float32(part, data):
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    model = build(part, data, "--batch_norm")
    losses = step_of(model, *first_batch(data), int64(0))
    assert all(loss.dtype == tf.float32 and np.isfinite(loss) for loss in losses.values())
