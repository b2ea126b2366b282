"""Trainings that never open the test set, judged on the digits that they hold out."""

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from flaxdigits import Recognizer, TrainConfig, load
from flaxdigits.contract import Precision
from flaxdigits.errors import RunError
from flaxdigits.runs import RUNS, Run
from flaxdigits.training.calibration import fit_temperature, mean_loss
from flaxdigits.training.export import CALIBRATION_DIGITS
from flaxdigits.training.fit import fit, resume
from flaxdigits.training.graph import make_model_proto
from flaxdigits.training.presets import PRESETS
from flaxdigits.training.weights import predict_logits, trained_weights

HELD_OUT = 0.3  # of the training digits: 17,957 digits of writers that are not among the others
RECORD = replace(PRESETS["record"], validation=HELD_OUT)


class Judgement(NamedTuple):
    """How well a run reads the digits that it held out."""

    errors: int
    digits: int
    loss: float  # nats a digit, at the temperature of least loss


def trained(name: str, config: TrainConfig) -> Run:
    """Returns the run of that name below runs/; trains what is not trained yet, and exports nothing.

    Raises:
        RunError: where a run of that name has another configuration.
    """
    run = Run(RUNS / name)
    refuse_another(run, config)
    for _ in resume(load(), run) if run.config.exists() else fit(load(), config, run.path):
        pass
    return run


def refuse_another(run: Run, config: TrainConfig) -> None:
    """Raises RunError where there is such a run already, of another configuration."""
    if run.config.exists() and TrainConfig.from_toml(run.config).sha256 != config.sha256:
        raise RunError(f"{run}: of another configuration; move it away to train this one")


def as_model(run: Run, precision: Precision = "float32") -> tuple[Recognizer, int]:
    """Returns a run's network as an ONNX model of temperature 1, and the bytes of its file."""
    config, params = trained_weights(run)
    learned, _ = load().split(config.validation, config.seed)
    calibration = learned.images[:CALIBRATION_DIGITS]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        path.write_bytes(make_model_proto(params, {}, precision, calibration).SerializeToString())
        return Recognizer(path), path.stat().st_size


def judge(run: Run) -> Judgement:
    """Judges a run's network in float32, as it would be exported."""
    config, params = trained_weights(run)
    _, held_out = load().split(config.validation, config.seed)
    assert held_out is not None
    logits = predict_logits(replace(config, precision="float32"), params, held_out.images)
    labels = held_out.known_labels()
    loss = mean_loss(logits / fit_temperature(logits, labels), labels)
    return Judgement(int((logits.argmax(axis=1) != labels).sum()), len(labels), loss)
