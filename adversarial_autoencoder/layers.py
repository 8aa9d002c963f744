"""The layers from which all networks are built, and their variables by name."""

from collections.abc import Iterable

from adversarial_autoencoder import randomness

import keras
import tensorflow as tf

INITIALIZERS = ("normal", "he")


def dense(
    inputs: keras.KerasTensor,
    n_out: int,
    name: str,
    activation: str | None = None,
    *,
    batch_norm: bool = False,
    dropout: float = 0.0,
    initializer: str = "normal",
    seed: int = 0,
) -> keras.KerasTensor:
    """Applies a fully connected layer, as the series' `dense()` does.

    Args:
      inputs: symbolic float [batch, n_in].
      n_out: number of units.
      name: name of the layer; its variables are `name/kernel` and `name/bias`.
      activation: `relu` on hidden layers; None or `sigmoid` on output layers.
      batch_norm: on hidden layers, normalize over the batch what goes into the ReLU.
      dropout: on hidden layers, share of the outputs set to 0 in training.
      initializer: `normal` draws weights from N(0, 0.01²), the series' choice; `he` from a
        truncated N(0, 2 / n_in) (He et al. 2015). Biases start at 0.
      seed: the run's seed; each layer draws its own weights from (seed, name).

    Returns:
      float [batch, n_out]; float32 whenever `activation` is not `relu`, also under
      `mixed_bfloat16`, so that codes, logits and pixels keep their precision.

    Raises:
      ValueError: the initializer is unknown.
    """
    weights_seed = randomness.initializer_seed(seed, name)
    if initializer == "normal":
        weights = keras.initializers.RandomNormal(stddev=0.01, seed=weights_seed)
    elif initializer == "he":
        weights = keras.initializers.HeNormal(seed=weights_seed)
    else:
        raise ValueError(f"initializer {initializer!r} is not one of {', '.join(INITIALIZERS)}")
    is_hidden = activation == "relu"
    # As one layer, product and ReLU run in one pass.
    fused = activation if is_hidden and not batch_norm else None
    outputs = keras.layers.Dense(n_out, fused, kernel_initializer=weights, name=name)(inputs)
    if not is_hidden:
        as_float32 = {"dtype": "float32", "name": f"{name}_float32"}
        return keras.layers.Activation(activation or "linear", **as_float32)(outputs)
    if batch_norm:
        outputs = keras.layers.BatchNormalization(name=f"{name}_batch_norm")(outputs)
        outputs = keras.layers.ReLU(name=f"{name}_relu")(outputs)
    if dropout:
        outputs = keras.layers.Dropout(dropout, name=f"{name}_dropout")(outputs)
    return outputs


def draw_anew(networks: Iterable[keras.Model], seed: int, step: tf.Tensor) -> None:
    """Makes what dropout leaves out next a function of (seed, layer's name, step).

    Left to itself it counts its draws, and a run that goes on would need the count.
    """
    for network in networks:
        for layer in network.layers:
            generator = getattr(layer, "seed_generator", None)
            if generator is not None:
                drawn = tf.random.stateless_uniform(
                    [2],
                    randomness.stateless_seed(seed, f"draws of {layer.name}", step),
                    minval=None,
                    maxval=None,
                    dtype=tf.uint32,
                )
                generator.state.assign(drawn)


def variables(networks: Iterable[keras.Model], *prefixes: str) -> list[keras.Variable]:
    """Returns the networks' trainable variables whose names start with one of the prefixes.

    The series' prefixes are `e_` (encoder), `d_` (decoder) and `dc_` (discriminator). Only the
    start of a name counts: `e_` is also found inside `d_dense_1`.

    Raises:
      ValueError: a prefix fits no variable.
    """
    found = [v for network in networks for v in network.trainable_variables]
    for prefix in prefixes:
        if not any(v.path.startswith(prefix) for v in found):
            raise ValueError(f"no variable's name starts with {prefix!r}")
    return [v for v in found if v.path.startswith(prefixes)]
