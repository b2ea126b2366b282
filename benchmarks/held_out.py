"""Training runs that never open the test set, evaluated on the digits that they hold out."""

from dataclasses import replace
from typing import NamedTuple

from flaxdigits import PRESETS, Recognizer, TrainConfig, load
from flaxdigits.convention import CLASSES
from flaxdigits.export.conversion import to_onnx
from flaxdigits.export.quantization import to_precision
from flaxdigits.inference.contract import Precision
from flaxdigits.runs import RUNS, Run
from flaxdigits.training.fit import fit
from flaxdigits.training.model import predict_logits
from flaxdigits.training.trained import trained_model
from flaxdigits.training.validation import fit_temperature, mean_loss

HELD_OUT = 0.3  # of the training digits: 17,957 digits of writers that are not among the others
RECORD = replace(PRESETS["record"], validation=HELD_OUT)


class Figures(NamedTuple):
    """The figures of a run on the digits that it held out."""

    errors: int
    digits: int
    loss: float  # nats, at the temperature that minimises it


def trained(name: str, config: TrainConfig) -> Run:
    """Returns the run of that name in runs/; trains it if necessary, and exports nothing.

    Raises:
        RunExistsError: if a run of that name has another configuration.
    """
    run = Run(RUNS / name)
    for _ in fit(load(), config, run, if_exists="resume"):
        pass
    return run


def as_model(run: Run, precision: Precision = "float32") -> tuple[Recognizer, int]:
    """Returns a run's network as an ONNX model of temperature 1, and the bytes of its file."""
    content = to_precision(to_onnx(trained_model(run).model), precision).SerializeToString()
    return Recognizer(content), len(content)


def evaluate(run: Run) -> Figures:
    """Evaluates a run's network in float32, as it would be exported."""
    config, model, _ = trained_model(run)
    _, held_out = load().split(config.validation, config.seed)
    assert held_out is not None
    logits, labels = predict_logits(model, held_out.images)[:, :CLASSES], held_out.known_labels()
    loss = mean_loss(logits / fit_temperature(logits, labels), labels)
    return Figures(int((logits.argmax(axis=1) != labels).sum()), len(labels), loss)
