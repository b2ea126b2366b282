"""export: a run's trained network -> one ONNX file that has passed the gate."""

import json
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from flaxdigits import atomic
from flaxdigits.contract import CLASSES, IMAGE_METADATA, INPUT_CONVENTION, MOST_ERRORS_LOST, Metadata, Precision
from flaxdigits.data import MNIST_TEST, MNIST_TRAIN, load
from flaxdigits.errors import ConfigError
from flaxdigits.runs import Run
from flaxdigits.training.config import TrainConfig
from flaxdigits.training.gate import GateReport, check_gate
from flaxdigits.training.graph import make_model_proto
from flaxdigits.training.history import read_history
from flaxdigits.training.network import Params
from flaxdigits.training.provenance import Provenance
from flaxdigits.training.weights import predict_logits, trained_weights, weights_sha256
from flaxdigits.version import __version__
from flaxdigits.views import view, view_grids

CALIBRATION_DIGITS = 5000  # the first of MNIST's training digits show how large an int8 form's activations become
GATE_ALLOWS = f"at most {MOST_ERRORS_LOST} more errors in 10000"


@dataclass(frozen=True)
class ExportReport:
    """What came out, and what the gate found."""

    path: Path
    bytes: int
    precision: Precision
    temperature: float
    weights_sha256: str
    gate: GateReport


def export(
    run: Run | Path | str | None = None,
    out: Path | str | None = None,
    command: str = "",
    precision: Precision = "float32",
    views: int = 1,
) -> ExportReport:
    """Writes a run's trained network as an ONNX file, after it has passed the gate.

    Args:
        run: the run directory; runs/latest where left out.
        out: the file; where left out, the run's model.onnx, or model-int8.onnx and the like.
        command: what made it, for the metadata.
        precision: of the kernels: float16 halves the file, int8 quarters it and is the fastest.
        views: how many views of each digit are read and averaged, which takes as many times as long.

    Raises:
        ConfigError: for fewer than one view, or a convolutional network.
        RunError: where there is no such run, or nothing was saved in it yet.
        ExportError: where the file does not answer as the network does, or a quantised form loses
            more than 2 of 10,000 digits; no file is left behind.
    """
    run = run if isinstance(run, Run) else Run.existing(run)
    config, params = trained_weights(run)
    _refuse(config, views)
    temperature = calibrated_temperature(run, config)
    path = Path(out) if out else run.model_in(precision)
    test = load(MNIST_TEST)
    expected = predict_probabilities(config, params, test.images, temperature, views)
    accuracy = float((expected.argmax(axis=1) == test.known_labels()).mean())
    facts = Facts(precision, temperature, views, accuracy, command)
    metadata = make_metadata(run, config, params, facts)
    calibration = load(MNIST_TRAIN).images[:CALIBRATION_DIGITS] if precision == "int8" else None
    told = metadata._asdict() | IMAGE_METADATA
    model = make_model_proto(params, told, precision, calibration, temperature, views)
    with atomic.replacing(path) as beside:
        beside.write_bytes(model.SerializeToString())
        gate = check_gate(beside, expected, test, precision)
        size = beside.stat().st_size
    return ExportReport(path, size, precision, temperature, metadata.weights_sha256, gate)


def _refuse(config: TrainConfig, views: int) -> None:
    if config.network != "dense":
        raise ConfigError("network: expected dense to export, got convolutional; it teaches, with `teacher`")
    if views < 1:
        raise ConfigError(f"views: expected 1 or more, got {views}")


def calibrated_temperature(run: Run, config: TrainConfig) -> float:
    """Returns the configured temperature, or that of the epoch whose weights are exported, or 1."""
    if config.temperature:
        return config.temperature
    reports = read_history(run.history)
    judged = min(reports, key=lambda report: report.val_loss) if config.patience else reports[-1]
    return 1.0 if math.isnan(judged.temperature) else judged.temperature


def predict_probabilities(
    config: TrainConfig, params: Params, images: np.ndarray, temperature: float = 1.0, views: int = 1
) -> np.ndarray:
    """Returns what the network itself says of images uint8 [n, 28, 28], in float32 arithmetic, float32 [n, 10]."""
    exact = replace(config, precision="float32")
    logits = [predict_logits(exact, params, view(images, grid)) for grid in view_grids(views)]
    return np.asarray(jax.nn.softmax(np.mean(logits, axis=0) / temperature))


class Facts(NamedTuple):
    """What is decided at the export."""

    precision: Precision
    temperature: float
    views: int
    accuracy: float  # of the network, on the 10,000
    command: str


def make_metadata(run: Run, config: TrainConfig, params: Params, facts: Facts) -> Metadata:
    """Says what the file is. No accuracy is stated on digits that were trained on."""
    data = Provenance.read(run.data)
    shared = data.rows_in_mnist_test
    stated = f"{facts.accuracy:.4f}"
    if facts.precision != "float32":
        stated += f" in float32; this form: {GATE_ALLOWS}"
    return Metadata(
        name="flaxdigits DenseStack",
        version=__version__,
        license="MIT; the licence of the training data is its own",
        input_convention=INPUT_CONVENTION,
        classes=json.dumps([str(digit) for digit in range(CLASSES)]),
        hidden=json.dumps(config.hidden),
        parameters=str(config.parameters),
        members=str(config.members),
        views=str(facts.views),
        temperature=f"{facts.temperature:.4f}",
        precision=facts.precision,
        weights_sha256=weights_sha256(params),
        training_data=data.name,
        training_data_sha256=data.sha256,
        training_rows_in_mnist_test=str(shared),
        teacher_sha256=data.teacher_sha256,
        config=config.to_toml(),
        seed=str(config.seed),
        epochs_trained=str(len(read_history(run.history))),
        test_accuracy=f"not stated: {shared} of its digits were trained on" if shared else stated,
        test_data="MNIST's 10000 test digits",
        command=facts.command,
    )
