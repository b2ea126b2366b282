"""Weights: the dense layers of an .onnx file exported by this project, as the start of training."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from flaxdigits.convention import CLASSES, PIXELS
from flaxdigits.errors import ModelError
from flaxdigits.inference.inspection import Inspection, parse_model
from flaxdigits.inference.recognizer import read_model

NAME = "flaxdigits DenseStack"  # in the metadata
FOREIGN = "not a dense network that flaxdigits has exported"


@dataclass(frozen=True, eq=False)
class Weights:
    """A dense network, as stored in a file.

    Attributes:
        layers: kernel, float32 [inputs, outputs], and bias, float32 [outputs], of each layer; those of the last give
            the logits of the ten digits, or of these and "no digit".
        temperature: divides the logits.
        digitness_threshold: of the network; 0 without "no digit".
        sha256: of the file.
    """

    layers: list[tuple[np.ndarray, np.ndarray]]
    temperature: float
    digitness_threshold: float
    sha256: str

    @property
    def widths(self) -> tuple[int, ...]:
        """The widths of the layers, the last one being the number of logits."""
        return tuple(len(bias) for _, bias in self.layers)


def read_weights(path: Path) -> Weights:
    """Reads the weights of a model that flaxdigits has exported; float16 and int8 weights stay rounded.

    Raises:
        ModelError: if the file breaks the contract, or is not a stack of dense layers.
    """
    violations = Inspection.of(path).violations
    if violations:
        raise ModelError(f"{path}: breaks the contract: {'; '.join(violations)}")
    content = read_model(path)
    model = parse_model(content, str(path))
    values = constants(model.graph)
    try:
        layers = [(values[node.input[1]], values[node.input[2]]) for node in model.graph.node if node.op_type == "Gemm"]
        properties = {entry.key: entry.value for entry in model.metadata_props}
        figures = float(properties["temperature"]), float(properties["digitness_threshold"] or 0)
        found = Weights(layers, *figures, hashlib.sha256(content).hexdigest())
    except (KeyError, IndexError, ValueError) as error:
        raise ModelError(f"{path}: {FOREIGN}", "train one") from error
    if properties.get("name") != NAME:  # which implies ReLUs between its layers
        raise ModelError(f"{path}: {FOREIGN}, but {properties.get('name')!r}", "train one")
    if not all(np.isfinite(array).all() for layer in layers for array in layer):
        raise ModelError(f"{path}: expected finite weights, got NaN or infinity")
    shapes = [kernel.shape for kernel, _ in layers]
    expected = list(zip((PIXELS, *found.widths), found.widths, strict=False))
    if shapes != expected or found.widths[-1:] not in ((CLASSES,), (CLASSES + 1,)):
        raise ModelError(f"{path}: expected dense layers from {PIXELS} to {CLASSES} or {CLASSES + 1}, got {shapes}")
    return found


def constants(graph: onnx.GraphProto) -> dict[str, np.ndarray]:
    """Returns the constants of a graph by name, as float32 where the graph casts or dequantizes them."""
    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type in ("Cast", "DequantizeLinear") and set(node.input) <= values.keys():
            value, *scale_and_zero = (values[name].astype(np.float32) for name in node.input)
            if scale_and_zero:
                scale, zero = scale_and_zero
                value = (value - zero) * scale
            values[node.output[0]] = value
    return values
