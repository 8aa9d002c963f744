"""Part 2: an adversarial autoencoder (AAE).

Part 1, and a discriminator that learns to tell codes from samples of a prior. The encoder learns to
fool it, until its codes are distributed like the prior and leave no gaps.

    python part2_aae.py --train   trains, into Results/Adversarial_Autoencoder/

Without --train it loads the newest run and draws its pictures again.
"""

from adversarial_autoencoder import layers, losses, measures, options, pictures, priors, training
from adversarial_autoencoder.model import Model

import keras
import tensorflow as tf

DEFAULTS = dict(
    z_dim=2,
    initializer="he",
    learning_rate=0.0003,
    beta1=0.5,
    n_epochs=60,
    learning_rate_drops="40,55",
)


def encoder(dense, data, flags):
    """Images, flat [batch, input_dim] in [0, 1], to codes [batch, z_dim]."""
    x = keras.Input([data.input_dim], name="x")
    hidden = dense(x, flags.n_l1, "e_dense_1", "relu")
    hidden = dense(hidden, flags.n_l2, "e_dense_2", "relu")
    z = layers.latent_variable(dense, hidden, flags.z_dim, flags.encoder, flags.prior_stddev)
    return keras.Model(x, z, name="encoder")


def decoder(dense, data, flags):
    """Codes [batch, z_dim] to images, flat [batch, input_dim] in [0, 1]."""
    z = keras.Input([flags.z_dim], name="z")
    hidden = dense(z, flags.n_l1, "d_dense_1", "relu")
    hidden = dense(hidden, flags.n_l2, "d_dense_2", "relu")
    x = dense(hidden, data.input_dim, "d_output", "sigmoid")
    return keras.Model(z, x, name="decoder")


def discriminator(dense, data, flags):
    """Codes or prior samples [batch, z_dim] to logits [batch, 1]: is it a prior sample?"""
    z = keras.Input([flags.z_dim], name="z")
    hidden = dense(z, flags.n_l1, "dc_den1", "relu")
    hidden = dense(hidden, flags.n_l2, "dc_den2", "relu")
    return keras.Model(z, dense(hidden, 1, "dc_output"), name="discriminator")


class AdversarialAutoencoder(Model):
    """The networks, an optimizer for each phase, and what is shown and measured of them."""

    NAME = "Adversarial_Autoencoder"
    LABELS = "none"
    MEASURES = [
        measures.measure_reconstruction,
        measures.measure_codes,
    ]

    def __init__(self, data, flags):
        super().__init__(data, flags)
        self.prior = priors.make(flags.prior, flags.z_dim, flags.prior_stddev)
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

        # Regularization phase, 1: the discriminator learns to tell prior samples from codes.
        # Phase 2 uses the same codes, since the encoder is still the same.
        with tf.GradientTape() as generator_tape:
            z = self.encoder(x_noisy, training=True)
        z_prior = self.sample_prior(len(x), step)
        with tf.GradientTape() as tape:
            both = tf.concat([z_prior, z], 0)
            logits = self.discriminator(both, training=True)
            discriminator_loss = losses.discriminator(*tf.split(logits, 2))
        gradients = tape.gradient(discriminator_loss, self.discriminator_variables)
        self.discriminator_optimizer.apply(gradients)

        # Regularization phase, 2: the encoder learns to fool the discriminator.
        with generator_tape:
            logits = self.discriminator(z, training=True)
            generator_loss = losses.generator(logits)
        gradients = generator_tape.gradient(generator_loss, self.encoder_variables)
        self.generator_optimizer.apply(gradients)

        return {
            "Autoencoder Loss": autoencoder_loss,
            "Discriminator Loss": discriminator_loss,
            "Generator Loss": generator_loss,
        }

    def decode(self, z, y):
        return self.decoder(z)

    def histograms(self, x, y, step):
        return {
            "Encoder Distribution": self.draw_codes(x),
            "Real Distribution": self.sample_prior(len(x), step),
        }

    def pictures(self, data):
        """The decoder's output for codes over the prior's square, or drawn from the prior."""
        if self.flags.z_dim == 2:
            reach = self.prior.extent
            z = pictures.manifold_codes(-reach, reach, step=0.15 * reach)
        else:
            z = self.sample_prior(196, "pictures")
        return {
            "manifold": pictures.grid(data.as_images(self.decoder(z))),
        }


def define_flags(flags):
    options.define_regularization(flags)


def main(argv):
    flags = options.parse(argv, __doc__, DEFAULTS, define_flags)
    return training.main(AdversarialAutoencoder, flags)


def train(**settings):
    """Trains from Python, the settings being the flags, and returns the run."""
    return main(options.command_line(train=True, **settings))


if __name__ == "__main__":
    options.exit_on_user_error(main)
