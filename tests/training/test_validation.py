import numpy as np
import pytest

from flaxdigits.training.validation import fit_temperature, mean_loss


def drawn(logits, seed=0):
    """Labels drawn with the probabilities of the logits."""
    powers = np.exp(logits)
    shares = np.cumsum(powers / powers.sum(axis=1, keepdims=True), axis=1)
    return (np.random.default_rng(seed).random((len(logits), 1)) > shares).sum(axis=1).clip(0, 9)


@pytest.mark.parametrize("temperature", [0.3, 1.0, 4.0])
def test_the_temperature_of_scaled_logits_is_recovered(temperature):
    logits = np.random.default_rng(1).normal(size=(20_000, 10)) * 2
    assert fit_temperature(logits * temperature, drawn(logits)) == pytest.approx(temperature, rel=0.03)


def test_the_loss_by_hand():
    # softmax of (0, log 3) is (1/4, 3/4)
    logits = np.array([[0, np.log(3)], [0, np.log(3)]])
    assert mean_loss(logits, np.array([0, 1])) == pytest.approx((np.log(4) + np.log(4 / 3)) / 2)


def test_the_temperature_stays_within_its_bounds():
    assert fit_temperature(np.eye(10) * 2, np.arange(10)) == pytest.approx(0.2, rel=0.01)
    assert fit_temperature(np.eye(10) * 50, (np.arange(10) + 1) % 10) == pytest.approx(5, rel=0.01)
