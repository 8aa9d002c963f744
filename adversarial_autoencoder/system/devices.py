"""The devices that share a run: one, several of this machine, or those of several machines.

On several, `tf.distribute` keeps a copy of all variables on each device, and a train step runs on
each with its rows of the batch (its slice). What a step needs of the others' rows goes through
`whole`, `own` and `mean`, which on one device return what they are given.
"""

import contextlib
import functools
import os
import re
import signal
import socket
import sys
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from adversarial_autoencoder.system import files
from adversarial_autoencoder.system.errors import UserError, one_line

import numpy as np
import tensorflow as tf
from absl import flags as absl_flags


def start(flags: absl_flags.FlagValues) -> tf.distribute.Strategy | None:
    """Returns the strategy of `--devices`, or None where one device does all.

    To be called before TensorFlow computes anything, since it then knows its devices for good. With
    `--devices` it sees that many GPUs, and leaves the memory of others alone. With the variable
    TF_CONFIG in the environment this waits for the other machines, at most `--wait` seconds.

    Raises:
      UserError: there are not so many devices, the batch cannot be divided among them, TF_CONFIG
        does not say what it should, or a machine cannot be reached.
    """
    gpus = tf.config.list_physical_devices("GPU")
    n = (flags.devices or max(len(gpus), 1)) if flags.train else 1
    if gpus and n > len(gpus):
        raise UserError(f"--devices={n}, but TensorFlow sees {len(gpus)} GPUs: give at most that")
    own, others = _workers(os.environ.get("TF_CONFIG", "")) if flags.train else ("", [])
    if others:
        if n > 1 and not gpus:
            raise UserError(f"--devices={n}, but with TF_CONFIG a CPU is one device: omit the flag")
        tf.config.set_visible_devices(gpus[:n], "GPU")
        _check_division(flags.batch_size, n * (1 + len(others)))
        _wait_for(others, own, flags.wait)
        return _connected()
    if gpus and (flags.train or flags.devices):
        try:
            tf.config.set_visible_devices(gpus[:n], "GPU")
        except RuntimeError:  # TensorFlow has begun.
            _check_number("GPU", n)
    if n == 1:
        return None
    _check_division(flags.batch_size, n)
    if not gpus:
        _divide_cpu(n)
    kind = "GPU" if gpus else "CPU"
    return mirrored(tuple(f"{kind}:{k}" for k in range(n)))


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


def _divide_cpu(n: int) -> None:
    """Makes the CPU n logical devices, to try several where there is no GPU."""
    cpu = tf.config.list_physical_devices("CPU")[0]
    logical = [tf.config.LogicalDeviceConfiguration()] * n
    try:
        tf.config.set_logical_device_configuration(cpu, logical)
    except RuntimeError:  # TensorFlow has begun.
        _check_number("CPU", n)


def _check_number(kind: str, n: int) -> None:
    if len(tf.config.list_logical_devices(kind)) < n:
        raise UserError(
            f"--devices={n}, but TensorFlow has already started with fewer: set it in a new "
            "Python process"
        ) from None


def _check_division(batch_size: int, n: int) -> None:
    if batch_size % n:
        raise UserError(
            f"--batch_size={batch_size} cannot be divided among {n} devices: give "
            f"{max(batch_size - batch_size % n, n)}, for example, or other --devices"
        )


# Several machines.

_LOST = (  # What TensorFlow raises where another worker does not answer any more.
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.InternalError,
    tf.errors.UnknownError,
)


def is_chief(strategy: tf.distribute.Strategy | None) -> bool:
    """Whether this process writes the run: the only one, or the first of several machines'."""
    if not is_one_of_several(strategy):
        return True
    resolver = strategy.cluster_resolver
    first = "chief" if "chief" in resolver.cluster_spec().jobs else "worker"
    return (resolver.task_type, resolver.task_id) == (first, 0)


def is_one_of_several(strategy: tf.distribute.Strategy | None) -> bool:
    """Whether other processes train the same run."""
    return isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)


def agree(strategy: tf.distribute.Strategy | None, settings: Mapping[str, object]) -> None:
    """Checks that all workers have the same settings.

    Args:
      strategy: of all devices.
      settings: by name, the same names on each worker.

    Raises:
      UserError: they differ; names the settings that do.
    """
    if not is_one_of_several(strategy):
        return
    sums = [zlib.crc32(repr(value).encode()) for value in settings.values()]
    columns = np.transpose(_of_all(strategy)(tf.constant(sums, tf.int64)))
    differing = [
        name for name, column in zip(settings, columns, strict=True) if len(set(column)) > 1
    ]
    if differing:
        raise UserError(
            f"the workers differ in {', '.join(differing)}: start all of them with the same flags "
            "and the same data"
        )


