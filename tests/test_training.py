import part1_autoencoder
import part2_aae
import part3_style_content
import part4_semisupervised
from adversarial_autoencoder import averaging, losses, options, training
from adversarial_autoencoder.errors import UserError

import numpy as np
import pytest
import tensorflow as tf
from conftest import SMALL, variables

PART_4 = part4_semisupervised.define_flags
MODELS = {
    "part1": (part1_autoencoder.Autoencoder, None),
    "part2": (part2_aae.AdversarialAutoencoder, options.define_regularization),
    "part3": (
        part3_style_content.AdversarialAutoencoder,
        part3_style_content.define_flags,
    ),
    "part4": (
        part4_semisupervised.AdversarialAutoencoder,
        PART_4,
    ),
    "yardstick": (
        part4_semisupervised.Classifier,
        PART_4,
    ),
}


def build(part, data, *words):
    model_class, define_flags = MODELS[part]
    words = [
        *SMALL,
        "--initializer=he",
        *(["--n_labeled=0"] if define_flags is PART_4 else []),
        *words,
    ]
    values = options.parse([part, *words], "", define_flags)
    return model_class(data, values)


def weights(of_variables):
    return [np.array(v) for v in of_variables]


def changed(before, now):
    return [bool((a != np.array(b)).any()) for a, b in zip(before, now, strict=True)]


def int64(step):
    return tf.constant(step, tf.int64)


def make_batches(data):
    return training.Batches(data.train, data.n_classes, batch_size=10, seed=0)


def first_batch(data):
    batches = make_batches(data)
    return batches.batch(int64(0), batches.order(0))


@pytest.mark.parametrize("part", MODELS)
def test_a_step_changes_every_weight_of_every_network(part, data):
    model = build(part, data)
    kernels = [v for v in variables(model) if "kernel" in v.path]
    if part == "yardstick":
        kernels = [v for v in kernels if v.path.startswith(("e_dense", "e_label"))]
    before = weights(kernels)
    model.train_step(*first_batch(data), int64(0))
    assert all(changed(before, kernels))


AAE = {
    "autoencoder": ("encoder", "decoder"),
    "discriminator": ("discriminator",),
    "generator": ("encoder",),
}
SEMI_SUPERVISED = {
    "autoencoder": ("encoder", "decoder"),
    "discriminator_g": ("discriminator_g",),
    "discriminator_c": ("discriminator_c",),
    "generator": ("encoder",),
    "classification": ("encoder",),
}


@pytest.mark.parametrize(
    "part, phases, phase",
    [
        *[("part2", AAE, phase) for phase in AAE],
        *[("part3", AAE, phase) for phase in AAE],
        *[("part4", SEMI_SUPERVISED, phase) for phase in SEMI_SUPERVISED],
    ],
)
def test_each_phase_changes_its_own_variables_alone(part, phases, phase, data):
    model = build(part, data)
    for name in phases.keys() - {phase}:
        getattr(model, f"{name}_optimizer").apply = lambda gradients: None
    networks = {name for own in phases.values() for name in own}
    kernels = {
        name: [v for v in getattr(model, name).trainable_variables if "kernel" in v.path]
        for name in networks
    }
    if phase == "classification":  # Which says nothing of the style.
        kernels["encoder"] = [v for v in kernels["encoder"] if "latent" not in v.path]
    before = {name: weights(own_kernels) for name, own_kernels in kernels.items()}
    model.train_step(*first_batch(data), int64(0))
    assert all(all(changed(before[name], kernels[name])) for name in phases[phase])
    others = networks - set(phases[phase])
    assert not any(any(changed(before[name], kernels[name])) for name in others)


def test_the_classification_phase_leaves_the_code_alone(data):
    model = build("part4", data)
    latent = model.encoder.get_layer("e_latent_variable")
    before = latent.kernel.numpy()
    model.classification_phase(first_batch(data)[0], int64(0))
    np.testing.assert_array_equal(latent.kernel, before)


