"""Validation on held-out digits, and temperature scaling."""

import math
from typing import NamedTuple

import numpy as np
from flax import nnx
from jaxtyping import Float, UInt8

from flaxdigits.data.digits import Digits
from flaxdigits.training.model import predict_logits

MIN_TEMPERATURE, MAX_TEMPERATURE = 0.2, 5.0  # a few digits without an error would ask for 0


class Validation(NamedTuple):
    """Figures of a network on clean digits; NaN without any."""

    loss: float = math.nan  # mean cross-entropy, nats
    accuracy: float = math.nan  # 0..1
    temperature: float = math.nan  # of least loss


def validate(model: nnx.Module, digits: Digits | None) -> Validation:
    """Returns the figures of a network on labelled digits."""
    if digits is None:
        return Validation()
    logits, labels = predict_logits(model, digits.images), digits.known_labels()
    accuracy = float((logits.argmax(axis=1) == labels).mean())
    return Validation(mean_loss(logits, labels), accuracy, fit_temperature(logits, labels))


def mean_loss(logits: Float[np.ndarray, "n 10"], labels: UInt8[np.ndarray, " n"]) -> float:
    """Returns the mean cross-entropy in nats."""
    from scipy.special import log_softmax  # SciPy takes a second to import, which the first step has not to wait for

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
