"""Calibration: the temperature that makes a network's probabilities say how often it is right."""

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

COLDEST, HOTTEST = 0.2, 5.0  # lest a few digits without an error make a network certain


def mean_loss(logits: np.ndarray, labels: np.ndarray) -> float:
    """Returns the mean cross-entropy of logits [n, 10] against labels [n], in nats a digit."""
    return float(-log_softmax(logits, axis=1)[np.arange(len(labels)), labels].mean())


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """Returns the temperature that the logits are to be divided by, for the least loss on these digits.

    Args:
        logits: of digits that were not trained on, [n, 10].
        labels: what they are, [n].

    Returns:
        Within 0.2..5; below 1 where the network says less than it knows.

    References:
        C. Guo, G. Pleiss, Y. Sun, K. Weinberger, "On Calibration of Modern Neural Networks", 2017.
    """
    bounds = np.log([COLDEST, HOTTEST])
    return float(np.exp(minimize_scalar(lambda log: mean_loss(logits / np.exp(log), labels), bounds=bounds).x))
