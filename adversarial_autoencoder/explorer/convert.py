"""Dense Keras networks as a list of steps on vectors, which a page can carry out itself.

Each step computes one vector of others; all are numbered, the network's inputs first. Layers that
only act in training (dropout, noise) leave no step, and a batch normalization, or any other scale
and shift, that follows a dense layer becomes part of it.
"""

import dataclasses
from collections.abc import Mapping, Sequence

import keras
import numpy as np

ACTIVATIONS = ("relu", "leaky_relu", "sigmoid", "tanh", "softmax", "softplus")
# Layers that do nothing outside training.
_IDENTITY = (
    "Dropout",
    "GaussianNoise",
    "GaussianDropout",
    "AlphaDropout",
    "ActivityRegularization",
)


class DoesNotFit(ValueError):
    """A network has an operation that the page does not know."""


@dataclasses.dataclass
class Step:
    """One operation on vectors.

    Attributes:
      op: `dense` (arrays `kernel` [n_in, n_out] and `bias` [n_out]), `affine` (arrays `scale` and
        `shift` [n]), one of `ACTIVATIONS`, `add`, `subtract`, `multiply` or `concatenate`.
      inputs: numbers of the vectors that go in.
      output: number of the vector that comes out.
      arrays: weights by name, float32.
      slope: of a `leaky_relu` below 0.
    """

    op: str
    inputs: list[int]
    output: int
    arrays: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    slope: float | None = None


@dataclasses.dataclass
class Network:
    """A network's steps, in an order in which each comes after those whose results it takes.

    Attributes:
      steps: the operations.
      sizes: of each vector, by its number.
      n_inputs: so many of the vectors, the first ones, are the network's inputs.
      outputs: numbers of the vectors that it returns.
    """

    steps: list[Step]
    sizes: dict[int, int]
    n_inputs: int
    outputs: list[int]


def convert(network: keras.Model, outputs: Sequence[int] | None = None) -> Network:
    """Returns what a functional Keras model computes at inference.

    Args:
      network: its inputs are vectors [batch, n].
      outputs: which of its outputs are wanted, all by default; what only others need is omitted.

    Raises:
      DoesNotFit: an operation is not one of vectors, or is not known here.
    """
    if not isinstance(network, keras.Model) or not hasattr(network, "operations"):
        raise DoesNotFit(f"{network.name} is no functional Keras model")
    converter = _Converter(network)
    wanted = _tensors(network.get_config()["output_layers"])
    wanted = wanted if outputs is None else [wanted[k] for k in outputs]
    numbers = [converter.vector_of(*tensor) for tensor in wanted]
    if not all(isinstance(number, int) for number in numbers):
        raise DoesNotFit(f"{network.name} has a constant output")
    steps = _fold(_needed(converter.steps, numbers), numbers)
    return Network(steps, converter.sizes, converter.n_inputs, numbers)


