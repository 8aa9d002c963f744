"""Images per second of train steps, beside what a reader could run instead.

    python benchmarks/train_step.py

Of parts 3 and 4, both with part 3's sizes and a deterministic code, so that all compute the same,
and of the experiment that disentangles factors, which counts triplets of images.
In one run, in turn, round by round, so that a machine that changes its speed changes it for all:

- this project: the part's step in the loop of `training.py`, float32 and mixed_bfloat16;
- plain TF 2: one `tf.function` a step, each phase by itself, Keras' Adam, a tf.data pipeline with
  shuffle, batch and prefetch; of part 3 also with `jit_compile=True`;
- the 2017 way (part 3): a `compat.v1` graph, three `session.run` a step, NumPy batches;
- the floor (part 3): the matrix products of the step and nothing else, and Adam's passes over the
  weights and nothing else; their sum is what no step can be faster than.

Times are medians over the rounds, ratios are quotients of these. TensorFlow's deterministic kernels
are on for all of them, as they are when this project trains, or with --nodeterministic off for all.
"""

import functools
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

import part3_style_content
import part4_semisupervised
from adversarial_autoencoder import datasets, losses, optimizers, options, randomness
from adversarial_autoencoder.datasets import batches
from adversarial_autoencoder.datasets.labels import labeled_subset
from adversarial_autoencoder.training import loop as training
from experiments import disentangling_factors

import keras
import numpy as np
import tensorflow as tf

INPUT_DIM, N_CLASSES, N_IMAGES = 784, 10, 55_000


def define_flags(flags):
    part4_semisupervised.define_flags(flags)
    options.integer(flags, "n_rounds", 9, "how often each of them is timed")
    options.integer(flags, "n_steps", 100, "steps in a round; of convolutions a quarter of them")
    options.boolean(flags, "deterministic", True, "kernels that repeat themselves bit for bit")


def random_data():
    """Random pixels in MNIST's shape: the time of a dense layer does not depend on them."""
    generator = randomness.numpy_generator(0, "benchmark")
    pixels = generator.integers(0, 256, [N_IMAGES, 28, 28, 1], np.uint8)
    labels = generator.integers(0, N_CLASSES, N_IMAGES, np.int32)
    split = datasets.Split(pixels, labels)
    names = tuple(map(str, range(N_CLASSES)))
    return datasets.Dataset("random", split, split[:0], split[:0], N_CLASSES, names)


def project(part, data, flags, precision):
    """This project's step, in its own loop."""
    keras.mixed_precision.set_global_policy(precision)
    model = part.AdversarialAutoencoder(data, flags)
    own_batches = batches.Batches(data.train, data.n_classes, flags.batch_size, flags.seed)
    no_average = optimizers.ExponentialMovingAverage([], 0.0)
    train_steps = training.step_loop(model, own_batches, no_average)
    order = own_batches.order(0)

    def run(n_steps):
        for first in range(0, n_steps, training.STEPS_PER_CALL):
            last = min(first + training.STEPS_PER_CALL, n_steps)
            train_steps(tf.constant(first, tf.int64), tf.constant(last, tf.int64), order)

    run(1)
    keras.mixed_precision.set_global_policy("float32")
    return run


