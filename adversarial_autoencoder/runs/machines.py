"""Where a run was trained, in its `machines.json`: what its rounding depends on."""

import json
import sys
from collections.abc import Mapping

from adversarial_autoencoder.runs.run import Run, saving
from adversarial_autoencoder.system import files
from adversarial_autoencoder.system.errors import UserError, printable


def note(run: Run, machine: Mapping[str, object]) -> str | None:
    """Stores what this machine's rounding depends on, beside where the run was trained before.

    Args:
      run: the run that is trained.
      machine: see `machine.machine`.

    Returns:
      What differs from where it was trained before; None if nothing does.

    Raises:
      UserError: it could not be stored.
    """
    before = []
    if run.machines.exists():
        try:
            before = files.read_json(run.machines, lambda found: [dict(m) for m in found])
        except UserError as error:
            print(f"Warning: {error}, or leave it to be written anew.", file=sys.stderr)
    others = [other for other in before if other != machine]
    if machine not in before:
        with saving(run.path):
            content = json.dumps([*before, machine], indent=2) + "\n"
            files.write_atomically(run.machines, content)
    if not others:
        return None
    keys = sorted({*others[-1], *machine})
    pairs = ((key, others[-1].get(key, "none"), machine.get(key, "none")) for key in keys)
    differing = [(key, f"{old} → {new}") for key, old, new in pairs if old != new]
    return printable(", ".join(k if len(told) > 60 else f"{k} {told}" for k, told in differing))
