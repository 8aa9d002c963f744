"""Lines on the screen that say what to expect: of a short run, of a processor."""

import pathlib

from adversarial_autoencoder import dashboard
from adversarial_autoencoder.model import Model

import tensorflow as tf

DOCS = pathlib.Path(__file__).resolve().parent.parent / "docs"


def short_run(model: Model) -> str | None:
    """Returns a line about a run of less than half the script's usual epochs, or None."""
    usual, n_epochs = model.flags["n_epochs"].default, model.flags.n_epochs
    if 2 * n_epochs >= usual:
        return None
    page = f"docs/{dashboard.script_name(model)}.md"
    where = f"; {page} says what to expect at which epoch" if (DOCS.parent / page).exists() else ""
    return (
        f"This was a short run, {n_epochs} of the usual {usual} epochs: blurred images, and "
        f"columns or codes that look alike, are to be expected{where}."
    )


def slow_precision(precision: str, cpu_info: str = "/proc/cpuinfo") -> str | None:
    """Returns a line if 16-bit products would be slower here than 32-bit ones, or None."""
    if precision != "mixed_bfloat16" or tf.config.list_physical_devices("GPU"):
        return None
    if multiplies_bfloat16(cpu_info) is not False:
        return None
    return (
        "Warning: this processor has no bfloat16 units, so --precision=mixed_bfloat16 is slower "
        "than float32: 1.2 times for the parts, 8 times for convolutions on one such processor "
        "(measured by python benchmarks/train_step.py)."
    )


def multiplies_bfloat16(cpu_info: str = "/proc/cpuinfo") -> bool | None:
    """Whether the processor has instructions for products of bfloat16; None: not known."""
    try:
        lines = pathlib.Path(cpu_info).read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        name, _, words = line.partition(":")
        if name.strip() in ("flags", "Features"):  # x86; ARM.
            return bool({"avx512_bf16", "amx_bf16", "bf16"} & set(words.split()))
    return None