def plain_part3(data, flags, jit_compile=False):
    """Part 3's step as most TensorFlow 2 tutorials would write it."""
    model = part3_style_content.AdversarialAutoencoder(data, flags)
    encoder, decoder, discriminator = model.encoder, model.decoder, model.discriminator
    encoder_variables = encoder.trainable_variables
    autoencoder_variables = encoder_variables + decoder.trainable_variables
    discriminator_variables = discriminator.trainable_variables
    autoencoder_adam, discriminator_adam, generator_adam = (
        keras.optimizers.Adam(flags.learning_rate, flags.beta1) for _ in range(3)
    )

    @tf.function(jit_compile=jit_compile)
    def train_step(x, y):
        with tf.GradientTape() as tape:
            autoencoder_loss = losses.reconstruction(x, decoder([y, encoder(x)]))
        gradients = tape.gradient(autoencoder_loss, autoencoder_variables)
        autoencoder_adam.apply_gradients(zip(gradients, autoencoder_variables, strict=True))

        z_prior = flags.prior_stddev * tf.random.normal([len(x), flags.z_dim])
        with tf.GradientTape() as tape:
            discriminator_loss = losses.discriminator(
                discriminator([y, z_prior]), discriminator([y, encoder(x)])
            )
        gradients = tape.gradient(discriminator_loss, discriminator_variables)
        discriminator_adam.apply_gradients(zip(gradients, discriminator_variables, strict=True))

        with tf.GradientTape() as tape:
            generator_loss = losses.generator(discriminator([y, encoder(x)]))
        gradients = tape.gradient(generator_loss, encoder_variables)
        generator_adam.apply_gradients(zip(gradients, encoder_variables, strict=True))
        return autoencoder_loss, discriminator_loss, generator_loss

    examples = iter(pipeline(data.train, flags))

    def run(n_steps):
        for _ in range(n_steps):
            train_step(*next(examples))

    run(1)
    return run


def plain_part4(data, flags):
    """Part 4's step written so."""
    model = part4_semisupervised.AdversarialAutoencoder(data, flags)
    encoder, decoder = model.encoder, model.decoder
    discriminator, label_discriminator = model.discriminator, model.label_discriminator
    encoder_variables = encoder.trainable_variables
    autoencoder_variables = encoder_variables + decoder.trainable_variables
    label_variables = model.classifier_variables
    autoencoder_adam, gauss_adam, categorical_adam, generator_adam, classification_adam = (
        keras.optimizers.Adam(flags.learning_rate, flags.beta1) for _ in range(5)
    )

    @tf.function
    def train_step(x, x_labeled, y_labeled):
        with tf.GradientTape() as tape:
            autoencoder_loss = losses.reconstruction(x, decoder(encoder(x)))
        gradients = tape.gradient(autoencoder_loss, autoencoder_variables)
        autoencoder_adam.apply_gradients(zip(gradients, autoencoder_variables, strict=True))

        z_prior = flags.prior_stddev * tf.random.normal([len(x), flags.z_dim])
        with tf.GradientTape() as tape:
            y, z = encoder(x)
            gauss_loss = losses.discriminator(discriminator([y, z_prior]), discriminator([y, z]))
        gradients = tape.gradient(gauss_loss, discriminator.trainable_variables)
        gauss_adam.apply_gradients(zip(gradients, discriminator.trainable_variables, strict=True))

        y_prior = tf.one_hot(tf.random.uniform([len(x)], 0, N_CLASSES, tf.int32), N_CLASSES)
        with tf.GradientTape() as tape:
            y, _ = encoder(x)
            categorical_loss = losses.discriminator(
                label_discriminator(y_prior), label_discriminator(y)
            )
        gradients = tape.gradient(categorical_loss, label_discriminator.trainable_variables)
        categorical_adam.apply_gradients(
            zip(gradients, label_discriminator.trainable_variables, strict=True)
        )

        with tf.GradientTape() as tape:
            y, z = encoder(x)
            generator_loss = losses.generator(discriminator([y, z]))
            generator_loss += losses.generator(label_discriminator(y))
        gradients = tape.gradient(generator_loss, encoder_variables)
        generator_adam.apply_gradients(zip(gradients, encoder_variables, strict=True))

        with tf.GradientTape() as tape:
            classification_loss = losses.classification(y_labeled, model.classifier(x_labeled))
        gradients = tape.gradient(classification_loss, label_variables)
        classification_adam.apply_gradients(zip(gradients, label_variables, strict=True))
        return autoencoder_loss, gauss_loss, categorical_loss, generator_loss, classification_loss

    labeled = labeled_subset(data.train, flags.n_labeled, flags.seed)
    both = tf.data.Dataset.zip((pipeline(data.train, flags), pipeline(labeled, flags)))
    examples = iter(both)

    def run(n_steps):
        for _ in range(n_steps):
            (x, _), (x_labeled, y_labeled) = next(examples)
            train_step(x, x_labeled, y_labeled)

    run(1)
    return run


