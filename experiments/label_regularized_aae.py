"""Labels in the regularization: each class gets its own petal of the prior.

Part 2, and the discriminator also gets the label of each code; it compares the code with a prior
sample from the component of that class. For an image whose label is hidden the sample is drawn from
the whole prior. Makhzani et al. 2015, section 2.3, figures 3 and 4.

    python experiments/label_regularized_aae.py --train   trains, into Results/Label_Regularized/
    python experiments/label_regularized_aae.py --train --prior=swiss_roll --n_labeled=0

Without --train it loads the newest run and draws its pictures again.
"""

from adversarial_autoencoder import layers, losses, measures, options, pictures, priors, training
from adversarial_autoencoder.datasets import hide_labels
from adversarial_autoencoder.model import Model

import keras
import numpy as np
import tensorflow as tf

DEFAULTS = dict(
    z_dim=2,
    prior="gaussian_mixture",
    initializer="he",
    learning_rate=0.0003,
    beta1=0.5,
    noise_stddev=0.2,  # Without it, test images stray from the petals that training images fill.
    ema_decay=0.999,
    discriminator_rate=5.0,
    generator_rate=5.0,
    n_epochs=40,
    learning_rate_drops="28,36",
)


def encoder(dense, data, flags):
    """Images, flat [batch, input_dim] in [0, 1], to codes [batch, z_dim]."""
    x = keras.Input([data.input_dim], name="x")
    hidden = layers.input_pixels(x, flags.pixel_range)
    hidden = dense(hidden, flags.n_l1, "e_dense_1", "relu")
    hidden = dense(hidden, flags.n_l2, "e_dense_2", "relu")
    z = layers.latent_variable(dense, hidden, flags.z_dim, flags.encoder, flags.prior_stddev)
    return keras.Model(x, z, name="encoder")


def decoder(dense, data, flags):
    """Codes [batch, z_dim] to images, flat [batch, input_dim] in [0, 1]."""
    z = keras.Input([flags.z_dim], name="z")
    hidden = dense(z, flags.n_l1, "d_dense_1", "relu")
    hidden = dense(hidden, flags.n_l2, "d_dense_2", "relu")
    x = layers.output_pixels(dense, hidden, data.input_dim, flags.pixel_range)
    return keras.Model(z, x, name="decoder")


def discriminator(dense, data, flags):
    """Labels, the last of which is `hidden`, and codes or prior samples to logits [batch, 1]."""
    y = keras.Input([data.n_classes + 1], name="y")
    z = keras.Input([flags.z_dim], name="z")
    hidden = keras.layers.Concatenate()([y, z])
    hidden = dense(hidden, flags.n_l1, "dc_den1", "relu")
    hidden = dense(hidden, flags.n_l2, "dc_den2", "relu")
    return keras.Model([y, z], dense(hidden, 1, "dc_output"), name="discriminator")


def measure_petals(model, data, judge):
    """Returns how many test codes lie on their own class's petal, and how well they fill it.

    `petal_accuracy` is their share (`_of_prior`: that of prior samples, since petals overlap).
    With petals, not a roll's stretches, `petal_mean_error` tells how far from a petal's mean its
    codes' is, by the petal's distance from 0; `petal_along_error` and `petal_across_error` compare
    standard deviations. They are the worst petal's, of codes on their own petal; 1: it is empty.
    """
    z = model.draw_codes(data.test.images)
    own, moments = petal_moments(model, z, data.test.labels)
    labels = np.arange(100_000) % data.n_classes
    prior = model.sample_prior(len(labels), "petals", labels).numpy()
    own_of_prior, moments_of_prior = petal_moments(model, prior, labels)
    metrics = {
        "petal_accuracy": float(own.mean()),
        "petal_accuracy_standard_error": float(own.std() / np.sqrt(len(own))),
        "petal_accuracy_of_prior": float(own_of_prior.mean()),
    }
    if isinstance(model.prior, priors.GaussianMixture):
        errors = np.abs(moments / moments_of_prior.mean(axis=(0, 2), keepdims=True) - 1)
        for name, error in zip(("mean", "along", "across"), errors.max(axis=(0, 2)), strict=True):
            metrics[f"petal_{name}_error"] = float(error)
    return metrics


def petal_moments(model, z, labels):
    """Returns which codes are nearest to their own petal, and of these, petal by petal: mean (as a
    complex number), standard deviation along and across, [n_classes, 3, z_dim / 2]."""
    own = model.prior.nearest_component(z).numpy() == labels
    # As complex numbers, turned so that every petal lies along the real axis.
    angles = 2 * np.pi * labels / model.prior.n_components
    z = (z[:, 0::2] + 1j * z[:, 1::2]) * np.exp(-1j * angles)[:, None]
    petals = [z[own & (labels == k)] for k in np.unique(labels)]
    petals = [petal if len(petal) else np.zeros_like(z[:1]) for petal in petals]
    return own, np.array([[p.mean(0), p.real.std(0), p.imag.std(0)] for p in petals])


