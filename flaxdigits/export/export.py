"""export_onnx: from a run's trained network to one ONNX file that has passed the gate."""

import hashlib
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import jax
import jax.numpy as jnp
import numpy as np
import tomli_w
from flax import nnx
from jaxtyping import UInt8

from flaxdigits import __version__, atomic
from flaxdigits.convention import CLASSES
from flaxdigits.data.load import MNIST_TEST, load
from flaxdigits.errors import ConfigError
from flaxdigits.export.conversion import DigitClassifier, to_onnx
from flaxdigits.export.gate import GATE_ALLOWS, GateReport, check_gate
from flaxdigits.export.quantization import to_precision
from flaxdigits.inference.contract import IMAGE_METADATA, INPUT_CONVENTION, THRESHOLD, Metadata, Precision
from flaxdigits.inference.recognizer import Prediction
from flaxdigits.runs import Run
from flaxdigits.training.config import TrainConfig
from flaxdigits.training.model import in_batches
from flaxdigits.training.records import Provenance
from flaxdigits.training.trained import Trained, trained_model

MIN_THRESHOLD = 0.001  # of digitness in the network: an untrained one's may be 0


@dataclass(frozen=True)
class ExportReport:
    """The exported file, and the figures of the gate."""

    path: Path
    bytes: int
    precision: Precision
    temperature: float
    weights_sha256: str
    gate: GateReport


def export_onnx(
    run: Run | Path | str | None = None,
    out: Path | str | None = None,
    *,
    precision: Precision = "float32",
    command: str = "",
) -> ExportReport:
    """Writes a run's trained network as an ONNX file, after it has passed the gate.

    Args:
        run: the run directory; runs/latest by default.
        out: the file; by default model.onnx in the run, or model-int8.onnx and the like.
        precision: of the weights: float16 takes half the bytes, int8 a quarter, and is the fastest.
        command: the command line, for the metadata.

    Raises:
        ConfigError: for an unknown precision.
        RunError: if there is no such run, or nothing was saved in it yet, or it was moved meanwhile.
        ExportError: if the file does not reproduce the network, or a quantised one makes more than 2 additional
            errors in 10,000 digits. Nothing is written then.
    """
    if precision not in get_args(Precision):
        raise ConfigError(f"precision: expected {' or '.join(get_args(Precision))}, got {precision}")
    run = Run.existing(run)
    trained = trained_model(run)
    temperature, threshold = calibrated_temperature(trained), digitness_threshold(trained)
    test = load(MNIST_TEST)
    expected = predict(trained.model, test.images, temperature, threshold)
    accuracy = float((expected.digits == test.known_labels()).mean())
    metadata = make_metadata(run, trained, precision, accuracy, command)
    model = to_precision(to_onnx(trained.model, temperature, threshold, metadata._asdict() | IMAGE_METADATA), precision)
    content = model.SerializeToString()
    gate = check_gate(content, expected, test, precision)
    if not out:
        run.check_exists(run.path)
    path = Path(out) if out else run.path / file_name(precision)
    atomic.write_bytes(path, content)
    return ExportReport(path, len(content), precision, temperature, metadata.weights_sha256, gate)


def file_name(precision: Precision) -> str:
    """Returns the name of a run's exported file: model.onnx, model-float16.onnx or model-int8.onnx."""
    return "model.onnx" if precision == "float32" else f"model-{precision}.onnx"


def calibrated_temperature(trained: Trained) -> float:
    """Returns the configured temperature, else that of the latest epoch, else 1."""
    return _calibrated(trained, "temperature", 1.0)


def digitness_threshold(trained: Trained) -> float:
    """Returns the configured threshold of digitness, else that of the latest epoch, else 0.5."""
    return min(max(_calibrated(trained, "digitness_threshold", THRESHOLD), MIN_THRESHOLD), 1 - MIN_THRESHOLD)


def _calibrated(trained: Trained, name: str, default: float) -> float:
    configured = getattr(trained.config, name)
    fitted = getattr(trained.reports[-1], name) if trained.reports else math.nan
    return configured or (default if math.isnan(fitted) else fitted)


def predict(
    network: nnx.Module,
    images: UInt8[np.ndarray, "n 28 28"],
    temperature: float = 1.0,
    threshold: float = THRESHOLD,
) -> Prediction:
    """Returns the network's own predictions, computed by JAX on the CPU: an accelerator might use TF32."""
    graph, state = nnx.split(DigitClassifier(network, temperature, threshold))
    state = jax.device_put(state, jax.devices("cpu")[0])
    outputs = jax.jit(lambda state, pixels: jnp.column_stack(nnx.merge(graph, state)(pixels)[1:]))
    found = in_batches(lambda batch: outputs(state, batch), images)
    probabilities, others = found[:, :CLASSES], found[:, CLASSES:]
    digitness = others[:, 0] if others.size else np.ones(len(found), np.float32)
    return Prediction(probabilities.argmax(axis=1), probabilities, digitness)


def weights_sha256(network: nnx.Module) -> str:
    """Returns the SHA-256 of the parameters as float32, in the order of their paths in the module."""
    leaves = jax.tree.leaves(nnx.state(network, nnx.Param))
    return hashlib.sha256(b"".join(np.asarray(leaf, np.float32).tobytes() for leaf in leaves)).hexdigest()


def make_metadata(run: Run, trained: Trained, precision: Precision, accuracy: float, command: str) -> Metadata:
    """Returns the metadata of an exported file; `accuracy` is the network's on the 10,000 test digits."""
    config, data = TrainConfig.from_toml(run.config), Provenance.read(run.data)
    network = trained.model
    paths = ("data", "replay_data", "initial_weights")  # the file is distributed, the paths of this machine are not
    config = config.changed(**{name: base_name(getattr(config, name)) for name in paths if getattr(config, name)})
    return Metadata(
        name=f"flaxdigits {type(network).__name__}",
        version=__version__,
        license="MIT; the licence of the training data is its own",
        input_convention=INPUT_CONVENTION,
        classes=json.dumps([str(digit) for digit in range(CLASSES)]),
        hidden=json.dumps(config.hidden),
        parameters=str(config.parameters),
        temperature=f"{calibrated_temperature(trained):.4f}",
        digitness_threshold=f"{digitness_threshold(trained):.4g}" if config.outputs > CLASSES else "",
        precision=precision,
        weights_sha256=weights_sha256(network),
        training_data=base_name(data.name),
        training_data_sha256=data.sha256,
        training_rows_in_mnist_test=str(data.rows_in_mnist_test),
        initial_weights_sha256=data.initial_sha256,
        config=tomli_w.dumps(config.to_dict()),
        seed=str(config.seed),
        epochs_trained=str(len(trained.reports)),
        test_accuracy=stated_accuracy(accuracy, precision, data.rows_in_mnist_test),
        test_data="MNIST's 10000 test digits",
        command=command,
    )


def base_name(path: str) -> str:
    """Returns the name of a file or a folder without its path; any other name unchanged."""
    return Path(path).absolute().name


def stated_accuracy(accuracy: float, precision: Precision, shared: int) -> str:
    """Returns the accuracy for the metadata; none if any test digits, `shared` of them, were trained on."""
    if shared:
        return f"not stated: {shared} of its digits were trained on"
    return f"{accuracy:.4f}" + ("" if precision == "float32" else f" in float32; this form: {GATE_ALLOWS}")