def plain_disentangling(data, flags):
    """The step that disentangles, written so, as algorithm 1 of Mathieu et al. 2016 has it."""
    model = disentangling_factors.AdversarialAutoencoder(data, flags)
    encoder, decoder, discriminator = model.encoder, model.decoder, model.discriminator
    autoencoder_variables = encoder.trainable_variables + decoder.trainable_variables
    discriminator_variables = discriminator.trainable_variables
    autoencoder_adam, discriminator_adam = (
        keras.optimizers.Adam(flags.learning_rate, flags.beta1) for _ in range(2)
    )

    def encode(x):
        s, mean, stddev = encoder(x, training=True)
        return s, mean, stddev, mean + stddev * tf.random.normal(tf.shape(mean))

    @tf.function
    def train_step(x1, x1_other, x2, y2):
        with tf.GradientTape() as tape:
            s1, mean, stddev, z1 = encode(x1)
            s1_other, _, _, _ = encode(x1_other)
            s2, _, _, _ = encode(x2)
            loss = flags.reconstruction_weight * losses.reconstruction(
                x1, decoder([s1, z1], training=True)
            )
            loss += flags.swap_weight * losses.reconstruction(
                x1, decoder([s1_other, z1], training=True)
            )
            loss += flags.kl_weight / INPUT_DIM * losses.kl_to_standard_normal(mean, stddev)
            logits = discriminator([y2, decoder([s2, z1], training=True)], training=True)
            loss += flags.adversarial_weight * losses.generator(logits)
        gradients = tape.gradient(loss, autoencoder_variables)
        autoencoder_adam.apply_gradients(zip(gradients, autoencoder_variables, strict=True))

        with tf.GradientTape() as tape:
            _, _, _, z1 = encode(x1)
            s2, _, _, _ = encode(x2)
            x12 = decoder([s2, z1], training=True)
            real = discriminator([y2, x2], training=True)
            fake = discriminator([y2, x12], training=True)
            discriminator_loss = losses.discriminator(real, fake, 1 - flags.label_smoothing)
        gradients = tape.gradient(discriminator_loss, discriminator_variables)
        discriminator_adam.apply_gradients(zip(gradients, discriminator_variables, strict=True))
        return loss, discriminator_loss

    # Which images make a triplet does not matter to the time.
    examples = iter(tf.data.Dataset.zip((pipeline(data.train, flags),) * 3))

    def run(n_steps):
        for _ in range(n_steps):
            (x1, _), (x1_other, _), (x2, y2) = next(examples)
            train_step(x1, x1_other, x2, y2)

    run(1)
    return run


def pipeline(split, flags):
    """Batches as most tutorials would make them."""
    x = split.images.reshape(len(split), -1).astype(np.float32) / 255
    examples = tf.data.Dataset.from_tensor_slices((x, keras.utils.to_categorical(split.labels)))
    return examples.shuffle(10_000).repeat().batch(flags.batch_size).prefetch(tf.data.AUTOTUNE)