class AdversarialAutoencoder(Model):
    """The networks, an optimizer for each phase, and what is shown and measured of them."""

    NAME = "Label_Regularized"
    MEASURES = [
        measures.measure_reconstruction,
        measures.measure_codes,
        measure_petals,
    ]

    def __init__(self, data, flags):
        super().__init__(data, flags)
        self.prior = priors.make(flags.prior, flags.z_dim, n_components=data.n_classes)
        self.train_images = hide_labels(data.train, flags.n_labeled, data.n_classes, flags.seed)

        self.encoder = encoder(self.encoder_dense, data, flags)
        self.decoder = decoder(self.dense, data, flags)
        self.discriminator = discriminator(self.dense, data, flags)

        self.networks = [self.encoder, self.decoder, self.discriminator]
        self.autoencoder_variables = layers.variables(self.networks, "e_", "d_")
        self.discriminator_variables = layers.variables(self.networks, "dc_")
        self.encoder_variables = layers.variables(self.networks, "e_")

        self.autoencoder_optimizer = self.adam(self.autoencoder_variables)
        self.discriminator_optimizer = self.adam(
            self.discriminator_variables, flags.discriminator_rate
        )
        self.generator_optimizer = self.adam(self.encoder_variables, flags.generator_rate)

    def training_images(self, data):
        return self.train_images

    @tf.function
    def train_step(self, x, y, step):
        x_noisy = self.add_noise(x, step)

        # Reconstruction phase: encoder and decoder learn to reconstruct x.
        with tf.GradientTape() as tape:
            z = self.encoder(x_noisy, training=True)
            x_hat = self.decoder(z, training=True)
            autoencoder_loss = losses.reconstruction(x, x_hat, self.flags.reconstruction_loss)
            information_loss = self.information_loss(step)
        gradients = tape.gradient([autoencoder_loss, information_loss], self.autoencoder_variables)
        self.autoencoder_optimizer.apply(gradients)

        # Regularization phase, 1: the discriminator learns to tell prior samples from codes. Images
        # without a label have one class more, the last, whose component is the whole prior.
        y = tf.concat([y, 1 - tf.reduce_sum(y, axis=1, keepdims=True)], 1)
        # Phase 2 uses the same codes, since the encoder is still the same.
        with tf.GradientTape() as generator_tape:
            z = self.encoder(x_noisy, training=True)
        z_prior = self.sample_prior(len(x), step, tf.argmax(y, axis=1))
        with tf.GradientTape() as tape:
            both = [tf.tile(y, [2, 1]), tf.concat([z_prior, z], 0)]
            logits = self.discriminator(both, training=True)
            discriminator_loss = losses.discriminator(*tf.split(logits, 2))
        gradients = tape.gradient(discriminator_loss, self.discriminator_variables)
        self.discriminator_optimizer.apply(gradients)

        # Regularization phase, 2: the encoder learns to fool the discriminator.
        with generator_tape:
            logits = self.discriminator([y, z], training=True)
            generator_loss = losses.generator(logits)
        gradients = generator_tape.gradient(generator_loss, self.encoder_variables)
        self.generator_optimizer.apply(gradients)

        return {
            "Autoencoder Loss": autoencoder_loss,
            "Discriminator Loss": discriminator_loss,
            "Generator Loss": generator_loss,
        }

    def sample_prior(self, n, step, labels=None):
        """From the component of each label, int [n]; n_classes, or no labels: from all of them."""
        return self.prior.sample(n, self.seed("prior", step), labels)

    def decode(self, z, y):
        return self.decoder(z)

    def histograms(self, x, y, step):
        return {
            "Encoder Distribution": self.draw_codes(x),
            "Real Distribution": self.sample_prior(len(x), step),
        }

    def pictures(self, data):
        """Each class's petal, along it rightwards and across it upwards; and the same style as each
        class (columns): five places along the petal, then five across it (rows)."""
        classes = range(min(data.n_classes, pictures.MOST_CLASSES))
        square = pictures.manifold_codes(-1, 1, step=2 / 19)
        found = {f"manifold_{k}": pictures.grid(self.walk(data, k, square), 20) for k in classes}
        cross = np.concatenate([np.linspace([-1, 0], [1, 0], 5), np.linspace([0, -1], [0, 1], 5)])
        x = self.walk(data, np.tile(classes, len(cross)), cross.repeat(len(classes), axis=0))
        styles = pictures.style_grid(x, len(classes), headings=data.class_names)
        return found | {"same_style": pictures.say_how_many(styles, len(classes), data.n_classes)}

    def walk(self, data, classes, places):
        """Images at places [n, 2] of their class's petal or stretch, alike in every pair: 0 is its
        middle, -1 and 1 two standard deviations from it (or, along a stretch, its ends)."""
        z = self.prior.at(classes, *places.T)
        return data.as_images(self.decoder(tf.tile(z, [1, self.flags.z_dim // 2])))


def define_flags(flags):
    options.define_regularization(flags)
    options.define_pixel_range(flags)
    options.integer(flags, "n_labeled", 10000, "images whose label is used; 0: all", least=0)


def main(argv):
    flags = options.parse(argv, __doc__, DEFAULTS, define_flags, unused=("prior_stddev",))
    if flags.prior not in priors.WITH_COMPONENTS:
        allowed = " or ".join(priors.WITH_COMPONENTS)
        message = f"--prior={flags.prior} has no component for each class: choose {allowed}"
        raise options.CommandLineError(message)
    return training.main(AdversarialAutoencoder, flags)


def train(**settings):
    """Trains from Python, the settings being the flags, and returns the run."""
    return main(options.command_line(train=True, **settings))


if __name__ == "__main__":
    options.exit_on_user_error(main)
