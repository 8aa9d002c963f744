"""The losses of the series, and of the experiments beside it; each a scalar.

Most are means over the batch. `dependence` and `imbalance` are of the batch as a whole, and
`nearness` is a sum over pairs of heads.
"""

from collections.abc import Callable

from adversarial_autoencoder import randomness
from adversarial_autoencoder.system import devices

import keras
import tensorflow as tf

RECONSTRUCTION = ("mse", "cross_entropy")

XI = 0.1  # Of `virtual_adversarial`, in units of pixels; the paper's ξ.


def reconstruction(x: tf.Tensor, x_hat: tf.Tensor, kind: str = "mse") -> tf.Tensor:
    """Returns the mean over pixels of the squared error, the series' choice, or another loss.

    Args:
      x: images, float32 [batch, input_dim] in [0, 1].
      x_hat: their reconstructions, the same shape and range.
      kind: `mse`; or `cross_entropy`, which takes a pixel as the probability of white.

    Raises:
      ValueError: there is no such kind.
    """
    if kind == "mse":
        return tf.reduce_mean(tf.square(x - x_hat))
    if kind == "cross_entropy":
        return tf.reduce_mean(keras.losses.binary_crossentropy(x, x_hat))
    raise ValueError(f"reconstruction loss {kind!r} is not one of {', '.join(RECONSTRUCTION)}")


def discriminator(
    logits_of_prior: tf.Tensor, logits_of_codes: tf.Tensor, target: float = 1.0
) -> tf.Tensor:
    """Returns the discriminator's cross-entropy: prior samples are 1, codes are 0.

    Args:
      logits_of_prior: float32 [batch, 1], the discriminator's output for prior samples.
      logits_of_codes: float32 [batch, 1], its output for codes.
      target: target for prior samples; below 1 for one-sided label smoothing.

    2 log 2 ≈ 1.386 when it cannot tell them apart (Makhzani et al. 2015, section 2).
    """
    return _cross_entropy(logits_of_prior, target) + _cross_entropy(logits_of_codes, 0.0)


def generator(logits_of_codes: tf.Tensor) -> tf.Tensor:
    """Returns the encoder's cross-entropy: its codes should be taken for prior samples.

    Args:
      logits_of_codes: float32 [batch, 1], the discriminator's output for codes.

    log 2 ≈ 0.693 when the discriminator cannot tell them apart.
    """
    return _cross_entropy(logits_of_codes, 1.0)


def kl_to_standard_normal(mean: tf.Tensor, stddev: tf.Tensor) -> tf.Tensor:
    """Returns the Kullback-Leibler divergence KL(N(mean, stddev²) || N(0, 1)) of a code, in nats.

    Args:
      mean: float32 [batch, z_dim].
      stddev: float32 [batch, z_dim], at least 0.

    Kingma and Welling 2014, appendix B.
    """
    variance = tf.square(stddev) + 1e-12  # So that its logarithm stays finite.
    terms = tf.square(mean) + variance - 1.0 - tf.math.log(variance)
    return 0.5 * tf.reduce_mean(tf.reduce_sum(terms, axis=1))


