"""Part 1: an autoencoder.

An encoder compresses an image into a 2-D latent code, a decoder reconstructs the image from the
code, and both learn to make the reconstruction error small.

    python part1_autoencoder.py --train   trains, into Results/Autoencoder/

Without --train it loads the newest run and draws its pictures again.
"""

from adversarial_autoencoder import layers, losses, measures, options, pictures, training
from adversarial_autoencoder.model import Model

import keras
import tensorflow as tf

DEFAULTS = dict(
    z_dim=2,
    n_epochs=60,
    learning_rate_drops="40,55",
)


def encoder(dense, data, flags):
    """Images, flat [batch, input_dim] in [0, 1], to codes [batch, z_dim]."""
    x = keras.Input([data.input_dim], name="x")
    hidden = dense(x, flags.n_l1, "e_dense_1", "relu")
    hidden = dense(hidden, flags.n_l2, "e_dense_2", "relu")
    z = dense(hidden, flags.z_dim, "e_latent_variable")
    return keras.Model(x, z, name="encoder")


def decoder(dense, data, flags):
    """Codes [batch, z_dim] to images, flat [batch, input_dim] in [0, 1]."""
    z = keras.Input([flags.z_dim], name="z")
    hidden = dense(z, flags.n_l1, "d_dense_1", "relu")
    hidden = dense(hidden, flags.n_l2, "d_dense_2", "relu")
    x = dense(hidden, data.input_dim, "d_output", "sigmoid")
    return keras.Model(z, x, name="decoder")


class Autoencoder(Model):
    """The networks, an optimizer for each phase, and what is shown and measured of them."""

    NAME = "Autoencoder"
    LABELS = "none"
    MEASURES = [
        measures.measure_reconstruction,
    ]

    def __init__(self, data, flags):
        super().__init__(data, flags)
        self.encoder = encoder(self.encoder_dense, data, flags)
        self.decoder = decoder(self.dense, data, flags)

        self.networks = [self.encoder, self.decoder]
        self.autoencoder_variables = layers.variables(self.networks, "e_", "d_")

        self.autoencoder_optimizer = self.adam(self.autoencoder_variables)

    @tf.function
    def train_step(self, x, y, step):
        x_noisy = self.add_noise(x, step)

        # Reconstruction phase: encoder and decoder learn to reconstruct x.
        with tf.GradientTape() as tape:
            z = self.encoder(x_noisy, training=True)
            x_hat = self.decoder(z, training=True)
            autoencoder_loss = losses.reconstruction(x, x_hat, self.flags.reconstruction_loss)
        gradients = tape.gradient(autoencoder_loss, self.autoencoder_variables)
        self.autoencoder_optimizer.apply(gradients)

        return {
            "Autoencoder Loss": autoencoder_loss,
        }

    def decode(self, z, y):
        return self.decoder(z)

    def histograms(self, x, y, step):
        return {
            "Encoder Distribution": self.draw_codes(x),
        }

    def pictures(self, data):
        """Test images beside their reconstructions; the decoder's output at the code (0, 0)."""
        x, y = data.test_examples(50)
        return {
            "reconstructions": pictures.reconstructions(data, x, self.reconstruct(x, y)),
            "at_zero": pictures.grid(data.as_images(self.decoder(tf.zeros([1, self.flags.z_dim])))),
        }


def main(argv):
    flags = options.parse(argv, __doc__, DEFAULTS)
    return training.main(Autoencoder, flags)


def train(**settings):
    """Trains from Python, the settings being the flags, and returns the run."""
    return main(options.command_line(train=True, **settings))


if __name__ == "__main__":
    options.exit_on_user_error(main)
