"""error = a + b · epochs^-c, fitted to the errors of trainings of several lengths."""

from typing import NamedTuple

import numpy as np

EXPONENTS = np.geomspace(0.05, 4, 160)
N_BOOTSTRAP = 500


class Fit(NamedTuple):
    """error = a + b · epochs^-c; floats, or arrays of many fits."""

    a: float
    b: float
    c: float

    def at(self, epochs):
        return self.a + self.b * np.asarray(epochs, float) ** -self.c


def fit(epochs: np.ndarray, errors: np.ndarray, deviation: np.ndarray) -> Fit:
    """Least squares, weighted by the standard errors; a and b are at least 0.

    Args:
      epochs: [n] lengths of training.
      errors: [n], or [m, n] for m fits at once.
      deviation: [n], standard errors of the errors.
    """
    weights = 1 / np.maximum(deviation, 1e-6)
    wanted = (errors * weights).T
    best = np.full(wanted.shape[1:], np.inf)
    found = np.zeros([3, *best.shape])
    for c in EXPONENTS:
        columns = np.stack([np.ones(len(epochs)), (epochs / epochs[0]) ** -c], 1) * weights[:, None]
        for used in ([0, 1], [1], [0]):  # Both, or one of them 0.
            terms = np.zeros([2, *best.shape])
            terms[used] = np.linalg.lstsq(columns[:, used], wanted, rcond=None)[0]
            loss = np.sum((np.tensordot(columns, terms, 1) - wanted) ** 2, 0)
            better = (terms >= 0).all(0) & (loss < best)
            best = np.where(better, loss, best)
            now = np.stack([terms[0], terms[1] * epochs[0] ** c, np.full(best.shape, c)])
            found = np.where(better, now, found)
    return Fit(*found)


def predict(
    epochs: np.ndarray, errors: np.ndarray, deviation: np.ndarray, wanted: int
) -> tuple[float, float, float]:
    """Returns the error after `wanted` epochs, and the interval of 90% of the bootstrap.

    Errors are drawn anew around the measured ones, each with its standard error, and fitted again.
    Where these miss the fit by more than their standard errors explain, the standard errors are
    scaled up until they do (Birge 1932).

    Args:
      epochs, errors, deviation: float [n], as for `fit`.
      wanted: a length of training.
    """
    middle = fit(epochs, errors, deviation)
    misfit = np.sum(((errors - middle.at(epochs)) / np.maximum(deviation, 1e-6)) ** 2)
    deviation = deviation * max(1.0, misfit / max(1, len(epochs) - 3)) ** 0.5
    drawn = np.random.default_rng(0).normal(errors, deviation, [N_BOOTSTRAP, len(errors)]).clip(0)
    low, high = np.quantile(fit(epochs, drawn, deviation).at(wanted), [0.05, 0.95])
    return float(middle.at(wanted)), float(low), float(high)
