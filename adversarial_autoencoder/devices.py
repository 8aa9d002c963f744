"""The devices that share a run: one, several of this machine, or those of several machines.

On several, `tf.distribute` keeps a copy of all variables on each device, and a train step runs on
each with its rows of the batch (its slice). What a step needs of the others' rows goes through
`whole`, `own` and `mean`, which on one device return what they are given.
"""

import contextlib
import functools
from collections.abc import Callable

from adversarial_autoencoder.errors import UserError

import tensorflow as tf
from absl import flags as absl_flags


def start(flags: absl_flags.FlagValues) -> tf.distribute.Strategy | None:
    """Returns the strategy of `--devices`, or None where one device does all.

    To be called before TensorFlow computes anything, since it then knows its devices for good. With
    the variable TF_CONFIG in the environment this waits for the other machines.

    Raises:
      UserError: there are not so many devices, the batch cannot be divided among them, or TF_CONFIG
        does not say what it should.
    """
    gpus = tf.config.list_physical_devices("GPU")
    n = (flags.devices or max(len(gpus), 1)) if flags.train else 1
    if gpus and n > len(gpus):
        raise UserError(f"--devices={n}, but TensorFlow sees {len(gpus)} GPUs: give at most that")
    workers = _workers(os.environ.get("TF_CONFIG", "")) if flags.train else ()
    if len(workers) > 1:
        if n > 1 and not gpus:
            raise UserError(
                f"--devices={n}, but with TF_CONFIG a CPU is one device: omit the flag"
            )
        tf.config.set_visible_devices(gpus[:n], "GPU")
        _check_division(flags.batch_size, n * len(workers))
        strategy = _connected(workers)
        strategy.batch_size = flags.batch_size
        return strategy
    if n == 1:
        return None
    _check_division(flags.batch_size, n)
    if not gpus:
        _divide_cpu(n)
    kind = "GPU" if gpus else "CPU"
    strategy = mirrored(tuple(f"{kind}:{k}" for k in range(n)))
    strategy.batch_size = flags.batch_size  # For `own`.
    return strategy


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


def whole_step(
    train_step: Callable[..., dict[str, tf.Tensor]], strategy: tf.distribute.Strategy | None
) -> Callable[..., dict[str, tf.Tensor]]:
    """Returns the train step of all devices together: of the whole batch, with its losses."""
    if strategy is None:
        return train_step

    @tf.function
    def step_of_all(x: tf.Tensor, y: tf.Tensor, step: tf.Tensor) -> dict[str, tf.Tensor]:
        n = strategy.num_replicas_in_sync
        slices = zip(tf.split(x, n), tf.split(y, n), strict=True)
        slices = list(slices)
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


def on_each(function: Callable, strategy: tf.distribute.Strategy | None) -> Callable:
    """Returns the function that does `function` on each device."""
    if strategy is None:
        return function
    return lambda *arguments: strategy.run(function, args=arguments)


def count() -> int:
    """Returns among how many devices the batch is divided; 1 outside a train step."""
    context = tf.distribute.get_replica_context()
    return context.num_replicas_in_sync if context else 1


def index() -> int | tf.Tensor:
    """Returns which of the devices this is, from 0; 0 outside a train step."""
    context = tf.distribute.get_replica_context()
    return context.replica_id_in_sync_group if context else 0


def own(rows: tf.Tensor) -> tf.Tensor:
    """Returns this device's rows of a batch, [batch / devices, ...].

    Args:
      rows: those of the whole batch, [batch, ...]; or of several batches one after the other, of
        each of which this device has its part.
    """
    n = count()
    if n == 1:
        return rows
    batch_size = tf.distribute.get_strategy().batch_size
    n_rows, *shape = rows.shape
    n_batches = n_rows // batch_size if n_rows % batch_size == 0 else 1
    slices = tf.reshape(rows, [n_batches, n, n_rows // n_batches // n, *shape])
    return tf.reshape(slices[:, index()], [n_rows // n, *shape])


def whole(rows: tf.Tensor) -> tf.Tensor:
    """Returns the rows of all devices, [batch, ...], of which `rows` are this one's.

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


def _divide_cpu(n: int) -> None:
    """Makes the CPU n logical devices, to try several where there is no GPU."""
    cpu = tf.config.list_physical_devices("CPU")[0]
    logical = [tf.config.LogicalDeviceConfiguration()] * n
    try:
        tf.config.set_logical_device_configuration(cpu, logical)
    except RuntimeError:  # TensorFlow has begun.
        if len(tf.config.list_logical_devices("CPU")) < n:
            raise UserError(
                f"--devices={n}, but TensorFlow has already started with fewer: set it in a new "
                "Python process"
            ) from None
