"""The layers from which all networks are built, and their variables by name."""

from collections.abc import Callable, Iterable

from adversarial_autoencoder import randomness
from adversarial_autoencoder.system import devices
from adversarial_autoencoder.system.errors import UserError

import keras
import tensorflow as tf

INITIALIZERS = ("normal", "he")
ENCODERS = ("deterministic", "gaussian", "gated")
STDDEV = "e_latent_stddev_float32"  # The layer that gives the codes' standard deviations.
NATS = "e_latent_nats"  # The layer whose loss is what a gated encoder's codes tell, in nats.
PIXEL_RANGES = ("0,1", "-1,1")
# Those of output layers (codes, logits, probabilities, pixels); all others are hidden layers'.
OUTPUT_ACTIVATIONS = (None, "linear", "sigmoid", "softmax", "softplus", "tanh")


def dense(
    inputs: keras.KerasTensor,
    n_out: int,
    name: str,
    activation: str | None = None,
    *,
    batch_norm: bool = False,
    normalized: bool = False,
    use_bias: bool = True,
    batch_norm_bias: bool = False,
    dropout: float = 0.0,
    initializer: str = "normal",
    seed: int = 0,
) -> keras.KerasTensor:
    """Applies a fully connected layer, as the series' `dense()` does.

    Args:
      inputs: symbolic float [batch, n_in].
      n_out: number of units.
      name: name of the layer; its variables are `name/kernel` and `name/bias`.
      activation: one of `OUTPUT_ACTIVATIONS`, to which `tanh` belongs, makes it an output layer;
        any other of Keras, such as `relu` or `elu`, a hidden layer.
      batch_norm: on hidden layers, normalize over the batch what goes into the activation.
      normalized: on output layers without an activation, normalize the outputs over the batch.
      use_bias: add a bias; a layer that batch normalization follows never has one, since the mean
        takes it out again and leaves its gradient nothing but rounding.
      batch_norm_bias: keep that bias all the same, as runs of earlier versions have it.
      dropout: on hidden layers, share of the outputs set to 0 in training.
      initializer: `normal` draws weights from N(0, 0.01²), the series' choice; `he` from a
        truncated N(0, 2 / n_in) (He et al. 2015). Biases start at 0.
      seed: the run's seed; each layer draws its own weights from (seed, name).

    Returns:
      float [batch, n_out]; float32 of an output layer, also under `mixed_bfloat16`, so that codes,
      logits and pixels keep their precision.

    Raises:
      ValueError: the initializer is unknown.
    """
    weights = _initial_weights(initializer, seed, name)
    is_hidden = activation not in OUTPUT_ACTIVATIONS
    # As one layer, product and activation run in one pass.
    fused = activation if is_hidden and not batch_norm else None
    use_bias = use_bias and not (batch_norm if is_hidden else normalized) or batch_norm_bias
    settings = {"use_bias": use_bias, "kernel_initializer": weights, "name": name}
    outputs = keras.layers.Dense(n_out, fused, **settings)(inputs)
    if not is_hidden:
        outputs = _as_output(outputs, activation, name)
        if normalized:
            outputs = batch_normalization(f"{name}_batch_norm", "float32")(outputs)
        return outputs
    if batch_norm:
        outputs = batch_normalization(f"{name}_batch_norm")(outputs)
        outputs = _activated(outputs, activation, name)
    if dropout:
        outputs = keras.layers.Dropout(dropout, name=f"{name}_dropout")(outputs)
    return outputs


def convolution(
    inputs: keras.KerasTensor,
    n_out: int,
    name: str,
    activation: str | None = None,
    *,
    kernel_size: int,
    strides: int,
    size: tuple[int, int] | None = None,
    added: keras.KerasTensor | None = None,
    batch_norm: bool = False,
    batch_norm_bias: bool = False,
    initializer: str = "normal",
    seed: int = 0,
) -> keras.KerasTensor:
    """Applies a convolution, or with `size` the transposed one, which enlarges.

    Args:
      inputs: symbolic float [batch, height, width, n_in].
      n_out: number of planes.
      name: name of the layer, as for `dense`.
      activation: as for `dense`; the slope of `leaky_relu` is 0.2.
      kernel_size: side of the kernel.
      strides: the image becomes smaller (or larger) by this.
      size: height and width to enlarge to, at most `strides` times the inputs'.
      added: what is added before normalization, [batch, height, width, 1 or n_out].
      batch_norm, batch_norm_bias, initializer, seed: as for `dense`.

    Returns:
      float [batch, height / strides rounded up, width / strides rounded up, n_out], or of `size`;
      float32 as for `dense`.

    Raises:
      ValueError: the initializer is unknown.
    """
    layer = keras.layers.Conv2DTranspose if size else keras.layers.Conv2D
    outputs = layer(
        n_out,
        kernel_size,
        strides,
        padding="same",
        use_bias=activation in OUTPUT_ACTIVATIONS or not batch_norm or batch_norm_bias,
        kernel_initializer=_initial_weights(initializer, seed, name),
        name=name,
    )(inputs)
    if size:
        spare = [(0, n - wanted) for n, wanted in zip(outputs.shape[1:3], size, strict=True)]
        outputs = keras.layers.Cropping2D(spare, name=f"{name}_crop")(outputs)
    if added is not None:
        outputs = keras.layers.Add(name=f"{name}_added")([outputs, added])
    if activation in OUTPUT_ACTIVATIONS:
        return _as_output(outputs, activation, name)
    if batch_norm:
        outputs = batch_normalization(f"{name}_batch_norm")(outputs)
    return _activated(outputs, activation, name)


