"""Where a run's figures come from: the commit of the source, and the machine."""

import contextlib
import os
import pathlib
import platform
import subprocess

import keras
import tensorflow as tf

# Variables of the environment that choose kernels, or how many threads share a sum.
_VARIABLES = (
    "OMP_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
    "TF_ENABLE_ONEDNN_OPTS",
    "TF_XLA_FLAGS",
    "XLA_FLAGS",
    "NVIDIA_TF32_OVERRIDE",
)


def commit_of_source() -> str:
    """Returns the commit that the package's source tree is at, or "" if it is unknown."""
    package = pathlib.Path(__file__).resolve().parents[1]
    # A hook of some other repository would have git look there.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    command = ["git", "-C", str(package), "rev-parse", "--show-toplevel", "HEAD"]
    try:
        answer = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=10, check=True
        )
        root, commit = answer.stdout.splitlines()
    except (OSError, ValueError, subprocess.SubprocessError):
        return ""
    # Installed below somebody else's repository, the commit would be somebody else's.
    return commit if pathlib.Path(root).resolve() == package.parent else ""


def machine(replicas: int = 1) -> dict[str, str | int]:
    """Returns what the bits of a run depend on besides its flags.

    With the same flags, data and machine a run has the same weights, bit for bit. With another one
    of these they differ by rounding: sums are added up in another order.

    Args:
      replicas: among how many devices each batch is divided.
    """
    threading = tf.config.threading
    # Those that this process may run on, which may be fewer than there are (`taskset`).
    has_affinity = hasattr(os, "sched_getaffinity")
    cpus = os.sched_getaffinity(0) if has_affinity else range(os.cpu_count() or 1)
    found = {
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "processor": _processor(),
        "cpus": len(cpus),
        "intra_op_threads": threading.get_intra_op_parallelism_threads(),  # 0: as many as CPUs.
        "inter_op_threads": threading.get_inter_op_parallelism_threads(),
        "devices": ", ".join(_device(d) for d in tf.config.list_physical_devices()),
    }
    if replicas > 1:
        found["several devices"] = replicas
    return found | {name: os.environ[name] for name in _VARIABLES if name in os.environ}


def _processor() -> str:
    """The kind of processor, and which vector instructions it has: they choose the kernels."""
    vector = ("avx", "fma", "amx", "asimd", "sve")
    features = sorted(name for name in _features() or () if name.startswith(vector))
    return " ".join([platform.machine(), *features])


def _features(cpu_info: str = "/proc/cpuinfo") -> list[str] | None:
    """What the processor can do; None where the system, no Linux, does not tell."""
    with contextlib.suppress(OSError):
        for line in pathlib.Path(cpu_info).read_text().splitlines():
            name, _, words = line.partition(":")
            if name.strip() in ("flags", "Features"):  # x86; ARM.
                return words.split()
    return None


def _device(device: tf.config.PhysicalDevice) -> str:
    if device.device_type != "GPU":
        return device.device_type
    return tf.config.experimental.get_device_details(device).get("device_name", "GPU")


def slow_precision(precision: str, cpu_info: str = "/proc/cpuinfo") -> str | None:
    """Returns a line if 16-bit products would be slower here than 32-bit ones, or None."""
    has_gpu = tf.config.list_physical_devices("GPU")
    if precision != "mixed_bfloat16" or has_gpu or multiplies_bfloat16(cpu_info) is not False:
        return None
    return (
        "Warning: this processor has no bfloat16 units, so --precision=mixed_bfloat16 is slower "
        "than float32: 1.2 times for the parts, 8 times for convolutions on one such processor "
        "(measured by python benchmarks/train_step.py)."
    )


def multiplies_bfloat16(cpu_info: str = "/proc/cpuinfo") -> bool | None:
    """Whether the processor has instructions for products of bfloat16; None: not known."""
    features = _features(cpu_info)
    known = {"avx512_bf16", "amx_bf16", "bf16"}
    return None if features is None else bool(known & set(features))