def test_part_4_does_not_look_at_the_labels_of_its_unlabelled_images(data):
    results = []
    for shift in (0, 1):
        model = build("part4", data, "--n_labeled=30")
        x, y = first_batch(data)
        model.train_step(x, tf.roll(y, shift, axis=1), int64(0))
        results.append(weights(variables(model)))
    for a, b in zip(*results, strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_codes_discriminator_sends_no_gradient_to_the_label(data):
    model = build("part4", data)
    x, _ = first_batch(data)
    with tf.GradientTape() as tape:
        loss = losses.generator(model.discriminate_codes(*model.encode_both(x)))
    heads = [model.encoder.get_layer(f"e_{name}").kernel for name in ("label", "latent_variable")]
    of_label, of_code = tape.gradient(loss, [head.value for head in heads])
    assert of_label is None and np.any(of_code)


def test_smoothness_takes_part_in_the_classification_phase(data):
    x, _ = first_batch(data)
    a, b = (build("part4", data, *words) for words in ((), ("--smoothness=3",)))
    first, second = (model.classification_phase(x, int64(0)) for model in (a, b))
    assert float(second) > float(first)
    assert any(
        (p != q).any() for p, q in zip(weights(variables(a)), weights(variables(b)), strict=True)
    )


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


def test_drawn_batches_keep_images_and_labels_together_and_depend_on_the_step(data):
    batches = make_batches(data)
    x, y = batches.draw(int64(3), "a purpose")
    train = data.train
    label_of = {
        image.tobytes(): label for image, label in zip(train.images, train.labels, strict=True)
    }
    for image, one_hot in zip(np.rint(x.numpy() * 255).astype(np.uint8), y.numpy(), strict=True):
        assert label_of[image.tobytes()] == one_hot.argmax()
    np.testing.assert_array_equal(batches.draw(int64(3), "a purpose")[0], x)
    assert (batches.draw(int64(4), "a purpose")[0] != x).numpy().any()


def test_noise_and_dropout_change_the_step_and_not_the_pictures(data):
    plain, noisy = build("part3", data), build("part3", data, "--noise_stddev=0.3", "--dropout=0.5")
    x, y = first_batch(data)
    np.testing.assert_array_equal(plain.reconstruct(x, y), noisy.reconstruct(x, y))
    a, b = (model.train_step(x, y, int64(0))["Autoencoder Loss"] for model in (plain, noisy))
    assert float(a) != float(b)


def test_noise_has_the_spread_asked_for_and_depends_on_step_and_purpose(data):
    model = build("part1", data, "--noise_stddev=0.3")
    x = tf.zeros([50, 1000])
    drawn = model.add_noise(x, int64(3))
    assert np.std(drawn) == pytest.approx(0.3, rel=0.02)
    assert np.mean(drawn) == pytest.approx(0, abs=0.01)
    np.testing.assert_array_equal(model.add_noise(x, int64(3)), drawn)
    assert (model.add_noise(x, int64(4)) != drawn).numpy().any()
    assert (model.add_noise(x, int64(3), "another") != drawn).numpy().any()


def test_a_phase_may_have_a_rate_of_its_own(data):
    values = options.parse(["part1", "--batch_size=10", "--learning_rate_drops=1"], "")
    rate = training.learning_rate(data, values, factor=3)
    assert [float(rate(step)) for step in (10, 11)] == pytest.approx([3e-3, 3e-4])


def test_the_loop_keeps_the_average_up_to_date(data):
    model, batches = build("part1", data), make_batches(data)
    average = averaging.Average([model.encoder, model.decoder], 0.9)
    before = weights(variables(model))
    training.step_loop(model, batches, average)(int64(0), int64(5), batches.order(0))
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

    def encode():
        logits, z = model.encoder(x)
        return tf.nn.softmax(logits), z

    with tf.GradientTape() as tape:
        autoencoder_loss = losses.reconstruction(x, model.decoder(encode()))
    gradients = tape.gradient(autoencoder_loss, model.autoencoder_variables)
    model.autoencoder_optimizer.apply(gradients)

    with tf.GradientTape() as tape:
        y, z = encode()
        z_prior = model.sample_prior(len(x), step)
        logits = [model.discriminator_g(tf.concat([y, codes], 1)) for codes in (z_prior, z)]
        gauss_loss = losses.discriminator(*logits)
    gradients = tape.gradient(gauss_loss, model.discriminator_g_variables)
    model.discriminator_g_optimizer.apply(gradients)

    with tf.GradientTape() as tape:
        y, _ = encode()
        y_prior = model.sample_label_prior(len(x), step)
        categorical_loss = losses.discriminator(*map(model.discriminator_c, (y_prior, y)))
    gradients = tape.gradient(categorical_loss, model.discriminator_c_variables)
    model.discriminator_c_optimizer.apply(gradients)

    with tf.GradientTape() as tape:
        y, z = encode()
        seen = tf.concat([tf.stop_gradient(y), z], 1)
        generator_loss = losses.generator(model.discriminator_g(seen))
        generator_loss += losses.generator(model.discriminator_c(y))
    gradients = tape.gradient(generator_loss, model.encoder_variables)
    model.generator_optimizer.apply(gradients)

    x, y = model.labeled.draw(step, "labelled batch")
    with tf.GradientTape() as tape:
        classification_loss = losses.classification(y, model.encoder(x)[0])
    gradients = tape.gradient(classification_loss, model.classification_variables)
    model.classification_optimizer.apply(gradients)
    return {
        "Autoencoder Loss": autoencoder_loss,
        "Discriminator gauss Loss": gauss_loss,
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
    batches = make_batches(data)
    order = batches.order(0)

    fast_losses, _ = training.step_loop(fast, batches)(int64(0), int64(8), order)
    for step in map(int64, range(8)):
        plain_losses = plain_step(plain, *batches.batch(step, order), step)

    for name, loss in plain_losses.items():
        assert float(fast_losses[name]) == pytest.approx(float(loss), abs=1e-5)
    for a, b in zip(variables(fast), variables(plain), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-5)


def test_an_epoch_shows_every_image_once_and_the_next_in_another_order(data):
    batches = make_batches(data)

    def epoch(k):
        steps = range(k * batches.per_epoch, (k + 1) * batches.per_epoch)
        x = np.concatenate([batches.batch(int64(s), batches.order(s))[0] for s in steps])
        return np.rint(x * 255).astype(np.uint8)

    first, second = epoch(0), epoch(1)
    everything = data.train.images.reshape(len(data.train), -1)
    np.testing.assert_array_equal(np.unique(first, axis=0), np.unique(everything, axis=0))
    np.testing.assert_array_equal(np.unique(second, axis=0), np.unique(first, axis=0))
    assert (first != second).any()


def test_a_batch_keeps_images_and_labels_together(data):
    x, y = first_batch(data)
    assert x.dtype == y.dtype == tf.float32
    train = data.train
    pictures = {
        image.tobytes(): label for image, label in zip(train.images, train.labels, strict=True)
    }
    for image, one_hot in zip(np.rint(x.numpy() * 255).astype(np.uint8), y.numpy(), strict=True):
        assert one_hot.sum() == 1
        assert pictures[image.tobytes()] == one_hot.argmax()


def test_steps_do_not_depend_on_how_many_are_done_in_a_call(data):
    def train(*calls):
        model = build("part2", data)
        batches = make_batches(data)
        steps = training.step_loop(model, batches)
        for first, last in zip(calls, calls[1:], strict=False):
            steps(int64(first), int64(last), batches.order(0))
        return weights(variables(model))

    for a, b in zip(train(0, 6), train(0, 1, 4, 6), strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_first_step_with_a_loss_that_is_not_finite_is_named(data):
    model = build("part1", data)

    class Breaking(tf.Module):
        @tf.function
        def train_step(self, x, y, step):
            losses = model.train_step(x, y, step)
            return {k: tf.where(step >= 3, float("nan"), v) for k, v in losses.items()}

    batches = make_batches(data)
    steps = training.step_loop(Breaking(), batches)
    assert int(steps(int64(0), int64(3), batches.order(0))[1]) == -1
    assert int(steps(int64(2), int64(6), batches.order(0))[1]) == 3


def test_a_batch_larger_than_the_data_is_an_error(data):
    with pytest.raises(UserError, match="--batch_size=111, but .* 110 training images"):
        training.steps_per_epoch(data, 111)


@pytest.mark.parametrize("part", ["part2", "part3", "part4"])
def test_each_phase_has_the_rate_that_is_asked_for(part, data):
    words = ["--learning_rate=0.01", "--discriminator_rate=2", "--generator_rate=3"]
    expected = {"autoencoder": 0.01, "discriminator": 0.02, "generator": 0.03}
    if part == "part4":
        words += ["--label_discriminator_rate=4", "--classification_rate=5"]
        expected |= {"discriminator_g": 0.02, "discriminator_c": 0.04, "classification": 0.05}
        del expected["discriminator"]
    model = build(part, data, *words)
    rates = {name: getattr(model, f"{name}_optimizer").learning_rate for name in expected}
    assert {k: float(rate) for k, rate in rates.items()} == pytest.approx(expected)


def test_the_classification_phase_may_take_part_in_some_steps_alone(data):
    model = build("yardstick", data, "--classification_every=3", "--learning_rate_drops=1")
    label = [v for v in variables(model) if v.path == "e_label/kernel"]
    moved = []
    for step in range(6):
        before = weights(label)
        loss = model.train_step(*first_batch(data), int64(step))["Supervised Encoder Loss"]
        moved.append(changed(before, label)[0])
        assert (float(loss) > 0) == moved[-1]
    assert moved == [False, False, True] * 2
    # Its rate falls after an epoch of 11 steps, three of them its own.
    rate = model.classification_optimizer._learning_rate
    assert [float(rate(step)) for step in (2, 3)] == pytest.approx([1e-3, 1e-4])


def test_what_part_4s_label_weighs_in_fooling_the_discriminators(data):
    def generator_loss(weight):
        model = build("part4", data, f"--label_weight={weight}")
        return float(model.train_step(*first_batch(data), int64(0))["Generator Loss"])

    zero, one, three = (generator_loss(weight) for weight in (0, 1, 3))
    assert one > zero and three - zero == pytest.approx(3 * (one - zero), rel=1e-4)


def test_the_rate_falls_at_the_start_of_the_named_epochs(data):
    values = options.parse(["part1", "--batch_size=10", "--learning_rate_drops=1,3"], "")
    rate = training.learning_rate(data, values)
    found = [float(rate(step)) for step in (0, 10, 11, 32, 33)]
    assert found == pytest.approx([1e-3, 1e-3, 1e-4, 1e-4, 1e-5])


@pytest.mark.parametrize("word, n", [("--nosmooth_labeled", 10), ("--smooth_labeled", 20)])
def test_labels_are_kept_smooth_at_unlabelled_images_and_if_asked_at_labelled_ones(
    word, n, data, monkeypatch
):
    shifted = []
    monkeypatch.setattr(losses, "smoothness", lambda classify, x, *_: shifted.append(len(x)) or 0.0)
    model = build("part4", data, "--smoothness=1", word)
    model.train_step(*first_batch(data), int64(0))
    assert shifted == [n]