def dependence(codes: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """Returns how much more similar codes of the same identity are than codes of different ones.

    Similarity is a sum of Gaussian kernels, near and wide, of the codes in units of their standard
    deviations. In the mean over batches the difference is 0 only where codes and identities, all
    as frequent, are independent: it is the Hilbert-Schmidt criterion (Gretton et al. 2005).

    Args:
      codes: float32 [batch, dim].
      y: identities, one-hot, float32 [batch, n_classes].
    """
    codes, y = devices.whole(codes), devices.whole(y)
    mean, variance = tf.nn.moments(codes, axes=[0], keepdims=True)
    codes = (codes - mean) * tf.math.rsqrt(variance + 1e-9)
    squares = tf.reduce_sum(codes**2, axis=1, keepdims=True)
    distances = squares + tf.transpose(squares) - 2 * tf.matmul(codes, codes, transpose_b=True)
    distances = distances / (2 * codes.shape[1])
    similarity = tf.exp(-distances) + tf.exp(-4 * distances)
    same = tf.matmul(y, y, transpose_b=True)
    pairs = 1 - tf.eye(len(y))
    same, different = same * pairs, (1 - same) * pairs
    of_same = tf.reduce_sum(same * similarity) / tf.maximum(tf.reduce_sum(same), 1)
    of_different = tf.reduce_sum(different * similarity) / tf.maximum(tf.reduce_sum(different), 1)
    return of_same - of_different


def classification(y: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Returns the cross-entropy of labels.

    Args:
      y: one-hot, float32 [batch, n_classes].
      logits: of the predicted labels, float32 [batch, n_classes].
    """
    return tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(y, logits))


def imbalance(y: tf.Tensor) -> tf.Tensor:
    """Returns the Kullback-Leibler divergence between the uniform and the mean label, in nats.

    KL(uniform || mean): a label that no image has costs much, and its gradient does not vanish
    where its probabilities do. That of a discriminator, which sees one label at a time, does.

    Args:
      y: class probabilities, float32 [batch, n_labels].
    """
    frequencies = tf.reduce_mean(devices.whole(y), axis=0)
    n_labels = tf.cast(tf.shape(y)[1], tf.float32)
    return -tf.reduce_mean(tf.math.log(n_labels * frequencies + 1e-6))


def entropy(y: tf.Tensor) -> tf.Tensor:
    """Returns the mean entropy of labels, in nats: 0 where each is certain.

    Low, and with little `imbalance`, labels and images share much information (Krause et al. 2010,
    "Discriminative clustering by regularized information maximization").

    Args:
      y: class probabilities, float32 [batch, n_labels].
    """
    return -tf.reduce_mean(tf.reduce_sum(y * tf.math.log(y + 1e-8), axis=1))


def nearness(heads: tf.Tensor, distance: float) -> tf.Tensor:
    """Returns by how much pairs of heads are nearer than the wanted distance, summed over pairs.

    Args:
      heads: float32 [n, z_dim].
      distance: where pairs are at least so far apart, the loss is 0.

    Makhzani et al. 2015, section 7: a penalty that is linear below a threshold.
    """
    differences = heads[:, tf.newaxis] - heads
    squares = tf.reduce_sum(tf.square(differences), axis=-1) + tf.eye(heads.shape[0]) * distance**2
    # The small number keeps the gradient finite where two heads coincide.
    return tf.reduce_sum(tf.nn.relu(distance - tf.sqrt(squares + 1e-12))) / 2


def virtual_adversarial(
    classify: Callable[[tf.Tensor], tf.Tensor],
    x: tf.Tensor,
    seed: tf.Tensor,
    radius: float,
    xi: float = XI,
) -> tf.Tensor:
    """Returns how much the virtual adversarial perturbation of each image changes its label.

    The change is the Kullback-Leibler divergence from the class probabilities of x, which are held
    fixed. The adversarial direction is found by one power iteration from a random direction.

    Args:
      classify: images to logits, float32 [batch, n_classes].
      x: images, float32 [batch, input_dim].
      seed: int64 [2], stateless, of the random direction.
      radius: Euclidean length of the perturbation, in units of pixels in [0, 1].
      xi: length of the step in the random direction at whose end the power iteration takes its
        gradient. Short: the direction in which the label changes most at x itself.
        A label that is nearly one-hot changes nowhere near x; then a long step still tells where.

    A radius of 0 gives 0. Where units are dropped, `classify` must drop the same ones each time, or
    that would count as a change of the label: see `layers.with_same_draws`.

    Miyato et al. 2018, "Virtual adversarial training", section 3. Batch normalization takes its
    statistics from all three passes, those of perturbed images too.
    """
    if not radius:
        return tf.constant(0.0)
    logits = tf.stop_gradient(classify(x))

    def kl(perturbation: tf.Tensor) -> tf.Tensor:
        log_p = tf.nn.log_softmax(logits)
        log_q = tf.nn.log_softmax(classify(x + perturbation))
        return tf.reduce_mean(tf.reduce_sum(tf.exp(log_p) * (log_p - log_q), axis=1))

    random = randomness.normal(tf.shape(x), seed)
    perturbation = xi * tf.math.l2_normalize(random, axis=1)
    with tf.GradientTape() as tape:
        tape.watch(perturbation)
        divergence = kl(perturbation)
    gradient = tape.gradient(divergence, perturbation)
    # Divided by its largest entry first: squares of small gradients would underflow.
    largest = tf.reduce_max(tf.abs(gradient), axis=1, keepdims=True)
    direction = tf.math.l2_normalize(tf.math.divide_no_nan(gradient, largest), axis=1)
    return kl(radius * tf.stop_gradient(direction))


def _cross_entropy(logits: tf.Tensor, target: float) -> tf.Tensor:
    targets = tf.fill(tf.shape(logits), target)
    return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(targets, logits))