def signal_of_any(strategy: tf.distribute.Strategy | None, number: int) -> int:
    """Returns the signal that any worker received, this one's own first; 0 for none."""
    if not is_one_of_several(strategy):
        return number
    others = _of_all(strategy)(tf.constant([number], tf.int64))
    return number or (int(signal.SIGTERM) if np.any(others) else 0)


@contextlib.contextmanager
def lost_workers(strategy: tf.distribute.Strategy | None) -> Iterator[None]:
    """Turns TensorFlow's errors about a lost worker into a `UserError`."""
    try:
        yield
    except _LOST as error:
        if not is_one_of_several(strategy):
            raise
        raise UserError(
            f"another worker has stopped ({type(error).__name__}): see there for the "
            "reason, then start all of them again, with --resume to go on from the last checkpoint"
        ) from None


@functools.cache
def _of_all(strategy: tf.distribute.Strategy) -> Callable[[tf.Tensor], tf.Tensor]:
    """Returns a function that gathers a vector from each device: [n] to [devices, n]."""

    def gather(values: tf.Tensor) -> tf.Tensor:
        return tf.distribute.get_replica_context().all_gather(values[tf.newaxis], axis=0)

    @tf.function
    def of_all(values: tf.Tensor) -> tf.Tensor:
        return strategy.experimental_local_results(strategy.run(gather, args=(values,)))[0]

    return of_all


def _workers(text: str) -> tuple[str, list[str]]:
    """This process's address in TF_CONFIG, and those of all others."""
    if not text:
        return "", []
    example = (
        '{"cluster": {"worker": ["host1:12345", "host2:12345"]}, "task": {"type": "worker", '
        '"index": 0}}'
    )
    complaint = "TF_CONFIG cannot be understood"
    return files.parse_json(text, _addresses, complaint, f"it should be like {example}")


def _addresses(config: Any) -> tuple[str, list[str]]:
    jobs, task = config["cluster"], config["task"]
    kind, index = task["type"], task["index"]
    if unknown := sorted(jobs.keys() - {"chief", "worker"}):
        raise ValueError(f"there is no use for the job {unknown[0]}")
    if type(index) is not int or not 0 <= index < len(jobs[kind]):
        raise ValueError(f"there is no {kind} {index}")
    addresses = [*jobs.get("chief", []), *jobs.get("worker", [])]
    for address in addresses:
        found = re.fullmatch(r"[^\s:].*:([0-9]{1,5})", address)
        if not found or not 1 <= int(found[1]) <= 65535:
            raise ValueError(f"{address!r} is no host:port, with a port from 1 to 65535")
        if addresses.count(address) > 1:
            raise ValueError(f"{address} is there twice")
    own = jobs[kind][index]
    return own, [address for address in addresses if address != own]


def _wait_for(others: Sequence[str], own: str, seconds: int) -> None:
    """Waits until all others can be reached.

    TensorFlow itself waits for them too, but minutes longer, and neither Ctrl-C nor SIGTERM ends
    that. So that the others reach this one too, it listens meanwhile.
    """
    missing, end = list(others), time.monotonic() + seconds
    message = f"Waiting for {', '.join(others)}, at most {seconds} s (--wait) ..."
    print(message, file=sys.stderr, flush=True)
    with _listening(int(own.rpartition(":")[2])):
        while missing := [address for address in missing if not _answers(address)]:
            if time.monotonic() > end:
                raise UserError(
                    f"{', '.join(missing)} did not answer within {seconds} s: start the same "
                    "command there, with the task in its TF_CONFIG, or give a longer --wait"
                )
            time.sleep(0.2)


def _listening(port: int) -> socket.socket:
    dual = socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if dual else socket.AF_INET
    try:
        return socket.create_server(("", port), family=family, dualstack_ipv6=dual)
    except OSError as error:
        raise UserError(
            f"the port {port} of this worker in TF_CONFIG cannot be had ({error.strerror}): end "
            "the process that has it, or take another in the TF_CONFIG of all workers"
        ) from None


def _answers(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=1).close()
    except (OSError, UnicodeError):  # The latter of a host whose name is none.
        return False
    return True


def _connected() -> tf.distribute.Strategy:
    """The strategy of all workers; meanwhile Ctrl-C ends the process at once, without a word."""
    previous = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        return tf.distribute.MultiWorkerMirroredStrategy()
    except (tf.errors.OpError, RuntimeError, ValueError) as error:
        raise UserError(f"the workers could not be connected ({one_line(error)})") from None
    finally:
        signal.signal(signal.SIGINT, previous)
