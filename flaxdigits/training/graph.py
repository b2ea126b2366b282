"""DenseStack -> the ONNX graph, in float32, float16 and int8.

The graph is written node by node with `onnx.helper`: a stack of dense layers is a dozen lines, every
name, type and version in it is decided here, and nothing has to be mended afterwards.

float16 stores the kernels in half the bytes and computes in float32, so that it answers alike on every
runtime. int8 is static quantisation in the QDQ form (B. Jacob et al., "Quantization and Training of
Neural Networks for Efficient Integer-Arithmetic-Only Inference", 2018): the scales are constants of the
file, so that an answer cannot depend on its batch-mates, as it does with dynamic quantisation. Runtimes
may round the steps between layers differently, within contract.INT8_TOLERANCE.
"""

from typing import Any

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

from flaxdigits.contract import CLASSES, DIGIT, INPUT, IR_VERSION, OPSET, PIXELS, PROBABILITIES, SIDE, Precision
from flaxdigits.training.model import WHITE
from flaxdigits.training.step import Params

# Kernels use 7 of the 8 bits. Without VNNI, x86 adds two products of uint8 and int8 in 16 bits, which
# saturates above 32,767; 255 * 64 * 2 = 32,640 does not.
KERNEL_MAX = 64
ACTIVATION_MAX = 255
BIAS_MAX = 2**30  # of int32's 2**31; the other half is left to the sum of the products
SMALLEST = 1e-8  # what a kernel or an activation reaches at least, lest its step be 0


class Graph:
    """Nodes and constants, collected layer by layer."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []

    def add(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        """Adds a node with one output, and returns the output's name."""
        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def hold(self, name: str, value: np.ndarray | np.generic) -> str:
        """Adds a constant, and returns its name."""
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name


def make_model_proto(
    params: Params,
    metadata: dict[str, str],
    precision: Precision = "float32",
    calibration: np.ndarray | None = None,
) -> onnx.ModelProto:
    """Builds the whole model: pixels -> scaled and flat -> dense layers -> probabilities and digit.

    Args:
        params: the network's weights.
        metadata: what the file says of itself.
        precision: of the kernels.
        calibration: for int8, digits uint8 [n, 28, 28] that show how large activations become.
    """
    layers = [(np.asarray(layer["kernel"]), np.asarray(layer["bias"])) for layer in _ordered(params)]
    graph = Graph()
    if precision == "int8":
        assert calibration is not None
        _add_int8_layers(graph, layers, activation_scales(layers, calibration))
    else:
        _add_float_layers(graph, layers, np.float16 if precision == "float16" else np.float32)
    graph.add("Softmax", ["logits"], PROBABILITIES.name, axis=1)
    graph.add("ArgMax", [PROBABILITIES.name], DIGIT.name, axis=1, keepdims=0)
    return _finish(graph, metadata)


def _ordered(params: Params) -> list[dict]:
    return [params["layers"][index] for index in sorted(params["layers"])]


def _add_float_layers(graph: Graph, layers: list[tuple], dtype: type) -> None:
    hidden = graph.add("Cast", [INPUT.name], "bytes", to=TensorProto.FLOAT)
    hidden = graph.add("Div", [hidden, graph.hold("white", np.float32(WHITE))], "scaled")
    hidden = graph.add("Flatten", [hidden], "hidden0", axis=1)
    for index, (kernel, bias) in enumerate(layers):
        held = graph.hold(f"kernel{index}", kernel.astype(dtype))
        if dtype is np.float16:  # folded into a float32 constant when the runtime loads the file
            held = graph.add("Cast", [held], f"{held}_float32", to=TensorProto.FLOAT)
        hidden = _add_gemm(graph, [hidden, held, graph.hold(f"bias{index}", bias)], index, len(layers))


def _add_int8_layers(graph: Graph, layers: list[tuple], scales: list[float]) -> None:
    last = flat = graph.add("Flatten", [INPUT.name], "levels0", axis=1)  # pixels are quantised already: 1 is 1/255
    for index, ((kernel, bias), scale) in enumerate(zip(layers, scales, strict=True)):
        step, zero = graph.hold(f"step{index}", np.float32(scale)), graph.hold(f"zero{index}", np.uint8(0))
        if index > 0:
            flat = graph.add("QuantizeLinear", [last, step, zero], f"levels{index}")
        hidden = graph.add("DequantizeLinear", [flat, step, zero], f"hidden{index}")
        levels, kernel_steps = quantize_kernel(kernel, np.abs(bias) / (scale * BIAS_MAX))
        bias_steps = np.float32(scale) * kernel_steps
        held = [
            _add_dequantized(graph, f"kernel{index}", levels, kernel_steps),
            _add_dequantized(graph, f"bias{index}", np.rint(bias / bias_steps).astype(np.int32), bias_steps),
        ]
        last = _add_gemm(graph, [hidden, *held], index, len(layers))


def _add_dequantized(graph: Graph, name: str, levels: np.ndarray, steps: np.ndarray) -> str:
    held = [graph.hold(f"{name}_levels", levels), graph.hold(f"{name}_steps", steps)]
    zeros = graph.hold(f"{name}_zeros", np.zeros(steps.shape, levels.dtype))
    return graph.add("DequantizeLinear", [*held, zeros], name, axis=levels.ndim - 1)


def _add_gemm(graph: Graph, inputs: list[str], index: int, count: int) -> str:
    if index == count - 1:
        return graph.add("Gemm", inputs, "logits")
    total = graph.add("Gemm", inputs, f"sum{index}")
    return graph.add("Relu", [total], f"relu{index}")


def quantize_kernel(kernel: np.ndarray, least: float | np.ndarray = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Rounds a kernel [in, out] to int8 levels of one step a column.

    Args:
        kernel: its weights.
        least: what a step must be at least, so that the column's bias fits int32 in the same steps, [out].

    Returns:
        Levels [in, out] and steps [out].
    """
    steps = np.maximum(np.maximum(np.abs(kernel).max(axis=0), SMALLEST) / KERNEL_MAX, least)
    return np.rint(kernel / steps).astype(np.int8), steps.astype(np.float32)


def activation_scales(layers: list[tuple], images: np.ndarray) -> list[float]:
    """Returns the step of each layer's input: 1/255 for the pixels, then what covers all calibration activations."""
    hidden = images.reshape(len(images), PIXELS).astype(np.float32) / WHITE
    scales = [1 / WHITE]
    for kernel, bias in layers[:-1]:
        hidden = np.maximum(hidden @ kernel + bias, 0)
        scales.append(max(float(hidden.max()), SMALLEST) / ACTIVATION_MAX)
    return scales


def _finish(graph: Graph, metadata: dict[str, str]) -> onnx.ModelProto:
    inputs = [helper.make_tensor_value_info(INPUT.name, TensorProto.UINT8, ["batch", SIDE, SIDE])]
    inputs[0].type.denotation = "IMAGE"  # which is what gives contract.IMAGE_METADATA its meaning
    outputs = [
        helper.make_tensor_value_info(DIGIT.name, TensorProto.INT64, ["batch"]),
        helper.make_tensor_value_info(PROBABILITIES.name, TensorProto.FLOAT, ["batch", CLASSES]),
    ]
    whole = helper.make_graph(graph.nodes, "DenseStack", inputs, outputs, graph.constants)
    opset = helper.make_opsetid("", OPSET)
    model = helper.make_model(whole, opset_imports=[opset], ir_version=IR_VERSION, producer_name="flaxdigits")
    helper.set_model_props(model, metadata)
    onnx.checker.check_model(model, full_check=True)
    return model
