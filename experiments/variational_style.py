"""Part 3 with a variational encoder: style that carries over to every digit.

A deterministic 15-D code can hide the digit in details too fine for the discriminator. Here codes
are drawn, and what they tell costs: a KL term (Kingma and Welling 2014) beside the two losses of
part 3. Its weight is large at first, so that the decoder learns to use the label before the code.

    python experiments/variational_style.py --train   trains, into Results/Variational_Style/

Without --train it loads the newest run and draws its pictures again.
"""

from adversarial_autoencoder import layers, losses, measures, options, pictures, priors, training
from adversarial_autoencoder.datasets import steps_per_epoch
from adversarial_autoencoder.model import Model

import keras
import tensorflow as tf

DEFAULTS = dict(
    z_dim=15,
    encoder="gaussian",
    initializer="he",
    ema_decay=0.998,
    learning_rate=0.001,
    beta1=0.5,
    prior_stddev=1.0,
    n_epochs=48,
    learning_rate_drops="36,44",
)
UNUSED = ("encoder", "generator_rate", "information_start", "information_weight")


def encoder(dense, data, flags):
    """Images, flat [batch, input_dim] in [0, 1], to codes [batch, z_dim]; and to these and their
    means and standard deviations."""
    x = keras.Input([data.input_dim], name="x")
    hidden = dense(x, flags.n_l1, "e_dense_1", "relu")
    hidden = dense(hidden, flags.n_l2, "e_dense_2", "relu")
    z = layers.latent_variable(dense, hidden, flags.z_dim, flags.encoder)
    encoder = keras.Model(x, z, name="encoder")
    names = ("e_latent_variable_float32", "e_latent_stddev_float32")
    mean, stddev = (encoder.get_layer(name).output for name in names)
    return encoder, keras.Model(x, [z, mean, stddev], name="posterior")


def decoder(dense, data, flags):
    """Labels, one-hot, and codes [batch, z_dim] to images, flat [batch, input_dim] in [0, 1]."""
    y = keras.Input([data.n_classes], name="y")
    z = keras.Input([flags.z_dim], name="z")
    hidden = keras.layers.Concatenate()([keras.layers.Rescaling(flags.label_scale)(y), z])
    hidden = dense(hidden, flags.n_l1, "d_dense_1", "relu")
    hidden = dense(hidden, flags.n_l2, "d_dense_2", "relu")
    x = dense(hidden, data.input_dim, "d_output", "sigmoid")
    return keras.Model([y, z], x, name="decoder")


def discriminator(dense, data, flags):
    """Labels and codes or prior samples [batch, z_dim] to logits [batch, 1]: is it the prior's?"""
    y = keras.Input([data.n_classes], name="y")
    z = keras.Input([flags.z_dim], name="z")
    hidden = keras.layers.Concatenate()([keras.layers.Rescaling(flags.label_scale)(y), z])
    hidden = dense(hidden, flags.n_l1, "dc_den1", "relu")
    hidden = dense(hidden, flags.n_l2, "dc_den2", "relu")
    return keras.Model([y, z], dense(hidden, 1, "dc_output"), name="discriminator")


class AdversarialAutoencoder(Model):
    """The networks, an optimizer for each phase, and what is shown and measured of them."""

    NAME = "Variational_Style"
    MEASURES = [
        measures.measure_reconstruction,
        measures.measure_codes,
        measures.measure_style_and_content,
        measures.measure_style_transfer,
    ]

    def __init__(self, data, flags):
        super().__init__(data, flags)
        self.prior = priors.make(flags.prior, flags.z_dim, flags.prior_stddev)
        self.encoder, self.posterior = encoder(self.encoder_dense, data, flags)
        self.decoder = decoder(self.dense, data, flags)
        self.discriminator = discriminator(self.dense, data, flags)

        self.networks = [self.encoder, self.decoder, self.discriminator]
        self.autoencoder_variables = layers.variables(self.networks, "e_", "d_")
        self.discriminator_variables = layers.variables(self.networks, "dc_")

        self.autoencoder_optimizer = self.adam(self.autoencoder_variables)
        self.discriminator_optimizer = self.adam(
            self.discriminator_variables, flags.discriminator_rate
        )
        self.kl_steps = flags.kl_epochs * steps_per_epoch(data, flags.batch_size)

    @tf.function
    def train_step(self, x, y, step):
        x_noisy = self.add_noise(x, step)

        # Reconstruction phase and regularization phase 2 in one: encoder and decoder learn to
        # reconstruct x, given its label, and to fool the discriminator, at a low cost in nats.
        with tf.GradientTape() as tape:
            z, mean, stddev = self.posterior(x_noisy, training=True)
            x_hat = self.decoder([y, z], training=True)
            autoencoder_loss = losses.reconstruction(x, x_hat, self.flags.reconstruction_loss)
            logits = self.discriminator([y, z], training=True)
            generator_loss = losses.generator(logits)
            kl_loss = losses.kl_to_standard_normal(mean, stddev)
            loss = autoencoder_loss + self.flags.generator_weight * generator_loss
            loss += self.kl_weight(step) / x.shape[1] * kl_loss
        gradients = tape.gradient(loss, self.autoencoder_variables)
        self.autoencoder_optimizer.apply(gradients)

        # Regularization phase, 1: the discriminator learns to tell prior samples from codes.
        z_prior = self.sample_prior(len(x), step)
        with tf.GradientTape() as tape:
            both = [tf.tile(y, [2, 1]), tf.concat([z_prior, z], 0)]
            logits = self.discriminator(both, training=True)
            discriminator_loss = losses.discriminator(*tf.split(logits, 2))
        gradients = tape.gradient(discriminator_loss, self.discriminator_variables)
        self.discriminator_optimizer.apply(gradients)

        return {
            "Autoencoder Loss": autoencoder_loss,
            "Discriminator Loss": discriminator_loss,
            "Generator Loss": generator_loss,
            "KL Loss": kl_loss,
        }

    def kl_weight(self, step):
        """Falls geometrically: the code opens once the decoder has learned to use the label."""
        progress = tf.minimum(tf.cast(step, tf.float32) / self.kl_steps, 1.0)
        return self.flags.kl_start * (self.flags.kl_weight / self.flags.kl_start) ** progress

    def decode(self, z, y):
        return self.decoder([y, z])

    def histograms(self, x, y, step):
        return {
            "Encoder Distribution": self.draw_codes(x),
            "Real Distribution": self.sample_prior(len(x), step),
        }

    def pictures(self, data):
        """Ten styles (rows) as each class (columns): drawn from the prior, and of test images."""
        return {
            "styles_from_prior": pictures.styles(self, data, self.sample_prior(10, "pictures")),
            "styles_from_test": pictures.styles_of(self, data, *data.test_examples(10)),
        }


def define_flags(flags):
    options.define_regularization(flags)
    options.number(flags, "label_scale", 4.0, "factor on one-hot labels, which are small beside z")
    options.number(flags, "generator_weight", 0.02, "weight of fooling the discriminator")
    options.number(flags, "kl_start", 1.5, "initial weight of KL(z || N(0, 1)) / n_pixels")
    options.number(flags, "kl_weight", 0.08, "weight to which it is annealed")
    options.number(flags, "kl_epochs", 31.2, "epochs over which it is annealed")


def main(argv):
    flags = options.parse(argv, __doc__, DEFAULTS, define_flags, UNUSED)
    return training.main(AdversarialAutoencoder, flags)


def train(**settings):
    """Trains from Python, the settings being the flags, and returns the run."""
    return main(options.command_line(train=True, **settings))


if __name__ == "__main__":
    options.exit_on_user_error(main)