class _Converter:
    """Walks from the outputs to what they are made of, so that nothing else is converted.

    It reads the graph from the model's configuration, the one that `.keras` files hold. A value is
    the number of a vector, or a float where all entries are equal and known.
    """

    def __init__(self, network: keras.Model):
        config = network.get_config()
        self.nodes = {layer["name"]: layer["inbound_nodes"] for layer in config["layers"]}
        self.operations = {operation.name: operation for operation in network.operations}
        self.steps: list[Step] = []
        self.values: dict[tuple[str, int], int | float] = {}
        self.sizes: dict[int, int] = {}
        inputs = _tensors(config["input_layers"])
        self.n_inputs = len(inputs)
        for number, ((name, node, _), tensor) in enumerate(
            zip(inputs, network.inputs, strict=True)
        ):
            if len(tensor.shape) != 2:
                raise DoesNotFit(f"{network.name} takes {tensor.shape[1:]}, not vectors")
            self.values[name, node] = number
            self.sizes[number] = tensor.shape[1]

    def vector_of(self, name: str, node: int, tensor: int) -> int | float:
        """Returns the value that an operation (its name) gives, converted when first asked for."""
        if (name, node) not in self.values:
            arguments = self.nodes[name][node]["args"]
            if len(arguments) == 1 and isinstance(arguments[0], list | tuple):
                arguments = arguments[0]  # Layers of several inputs take them as one list.
            operation, inputs = self.operations[name], []
            for argument in reversed(arguments):
                inputs.insert(0, self._argument(name, argument))
                times_nothing = isinstance(inputs[0], float) and inputs[0] == 0.0
                if times_nothing and type(operation).__name__ == "Multiply":
                    break  # Times no noise: the page need not know how its size is computed.
            self.values[name, node] = self._apply(operation, inputs)
        return self.values[name, node]

    def _argument(self, name: str, argument: object) -> int | float:
        if isinstance(argument, Mapping) and argument.get("class_name") == "__keras_tensor__":
            return self.vector_of(*argument["config"]["keras_history"])
        if isinstance(argument, float | int):
            return float(argument)
        raise DoesNotFit(f"{name} takes something else than vectors and numbers")

    def _apply(self, operation, inputs: list[int | float]) -> int | float:
        kind = type(operation).__name__
        known = type(operation).__module__.startswith("keras.")
        if known and kind in _IDENTITY:
            return inputs[0]
        if known and kind in ("Add", "Subtract", "Multiply"):
            return self._arithmetic(kind.lower(), inputs)
        if not known or any(isinstance(value, float) for value in inputs):
            raise DoesNotFit(f"the page cannot compute a {kind} (layer {operation.name})")
        size = self.sizes[inputs[0]]
        if kind == "Dense":
            return self._dense(operation, inputs)
        if kind == "BatchNormalization":
            return self._affine(inputs[0], *_normalization(operation, size))
        if kind == "Rescaling":
            return self._affine(inputs[0], operation.scale, operation.offset)
        if kind == "Activation":
            return self._activation(operation, inputs[0])
        if kind == "Softmax" and operation.axis == -1:
            return self._step("softmax", inputs, size)
        if kind in ("ReLU", "LeakyReLU"):
            if getattr(operation, "max_value", None) or getattr(operation, "threshold", 0):
                raise DoesNotFit(f"{operation.name} is a ReLU with a limit or a threshold")
            slope = float(operation.negative_slope)
            if not slope:
                return self._step("relu", inputs, size)
            return self._step("leaky_relu", inputs, size, slope=slope)
        if kind == "Concatenate" and operation.axis in (-1, 1):
            return self._step("concatenate", inputs, sum(self.sizes[value] for value in inputs))
        raise DoesNotFit(f"the page cannot compute a {kind} (layer {operation.name})")

    def _dense(self, layer, inputs):
        kernel = np.asarray(layer.kernel, np.float32)
        bias = np.asarray(layer.bias if layer.use_bias else np.zeros(layer.units), np.float32)
        arrays = {"kernel": kernel, "bias": bias}
        return self._activation(layer, self._step("dense", inputs, layer.units, arrays=arrays))

    def _activation(self, layer, value: int) -> int:
        name = keras.activations.serialize(layer.activation)
        if name == "linear":
            return value
        if name not in ACTIVATIONS:
            raise DoesNotFit(f"{layer.name} has the activation {name}")
        slope = 0.2 if name == "leaky_relu" else None  # Keras' default.
        return self._step(name, [value], self.sizes[value], slope=slope)

    def _arithmetic(self, op: str, inputs: list[int | float]) -> int | float:
        """Of two vectors, a vector and a number, or two numbers.

        With a number it is an affine step, and none at all if nothing is left to do: so the noise
        on a drawn code, which is 0 at inference, disappears.
        """
        value = inputs[0]
        for other in inputs[1:]:
            a, b = value, other
            if op == "multiply" and 0.0 in [v for v in (a, b) if isinstance(v, float)]:
                value = 0.0
            elif isinstance(a, float) and isinstance(b, float):
                value = a + b if op == "add" else a - b if op == "subtract" else a * b
            elif isinstance(a, int) and isinstance(b, int):
                if self.sizes[a] != self.sizes[b]:
                    raise DoesNotFit(f"an operation {op} is of vectors of different sizes")
                value = self._step(op, [a, b], self.sizes[a])
            elif op == "multiply":
                vector, number = (a, b) if isinstance(a, int) else (b, a)
                value = self._affine(vector, number, 0.0)
            elif op == "add":
                vector, number = (a, b) if isinstance(a, int) else (b, a)
                value = self._affine(vector, 1.0, number)
            else:
                value = self._affine(a, 1.0, -b) if isinstance(a, int) else self._affine(b, -1.0, a)
        return value

    def _affine(self, value: int, scale, shift) -> int:
        size = self.sizes[value]
        scale, shift = (np.broadcast_to(np.asarray(v, np.float32), [size]) for v in (scale, shift))
        if (scale == 1).all() and (shift == 0).all():
            return value
        return self._step("affine", [value], size, arrays={"scale": scale, "shift": shift})

    def _step(self, op: str, inputs: list[int], size: int, **settings) -> int:
        number = len(self.sizes)
        self.sizes[number] = size
        self.steps.append(Step(op, list(inputs), number, **settings))
        return number


def _normalization(layer, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns scale and shift of a batch normalization at inference."""
    if layer.axis not in (-1, 1):
        raise DoesNotFit(f"{layer.name} normalizes another axis than the last")
    gamma = np.asarray(layer.gamma) if layer.scale else np.ones(size)
    beta = np.asarray(layer.beta) if layer.center else np.zeros(size)
    scale = gamma / np.sqrt(np.asarray(layer.moving_variance, np.float64) + layer.epsilon)
    return scale, beta - scale * np.asarray(layer.moving_mean)


def _needed(steps: list[Step], outputs: Sequence[int]) -> list[Step]:
    """Omits what no output is made of, such as the deviation of a drawn code."""
    needed, kept = set(outputs), []
    for step in reversed(steps):
        if step.output in needed:
            needed.update(step.inputs)
            kept.append(step)
    return kept[::-1]


def _fold(steps: list[Step], outputs: Sequence[int]) -> list[Step]:
    """Makes each affine step a part of the dense one before it, if nothing else needs that one."""
    folded: list[Step] = []
    made_by: dict[int, Step] = {}
    users = [value for step in steps for value in step.inputs] + list(outputs)
    for step in steps:
        before = made_by.get(step.inputs[0])
        fits = step.op == "affine" and before is not None and before.op == "dense"
        if fits and users.count(before.output) == 1:
            scale, shift = step.arrays["scale"], step.arrays["shift"]
            kernel, bias = before.arrays["kernel"], before.arrays["bias"]
            before.arrays = {"kernel": kernel * scale, "bias": bias * scale + shift}
            before.output = step.output
        else:
            folded.append(step)
            before = step
        made_by[step.output] = before
    return folded


def _tensors(listed: Sequence) -> list[tuple[str, int, int]]:
    """A model's inputs or outputs as (operation, node, tensor); one alone stands without a list."""
    return [tuple(listed)] if isinstance(listed[0], str) else [tuple(item) for item in listed]