def graph_of_2017(data, flags):
    """The step as the 2017 program did it: a graph, a session, three runs of it."""
    v1 = tf.compat.v1
    with tf.Graph().as_default():
        v1.set_random_seed(flags.seed)
        x_input = v1.placeholder(tf.float32, [flags.batch_size, INPUT_DIM])
        y_input = v1.placeholder(tf.float32, [flags.batch_size, N_CLASSES])
        prior = v1.placeholder(tf.float32, [flags.batch_size, flags.z_dim])

        def network(inputs, prefix, *sizes):
            for k, n_out in enumerate(sizes):
                with v1.variable_scope(f"{prefix}_{k}", reuse=v1.AUTO_REUSE):
                    kernel = v1.get_variable("kernel", [inputs.shape[1], n_out])
                    bias = v1.get_variable("bias", [n_out], initializer=v1.zeros_initializer())
                inputs = tf.add(tf.matmul(inputs, kernel), bias)
                if k < len(sizes) - 1:
                    inputs = tf.nn.relu(inputs)
            return inputs

        hidden = (flags.n_l1, flags.n_l2)
        z = network(x_input, "e", *hidden, flags.z_dim)
        x_hat = tf.nn.sigmoid(network(tf.concat([y_input, z], 1), "d", *hidden, INPUT_DIM))

        def discriminate(codes):
            conditional = flags.conditional_discriminator
            inputs = tf.concat([y_input, codes], 1) if conditional else codes
            return network(inputs, "c", *hidden, 1)

        logits_of_prior, logits_of_codes = discriminate(prior), discriminate(z)

        def minimize(loss, *prefixes):
            variables = [v for v in v1.trainable_variables() if v.name.startswith(prefixes)]
            adam = v1.train.AdamOptimizer(flags.learning_rate, flags.beta1)
            return adam.minimize(loss, var_list=variables)

        phases = [
            minimize(losses.reconstruction(x_input, x_hat), "e_", "d_"),
            minimize(losses.discriminator(logits_of_prior, logits_of_codes), "c_"),
            minimize(losses.generator(logits_of_codes), "e_"),
        ]
        session = v1.Session()
        session.run(v1.global_variables_initializer())

    x = data.train.images.reshape(N_IMAGES, -1).astype(np.float32) / 255
    y = keras.utils.to_categorical(data.train.labels)
    generator = randomness.numpy_generator(0, "batches of 2017")
    order = generator.permutation(N_IMAGES)

    def run(n_steps):
        for step in range(n_steps):
            first = step * flags.batch_size % (N_IMAGES - flags.batch_size + 1)
            rows = order[first : first + flags.batch_size]
            z_prior = flags.prior_stddev * generator.standard_normal([len(rows), flags.z_dim])
            feed = {x_input: x[rows], y_input: y[rows], prior: z_prior}
            for phase in phases:
                session.run(phase, feed)

    run(1)
    return run


def part3_kernels(flags):
    """Random kernels in the shapes of part 3's encoder, decoder and discriminator."""
    hidden, z_dim = (flags.n_l1, flags.n_l2), flags.z_dim
    n_inputs = z_dim + (N_CLASSES if flags.conditional_discriminator else 0)

    def network(*sizes):
        shapes = zip(sizes, sizes[1:], strict=False)
        return [tf.random.stateless_normal(shape, seed=[0, 0]) for shape in shapes]

    return (
        network(INPUT_DIM, *hidden, z_dim),
        network(N_CLASSES + z_dim, *hidden, INPUT_DIM),
        network(n_inputs, *hidden, 1),
    )


def adam_passes(flags):
    """Adam's passes over the weights of part 3: one for each phase."""
    encoder, decoder, discriminator = (
        [keras.Variable(kernel) for kernel in kernels] for kernels in part3_kernels(flags)
    )
    phases = [
        (optimizers.adam(flags.learning_rate, flags.beta1, variables), variables)
        for variables in (encoder + decoder, discriminator, encoder)
    ]
    gradients = [[1e-3 * variable.value for variable in own] for _, own in phases]

    @tf.function
    def update(n_steps):
        for _ in tf.range(n_steps):
            for (adam, _), own in zip(phases, gradients, strict=True):
                adam.apply(own)

    def run(n_steps):
        update(tf.constant(n_steps))

    run(1)
    return run


def matrix_products(flags):
    """The matrix products of the step: of the values, and of the gradients that are needed."""
    batch = flags.batch_size
    draw = functools.partial(tf.random.stateless_normal, seed=[0, 0])
    encoder, decoder, discriminator = part3_kernels(flags)

    def uses(kernels, rows, weight_gradients=True, input_gradient=False):
        """(kernel, rows, whether its gradient is taken, whether its input's gradient is)."""
        return [
            (kernel, rows, weight_gradients, k > 0 or input_gradient)
            for k, kernel in enumerate(kernels)
        ]

    products = [
        *uses(encoder, batch),
        *uses(decoder, batch, input_gradient=True),
        *uses(discriminator, 2 * batch),
        *uses(discriminator, batch, weight_gradients=False, input_gradient=True),
        *uses(encoder, batch),
    ]
    values = [draw([rows, kernel.shape[0]]) for kernel, rows, _, _ in products]
    gradients = [draw([rows, kernel.shape[1]]) for kernel, rows, _, _ in products]

    @tf.function
    def multiply(n_steps):
        total = 0.0
        for step in tf.range(n_steps):
            # Another factor each step, or the optimizer of graphs would multiply only once.
            factor = 1.0 + 1e-6 * tf.cast(step, tf.float32)
            for (kernel, _, weights, inputs), x, dy in zip(
                products, values, gradients, strict=True
            ):
                x, dy = x * factor, dy * factor
                total += tf.matmul(x, kernel)[0, 0]
                if weights:
                    total += tf.matmul(x, dy, transpose_a=True)[0, 0]
                if inputs:
                    total += tf.matmul(dy, kernel, transpose_b=True)[0, 0]
        return total

    def run(n_steps):
        float(multiply(tf.constant(n_steps)))

    run(1)
    return run


