"""Compares steps of one device with steps of several; TensorFlow must not have started before.

    python tests/steps_on_devices.py small.npz 2 part3_style_content:adam ...

It prints JSON: by script, the largest differences and how far the weights moved.
"""

import importlib
import json
import sys

from adversarial_autoencoder import layers, optimizers, options, randomness
from adversarial_autoencoder import model as models
from adversarial_autoencoder.datasets import batches
from adversarial_autoencoder.system import devices, distribution
from adversarial_autoencoder.training import command
from adversarial_autoencoder.training import loop as training

import keras
import numpy as np
import tensorflow as tf

BATCH_SIZE = 10
WORDS = {
    "part2_aae": ["--prior=swiss_roll"],
    "part4_semisupervised": ["--n_labeled=30", "--batch_norm"],
    "experiments.label_regularized_aae": ["--n_labeled=30"],
    "experiments.virtual_adversarial": ["--n_labeled=30", "--vat_on_labeled"],
    "experiments.clustering": ["--n_clusters=4", "--vat_radius=1", "--balance_weight=2"],
    "experiments.dimensionality_reduction": ["--n_labeled=30", "--balance_weight=2"],
    "experiments.classifier": ["--n_labeled=30", "--vat_radius=1", "--batch_norm"],
    "experiments.disentangling_factors": ["--n_filters=1", "--discriminator_ceiling=2"],
}


class SGD(optimizers.GradientAveraging, keras.optimizers.SGD):
    """Adam divides a wrong factor of the gradients out again; this does not."""


def build(dataset, name, strategy, optimizer):
    script = importlib.import_module(name)
    model_class = next(
        value
        for value in vars(script).values()
        if isinstance(value, type) and value in models.Model.__subclasses__()
    )
    sizes = ["--n_l1=8", "--n_l2=8", f"--batch_size={BATCH_SIZE}", f"--dataset={dataset}"]
    words = [*sizes, "--noise_stddev=0.3", "--learning_rate=0.01"]
    words += ["--initializer=he", *WORDS.get(name, [])]
    define_more = getattr(script, "define_flags", None)
    flags = options.parse(["x", *words], "", script.DEFAULTS, define_more)
    data = model_class.load_data(flags)

    def sgd(rate, beta1, variables):
        made = SGD(0.01)
        made.build(variables)
        return made

    adam, optimizers.adam = optimizers.adam, optimizers.adam if optimizer == "adam" else sgd
    with devices.scope(strategy):
        model = model_class(data, flags)
    optimizers.adam = adam
    for network in model.networks:
        for layer in network.layers:
            if isinstance(layer, keras.layers.GaussianNoise):
                layer.stddev = 0.0  # Keras' layers draw otherwise on each device.
    split = model.training_images(data)
    return model, batches.Batches(split, data.n_classes, BATCH_SIZE, flags.seed)


def train(dataset, name, strategy, optimizer, n_steps=2):
    model, train_batches = build(dataset, name, strategy, optimizer)
    networks = list(model.exports().values())
    ema = optimizers.ExponentialMovingAverage(networks, 0.9)
    variables = [v for network in model.networks for v in network.variables]
    variables = [v for v in variables if v.dtype == "float32"]
    before = [v.numpy() for v in variables]
    steps = training.step_loop(model, train_batches, ema, strategy)
    first, last = tf.constant(0, tf.int64), tf.constant(n_steps, tf.int64)
    losses, _ = steps(first, last, train_batches.order(0))
    with ema.in_place():
        averages = [v.numpy() for network in networks for v in network.variables]
    return {
        "losses": [losses[key].numpy() for key in sorted(losses)],
        "weights": [v.numpy() for v in variables],
        "averages": averages,
        "moved": [v.numpy() - b for v, b in zip(variables, before, strict=True)],
        "copies": [
            np.ptp([copy.numpy() for copy in strategy.experimental_local_results(v.value)], axis=0)
            for v in (variables if strategy else [])
        ],
    }


def largest(arrays):
    return max((float(np.abs(array).max()) for array in arrays), default=0.0)


def compare(dataset, name, strategy, optimizer):
    one, several = (train(dataset, name, s, optimizer) for s in (None, strategy))
    found = {
        key: largest(a - b for a, b in zip(one[key], several[key], strict=True))
        for key in ("losses", "weights", "averages")
    }
    return found | {"moved": largest(one["moved"]), "copies": largest(several["copies"])}


def masks_of_devices(strategy):
    """Whether dropout drops the same on each device, and the same when it draws again."""
    with strategy.scope():
        layer = keras.layers.Dropout(0.5, name="x")
        network = keras.Sequential([keras.Input([100]), layer])

    @tf.function
    def draw():
        devices.on_each(layers.redraw, strategy)([network], 0, tf.constant(3, tf.int64))
        return strategy.run(lambda: network(tf.ones([1, 100]), training=True))

    first, again = (
        [np.array(copy) for copy in strategy.experimental_local_results(draw())] for _ in range(2)
    )
    return {
        "same_on_all": all((mask == first[0]).all() for mask in first),
        "same_again": all((a == b).all() for a, b in zip(first, again, strict=True)),
    }


def main():
    dataset, n, *names = sys.argv[1:]
    flags = options.parse(["x", "--train", f"--devices={n}", f"--batch_size={BATCH_SIZE}"], "", {})
    strategy = distribution.start(flags)
    flags.seed = 0
    command.set_up(flags)
    found = {
        f"{name}:{optimizer}": compare(dataset, name, strategy, optimizer)
        for name, _, optimizer in (name.partition(":") for name in names)
    }
    found["masks"] = masks_of_devices(strategy)
    seed = randomness.stateless_seed(0, "draws", 1)
    drawn = strategy.run(lambda: randomness.uniform([BATCH_SIZE // int(n), 2], seed))
    drawn = np.concatenate(strategy.experimental_local_results(drawn))
    found["drawn"] = bool((drawn == randomness.uniform([BATCH_SIZE, 2], seed).numpy()).all())
    print(json.dumps(found))


if __name__ == "__main__":
    main()
