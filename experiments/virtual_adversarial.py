"""Part 4 with virtual adversarial training (VAT, Miyato et al. 2018).

The predicted label should stay the same where an image is perturbed a little, in the direction that
changes it most. The classification phase learns this from all images.

    python experiments/virtual_adversarial.py --train   trains, into Results/Virtual_Adversarial/

Without --train it loads the newest run and draws its pictures again.
"""

from adversarial_autoencoder import layers, losses, measures, options, pictures, priors, training
from adversarial_autoencoder.datasets import labeled_batches
from adversarial_autoencoder.model import Model

import keras
import tensorflow as tf

DEFAULTS = dict(
    z_dim=10,
    initializer="he",
    batch_norm=True,
    noise_stddev=0.3,
    ema_decay=0.999,
    learning_rate=0.0003,
    beta1=0.5,
    prior_stddev=1.0,
    n_epochs=40,
    learning_rate_drops="25,35",
    classification_rate=30.0,
)


def encoder(dense, data, flags):
    """Images, flat [batch, input_dim] in [0, 1], to class probabilities and codes [batch, z_dim];
    and, sharing its layers, the classifier: images to the labels' logits."""
    x = keras.Input([data.input_dim], name="x")
    hidden = dense(x, flags.n_l1, "e_dense_1", "relu")
    hidden = dense(hidden, flags.n_l2, "e_dense_2", "relu")
    # Bounded logits: a wrong label keeps a gradient.
    logits = dense(hidden, data.n_classes, "e_label", normalized=flags.batch_norm)
    y = keras.layers.Softmax(dtype="float32", name="e_label_softmax")(logits)
    z = layers.latent_variable(dense, hidden, flags.z_dim, flags.encoder, flags.prior_stddev)
    return keras.Model(x, [y, z], name="encoder"), keras.Model(x, logits, name="classifier")


def decoder(dense, data, flags):
    """Labels [batch, n_classes] and codes [batch, z_dim] to images [batch, input_dim]."""
    y = keras.Input([data.n_classes], name="y")
    z = keras.Input([flags.z_dim], name="z")
    hidden = layers.labeled(y, z, flags.label_scale)
    hidden = dense(hidden, flags.n_l1, "d_dense_1", "relu")
    hidden = dense(hidden, flags.n_l2, "d_dense_2", "relu")
    x = dense(hidden, data.input_dim, "d_output", "sigmoid")
    return keras.Model([y, z], x, name="decoder")


def discriminator(dense, data, flags):
    """Labels [batch, n_classes] and codes [batch, z_dim] to logits [batch, 1]: is z the prior's?"""
    y = keras.Input([data.n_classes], name="y")
    z = keras.Input([flags.z_dim], name="z")
    hidden = layers.labeled(y, z, flags.label_scale) if flags.conditional_discriminator else z
    hidden = dense(hidden, flags.n_l1, "dc_den1", "relu")
    hidden = dense(hidden, flags.n_l2, "dc_den2", "relu")
    return keras.Model([y, z], dense(hidden, 1, "dc_output"), name="discriminator")


def label_discriminator(dense, data, flags):
    """Predicted labels or one-hot ones [batch, n_classes] to logits [batch, 1]: is it one-hot?"""
    y = keras.Input([data.n_classes], name="y")
    hidden = dense(y, flags.n_l1, "dl_den1", "relu")
    hidden = dense(hidden, flags.n_l2, "dl_den2", "relu")
    return keras.Model(y, dense(hidden, 1, "dl_output"), name="label_discriminator")


