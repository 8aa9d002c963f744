"""The devices that take a step together: the same step that one would take.

`tf.distribute` keeps a copy of all variables on each device, and a train step runs on each with its
rows of the batch (its slice). What a step needs of the others' rows goes through `whole`, `own` and
`mean`, which on one device return what they are given.
"""

import contextlib
import functools
from collections.abc import Callable, Iterator

from adversarial_autoencoder.system.errors import UserError

import tensorflow as tf


@functools.cache  # A second one's collective operations would be taken for the first one's.
def mirrored(names: tuple[str, ...]) -> tf.distribute.Strategy:
    """Returns the strategy for these devices of this machine."""
    verbosity = tf.get_logger().level
    tf.get_logger().setLevel("ERROR")  # It warns of every device that is no GPU.
    strategy = tf.distribute.MirroredStrategy(names)
    tf.get_logger().setLevel(verbosity)
    return strategy


def scope(strategy: tf.distribute.Strategy | None) -> contextlib.AbstractContextManager:
    """Returns the scope in which variables are made on every device."""
    return strategy.scope() if strategy else contextlib.nullcontext()


_batch_size = 0  # Of the train step that several devices take together, set as it is traced.


def whole_step(
    train_step: Callable[..., dict[str, tf.Tensor]], strategy: tf.distribute.Strategy | None
) -> Callable[..., dict[str, tf.Tensor]]:
    """Returns the train step of the whole batch, which divides it among the devices."""
    if strategy is None:
        return train_step

    @tf.function
    def step_of_all(x: tf.Tensor, y: tf.Tensor, step: tf.Tensor) -> dict[str, tf.Tensor]:
        global _batch_size
        _batch_size = len(x)
        n = strategy.num_replicas_in_sync
        slices = list(zip(tf.split(x, n), tf.split(y, n), strict=True))
        x, y = (
            strategy.experimental_distribute_values_from_function(
                lambda context, k=k: slices[context.replica_id_in_sync_group][k]
            )
            for k in range(2)
        )
        losses = strategy.run(train_step, args=(x, y, step))
        return {
            name: strategy.reduce(tf.distribute.ReduceOp.MEAN, loss, axis=None)
            for name, loss in losses.items()
        }

    return step_of_all


@contextlib.contextmanager
def no_conditions() -> Iterator[None]:
    """Turns TensorFlow's error about an update inside `tf.cond` into a `UserError`."""
    try:
        yield
    except RuntimeError as error:
        if "merge_call" not in str(error):
            raise
        raise UserError(
            "this train step updates weights under a condition (in some of the steps only), which "
            "several devices cannot do together: give --devices=1"
        ) from None


def on_each(function: Callable, strategy: tf.distribute.Strategy | None) -> Callable:
    """Returns a function that calls `function` on each device."""
    if strategy is None:
        return function
    return lambda *arguments: strategy.run(function, args=arguments)


def count() -> int:
    """Returns the number of devices that share a batch; 1 outside a train step."""
    context = tf.distribute.get_replica_context()
    return context.num_replicas_in_sync if context else 1


def index() -> int | tf.Tensor:
    """Returns the index of this device, from 0; 0 outside a train step."""
    context = tf.distribute.get_replica_context()
    return context.replica_id_in_sync_group if context else 0


def own(rows: tf.Tensor) -> tf.Tensor:
    """Returns this device's rows of a batch, [batch / devices, ...].

    Args:
      rows: the whole batch, [batch, ...]; or several batches one after the other, of each of
        which this device takes its part.
    """
    n = count()
    if n == 1:
        return rows
    n_rows, *shape = rows.shape
    n_batches = n_rows // _batch_size if _batch_size and n_rows % _batch_size == 0 else 1
    slices = tf.reshape(rows, [n_batches, n, n_rows // n_batches // n, *shape])
    return tf.reshape(slices[:, index()], [n_rows // n, *shape])


def whole(rows: tf.Tensor) -> tf.Tensor:
    """Returns the whole batch, [batch, ...], from the rows of each device.

    Gradients go back to each device. A loss of the whole batch, computed on each, is as it should
    be: the mean over devices of each one's loss.
    """
    if count() == 1:
        return rows
    gathered = tf.distribute.get_replica_context().all_gather(rows, axis=0)
    return tf.ensure_shape(gathered, [count() * rows.shape[0], *rows.shape[1:]])


def mean(value: tf.Tensor | list[tf.Tensor]) -> tf.Tensor | list[tf.Tensor]:
    """Returns the mean over all devices; not for use inside a `tf.cond`."""
    if count() == 1:
        return value
    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.MEAN, value)
