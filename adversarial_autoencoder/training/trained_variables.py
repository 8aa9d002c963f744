"""The check that each variable is trained by the phases that it is meant for.

Phases pick their variables by the start of the layers' names (`layers.variables`). A layer whose
name does not begin as it should would be left out, or trained by another network's phase.
"""

from collections import Counter

from adversarial_autoencoder.model import Model
from adversarial_autoencoder.system.errors import UserError

import keras


def check(model: Model) -> None:
    """Raises UserError if a trainable variable belongs to no phase, or to another network's.

    To be called once a step is traced: by then each optimizer knows its variables. Nothing is
    checked where no optimizer is an attribute of the model.
    """
    trained = trained_by_phase(model)
    if not any(trained.values()):
        return
    own, taken = {}, set()  # A network's variables without those of a network inside it.
    for network in sorted(model.networks, key=lambda network: len(network.variables)):
        own[network] = [v for v in network.trainable_variables if id(v) not in taken]
        taken.update(map(id, own[network]))
    # The usual prefix of each network: that of most of its variables that a phase trains.
    usual = {}
    for network, variables in own.items():
        counts = Counter(_prefix(v) for v in variables if _phases(v, trained))
        usual[network] = counts.most_common(1)[0][0] if counts else None
    for network, variables in own.items():
        for variable in variables:
            layer, phases = variable.path.split("/")[0], _phases(variable, trained)
            others = [n.name for n in own if usual[n] == _prefix(variable) != usual[network]]
            if not phases:
                told = f"no phase trains the layer {layer} of the {network.name}"
            elif others:
                told = (
                    f"the layer {layer} of the {network.name} is named as the layers of the "
                    f"{others[0]} are, and would be trained in their phases ({', '.join(phases)})"
                )
            else:
                continue
            if usual[network] is None:
                raise UserError(f"{told}: give it a name that starts as its phase asks, such as e_")
            rest = layer.removeprefix(_prefix(variable)) if others else layer
            name = f'name="{usual[network]}{rest}"'
            raise UserError(
                f"{told}: give it a name that starts with {usual[network]}, such as {name}"
            )


def trained_by_phase(model: Model) -> dict[str, set[int]]:
    """Returns the ids of the variables of each of the model's optimizers, by the phase's name.

    A phase is named as the attribute with its optimizer is, `autoencoder_optimizer` for example.
    """
    return {
        # Keras keeps them private; with a Keras that names them otherwise nothing is checked.
        name.removesuffix("_optimizer"): {
            id(v) for v in getattr(optimizer, "_trainable_variables", ())
        }
        for name, optimizer in vars(model).items()
        if isinstance(optimizer, keras.optimizers.Optimizer)
    }


def _phases(variable: keras.Variable, trained: dict[str, set[int]]) -> list[str]:
    return [phase for phase, ids in trained.items() if id(variable) in ids]


def _prefix(variable: keras.Variable) -> str:
    return variable.path.split("_")[0] + "_"
