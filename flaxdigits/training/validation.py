"""Validation on held-out digits, temperature scaling, and the threshold for what counts as a digit."""

import math
from typing import NamedTuple

import numpy as np
from flax import nnx
from jaxtyping import Float, UInt8

from flaxdigits.convention import CLASSES
from flaxdigits.data.digits import Digits
from flaxdigits.training.model import predict_logits

REFUSED = 0.01  # share of the held-out digits below the threshold of digitness
MIN_TEMPERATURE, MAX_TEMPERATURE = 0.2, 5.0  # a few digits without an error would give 0


class Validation(NamedTuple):
    """Figures of a network on clean digits; NaN without any."""

    loss: float = math.nan  # mean cross-entropy, nats
    accuracy: float = math.nan  # 0..1
    temperature: float = math.nan  # that minimises the loss
    digitness_threshold: float = math.nan  # refuses 1% of the digits


def validate(model: nnx.Module, digits: Digits | None) -> Validation:
    """Returns the figures of a network on labelled digits."""
    if digits is None:
        return Validation()
    all_logits, labels = predict_logits(model, digits.images), digits.known_labels()
    logits = all_logits[:, :CLASSES]
    accuracy = float((logits.argmax(axis=1) == labels).mean())
    threshold = float(np.quantile(digitness(all_logits), REFUSED))
    return Validation(mean_loss(logits, labels), accuracy, fit_temperature(logits, labels), threshold)


def digitness(logits: Float[np.ndarray, "n outputs"]) -> Float[np.ndarray, " n"]:
    """Returns the probability that each picture is a digit at all; NaN for logits of the ten digits alone."""
    from scipy.special import softmax

    if logits.shape[1] == CLASSES:
        return np.full(len(logits), np.nan)
    return softmax(logits.astype(np.float64), axis=1)[:, :CLASSES].sum(axis=1)


def mean_loss(logits: Float[np.ndarray, "n 10"], labels: UInt8[np.ndarray, " n"]) -> float:
    """Returns the mean cross-entropy in nats."""
    from scipy.special import log_softmax  # SciPy takes a second to import, which the first step need not wait for

    return float(-log_softmax(logits, axis=1)[np.arange(len(labels)), labels].mean())


def fit_temperature(logits: Float[np.ndarray, "n 10"], labels: UInt8[np.ndarray, " n"]) -> float:
    """Returns the temperature, within 0.2..5, that minimises the loss of the logits divided by it.

    Args:
        logits: of digits that were not trained on.
        labels: their labels.

    References:
        C. Guo, G. Pleiss, Y. Sun, K. Weinberger, "On Calibration of Modern Neural Networks", 2017.
    """
    from scipy.optimize import minimize_scalar

    bounds = np.log([MIN_TEMPERATURE, MAX_TEMPERATURE])
    return float(np.exp(minimize_scalar(lambda log: mean_loss(logits / np.exp(log), labels), bounds=bounds).x))
