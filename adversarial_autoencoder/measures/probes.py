"""Probes: small networks that are trained to predict labels or factors from codes.

How well they do tells what the codes still say. A probe has two hidden layers of 256 units (with
one it predicts far worse). It is trained with early stopping on a tenth of the training codes that
it does not learn from. Factors are arrays [n] by name; their values are whole numbers where they
are categorical (font, hair), and any others where they are continuous (slant, size).
"""

from collections.abc import Callable, Mapping

from adversarial_autoencoder import optimizers, randomness
from adversarial_autoencoder.inference import generate
from adversarial_autoencoder.measures.formulas import Metrics, mean_with_error

import keras
import numpy as np
import tensorflow as tf

N_EPOCHS, PATIENCE = 40, 10
LEARNING_RATE = 3e-3  # At the start; it falls to 0 along a cosine over all epochs.


def z_probe_accuracy(
    z_train: np.ndarray,
    y_train: np.ndarray,
    z_test: np.ndarray,
    y_test: np.ndarray,
    seed: int = 0,
) -> Metrics:
    """Returns how well a probe predicts the label from the code, and the accuracy by chance.

    Args:
      z_train: codes of training images, float [n, z_dim].
      y_train: int [n], their labels, from 0.
      z_test: codes of test images, float [m, z_dim].
      y_test: int [m], their labels.
      seed: draws the initial weights, the tenth held out, and the order of codes.

    Returns:
      `z_probe_accuracy` on the test codes and `z_probe_chance`, the share of the largest class.

    Mathieu et al. 2016, table 1 (which lists errors).
    """
    predicted = _predicted_classes(z_train, y_train, z_test, seed)
    chance = float(np.bincount(y_test).max() / len(y_test))
    return mean_with_error("z_probe_accuracy", predicted == y_test) | {"z_probe_chance": chance}


def style_factor_r2(
    z_train: np.ndarray,
    factors_train: Mapping[str, np.ndarray],
    z_test: np.ndarray,
    factors_test: Mapping[str, np.ndarray],
    seed: int = 0,
) -> Metrics:
    """Returns how well probes predict the factors of images from their codes.

    One probe predicts all continuous factors, and each categorical factor has one of its own.

    Args as of `z_probe_accuracy`, with factors by name (maybe none) in the place of labels.

    Returns:
      - for a continuous factor `style_factor_r2_<name>`, the share of its variance on test images
        that is predicted: 1 at best, about 0 where the code does not hold it,
      - for a categorical factor `style_factor_accuracy_<name>` and `style_factor_chance_<name>`,
        the share of its commonest value,
      - nothing for a factor that does not vary.
    """
    varying = [name for name in factors_train if np.ptp(factors_test[name]) > 0]
    categorical = [name for name in varying if is_categorical(factors_train[name])]
    continuous = [name for name in varying if name not in categorical]
    metrics = {}
    if continuous:
        train, test = (
            np.column_stack([factors[name] for name in continuous]).astype(np.float64)
            for factors in (factors_train, factors_test)
        )
        mean, stddev = train.mean(axis=0), _stddev(train)
        targets = ((train - mean) / stddev).astype(np.float32)
        loss = keras.losses.MeanSquaredError()
        stopping = {"monitor": "val_loss", "mode": "min"}
        probe = _fit(z_train, targets, len(continuous), loss, seed, **stopping)
        residuals = test - (probe(z_test) * stddev + mean)
        r2 = 1 - np.mean(residuals**2, axis=0) / test.var(axis=0)
        metrics = {f"style_factor_r2_{k}": float(v) for k, v in zip(continuous, r2, strict=True)}
    for name in categorical:
        values, train = np.unique(factors_train[name], return_inverse=True)
        predicted = values[_predicted_classes(z_train, train, z_test, seed)]
        _, counts = np.unique(factors_test[name], return_counts=True)
        metrics |= mean_with_error(f"style_factor_accuracy_{name}", predicted == factors_test[name])
        metrics[f"style_factor_chance_{name}"] = float(counts.max() / counts.sum())
    return metrics


def probe_errors(
    z_train: np.ndarray,
    y_train: np.ndarray,
    z_test: np.ndarray,
    y_test: np.ndarray,
    seed: int = 0,
) -> tuple[float, float]:
    """Returns the share of wrong predictions of a probe on training and on test codes, 0 to 1.

    Args as of `z_probe_accuracy`; labels are any integers.

    Mathieu et al. 2016, table 1.
    """
    values, classes = np.unique(y_train, return_inverse=True)
    probe = _fit_classifier(z_train, classes, len(values), seed)
    train, test = (
        float(np.mean(values[np.argmax(probe(z), axis=1)] != y))
        for z, y in ((z_train, y_train), (z_test, y_test))
    )
    return train, test