def _as_output(outputs: keras.KerasTensor, activation: str | None, name: str) -> keras.KerasTensor:
    as_float32 = {"dtype": "float32", "name": f"{name}_float32"}
    return keras.layers.Activation(activation or "linear", **as_float32)(outputs)


def _activated(hidden: keras.KerasTensor, activation: str, name: str) -> keras.KerasTensor:
    if activation not in ("relu", "leaky_relu"):
        return keras.layers.Activation(activation, name=f"{name}_{activation}")(hidden)
    slope = 0.2 if activation == "leaky_relu" else 0.0
    return keras.layers.ReLU(negative_slope=slope, name=f"{name}_relu")(hidden)


def batch_normalization(
    name: str, dtype: str | None = None, **settings: bool
) -> keras.layers.Layer:
    """Returns the layer that normalizes over the whole batch, also where devices share it."""
    shared = tf.distribute.get_strategy().num_replicas_in_sync > 1
    return keras.layers.BatchNormalization(synchronized=shared, dtype=dtype, name=name, **settings)


def latent_variable(
    dense: Callable[..., keras.KerasTensor],
    hidden: keras.KerasTensor,
    z_dim: int,
    encoder: str,
    prior_stddev: float = 1.0,
) -> keras.KerasTensor:
    """Returns the encoder's output `e_latent_variable`, the latent codes.

    A `gaussian` encoder has a mean and a standard deviation (softplus). In training the code is
    drawn, mean + stddev · N(0, 1), and gradients reach both (Kingma and Welling 2014, section 2.4;
    Makhzani et al. 2015, section 2); otherwise the code is the mean. See `code_stddev`.

    A `gated` encoder draws gate · mean + √(1 - gate²) · N(0, 1), with a gate between 0 and 1 for
    each image and dimension. Batch normalization gives the mean a standard deviation of 1, so the
    code has the prior's, whatever the gate lets through. It is a channel that carries
    -log(1 - gate²) / 2 nats, see `information`.

    Args:
      dense: makes a layer, as the function `dense`.
      hidden: the last hidden layer, symbolic float [batch, n_in].
      z_dim: size of the code.
      encoder: one of `ENCODERS`.
      prior_stddev: the prior's standard deviation, of use with a gated encoder alone.

    Returns:
      float32 [batch, z_dim].

    Raises:
      ValueError: there is no such encoder.
    """
    if encoder not in ENCODERS:
        raise ValueError(f"encoder {encoder!r} is not one of {', '.join(ENCODERS)}")
    if encoder == "deterministic":
        return dense(hidden, z_dim, "e_latent_variable")
    if encoder == "gaussian":
        mean = dense(hidden, z_dim, "e_latent_variable")
        stddev = dense(hidden, z_dim, "e_latent_stddev", "softplus")
    else:
        mean, stddev = _gated(dense, hidden, z_dim, prior_stddev)
    # Keras' own layers alone, so that the exported encoder opens anywhere and gives the mean.
    noise = keras.layers.GaussianNoise(1.0, dtype="float32", name="e_latent_noise")(0.0 * mean)
    return mean + stddev * noise


def _gated(dense, hidden, z_dim, prior_stddev):
    """Returns gate · mean and √(1 - gate²), both times the prior's standard deviation."""
    as_float32 = {"dtype": "float32"}
    mean = dense(hidden, z_dim, "e_latent_variable", use_bias=False)
    weights = {"center": False, "scale": False}
    mean = batch_normalization("e_latent_batch_norm", **as_float32, **weights)(mean)
    gate = dense(hidden, z_dim, "e_latent_gate", "sigmoid")
    nats = -0.5 * keras.ops.log(1.0 - gate * gate + 1e-6)
    nats = keras.layers.ActivityRegularization(l1=1.0, name=NATS, **as_float32)(nats)
    stddev = keras.layers.Activation("exponential", **as_float32)(-1.0 * nats)
    mean = keras.layers.Rescaling(prior_stddev, name="e_latent_mean", **as_float32)(gate * mean)
    return mean, keras.layers.Rescaling(prior_stddev, name=STDDEV, **as_float32)(stddev)


def code_stddev(encoder: keras.Model) -> keras.Model | None:
    """Returns the network of the codes' standard deviations; None if codes are not drawn."""
    found = [layer for layer in encoder.layers if layer.name == STDDEV]
    return keras.Model(encoder.input, found[0].output) if found else None


