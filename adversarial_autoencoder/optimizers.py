"""Adam by TensorFlow's fused kernel, schedules, and the moving average of the weights."""

import contextlib
from collections.abc import Callable, Iterator, Sequence

from adversarial_autoencoder.system import devices

import keras
import tensorflow as tf


class GradientAveraging:
    """Mixin for a Keras optimizer: averages the gradients of several devices.

    The mean of their gradients is the gradient of the whole batch. Keras takes the sum.
    """

    def apply(self, grads, trainable_variables=None):
        """Updates the variables by the mean of the gradients that the devices call this with."""
        n = devices.count()
        super().apply([g / n for g in grads] if n > 1 else grads, trainable_variables)

    def apply_if(
        self,
        condition: tf.Tensor,
        gradients: Callable[[], Sequence[tf.Tensor]],
        trainable_variables: Sequence[keras.Variable],
    ) -> None:
        """Calls `apply` where the condition holds, the same on all devices.

        Args:
          condition: bool scalar.
          gradients: computes the gradients.
          trainable_variables: the variables of the gradients.
        """
        if devices.count() == 1:
            tf.cond(condition, lambda: self.apply(gradients()) is None, lambda: False)
            return
        # Within the condition a device must not wait for others.
        means = devices.mean(list(gradients()))

        def update() -> bool:
            for variable, gradient in zip(trainable_variables, means, strict=True):
                self.update_step(gradient, variable, self.learning_rate)
            iterations = self.iterations.value
            tf.raw_ops.AssignAddVariableOp(
                resource=iterations.handle, value=tf.ones([], iterations.dtype)
            )
            return True

        tf.cond(condition, update, lambda: False)


class FusedAdam(GradientAveraging, keras.optimizers.Adam):
    """Keras' Adam, computed by TensorFlow's kernel `ResourceApplyAdam`.

    One pass over each variable in place of Keras' ten, which is what counts where the step waits
    for memory. State, checkpoints and results are those of `keras.optimizers.Adam` up to rounding.

    The kernel needs the variables behind Adam's moments, which Keras keeps private: `_momentums`,
    `_velocities` and `_get_variable_index`. With a Keras that lacks them, its own slower
    `update_step` does the same.
    """

    def update_step(self, gradient, variable, learning_rate):
        """Updates one variable, its momentum and its velocity (Kingma and Ba 2015, section 2)."""
        weight = variable if hasattr(variable, "handle") else variable.value
        try:
            index = self._get_variable_index(weight)
            moments = [each[index].value.handle for each in (self._momentums, self._velocities)]
        except AttributeError:
            super().update_step(gradient, variable, learning_rate)
            return
        step = tf.cast(self.iterations.value, tf.float32) + 1.0
        tf.raw_ops.ResourceApplyAdam(
            var=weight.handle,
            m=moments[0],
            v=moments[1],
            beta1_power=tf.pow(self.beta_1, step),
            beta2_power=tf.pow(self.beta_2, step),
            lr=tf.cast(learning_rate, tf.float32),
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=gradient,
        )


def learning_rate(
    rate: float, boundaries: Sequence[int], step: tf.Variable, drop: float = 0.1
) -> float | Callable[[], tf.Tensor]:
    """Returns the rate, or a schedule that multiplies it by `drop` at each of the boundaries.

    Args:
      rate: learning rate of the first steps.
      boundaries: the first step after each drop, growing; none: the rate stays.
      step: the model's, int64; the schedule reads it, so phases that omit steps drop with the rest.
      drop: what the rate is multiplied by.
    """
    if not boundaries:
        return rate
    rates = [rate * drop**k for k in range(len(boundaries) + 1)]
    # Keras' boundaries are the last steps before a drop.
    last_steps = [boundary - 1 for boundary in boundaries]
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay(last_steps, rates)
    return lambda: schedule(step)


def adam(
    learning_rate: float | Callable, beta1: float, variables: Sequence[keras.Variable]
) -> FusedAdam:
    """Returns an Adam optimizer for exactly these variables, ready for use in a `tf.function`.

    Args:
      learning_rate: a number, a Keras schedule, or a function that returns the rate.
      beta1: decay of the mean of the gradients, in [0, 1).
      variables: what the optimizer updates; `apply` takes one gradient for each, in this order.

    Beta2 0.999 and epsilon 1e-8 are TensorFlow 1's, and so the series'.
    """
    optimizer = FusedAdam(learning_rate, beta_1=beta1, epsilon=1e-8)
    optimizer.build(variables)
    return optimizer


class ExponentialMovingAverage(tf.Module):
    """Averages of networks' weights, kept beside them.

    Polyak and Juditsky 1992; exponential, with the early ramp of
    `tf.train.ExponentialMovingAverage`. It averages statistics of batch normalization too.
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
