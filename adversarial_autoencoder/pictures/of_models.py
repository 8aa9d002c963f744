"""The pictures of a model: its own, and those that all models of its kind have."""

from adversarial_autoencoder import inference, priors
from adversarial_autoencoder.datasets import Dataset
from adversarial_autoencoder.model import Model
from adversarial_autoencoder.pictures import grids, plots
from adversarial_autoencoder.system.errors import UserError

import numpy as np
import tensorflow as tf
from absl import flags as absl_flags

SHEET = 20  # Rows, and images in a row, of what `--generate` and `--visualize` draw.


def usual(model: Model, data: Dataset, at_end: bool = False) -> dict[str, np.ndarray]:
    """Returns the model's own pictures by name, and a scatter plot of test codes if they are 2-D.

    When training has ended, the confusion matrix and the mistakes are drawn too.
    """
    found = model.pictures(data)
    if at_end and model.classify is not None and not model.labels_are_clusters:
        found |= _predicted_labels(model, data)
    if model.flags.z_dim == 2:
        found |= _codes(model, data)
    return found


def asked_for(model: Model, data: Dataset) -> dict[str, np.ndarray]:
    """Returns what `--generate` and `--visualize` ask for, and without them the usual pictures."""
    found = {}
    if model.flags.generate:
        found |= _samples(model, data)
    if model.flags.visualize:
        found |= _codes(model, data) | _prior(model) | manifolds(model, data)
    return found or usual(model, data, at_end=True)


def check(flags: absl_flags.FlagValues) -> None:
    """Raises UserError if `--generate` or `--visualize` asks for what the model does not have."""
    if flags.generate and "prior" not in flags:
        raise UserError("--generate draws codes from a prior, and part 1 has none: use part 2")
    if flags.visualize and flags.z_dim != 2:
        raise UserError(f"--visualize draws codes of 2 dimensions, and --z_dim is {flags.z_dim}")


def _predicted_labels(model: Model, data: Dataset) -> dict[str, np.ndarray]:
    """The confusion matrix on test images, and the images that are predicted wrongly."""
    predicted = inference.classify(model.classify, data.test.images)
    return {
        "confusion_matrix": plots.confusion_matrix(data.test.labels, predicted, data.class_names),
        "mistakes": grids.mistakes(data.test.images, data.test.labels, predicted, data.class_names),
    }


def _codes(model: Model, data: Dataset) -> dict[str, np.ndarray]:
    """Test codes over the prior's outline."""
    codes = model.draw_codes(data.test.images)
    prior = {}
    if model.heads is not None:
        prior = {"heads": np.asarray(model.heads())}
    elif model.prior is not None:
        prior = {"outline": model.prior.outline()}
    return {"codes": plots.scatter(codes, data.test.labels, data.class_names, **prior)}


def _prior(model: Model) -> dict[str, np.ndarray]:
    """Samples of the prior, coloured by component, to compare codes with."""
    if model.prior is None:
        return {}
    z = model.sample_prior(10_000, "plot of the prior").numpy()
    labels, names = np.zeros(len(z), int), ["prior"]
    if isinstance(model.prior, priors.Mixture):
        labels = model.prior.nearest_component(z).numpy()
        names = [f"component {k}" for k in range(model.prior.n_components)]
    return {"prior": plots.scatter(z, labels, names)}


def _samples(model: Model, data: Dataset) -> dict[str, np.ndarray]:
    """Images of codes drawn from the prior; where the decoder takes labels, one a column."""
    n_columns = max(SHEET - SHEET % model.n_labels, model.n_labels)  # Each class equally often.
    n_columns = min(n_columns, grids.MOST_CLASSES) if _takes_labels(model) else SHEET
    n = SHEET * n_columns
    y = tf.one_hot(np.arange(n) % n_columns % model.n_labels, model.n_labels)
    x = model.decode(model.sample_prior(n, "samples"), y)
    samples = grids.grid(data.as_images(x), n_columns)
    if _takes_labels(model):
        samples = grids.say_how_many(samples, min(n_columns, model.n_labels), model.n_labels)
    return {"samples": samples}


def manifolds(model: Model, data: Dataset) -> dict[str, np.ndarray]:
    """Returns the decoder's images over the square that the prior fills, one for each label.

    With cluster heads it is the square that heads and codes of test images fill; a decoder that
    takes codes alone has one picture. None of codes that are not 2-D.
    """
    if model.flags.z_dim != 2:
        return {}
    reach = 10.0  # As in part 2; without a prior codes may lie anywhere.
    if model.heads is not None:
        codes = model.draw_codes(data.test.images)
        reach = np.abs(np.concatenate([codes, model.heads()])).max()
    elif model.prior is not None:
        reach = model.prior.extent
    z = tf.constant(grids.manifold_codes(-reach, reach, step=2 * reach / (SHEET - 1)))
    found, n = {}, min(model.n_labels, grids.MOST_CLASSES) if _takes_labels(model) else 1
    if 1 < n < model.n_labels:
        print(f"Manifolds are drawn of the first {n} of {model.n_labels} classes.")
    for k in range(n):
        x = model.decode(z, tf.one_hot(tf.fill([len(z)], k), model.n_labels))
        name = f"manifold_{k}" if _takes_labels(model) else "manifold"
        found[name] = grids.grid(data.as_images(x))
    return found


def _takes_labels(model: Model) -> bool:
    return len(model.decoder.inputs) == 2
