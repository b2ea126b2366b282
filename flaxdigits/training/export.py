"""export: a run's trained network -> one ONNX file that has passed the gate."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import jax
import numpy as np

from flaxdigits import atomic
from flaxdigits.contract import CLASSES, IMAGE_METADATA, INPUT_CONVENTION, MOST_ERRORS_LOST, Metadata, Precision
from flaxdigits.data import MNIST_TEST, MNIST_TRAIN, load
from flaxdigits.runs import Run
from flaxdigits.training.config import TrainConfig
from flaxdigits.training.gate import GateReport, check_gate
from flaxdigits.training.graph import make_model_proto
from flaxdigits.training.history import read_history
from flaxdigits.training.provenance import Provenance
from flaxdigits.training.step import Params
from flaxdigits.training.weights import predict_logits, trained_weights, weights_sha256
from flaxdigits.version import __version__

CALIBRATION_DIGITS = 5000  # the first of MNIST's training digits show how large an int8 form's activations become
GATE_ALLOWS = f"at most {MOST_ERRORS_LOST} more errors in 10000"


@dataclass(frozen=True)
class ExportReport:
    """What came out, and what the gate found."""

    path: Path
    bytes: int
    precision: Precision
    weights_sha256: str
    gate: GateReport


def export(
    run: Run | Path | str | None = None,
    out: Path | str | None = None,
    command: str = "",
    precision: Precision = "float32",
) -> ExportReport:
    """Writes a run's trained network as an ONNX file, after it has passed the gate.

    Args:
        run: the run directory; runs/latest where left out.
        out: the file; where left out, the run's model.onnx, or model-int8.onnx and the like.
        command: what made it, for the metadata.
        precision: of the kernels: float16 halves the file, int8 quarters it and is the fastest.

    Raises:
        RunError: where there is no such run, or nothing was saved in it yet.
        ExportError: where the file does not answer as the network does, or a quantised form loses
            more than 2 of 10,000 digits; no file is left behind.
    """
    run = run if isinstance(run, Run) else Run.existing(run)
    config, params = trained_weights(run)
    path = Path(out) if out else run.model_in(precision)
    test = load(MNIST_TEST)
    expected = predict_probabilities(config, params, test.images)
    accuracy = float((expected.argmax(axis=1) == test.known_labels()).mean())
    metadata = make_metadata(run, config, params, precision, accuracy, command)
    calibration = load(MNIST_TRAIN).images[:CALIBRATION_DIGITS] if precision == "int8" else None
    model = make_model_proto(params, metadata._asdict() | IMAGE_METADATA, precision, calibration)
    with atomic.replacing(path) as beside:
        beside.write_bytes(model.SerializeToString())
        gate = check_gate(beside, expected, test, precision)
        size = beside.stat().st_size
    return ExportReport(path, size, precision, metadata.weights_sha256, gate)


def predict_probabilities(config: TrainConfig, params: Params, images: np.ndarray) -> np.ndarray:
    """Returns what the network itself says of images uint8 [n, 28, 28], in float32 arithmetic, float32 [n, 10]."""
    return np.asarray(jax.nn.softmax(predict_logits(replace(config, precision="float32"), params, images)))


def make_metadata(
    run: Run, config: TrainConfig, params: Params, precision: Precision, accuracy: float, command: str
) -> Metadata:
    """Says what the file is. No accuracy is stated on digits that were trained on."""
    data = Provenance.read(run.data)
    shared = data.rows_in_mnist_test
    stated = f"{accuracy:.4f}" if precision == "float32" else f"{accuracy:.4f} in float32; this form: {GATE_ALLOWS}"
    return Metadata(
        name="flaxdigits DenseStack",
        version=__version__,
        license="MIT; the licence of the training data is its own",
        input_convention=INPUT_CONVENTION,
        classes=json.dumps([str(digit) for digit in range(CLASSES)]),
        hidden=json.dumps(config.hidden),
        parameters=str(config.parameters),
        precision=precision,
        weights_sha256=weights_sha256(params),
        training_data=data.name,
        training_data_sha256=data.sha256,
        training_rows_in_mnist_test=str(shared),
        config=config.to_toml(),
        seed=str(config.seed),
        epochs_trained=str(len(read_history(run.history))),
        test_accuracy=f"not stated: {shared} of its digits were trained on" if shared else stated,
        test_data="MNIST's 10000 test digits",
        command=command,
    )
