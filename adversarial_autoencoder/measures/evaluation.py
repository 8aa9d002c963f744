"""Measures of trained models, and the table that reports them.

A model's `MEASURES` are functions of three arguments: the model, its data set, and the judge, a
`classifiers.Judge` of that data set (any classifier of labels with an `accuracy` will do). They
return figures by name, as in `formulas`. Only measures of generated images use the judge, which is
trained when it is first used. Random draws are the same every time.
"""

from collections.abc import Mapping

from adversarial_autoencoder.datasets import Dataset
from adversarial_autoencoder.inference import classify, encode, generate
from adversarial_autoencoder.measures import clusters, formulas, probes, style_transfer
from adversarial_autoencoder.measures.classifiers import Judge
from adversarial_autoencoder.measures.formulas import STANDARD_ERROR, Metrics

import numpy as np
import tensorflow as tf

N_GENERATED = 10_000  # Images generated from the prior, as in the AAE paper's protocol.
N_STYLES = 1000  # Test images whose style is decoded with every label.


def measure_reconstruction(model: tf.Module, data: Dataset, judge: Judge) -> Metrics:
    """Returns the reconstruction error of an autoencoder (`reconstruct(x, y)`) on test images."""
    x, y = data.test_inputs()
    return formulas.reconstruction_mse(x.numpy(), generate(model.reconstruct, x, y))


def measure_codes(model: tf.Module, data: Dataset, judge: Judge) -> Metrics:
    """Returns how well the codes fit the prior, and the likelihood of test images.

    Returns:
      `code_mean`, `code_stddev`, `code_ks`, `energy_distance` and more of `formulas.code_fit`;
      the likelihoods and bandwidths of `formulas.parzen_log_likelihood`.

    The likelihood: Makhzani et al. 2015, section 3. The energy distance: Székely and Rizzo 2013.
    """
    z = model.draw_codes(data.test.images)
    uses = ("code fit", "code fit, again")
    prior, prior_again = (model.sample_prior(len(z), use).numpy() for use in uses)
    x, _ = _generate_evenly(model, data)
    return formulas.code_fit(z, prior, prior_again) | formulas.parzen_log_likelihood(
        x, data.validation.images, data.test.images
    )


def measure_style_and_content(model: tf.Module, data: Dataset, judge: Judge) -> Metrics:
    """Returns content accuracy, diversity, and what z tells about the label and the style factors.

    A probe reads z as the decoder gets it in training; where that is drawn, a second one reads its
    mean.

    Returns:
      `content_accuracy`, and `classifier_accuracy` of the judge on test images;
      `sample_diversity`; `z_probe_accuracy`, `z_probe_chance`, `z_mean_probe_accuracy` and
      `z_mean_probe_chance` (Mathieu et al. 2016, table 1); `style_factor_r2_<name>`,
      `style_factor_accuracy_<name>` and `style_factor_chance_<name>` where factors are known.
    """
    x, labels = _generate_evenly(model, data)
    train, test = data.train, data.test
    z_train, z_test = (model.draw_codes(split.images) for split in (train, test))
    metrics = (
        formulas.content_accuracy(judge, data.as_images(x), labels)
        | {"classifier_accuracy": judge.accuracy}
        | formulas.sample_diversity(x, labels, test.images, test.labels)
        | probes.z_probe_accuracy(z_train, train.labels, z_test, test.labels)
        | probes.style_factor_r2(z_train, train.factors, z_test, test.factors)
    )
    if model.code_noise(test.images[:1]) is not None:
        z_train, z_test = (encode(model.encode, split.images) for split in (train, test))
        found = probes.z_probe_accuracy(z_train, train.labels, z_test, test.labels)
        metrics |= {name.replace("z_", "z_mean_", 1): value for name, value in found.items()}
    return metrics


def measure_style_transfer(model: tf.Module, data: Dataset, judge: Judge) -> Metrics:
    """Returns whether the styles of test images carry over to every label; see `style_transfer`.

    The codes of 1,000 test images are each decoded with every label. Images generated from the
    prior do not show where that fails: for unusual images.
    """
    test = data.test.spread(N_STYLES)
    y = np.eye(data.n_classes, dtype=np.float32)
    z = encode(model.encode, test.images).repeat(data.n_classes, axis=0)
    x = data.as_images(generate(model.decode, z, np.tile(y, [len(test), 1])))
    rows = x.reshape(len(test), data.n_classes, *data.image_shape)
    return style_transfer.style_transfer(judge, rows) | style_transfer.style_agreement(
        rows, test.images, test.labels
    )


def measure_classification(model: tf.Module, data: Dataset, judge: Judge) -> Metrics:
    """Returns the error of the labels that the model itself predicts, on test images."""
    predicted = classify(model.classify, data.test.images)
    return formulas.classification_error(predicted, data.test.labels)


def measure_clusters(model: tf.Module, data: Dataset, judge: Judge) -> Metrics:
    """Returns how well the clusters that the model found fit the labels; see `clusters.clustering`.

    Validation images give each cluster its label. Images of one class alone measure nothing.
    """
    if data.n_classes < 2:
        return {}
    validation, test = (encode(model.classify, s.images) for s in (data.validation, data.test))
    return clusters.clustering(validation, data.validation.labels, test, data.test.labels)


def measure_map(model: tf.Module, data: Dataset, judge: Judge) -> Metrics:
    """Returns the error of the labels, or of clusters, and how well codes alone tell the label.

    Returns:
      The figures of `measure_classification` or `measure_clusters`; `nearest_neighbour_error` of
      test codes among training codes; `head_distance`, the smallest between two heads.
    """
    measure = measure_clusters if model.labels_are_clusters else measure_classification
    metrics = {"head_distance": formulas.smallest_distance(np.asarray(model.heads()))}
    if data.n_classes < 2:
        return metrics
    z, z_test = (model.draw_codes(split.images) for split in (data.train, data.test))
    return (
        measure(model, data, judge)
        | formulas.nearest_neighbour_error(z, data.train.labels, z_test, data.test.labels)
        | metrics
    )


def _generate_evenly(model: tf.Module, data: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Images generated from the prior, flat [n, input_dim], and their labels, each as often."""
    labels = np.arange(N_GENERATED) % model.n_labels
    y = np.eye(model.n_labels, dtype=np.float32)[labels]
    z = model.sample_prior(N_GENERATED, "generated images").numpy()
    return generate(model.decode, z, y), labels


# Reporting.


def format_table(metrics: Mapping[str, float]) -> str:
    """Returns the figures as lines of name and value, `± standard error` where there is one."""
    names = [name for name in metrics if not name.endswith(STANDARD_ERROR)]
    width = max(map(len, names), default=0)
    lines = []
    for name in names:
        line = f"{name:{width}}  {metrics[name]:.4g}"
        if name + STANDARD_ERROR in metrics:
            line += f" ± {metrics[name + STANDARD_ERROR]:.2g}"
        lines.append(line)
    return "\n".join(lines)