def measure(contenders, n_rounds, n_steps):
    """Seconds a step, name to array [n_rounds]; all of them in turn in each round."""
    seconds = {name: [] for name in contenders}
    for run in contenders.values():
        run(n_steps // 4)
    for _ in range(n_rounds):
        for name, run in contenders.items():
            start = time.perf_counter()
            run(n_steps)
            seconds[name].append((time.perf_counter() - start) / n_steps)
    return {name: np.array(times) for name, times in seconds.items()}


def main(argv):
    # Noise, batch normalization, averages and the like are off for all.
    defaults = part3_style_content.DEFAULTS | {"encoder": "deterministic"}
    flags = options.parse(argv, __doc__, defaults, define_flags)
    if flags.deterministic:
        tf.config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(flags.seed)  # For the others' draws, which have a state.
    data = random_data()
    part3, part4 = part3_style_content, part4_semisupervised
    report(
        "Part 3",
        {
            "this project": project(part3, data, flags, "float32"),
            "plain TF 2": plain_part3(data, flags),
            "plain TF 2, jit_compile": plain_part3(data, flags, jit_compile=True),
            "the 2017 way": graph_of_2017(data, flags),
            "matrix products alone": matrix_products(flags),
            "Adam's passes alone": adam_passes(flags),
            "this project, mixed_bfloat16": project(part3, data, flags, "mixed_bfloat16"),
        },
        flags,
        flags.n_rounds,
        flags.n_steps,
    )
    report(
        "Part 4",
        {
            "this project": project(part4, data, flags, "float32"),
            "plain TF 2": plain_part4(data, flags),
            "this project, mixed_bfloat16": project(part4, data, flags, "mixed_bfloat16"),
        },
        flags,
        flags.n_rounds,
        flags.n_steps,
    )
    script = disentangling_factors
    of_script = options.parse(
        [*argv[:1], "--discriminator_ceiling=2", "--dependence_weight=0"],
        "",
        script.DEFAULTS,
        script.define_flags,
    )
    report(
        "The disentangling experiment",
        {
            "this project": project(script, data, of_script, "float32"),
            "plain TF 2": plain_disentangling(data, of_script),
            "this project, mixed_bfloat16": project(script, data, of_script, "mixed_bfloat16"),
        },
        of_script,
        flags.n_rounds,
        max(flags.n_steps // 4, 1),
    )


def report(part, contenders, flags, n_rounds, n_steps):
    """Measures them and prints the table."""
    batch_size = flags.batch_size
    seconds = measure(contenders, n_rounds, n_steps)
    print(f"{part}'s step, batches of {batch_size}, medians of {n_rounds} rounds:\n")
    print("| | ms a step | images a second | time, in this project's |")
    print("|---|---|---|---|")
    steps = {name: np.median(times) for name, times in seconds.items()}
    if "Adam's passes alone" in steps:
        steps["the floor: products and passes"] = (
            steps["matrix products alone"] + steps["Adam's passes alone"]
        )
    for name, step in steps.items():
        ratio = step / steps["this project"]
        print(f"| {name} | {1000 * step:.1f} | {batch_size / step:,.0f} | {ratio:.2f} |")
    if "plain TF 2" in steps:
        faster = steps["plain TF 2"] / steps["this project, mixed_bfloat16"]
        print(f"\nmixed_bfloat16 is {faster:.2f} times as fast as plain TF 2.\n")


if __name__ == "__main__":
    options.exit_on_user_error(main)
