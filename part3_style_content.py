"""Part 3: style apart from content, a supervised adversarial autoencoder.

Part 2, and the decoder also gets the label. The code need not hold what the decoder knows already:
what is left for it is style. The discriminator gets the label too, so that the codes of *each*
class are distributed like the prior and say nothing about the class.

    python part3_style_content.py --train   trains, into Results/Supervised/

Without --train it loads the newest run and draws its pictures again.
"""

from adversarial_autoencoder import layers, losses, measures, options, pictures, priors, training
from adversarial_autoencoder.model import Model

import keras
import tensorflow as tf

DEFAULTS = dict(
    z_dim=15,
    encoder="gated",
    n_l1=600,
    n_l2=600,
    initializer="he",
    label_scale=4.0,
    ema_decay=0.998,
    generator_rate=0.5,
    beta1=0.5,
    prior_stddev=1.0,
    n_epochs=48,
    learning_rate_drops="36,44",
)


def encoder(dense, data, flags):
    """Images, flat [batch, input_dim] in [0, 1], to codes [batch, z_dim]."""
    x = keras.Input([data.input_dim], name="x")
    hidden = dense(x, flags.n_l1, "e_dense_1", "relu")
    hidden = dense(hidden, flags.n_l2, "e_dense_2", "relu")
    z = layers.latent_variable(dense, hidden, flags.z_dim, flags.encoder, flags.prior_stddev)
    return keras.Model(x, z, name="encoder")


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


class AdversarialAutoencoder(Model):
    """The networks, an optimizer for each phase, and what is shown and measured of them."""

    NAME = "Supervised"
    MEASURES = [
        measures.measure_reconstruction,
        measures.measure_codes,
        measures.measure_style_and_content,
        measures.measure_style_transfer,
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

        # Reconstruction phase: encoder and decoder learn to reconstruct x, given its label.
        with tf.GradientTape() as tape:
            z = self.encoder(x_noisy, training=True)
            x_hat = self.decoder([y, z], training=True)
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
    options.define_label(flags)


def main(argv):
    flags = options.parse(argv, __doc__, DEFAULTS, define_flags)
    return training.main(AdversarialAutoencoder, flags)


def train(**settings):
    """Trains from Python, the settings being the flags, and returns the run."""
    return main(options.command_line(train=True, **settings))


if __name__ == "__main__":
    options.exit_on_user_error(main)
