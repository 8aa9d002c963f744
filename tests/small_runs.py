"""A run in miniature: its model, its folder, its events."""

import _strptime  # noqa: F401  `strptime` could not import it as nobody.
import contextlib
import os

from adversarial_autoencoder import layers, options, runs

import keras
import tensorflow as tf
from conftest import variables
from tensorflow.core.util import event_pb2


class Model(tf.Module):
    NAME = "Autoencoder"

    def __init__(self, value=0.0):
        super().__init__()
        x = keras.Input([3])
        self.encoder = keras.Model(x, layers.dense(x, 2, "e_output"))
        self.decoder = keras.Model(x, layers.dense(x, 2, "d_output"))
        self.networks = [self.encoder, self.decoder]
        self.set(value)

    @tf.function
    def train_step(self, x, y, step):
        return {}

    def set(self, value):
        for variable in variables(self):
            variable.assign(tf.fill(variable.shape, value))

    def get(self):
        return float(self.encoder.weights[0][0, 0])


def state(model):
    return tf.train.Checkpoint(model=model)


def open_run(*words, name="Autoencoder", results):
    flags = options.parse(["part1", f"--results_dir={results}", *words], "", {})
    return runs.open_run(flags, name), flags


def open_part_2(*words, results, z_dim=2):
    """A run of part 2, or of a part with another default of --z_dim, and its flags."""
    words = ["part2", f"--results_dir={results}", *words]
    flags = options.parse(words, "", {"z_dim": z_dim}, options.define_regularization)
    return runs.open_run(flags, "Adversarial_Autoencoder"), flags


def make_run(results, data, *words):
    run, flags = open_run("--train", *words, results=results)
    run.create("Autoencoder", options.to_flagfile(flags), data)
    return run


def read_events(folder):
    found = []
    for path in sorted(folder.rglob("*tfevents*")):
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            event = event_pb2.Event.FromString(record)
            found += [(value.tag, event.step) for value in event.summary.value]
    return found


@contextlib.contextmanager
def as_nobody():
    """Within a `with` block root has no more rights than others."""
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)
