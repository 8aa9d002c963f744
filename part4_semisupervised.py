"""Part 4: classify with 1,000 labels, a semi-supervised adversarial autoencoder.

Part 3, and nobody tells the decoder the label: the encoder gives it, beside the style. A second
discriminator asks that it look like a label, one-hot, each class as often; a last phase teaches the
encoder the few labels that are known. What all other images look like does the rest.

    python part4_semisupervised.py --train    trains, into Results/Semi_Supervised/
    python part4_semisupervised.py            loads the newest run and makes its pictures again
"""

import functools

from adversarial_autoencoder import (
    datasets,
    evaluation,
    images,
    inference,
    layers,
    losses,
    options,
    priors,
    randomness,
    training,
)

import keras
import numpy as np
import tensorflow as tf

DEFAULTS = dict(
    z_dim=10,
    initializer="he",
    batch_norm=True,
    noise_stddev=0.3,
    learning_rate=0.0003,
    beta1=0.5,
    prior_stddev=1.0,
    n_epochs=40,
    learning_rate_drops="25,35",
    averaging=0.999,
    classification_rate=30.0,
    smoothness=2.0,
)


def encoder(dense, data, flags):
    """Images, flat [batch, input_dim] in [0, 1], to labels' logits and codes [batch, z_dim]."""
    x = keras.Input([data.input_dim], name="x")
    hidden = layers.seen_pixels(x, flags.pixel_range)
    hidden = dense(hidden, flags.n_l1, "e_dense_1", "relu")
    hidden = dense(hidden, flags.n_l2, "e_dense_2", "relu")
    y = dense(hidden, data.n_classes, "e_label")
    if flags.batch_norm:  # Logits that cannot run away leave a wrong label a gradient.
        y = keras.layers.BatchNormalization(dtype="float32", name="e_label_batch_norm")(y)
    z = layers.latent_variable(dense, hidden, flags.z_dim, flags.encoder)
    return keras.Model(x, [y, z], name="encoder")


def decoder(dense, data, flags):
    """Labels and codes [batch, z_dim] to images, flat [batch, input_dim] in [0, 1]."""
    y = keras.Input([data.n_classes], name="y")
    z = keras.Input([flags.z_dim], name="z")
    hidden = keras.layers.Concatenate()([y, z])
    hidden = dense(hidden, flags.n_l1, "d_dense_1", "relu")
    hidden = dense(hidden, flags.n_l2, "d_dense_2", "relu")
    x = layers.pixels(dense, hidden, data.input_dim, flags.pixel_range)
    return keras.Model([y, z], x, name="decoder")


def discriminator(dense, n_inputs, flags, prefix):
    """Labels or codes, or their prior's samples [batch, n_inputs] to logits [batch, 1]: which?"""
    inputs = keras.Input([n_inputs], name="inputs")
    hidden = dense(inputs, flags.n_l1, f"{prefix}den1", "relu")
    hidden = dense(hidden, flags.n_l2, f"{prefix}den2", "relu")
    return keras.Model(inputs, dense(hidden, 1, f"{prefix}output"), name=f"{prefix}discriminator")