def information(encoder: keras.Model) -> tf.Tensor | None:
    """Returns the nats that a gated encoder let through in its last pass; None of another one.

    Summed over dimensions, the mean over the batch, float32 scalar. Losses of other layers, such as
    a regularizer that you add, are not in it. On several devices those of the others may be, whose
    gradients are not this device's.
    """
    losses = [loss for layer in encoder.layers if layer.name == NATS for loss in layer.losses]
    return tf.add_n(losses) if losses else None


def label_apart(
    dense: Callable[..., keras.KerasTensor],
    x: keras.KerasTensor,
    n_labels: int,
    n_l1: int,
    n_l2: int,
) -> keras.KerasTensor:
    """Returns the logits of a label that has hidden layers of its own, float32 [batch, n_labels].

    Their names start with `e_label`. The last weights are small: at first all labels are equally
    likely.
    """
    hidden = dense(x, n_l1, "e_label_dense_1", "relu")
    hidden = dense(hidden, n_l2, "e_label_dense_2", "relu")
    return dense(hidden, n_labels, "e_label", initializer="normal")


def labeled(y: keras.KerasTensor, z: keras.KerasTensor, scale: float) -> keras.KerasTensor:
    """Returns labels and codes in one, float32 [batch, n_labels + z_dim], the label first.

    Args:
      y: labels, one-hot or probabilities, symbolic float32 [batch, n_labels].
      z: codes, symbolic float32 [batch, z_dim].
      scale: multiplies the labels, whose ones are small next to a code's largest numbers.
    """
    y = keras.layers.Rescaling(scale)(y) if scale != 1 else y
    return keras.layers.Concatenate()([y, z])


def input_pixels(x: keras.KerasTensor, pixel_range: str) -> keras.KerasTensor:
    """Scales images, [batch, input_dim] in [0, 1], to the range of the encoder's input."""
    if pixel_range == "0,1":
        return x
    return keras.layers.Rescaling(2.0, -1.0, name="e_pixels")(x)


def output_pixels(
    dense: Callable[..., keras.KerasTensor],
    hidden: keras.KerasTensor,
    input_dim: int,
    pixel_range: str,
) -> keras.KerasTensor:
    """Returns the decoder's output `d_output`: images, float32 [batch, input_dim] in [0, 1].

    A sigmoid for the pixel range `0,1`; for `-1,1` a tanh, scaled to [0, 1].
    """
    if pixel_range == "0,1":
        return dense(hidden, input_dim, "d_output", "sigmoid")
    outputs = dense(hidden, input_dim, "d_output", "tanh")
    return keras.layers.Rescaling(0.5, 0.5, dtype="float32", name="d_pixels")(outputs)


def _initial_weights(initializer: str, seed: int, name: str) -> keras.Initializer:
    if initializer == "normal":
        return normal(0.01, seed, name)
    if initializer == "he":
        return keras.initializers.HeNormal(seed=randomness.initializer_seed(seed, name))
    raise ValueError(f"initializer {initializer!r} is not one of {', '.join(INITIALIZERS)}")


def normal(stddev: float, seed: int, name: str) -> keras.Initializer:
    """Returns the initializer that draws the weights of the layer `name` from N(0, stddev²)."""
    return keras.initializers.RandomNormal(0.0, stddev, randomness.initializer_seed(seed, name))


def redraw(networks: Iterable[keras.Model], seed: int, step: tf.Tensor) -> None:
    """Makes the next draws of dropout and noise a function of (seed, layer's name, step).

    Keras' layers count their draws, and a resumed run would need the count. On several devices
    each draws for its own images, and so not what one device would draw.
    """
    for network in networks:
        for layer in network.layers:
            generator = getattr(layer, "seed_generator", None)
            if generator is not None:
                purpose = f"draws of {layer.name}"
                drawn = tf.random.stateless_uniform(
                    [2],
                    randomness.stateless_seed(seed, purpose, step, devices.index()),
                    minval=None,
                    maxval=None,
                    dtype=tf.uint32,
                )
                generator.state.assign(drawn)


def with_same_draws(
    network: keras.Model, seed: int, step: tf.Tensor
) -> Callable[[tf.Tensor], tf.Tensor]:
    """Returns the network as a function, in training, that drops the same units at every call."""

    def call(x: tf.Tensor) -> tf.Tensor:
        redraw([network], seed, step)
        return network(x, training=True)

    return call


def variables(networks: Iterable[keras.Model], *prefixes: str) -> list[keras.Variable]:
    """Returns the networks' trainable variables whose names start with one of the prefixes.

    The series' prefixes are `e_` (encoder), `d_` (decoder) and `dc_` (discriminator). Only the
    start of a name counts: `e_` is also found inside `d_dense_1`.

    Raises:
      UserError: a prefix fits no variable.
    """
    found = [v for network in networks for v in network.trainable_variables]
    for prefix in prefixes:
        if not any(v.path.startswith(prefix) for v in found):
            raise UserError(
                f"no layer's name starts with {prefix}, by which a phase picks what it trains: "
                f'name those layers so, for example name="{prefix}dense_1"'
            )
    return [v for v in found if v.path.startswith(prefixes)]
