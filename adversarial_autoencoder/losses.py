"""The losses of the series, each a scalar averaged over the batch."""

import keras
import tensorflow as tf

RECONSTRUCTION = ("mse", "cross_entropy")


def reconstruction(x: tf.Tensor, x_hat: tf.Tensor, kind: str = "mse") -> tf.Tensor:
    """Returns the mean over pixels of the squared error, the series' choice, or another loss.

    Args:
      x: images, float32 [batch, input_dim] in [0, 1].
      x_hat: their reconstructions, the same shape and range.
      kind: `mse`; or `cross_entropy`, which takes a pixel for the chance that it is white.

    Raises:
      ValueError: there is no such kind.
    """
    if kind == "mse":
        return tf.reduce_mean(tf.square(x - x_hat))
    if kind == "cross_entropy":
        return tf.reduce_mean(keras.losses.binary_crossentropy(x, x_hat))
    raise ValueError(f"reconstruction loss {kind!r} is not one of {', '.join(RECONSTRUCTION)}")


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


def classification(y: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Returns the cross-entropy of labels.

    Args:
      y: one-hot, float32 [batch, n_classes].
      logits: what the encoder says, float32 [batch, n_classes].
    """
    return tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(y, logits))


def _cross_entropy(logits: tf.Tensor, target: float) -> tf.Tensor:
    targets = tf.fill(tf.shape(logits), target)
    return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(targets, logits))
