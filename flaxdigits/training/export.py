"""export: a run's trained network -> one ONNX file that has passed the gate."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple, get_args

import jax
import numpy as np

from flaxdigits import atomic
from flaxdigits.contract import CLASSES, IMAGE_METADATA, INPUT_CONVENTION, MOST_ERRORS_LOST, Metadata, Precision
from flaxdigits.data import MNIST_TEST, MNIST_TRAIN, load
from flaxdigits.runs import Run
from flaxdigits.training.checking import check
from flaxdigits.training.checkpoint import saved_step
from flaxdigits.training.config import TrainConfig
from flaxdigits.training.gate import GateReport, check_gate
from flaxdigits.training.graph import make_model_proto
from flaxdigits.training.history import EpochReport, read_history
from flaxdigits.training.network import Params
from flaxdigits.training.provenance import Provenance
from flaxdigits.training.weights import committee_weights, predict_logits, weights_sha256
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
    run: Run | Path | str | Sequence[Run | Path | str] | None = None,
    out: Path | str | None = None,
    command: str = "",
    precision: Precision = "float32",
    views: int = 1,
) -> ExportReport:
    """Writes a trained network as an ONNX file, after it has passed the gate.

    Args:
        run: the run directory, or several, whose networks become one committee; runs/latest where left out.
        out: the file; where left out, in the (first) run: model.onnx, model-int8.onnx, committee.onnx and the like.
        command: what made it, for the metadata.
        precision: of the kernels: float16 halves the file, int8 quarters it and is the fastest.
        views: how many views of each digit are read and averaged, which takes as many times as long.

    Raises:
        ConfigError: for fewer than one view, or an unknown precision.
        RunError: where there is no such run, or nothing was saved in it yet, or several are no committee.
        ExportError: where the file does not answer as the network does, or a quantised form loses
            more than 2 of 10,000 digits; no file is left behind.
    """
    check(precision in get_args(Precision), "precision", " or ".join(get_args(Precision)), precision)
    given = [run] if run is None or isinstance(run, Run | Path | str) else [*run]
    runs = [Run.existing(one) for one in given or [None]]
    config, params = committee_weights(runs)
    temperature = calibrated_temperature(runs)
    path = Path(out) if out else runs[0].path / file_name(len(runs), views, precision)
    test = load(MNIST_TEST)
    expected = predict_probabilities(config, params, test.images, temperature, views)
    accuracy = float((expected.argmax(axis=1) == test.known_labels()).mean())
    facts = Facts(precision, temperature, views, accuracy, command)
    metadata = make_metadata(runs, config, params, facts)
    calibration = load(MNIST_TRAIN).images[:CALIBRATION_DIGITS] if precision == "int8" else None
    told = metadata._asdict() | IMAGE_METADATA
    model = make_model_proto(params, told, precision, calibration, temperature, views)
    with atomic.replacing(path) as beside:
        beside.write_bytes(model.SerializeToString())
        gate = check_gate(beside, expected, test, precision)
        size = beside.stat().st_size
    return ExportReport(path, size, precision, temperature, metadata.weights_sha256, gate)


def file_name(runs: int, views: int, precision: Precision) -> str:
    """Names a file: model.onnx, committee.onnx of several runs, model-9-views-int8.onnx and the like."""
    parts = ["committee" if runs > 1 else "model", *([f"{views}-views"] if views > 1 else [])]
    return "-".join([*parts, *([precision] if precision != "float32" else [])]) + ".onnx"


def calibrated_temperature(runs: list[Run]) -> float:
    """Returns the mean of the runs' temperatures, of those that have one; 1 where none has.

    Of several runs it is an approximation: they may hold out different digits, and a committee is a little less sure.
    """
    known = [found for run in runs if not math.isnan(found := temperature_of(run))]
    return float(np.mean(known)) if known else 1.0


def temperature_of(run: Run) -> float:
    """Returns a run's configured temperature, or that of the epoch whose weights are saved; NaN where it has none."""
    config, reports = TrainConfig.from_toml(run.config), saved_reports(run)
    if config.temperature or not reports:
        return config.temperature or math.nan
    return (min(reports, key=lambda report: report.val_loss) if config.patience else reports[-1]).temperature


def saved_reports(run: Run) -> list[EpochReport]:
    """Returns the epochs up to the latest checkpoint; the history may be ahead of it."""
    step = saved_step(run.checkpoints)
    return [report for report in read_history(run.history) if report.step <= step]


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


def make_metadata(runs: list[Run], config: TrainConfig, params: Params, facts: Facts) -> Metadata:
    """Says what the file is. No accuracy is stated on digits that were trained on."""
    data = [Provenance.read(run.data) for run in runs]
    configs = [TrainConfig.from_toml(run.config) for run in runs]
    shared = max(begun_with.rows_in_mnist_test for begun_with in data)
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
        training_data=data[0].name,
        training_data_sha256=data[0].sha256,
        training_rows_in_mnist_test=str(shared),
        teacher_sha256=", ".join(begun_with.teacher_sha256 for begun_with in data),
        config=configs[0].to_toml(),
        seed=", ".join(str(each.seed) for each in configs),
        epochs_trained=", ".join(str(len(saved_reports(run))) for run in runs),
        test_accuracy=f"not stated: {shared} of its digits were trained on" if shared else stated,
        test_data="MNIST's 10000 test digits",
        command=facts.command,
    )
