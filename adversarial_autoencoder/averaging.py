"""The exponential moving average of the weights, which does better than those of any one step."""

import contextlib
from collections.abc import Iterator, Sequence

import keras
import tensorflow as tf


class ExponentialMovingAverage(tf.Module):
    """Averages of networks' weights, kept beside them.

    Polyak and Juditsky 1992; exponential as Keras' and TensorFlow's own. Those belong to one
    optimizer, while several change the encoder here.
    """

    def __init__(self, networks: Sequence[keras.Model], decay: float):
        """Starts from the weights as they are.

        Args:
          networks: whose weights and moving statistics are averaged.
          decay: in [0, 1); 0 turns the average off: weights stand for themselves.
        """
        super().__init__()
        self.decay = decay
        variables = [v for network in networks for v in network.variables] if decay else []
        # The integer state of dropout cannot be averaged.
        self._weights = [v for v in variables if v.dtype.startswith("float")]
        self._averages = [tf.Variable(v.value) for v in self._weights]

    def update(self, step: tf.Tensor) -> None:
        """Takes the weights after `step` into the average; inside a `tf.function` or not.

        Args:
          step: integer scalar, from 0. Early on the average is over a tenth of the steps so far, so
            that it forgets the initial weights.
        """
        step = tf.cast(step, tf.float32)
        decay = tf.minimum(self.decay, (1.0 + step) / (10.0 + step))
        for average, weight in zip(self._averages, self._weights, strict=True):
            average.assign_sub((1.0 - decay) * (average - weight.value))

    @contextlib.contextmanager
    def in_place(self) -> Iterator[None]:
        """Puts the averages in the weights' place within a `with` block."""
        trained = [weight.numpy() for weight in self._weights]
        for weight, average in zip(self._weights, self._averages, strict=True):
            weight.assign(average)
        try:
            yield
        finally:
            for weight, value in zip(self._weights, trained, strict=True):
                weight.assign(value)
