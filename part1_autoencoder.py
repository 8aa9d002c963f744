"""Part 1: an autoencoder.

An encoder squeezes an image into a latent code of two numbers, a decoder makes the image from the
code again, and both learn to make the copy like the original.

    python part1_autoencoder.py --train      trains, into Results/Autoencoder/
    python part1_autoencoder.py              loads the newest run and makes its pictures again
"""

import functools

from adversarial_autoencoder import (
    evaluation,
    images,
    layers,
    losses,
    options,
    training,
)

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
    hidden = layers.seen_pixels(x, flags.pixel_range)
    hidden = dense(hidden, flags.n_l1, "e_dense_1", "relu")
    hidden = dense(hidden, flags.n_l2, "e_dense_2", "relu")
    return keras.Model(x, dense(hidden, flags.z_dim, "e_latent_variable"), name="encoder")


def decoder(dense, data, flags):
    """Codes [batch, z_dim] to images, flat [batch, input_dim] in [0, 1]."""
    z = keras.Input([flags.z_dim], name="z")
    hidden = dense(z, flags.n_l1, "d_dense_1", "relu")
    hidden = dense(hidden, flags.n_l2, "d_dense_2", "relu")
    x = layers.pixels(dense, hidden, data.input_dim, flags.pixel_range)
    return keras.Model(z, x, name="decoder")


class Autoencoder(training.Model):
    """The networks, their optimizer, and what is done with them."""

    NAME = "Autoencoder"
    MEASURES = (evaluation.measure_reconstruction,)

    def __init__(self, data, flags):
        super().__init__(data, flags)
        dense = functools.partial(layers.dense, initializer=flags.initializer, seed=flags.seed)
        in_encoder = functools.partial(dense, batch_norm=flags.batch_norm, dropout=flags.dropout)
        self.encoder = encoder(in_encoder, data, flags)
        self.decoder = decoder(dense, data, flags)

        networks = (self.encoder, self.decoder)
        self.autoencoder_variables = layers.variables(networks, "e_", "d_")

        adam = functools.partial(training.adam, data, flags)
        self.autoencoder_optimizer = adam(self.autoencoder_variables)

    @tf.function
    def train_step(self, x, y, step):
        seen = self.add_noise(x, step)

        # Reconstruction phase: encoder and decoder learn to copy x.
        with tf.GradientTape() as tape:
            x_hat = self.reconstruct(seen, y, training=True)
            autoencoder_loss = losses.reconstruction(x, x_hat, self.flags.reconstruction_loss)
        gradients = tape.gradient(autoencoder_loss, self.autoencoder_variables)
        self.autoencoder_optimizer.apply(gradients)

        return {"Autoencoder Loss": autoencoder_loss}

    def decode(self, z, y):
        return self.decoder(z)

    def histograms(self, x, y, step):
        return {"Encoder Distribution": self.encode(x)}

    def pictures(self, data):
        """Test images beside their copies; what the decoder makes of the code (0, 0)."""
        x, y = data.test_examples(50)
        inputs, copies = data.as_images(x), data.as_images(self.reconstruct(x, y))
        at_zero = data.as_images(self.decoder(tf.zeros([1, self.flags.z_dim])))
        return {
            "reconstructions": images.reconstruction_grid(inputs, copies),
            "at_zero": images.grid(at_zero, n_columns=1),
        }


def main(argv):
    flags = options.parse(argv, __doc__, **DEFAULTS)
    training.main(Autoencoder, flags)


if __name__ == "__main__":
    options.exit_on_user_error(main)