class AdversarialAutoencoder(training.Model):
    """The networks, an optimizer for each phase, and what is done with them."""

    NAME = "Semi_Supervised"
    MEASURES = (
        evaluation.measure_reconstruction,
        evaluation.measure_codes,
        evaluation.measure_style_and_content,
        evaluation.measure_classification,
    )

    def __init__(self, data, flags):
        super().__init__(data, flags)
        labeled = datasets.labeled_subset(data.train, flags.n_labeled, flags.seed)
        self.labeled = training.Batches(labeled, data.n_classes, flags.batch_size, flags.seed)

        dense = functools.partial(layers.dense, initializer=flags.initializer, seed=flags.seed)
        n_seen = flags.z_dim + data.n_classes * flags.conditional_discriminator
        in_encoder = functools.partial(dense, batch_norm=flags.batch_norm, dropout=flags.dropout)
        self.encoder = encoder(in_encoder, data, flags)
        self.decoder = decoder(dense, data, flags)
        self.discriminator_g = discriminator(dense, n_seen, flags, "dc_g_")
        self.discriminator_c = discriminator(dense, data.n_classes, flags, "dc_c_")

        networks = (
            self.encoder,
            self.decoder,
            self.discriminator_g,
            self.discriminator_c,
        )
        self.autoencoder_variables = layers.variables(networks, "e_", "d_")
        self.discriminator_g_variables = layers.variables(networks, "dc_g_")
        self.discriminator_c_variables = layers.variables(networks, "dc_c_")
        self.encoder_variables = layers.variables(networks, "e_")
        self.classification_variables = layers.variables(networks, "e_dense", "e_label")

        adam = functools.partial(training.adam, data, flags)
        self.autoencoder_optimizer = adam(self.autoencoder_variables)
        self.discriminator_g_optimizer = adam(
            self.discriminator_g_variables, flags.discriminator_rate
        )
        self.discriminator_c_optimizer = adam(
            self.discriminator_c_variables, flags.label_discriminator_rate
        )
        self.generator_optimizer = adam(self.encoder_variables, flags.generator_rate)
        self.classification_optimizer = adam(
            self.classification_variables, flags.classification_rate, flags.classification_every
        )

    @tf.function
    def train_step(self, x, y, step):
        seen = self.add_noise(x, step)

        # Reconstruction phase: encoder and decoder learn to copy x, by the label the encoder gives.
        with tf.GradientTape() as tape:
            x_hat = self.reconstruct(seen, y, training=True)
            autoencoder_loss = losses.reconstruction(x, x_hat, self.flags.reconstruction_loss)
        gradients = tape.gradient(autoencoder_loss, self.autoencoder_variables)
        self.autoencoder_optimizer.apply(gradients)

        # Regularization phase, 1: the discriminators learn to tell prior samples from the
        # encoder's codes, and one-hot labels drawn evenly from the encoder's labels.
        with tf.GradientTape() as generator_tape:
            y, z = self.encode_both(seen, training=True)  # Serves phase 2 as well.
        y_prior, z_prior = self.sample_label_prior(len(x), step), self.sample_prior(len(x), step)
        with tf.GradientTape() as tape:
            logits = self.discriminate_codes(tf.tile(y, [2, 1]), tf.concat([z_prior, z], 0))
            gauss_loss = losses.discriminator(*tf.split(logits, 2))
        gradients = tape.gradient(gauss_loss, self.discriminator_g_variables)
        self.discriminator_g_optimizer.apply(gradients)

        with tf.GradientTape() as tape:
            logits = self.discriminator_c(tf.concat([y_prior, y], 0))
            categorical_loss = losses.discriminator(*tf.split(logits, 2))
        gradients = tape.gradient(categorical_loss, self.discriminator_c_variables)
        self.discriminator_c_optimizer.apply(gradients)

        # Regularization phase, 2: the encoder learns to fool both.
        with generator_tape:
            generator_loss = losses.generator(self.discriminate_codes(y, z))
            generator_loss += self.flags.label_weight * losses.generator(self.discriminator_c(y))
        gradients = generator_tape.gradient(generator_loss, self.encoder_variables)
        self.generator_optimizer.apply(gradients)

        return {
            "Autoencoder Loss": autoencoder_loss,
            "Discriminator gauss Loss": gauss_loss,
            "Discriminator categorical Loss": categorical_loss,
            "Generator Loss": generator_loss,
            "Supervised Encoder Loss": self.classification_loss(x, step),
        }

    def classification_loss(self, x, step):
        """That of the classification phase, where it takes part in the step, else 0."""
        phase = functools.partial(self.classification_phase, x, step)
        every = self.flags.classification_every
        if every == 1:
            return phase()
        return tf.cond(step % every == every - 1, phase, lambda: 0.0)

    def classification_phase(self, x, step):
        """The encoder learns known labels, and (--smoothness) to keep those of x where x shifts."""
        x_labeled, y_labeled = self.labeled.draw(step, "labelled batch")
        with tf.GradientTape() as tape:
            noisy = self.add_noise(x_labeled, step, "noise on labelled batch")
            logits, _ = self.encoder(noisy, training=True)
            loss = losses.classification(y_labeled, logits)
            if self.flags.smoothness:
                seed = randomness.stateless_seed(self.flags.seed, "smoothness", step)
                logits = functools.partial(self.logits, step=step)
                smooth = tf.concat([x, x_labeled], 0) if self.flags.smooth_labeled else x
                loss += losses.smoothness(logits, smooth, seed, self.flags.smoothness)
        gradients = tape.gradient(loss, self.classification_variables)
        self.classification_optimizer.apply(gradients)
        return loss

    def logits(self, x, step):
        # Each time the same units are dropped, or that would count as a change of labels.
        layers.draw_anew([self.encoder], self.flags.seed, step)
        return self.encoder(x, training=True)[0]

    def encode_both(self, x, training=False):
        logits, z = self.encoder(x, training=training)
        return tf.nn.softmax(logits), z

    def encode(self, x, training=False):
        return self.encode_both(x, training)[1]

    def classify(self, x):
        return self.encode_both(x)[0]

    def reconstruct(self, x, y, training=False):
        """Encodes and decodes images, whose true labels y are not looked at."""
        return self.decoder(self.encode_both(x, training))

    def decode(self, z, y):
        return self.decoder([y, z])

    def discriminate_codes(self, y, z):
        # Codes should suit their label, not the label its code: it gets no gradient from here.
        suits = self.flags.conditional_discriminator
        return self.discriminator_g(tf.concat([tf.stop_gradient(y), z], 1) if suits else z)

    def sample_prior(self, n, step):
        seed = randomness.stateless_seed(self.flags.seed, "prior", step)
        return priors.sample(self.flags.prior, n, self.flags.z_dim, seed, self.flags.prior_stddev)

    def sample_label_prior(self, n, step):
        seed = randomness.stateless_seed(self.flags.seed, "prior of labels", step)
        return priors.categorical(n, self.labeled.n_classes, seed)

    def histograms(self, x, y, step):
        y, _ = self.encode_both(x)
        return {
            "Encoder Gauss Distribution": inference.draw_codes(self, x),
            "Real Gauss Distribution": self.sample_prior(len(x), step),
            "Encoder Categorical Distribution": y,
            "Real Categorical Distribution": self.sample_label_prior(len(x), step),
        }

    def pictures(self, data):
        """Ten styles (rows) as each class (columns): drawn from the prior, and of test images,
        each of which stands in front with its copy by the label that the encoder gave it."""
        x, y = data.test_examples(10)
        pairs = [data.as_images(images) for images in (x, self.reconstruct(x, y))]
        return {
            "styles_from_prior": self.style_grid(data, self.sample_prior(10, step=-1)),
            "styles_from_test": self.style_grid(data, self.encode(x), np.concatenate(pairs, 2)),
        }

    def style_grid(self, data, z, sources=None):
        """Each code with each label, decoded in one batch."""
        y = tf.tile(tf.eye(data.n_classes), [len(z), 1])
        x = self.decode(tf.repeat(z, data.n_classes, axis=0), y)
        return images.style_grid(data.as_images(x), data.n_classes, sources)


