"""Whether each variable of a model is trained by the phases that it is meant for.

Phases pick their variables by the start of the layers' names (`layers.variables`). A layer whose
name does not begin as it should is left out, or trained by another network's phase, without an
error: hence this check before the first step.
"""

from collections import Counter

from adversarial_autoencoder.model import Model
from adversarial_autoencoder.system.errors import UserError

import keras


def check(model: Model) -> None:
    """Raises UserError if a trainable variable belongs to no phase, or to another network's.

    Nothing is checked where an optimizer does not know its variables yet.
    """
    trained = trained_by_phase(model)
    if not trained or not all(trained.values()):
        return
    networks = _own_variables(model)
    prefixes = [_usual_prefix(variables, trained) for _, variables in networks]
    for (network, variables), prefix in zip(networks, prefixes, strict=True):
        for variable in variables:
            layer = variable.path.split("/")[0]
            phases = [phase for phase, ids in trained.items() if id(variable) in ids]
            if not phases:
                raise UserError(
                    f"no phase trains the layer {layer} of the {network}: {_rename(layer, prefix)}"
                )
            if _prefix(layer) != prefix and _prefix(layer) in prefixes:
                other = networks[prefixes.index(_prefix(layer))][0]
                raise UserError(
                    f"the layer {layer} of the {network} is named as the layers of the {other} "
                    f"are, and would be trained in their phases ({', '.join(phases)}): "
                    f"{_rename(layer, prefix)}"
                )


def trained_by_phase(model: Model) -> dict[str, set[int]]:
    """Returns the ids of the variables of each of the model's optimizers, by the phase's name.

    A phase is named as the attribute with its optimizer is, `autoencoder_optimizer` for example.
    """
    found = model._flatten(
        recursive=False,
        predicate=lambda value: isinstance(value, keras.optimizers.Optimizer),
        with_path=True,
    )
    return {
        ".".join(map(str, path)).removesuffix("_optimizer"): {
            id(v) for v in getattr(optimizer, "_trainable_variables", ())
        }
        for path, optimizer in found
    }


def _own_variables(model: Model) -> list[tuple[str, list[keras.Variable]]]:
    """Each network's name and trainable variables; those of a network inside it are not its own."""
    found, taken = [], set()
    for network in sorted(model.networks, key=lambda network: len(network.variables)):
        variables = [v for v in network.trainable_variables if id(v) not in taken]
        taken |= {id(v) for v in variables}
        found.append((network.name, variables))
    return found


def _usual_prefix(variables: list[keras.Variable], trained: dict[str, set[int]]) -> str | None:
    """The start of the name of most of these variables that a phase trains; None: of none."""
    known = set().union(*trained.values())
    counts = Counter(_prefix(v.path) for v in variables if id(v) in known)
    return counts.most_common(1)[0][0] if counts else None


def _prefix(name: str) -> str:
    return name.split("_")[0] + "_"


def _rename(layer: str, prefix: str | None) -> str:
    if prefix is None:
        return (
            "name it so that it starts as its phase's variables do, with e_ (encoder), d_ "
            "(decoder), dc_ (discriminator) or dl_ (discriminator of labels)"
        )
    rest = layer.split("_", 1)[-1] if layer.startswith(("e_", "d_", "dc_", "dl_")) else layer
    return f'give it a name that starts with {prefix}, such as name="{prefix}{rest}"'