class AdversarialAutoencoder(Model):
    """The networks, an optimizer for each phase, and what is shown and measured of them."""

    NAME = "Virtual_Adversarial"
    LABELS = "some"
    MEASURES = [
        measures.measure_reconstruction,
        measures.measure_codes,
        measures.measure_style_and_content,
        measures.measure_style_transfer,
        measures.measure_classification,
    ]

    def __init__(self, data, flags):
        super().__init__(data, flags)
        self.prior = priors.make(flags.prior, flags.z_dim, flags.prior_stddev)
        self.labeled = labeled_batches(data, flags.n_labeled, flags.batch_size, flags.seed)

        self.encoder, self.classifier = encoder(self.encoder_dense, data, flags)
        self.decoder = decoder(self.dense, data, flags)
        self.discriminator = discriminator(self.dense, data, flags)
        self.label_discriminator = label_discriminator(self.dense, data, flags)

        self.networks = [self.encoder, self.decoder, self.discriminator, self.label_discriminator]
        self.autoencoder_variables = layers.variables(self.networks, "e_", "d_")
        self.discriminator_variables = layers.variables(self.networks, "dc_")
        self.label_discriminator_variables = layers.variables(self.networks, "dl_")
        self.encoder_variables = layers.variables(self.networks, "e_")
        self.classifier_variables = layers.variables([self.classifier], "e_")

        self.autoencoder_optimizer = self.adam(self.autoencoder_variables)
        self.discriminator_optimizer = self.adam(
            self.discriminator_variables, flags.discriminator_rate
        )
        self.label_discriminator_optimizer = self.adam(self.label_discriminator_variables)
        self.generator_optimizer = self.adam(self.encoder_variables, flags.generator_rate)
        self.classifier_optimizer = self.adam(self.classifier_variables, flags.classification_rate)

    @tf.function
    def train_step(self, x, y, step):
        x_noisy = self.add_noise(x, step)

        # Reconstruction phase: encoder and decoder learn to reconstruct x; its label is predicted.
        with tf.GradientTape() as tape:
            y, z = self.encoder(x_noisy, training=True)
            x_hat = self.decoder([y, z], training=True)
            autoencoder_loss = losses.reconstruction(x, x_hat, self.flags.reconstruction_loss)
            information_loss = self.information_loss(step)
        gradients = tape.gradient([autoencoder_loss, information_loss], self.autoencoder_variables)
        self.autoencoder_optimizer.apply(gradients)

        # Regularization phase, 1: each discriminator learns to tell its prior's samples from codes.
        # Phase 2 uses the same codes, since the encoder is still the same.
        with tf.GradientTape() as generator_tape:
            y, z = self.encoder(x_noisy, training=True)
        z_prior = self.sample_prior(len(x), step)
        with tf.GradientTape() as tape:
            both = [tf.tile(y, [2, 1]), tf.concat([z_prior, z], 0)]
            logits = self.discriminator(both, training=True)
            discriminator_loss = losses.discriminator(*tf.split(logits, 2))
        gradients = tape.gradient(discriminator_loss, self.discriminator_variables)
        self.discriminator_optimizer.apply(gradients)

        y_prior = self.sample_label_prior(len(x), step)
        with tf.GradientTape() as tape:
            logits = self.label_discriminator(tf.concat([y_prior, y], 0), training=True)
            label_discriminator_loss = losses.discriminator(*tf.split(logits, 2))
        gradients = tape.gradient(label_discriminator_loss, self.label_discriminator_variables)
        self.label_discriminator_optimizer.apply(gradients)

        # Regularization phase, 2: the encoder learns to fool both. The code adapts to its label and
        # not the label to its code, hence the stopped gradient.
        with generator_tape:
            logits = self.discriminator([tf.stop_gradient(y), z], training=True)
            generator_loss = losses.generator(logits)
            logits = self.label_discriminator(y, training=True)
            generator_loss += losses.generator(logits)
        gradients = generator_tape.gradient(generator_loss, self.encoder_variables)
        self.generator_optimizer.apply(gradients)

        # Classification phase: the encoder learns the known labels, and to keep all labels where
        # images are perturbed.
        classification_loss = 0.0
        every = self.flags.classification_every
        if every == 1 or step % every == every - 1:
            x_labeled, y_labeled = self.labeled.draw(step, "labelled batch")
            x_noisy = self.add_noise(x_labeled, step, "noise on labelled batch")
            x_vat = tf.concat([x, x_labeled], 0) if self.flags.vat_on_labeled else x
            with tf.GradientTape() as tape:
                logits = self.classifier(x_noisy, training=True)
                classification_loss = losses.classification(y_labeled, logits)
                classify = layers.with_same_draws(self.classifier, self.flags.seed, step)
                seed = self.seed("adversarial direction", step)
                radius = self.flags.vat_radius
                classification_loss += losses.virtual_adversarial(classify, x_vat, seed, radius)
            gradients = tape.gradient(classification_loss, self.classifier_variables)
            self.classifier_optimizer.apply(gradients)

        return {
            "Autoencoder Loss": autoencoder_loss,
            "Discriminator gauss Loss": discriminator_loss,
            "Discriminator categorical Loss": label_discriminator_loss,
            "Generator Loss": generator_loss,
            "Supervised Encoder Loss": classification_loss,
        }

    def sample_label_prior(self, n, step):
        return priors.categorical(n, self.n_labels, self.seed("prior of labels", step))

    def encode(self, x):
        return self.encoder(x)[1]

    def classify(self, x):
        return self.encoder(x)[0]

    def reconstruct(self, x, y):
        return self.decoder(self.encoder(x))

    def decode(self, z, y):
        return self.decoder([y, z])

    def histograms(self, x, y, step):
        return {
            "Encoder Gauss Distribution": self.draw_codes(x),
            "Real Gauss Distribution": self.sample_prior(len(x), step),
            "Encoder Categorical Distribution": self.classify(x),
            "Real Categorical Distribution": self.sample_label_prior(len(x), step),
        }

    def pictures(self, data):
        """Ten styles (rows) as each class (columns): drawn from the prior, and of test images."""
        return {
            "styles_from_prior": pictures.styles(self, data, self.sample_prior(10, "pictures")),
            "styles_from_test": pictures.styles_of(self, data, *data.test_examples(10)),
        }


def define_flags(flags):
    options.define_regularization(flags)
    options.define_label(flags)
    options.integer(flags, "n_labeled", 1000, "images whose label is used; 0: all", least=0)
    options.number(flags, "classification_rate", 1.0, "learning-rate multiplier for this phase")
    options.number(flags, "vat_radius", 2.0, "radius of the virtual adversarial perturbation")
    options.boolean(flags, "vat_on_labeled", False, "perturb the labelled batch too")
    options.integer(flags, "classification_every", 1, "run the classification phase every N steps")


def main(argv):
    flags = options.parse(argv, __doc__, DEFAULTS, define_flags)
    return training.main(AdversarialAutoencoder, flags)


def train(**settings):
    """Trains from Python, the settings being the flags, and returns the run."""
    return main(options.command_line(train=True, **settings))


if __name__ == "__main__":
    options.exit_on_user_error(main)
