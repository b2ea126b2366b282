"""DenseStack -> ONNX, and the gate that the file must pass.

The graph is written node by node with `onnx.helper`: a stack of dense layers is a dozen lines, every
name, type and version in it is decided here, and nothing has to be mended afterwards.
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import jax
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from flaxdigits import atomic
from flaxdigits.contract import (
    CLASSES,
    DIGIT,
    INPUT,
    INPUT_CONVENTION,
    IR_VERSION,
    OPSET,
    PROBABILITIES,
    PROBABILITY_TOLERANCE,
    SIDE,
    Metadata,
)
from flaxdigits.data import MNIST_TEST, load
from flaxdigits.errors import ExportError
from flaxdigits.recognizer import Answer, Recognizer
from flaxdigits.runs import Run
from flaxdigits.training.config import TrainConfig
from flaxdigits.training.history import read_history
from flaxdigits.training.model import WHITE
from flaxdigits.training.provenance import Provenance
from flaxdigits.training.step import Params
from flaxdigits.training.weights import predict_logits, trained_weights, weights_sha256
from flaxdigits.version import __version__


@dataclass(frozen=True)
class ExportReport:
    """What the gate found, and what came out."""

    path: Path
    bytes: int
    digits_compared: int
    largest_difference_alone: float  # of a probability, file against model, one digit a call
    largest_difference_batched: float  # the same, 1,000 digits a call
    weights_sha256: str


def export(run: Run | Path | str | None = None, out: Path | str | None = None, command: str = "") -> ExportReport:
    """Writes a run's trained network as an ONNX file, after it has passed the gate.

    Args:
        run: the run directory; runs/latest where left out.
        out: the file; the run's model.onnx where left out.
        command: what made it, for the metadata.

    Raises:
        RunError: where there is no such run, or nothing was saved in it yet.
        ExportError: where file and model disagree; no file is left behind.
    """
    run = run if isinstance(run, Run) else Run.existing(run)
    config, params = trained_weights(run)
    path = Path(out) if out else run.model
    test = load(MNIST_TEST)
    expected = predict_probabilities(config, params, test.images)
    accuracy = float((expected.argmax(axis=1) == test.known_labels()).mean())
    metadata = make_metadata(run, config, params, accuracy, command)
    with atomic.replacing(path) as beside:
        beside.write_bytes(make_model_proto(params, metadata._asdict()).SerializeToString())
        alone, batched = check_gate(beside, expected, test.images)
        size = beside.stat().st_size
    return ExportReport(path, size, len(test), alone, batched, metadata.weights_sha256)


def predict_probabilities(config: TrainConfig, params: Params, images: np.ndarray) -> np.ndarray:
    """Returns what the network itself says of images uint8 [n, 28, 28], in float32 arithmetic, float32 [n, 10]."""
    return np.asarray(jax.nn.softmax(predict_logits(replace(config, precision="float32"), params, images)))


def make_model_proto(params: Params, metadata: dict[str, str]) -> onnx.ModelProto:
    """Builds the whole model: pixels -> scaled and flat -> dense layers -> probabilities and digit."""
    layers = [params["layers"][index] for index in sorted(params["layers"])]
    nodes = [
        helper.make_node("Cast", [INPUT.name], ["bytes"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["bytes", "white"], ["scaled"]),
        helper.make_node("Flatten", ["scaled"], ["hidden0"], axis=1),
        *(node for index in range(len(layers)) for node in _layer_nodes(index, is_last=index == len(layers) - 1)),
        helper.make_node("Softmax", ["logits"], [PROBABILITIES.name], axis=1),
        helper.make_node("ArgMax", [PROBABILITIES.name], [DIGIT.name], axis=1, keepdims=0),
    ]
    white = numpy_helper.from_array(np.array(WHITE, np.float32), "white")
    weights = [tensor for index, layer in enumerate(layers) for tensor in _layer_tensors(index, layer)]
    inputs = [helper.make_tensor_value_info(INPUT.name, TensorProto.UINT8, ["batch", SIDE, SIDE])]
    outputs = [
        helper.make_tensor_value_info(DIGIT.name, TensorProto.INT64, ["batch"]),
        helper.make_tensor_value_info(PROBABILITIES.name, TensorProto.FLOAT, ["batch", CLASSES]),
    ]
    graph = helper.make_graph(nodes, "DenseStack", inputs, outputs, [white, *weights])
    opset = helper.make_opsetid("", OPSET)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=IR_VERSION, producer_name="flaxdigits")
    helper.set_model_props(model, metadata)
    onnx.checker.check_model(model, full_check=True)
    return model


def _layer_nodes(index: int, is_last: bool) -> list[onnx.NodeProto]:
    inputs = [f"hidden{index}", f"kernel{index}", f"bias{index}"]
    if is_last:
        return [helper.make_node("Gemm", inputs, ["logits"])]
    gemm = helper.make_node("Gemm", inputs, [f"sum{index}"])
    return [gemm, helper.make_node("Relu", [f"sum{index}"], [f"hidden{index + 1}"])]


def _layer_tensors(index: int, layer: dict) -> list[TensorProto]:
    return [numpy_helper.from_array(np.asarray(layer[name]), f"{name}{index}") for name in ("kernel", "bias")]


def make_metadata(run: Run, config: TrainConfig, params: Params, accuracy: float, command: str) -> Metadata:
    """Says what the file is. No accuracy is stated on digits that were trained on."""
    data = Provenance.read(run.data)
    shared = data.rows_in_mnist_test
    return Metadata(
        name="flaxdigits DenseStack",
        version=__version__,
        license="MIT; the licence of the training data is its own",
        input_convention=INPUT_CONVENTION,
        classes=json.dumps([str(digit) for digit in range(CLASSES)]),
        hidden=json.dumps(config.hidden),
        parameters=str(config.parameters),
        weights_sha256=weights_sha256(params),
        training_data=data.name,
        training_data_sha256=data.sha256,
        training_rows_in_mnist_test=str(shared),
        config=config.to_toml(),
        seed=str(config.seed),
        epochs_trained=str(len(read_history(run.history))),
        test_accuracy=f"not stated: {shared} of its digits were trained on" if shared else f"{accuracy:.4f}",
        test_data="MNIST's 10000 test digits",
        command=command,
    )


def check_gate(path: Path, expected: np.ndarray, images: np.ndarray) -> tuple[float, float]:
    """Lets the file read every digit, alone and in batches, and compares with what the network said.

    Returns:
        The largest differences of a probability, alone and in batches.

    Raises:
        ExportError: where a digit differs, or a probability by more than the contract allows.
    """
    recognizer = Recognizer(path)
    alone = _compare(recognizer(images, batch=1), expected, "one by one")
    return alone, _compare(recognizer(images), expected, "in batches")


def _compare(found: Answer, expected: np.ndarray, how: str) -> float:
    difference = float(np.abs(found.probabilities - expected).max())
    differing = int((found.digits != expected.argmax(axis=1)).sum())
    if differing or not difference <= PROBABILITY_TOLERANCE:
        raise ExportError(
            f"the file does not answer as the model does: read {how}, {differing} of {len(expected)} digits differ "
            f"and probabilities by up to {difference:.1e}, where {PROBABILITY_TOLERANCE:.0e} is allowed"
        )
    return difference