def is_categorical(values: np.ndarray) -> bool:
    """Returns whether a factor is categorical (all values whole numbers) and not continuous."""
    return bool(np.all(np.asarray(values) == np.round(values)))


def _predicted_classes(
    z: np.ndarray, labels: np.ndarray, z_test: np.ndarray, seed: int
) -> np.ndarray:
    """The classes that a probe trained on (z, labels) predicts from z_test, int64 [m]."""
    probe = _fit_classifier(z, labels, int(labels.max()) + 1, seed)
    return np.argmax(probe(z_test), axis=1)


def _fit_classifier(
    z: np.ndarray, classes: np.ndarray, n_classes: int, seed: int
) -> Callable[[np.ndarray], np.ndarray]:
    """Returns codes to logits [n, n_classes], learned from classes, int [n]."""
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    return _fit(z, classes, n_classes, loss, seed, monitor="val_accuracy", mode="max")


def _fit(
    z: np.ndarray,
    targets: np.ndarray,
    n_outputs: int,
    loss: keras.losses.Loss,
    seed: int,
    **stopping: str,
) -> Callable[[np.ndarray], np.ndarray]:
    """Trains a probe, codes to outputs; the best epoch on the held-out codes is kept.

    `stopping` is the `monitor` and `mode` of `EarlyStopping`.
    """
    mean, stddev = np.mean(z, axis=0, dtype=np.float64), _stddev(z)

    def standardized(codes: np.ndarray) -> np.ndarray:
        return ((codes - mean) / stddev).astype(np.float32)

    x = standardized(z)
    generator = randomness.numpy_generator(seed, "order of the probe's codes")
    held_out, kept = np.split(generator.permutation(len(z)), [max(1, len(z) // 10)])
    # Small data sets need smaller batches, to have enough of them in an epoch.
    batch_size = min(max(len(kept) // 100, 32), 500, len(kept))
    n_steps = len(kept) // batch_size
    # The order is drawn here: that of `fit` itself depends on TensorFlow's global seed.
    orders = [generator.permutation(kept)[: n_steps * batch_size] for _ in range(N_EPOCHS)]
    rows = tf.data.Dataset.from_tensor_slices(np.reshape(orders, [-1, batch_size]))
    all_x, all_targets = tf.constant(x), tf.constant(targets)
    batches = rows.map(lambda i: (tf.gather(all_x, i), tf.gather(all_targets, i)))
    options = tf.data.Options()
    # On a single core training was once seen to wait for ever, with the shared thread as it seems.
    options.threading.private_threadpool_size = 1
    batches = batches.with_options(options)

    network = _network(x.shape[1], n_outputs, seed)
    rate = keras.optimizers.schedules.CosineDecay(LEARNING_RATE, N_EPOCHS * n_steps)
    network.compile(
        optimizers.adam(rate, 0.9, network.trainable_variables),
        loss,
        metrics=["accuracy"] if stopping["monitor"] == "val_accuracy" else [],
        steps_per_execution=n_steps,
        jit_compile=False,  # As under op determinism, where Keras turns XLA off.
    )
    network.fit(
        batches,
        epochs=N_EPOCHS,
        steps_per_epoch=n_steps,
        validation_data=(x[held_out], targets[held_out]),
        validation_batch_size=10000,
        callbacks=[
            keras.callbacks.EarlyStopping(**stopping, patience=PATIENCE, restore_best_weights=True)
        ],
        shuffle=False,  # The batches are shuffled already.
        verbose=0,
    )
    return lambda codes: generate(network, standardized(codes), batch_size=10000)


def _network(n_inputs: int, n_outputs: int, seed: int) -> keras.Model:
    stack = [keras.Input([n_inputs])]
    for name, units, activation in (
        ("hidden 1", 256, "relu"),
        ("hidden 2", 256, "relu"),
        ("outputs", n_outputs, None),
    ):
        weights = keras.initializers.HeNormal(randomness.initializer_seed(seed, f"probe {name}"))
        stack.append(
            keras.layers.Dense(units, activation, kernel_initializer=weights, dtype="float32")
        )
    return keras.Sequential(stack)


def _stddev(values: np.ndarray) -> np.ndarray:
    """Standard deviation of each column, 1 for a column that does not vary."""
    stddev = np.std(values, axis=0, dtype=np.float64)
    return np.where(stddev > 0, stddev, 1.0)
