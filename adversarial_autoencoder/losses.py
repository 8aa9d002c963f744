"""The losses of the series, each a scalar averaged over the batch."""

import tensorflow as tf


def reconstruction(x: tf.Tensor, x_hat: tf.Tensor) -> tf.Tensor:
    """Returns the mean squared error over pixels.

    Args:
      x: images, float32 [batch, input_dim] in [0, 1].
      x_hat: their reconstructions, the same shape and range.
    """
    return tf.reduce_mean(tf.square(x - x_hat))


def discriminator(logits_of_prior: tf.Tensor, logits_of_codes: tf.Tensor) -> tf.Tensor:
    """Returns the discriminator's cross-entropy: prior samples are 1, codes are 0.

    Args:
      logits_of_prior: float32 [batch, 1], what the discriminator says of prior samples.
      logits_of_codes: float32 [batch, 1], what it says of codes.

    2 log 2 ≈ 1.386 when it cannot tell them apart (Makhzani et al. 2015, section 2).
    """
    return _cross_entropy(logits_of_prior, 1.0) + _cross_entropy(logits_of_codes, 0.0)


def generator(logits_of_codes: tf.Tensor) -> tf.Tensor:
    """Returns the encoder's cross-entropy: its codes should be taken for prior samples.

    Args:
      logits_of_codes: float32 [batch, 1], what the discriminator says of codes.

    log 2 ≈ 0.693 when the discriminator cannot tell them apart.
    """
    return _cross_entropy(logits_of_codes, 1.0)


def _cross_entropy(logits: tf.Tensor, target: float) -> tf.Tensor:
    targets = tf.fill(tf.shape(logits), target)
    return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(targets, logits))
