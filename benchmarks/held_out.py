"""Trainings that never open the test set, judged on the digits that they hold out."""

from typing import NamedTuple

from flaxdigits import TrainConfig, load
from flaxdigits.runs import RUNS, Run
from flaxdigits.training.calibration import fit_temperature, mean_loss
from flaxdigits.training.fit import fit, resume
from flaxdigits.training.weights import predict_logits, trained_weights

HELD_OUT = 0.3  # of the training digits: 17,957 digits of writers that are not among the others


class Judgement(NamedTuple):
    """How well a run reads the digits that it held out."""

    errors: int
    digits: int
    loss: float  # nats a digit, at the temperature of least loss


def trained(name: str, config: TrainConfig) -> Run:
    """Returns the run of that name below runs/; trains what is not trained yet, and exports nothing."""
    run = Run(RUNS / name)
    for _ in resume(load(), run) if run.config.exists() else fit(load(), config, run.path):
        pass
    return run


def judge(run: Run) -> Judgement:
    config, params = trained_weights(run)
    _, held_out = load().split(config.validation, config.seed)
    assert held_out is not None
    logits, labels = predict_logits(config, params, held_out.images), held_out.known_labels()
    loss = mean_loss(logits / fit_temperature(logits, labels), labels)
    return Judgement(int((logits.argmax(axis=1) != labels).sum()), len(labels), loss)