class Classifier(AdversarialAutoencoder):
    """The yardstick: the same encoder taught by the known labels alone, nothing else."""

    NAME = "Classifier"
    MEASURES = (evaluation.measure_classification,)
    CHOSEN_BY = ("--classifier_only",)

    @tf.function
    def train_step(self, x, y, step):
        return {"Supervised Encoder Loss": self.classification_loss(x, step)}

    def exports(self):
        logits, _ = self.encoder.outputs
        return {"classifier": keras.Model(self.encoder.input, logits)}

    def copies(self, x, y):
        return {"Input Images": x}

    def histograms(self, x, y, step):
        return {"Encoder Categorical Distribution": self.classify(x)}

    def pictures(self, data):
        return {}


def define_flags(flags):
    options.define_regularization(flags)
    options.boolean(flags, "conditional_discriminator", True, "the discriminator sees the label")
    options.integer(flags, "n_labeled", 1000, "images whose label is used; 0: all", least=0)
    options.number(
        flags, "label_discriminator_rate", 1.0, "the label's discriminator's own, times that rate"
    )
    options.fraction(flags, "label_weight", 1.0, "of fooling the label's discriminator", 1e9)
    options.number(
        flags, "classification_rate", 1.0, "the classification phase's own, times the learning rate"
    )
    options.integer(flags, "classification_every", 1, "steps for one classification phase")
    options.fraction(flags, "smoothness", 0.0, "how far an image may shift, its label kept", 1e9)
    options.boolean(flags, "smooth_labeled", False, "the labelled batch's images keep theirs too")
    options.boolean(flags, "classifier_only", False, "train the yardstick, with labels alone")


def main(argv):
    flags = options.parse(argv, __doc__, define_flags, **DEFAULTS)
    training.main(Classifier if flags.classifier_only else AdversarialAutoencoder, flags)


if __name__ == "__main__":
    options.exit_on_user_error(main)
