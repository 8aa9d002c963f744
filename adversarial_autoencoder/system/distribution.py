"""What a run is trained on: one device, several of this machine, or several machines.

Each process of several is a worker, as TF_CONFIG lists them; the first is the chief and writes the
run. What happens inside a step is in `devices`.
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

from adversarial_autoencoder.system import devices, files
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
    if not gpus:  # The CPU becomes n logical devices, to try several.
        cpu = tf.config.list_physical_devices("CPU")[0]
        logical = [tf.config.LogicalDeviceConfiguration()] * n
        try:
            tf.config.set_logical_device_configuration(cpu, logical)
        except RuntimeError:  # TensorFlow has begun.
            _check_number("CPU", n)
    kind = "GPU" if gpus else "CPU"
    return devices.mirrored(tuple(f"{kind}:{k}" for k in range(n)))


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
    """Raises UserError where workers differ in settings, by name, and names those that do."""
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
