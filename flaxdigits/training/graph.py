"""DenseStack -> the ONNX graph, in float32, float16 and int8.

The graph is written node by node with `onnx.helper`: a stack of dense layers is a dozen lines, every
name, type and version in it is decided here, and nothing has to be mended afterwards. A digit walks
through it from its views (where it has several) through each member to the mean of the logits, which
the temperature divides before the softmax.

float16 stores the kernels in half the bytes and computes in float32, so that it answers alike on every
runtime. int8 is quantization.py's.
"""

import numpy as np
import onnx
from onnx import TensorProto, helper

from flaxdigits.contract import CLASSES, DIGIT, INPUT, IR_VERSION, OPSET, PIXELS, PROBABILITIES, SIDE, Precision
from flaxdigits.training.model import WHITE
from flaxdigits.training.network import Params
from flaxdigits.training.nodes import Graph, Layers
from flaxdigits.training.quantization import activation_scales, add_int8_layers
from flaxdigits.views import view_grids


def make_model_proto(
    params: Params,
    metadata: dict[str, str],
    precision: Precision = "float32",
    calibration: np.ndarray | None = None,
    temperature: float = 1.0,
    views: int = 1,
) -> onnx.ModelProto:
    """Builds the whole model: pixels -> scaled and flat -> dense layers -> probabilities and digit.

    Args:
        params: the weights of all members.
        metadata: what the file says of itself.
        precision: of the kernels.
        calibration: for int8, digits uint8 [n, 28, 28] that show how large activations become.
        temperature: divides the logits.
        views: how many views of each digit are averaged.
    """
    graph = Graph()
    flat = _add_flat(graph, views, precision)
    committee = members_of(params)
    names = [""] if len(committee) == 1 else [f"member{index}_" for index in range(len(committee))]
    logits = []
    for name, layers in zip(names, committee, strict=True):
        if precision == "int8":
            assert calibration is not None
            logits.append(add_int8_layers(graph, layers, flat, activation_scales(layers, calibration), name))
        else:
            logits.append(
                _add_float_layers(graph, layers, flat, np.float16 if precision == "float16" else np.float32, name)
            )
    _add_answer(graph, logits, temperature, views)
    return _finish(graph, metadata)


def members_of(params: Params) -> list[Layers]:
    """Takes the members' weights apart."""
    stacked = [params["layers"][index] for index in sorted(params["layers"])]
    arrays = [(np.asarray(layer["kernel"]), np.asarray(layer["bias"])) for layer in stacked]
    return [[(kernels[index], biases[index]) for kernels, biases in arrays] for index in range(len(arrays[0][0]))]


def _add_flat(graph: Graph, views: int, precision: Precision) -> str:
    """Adds what makes rows of 784 of the pixels, one for each view: levels 0..255 for int8, else 0..1."""
    if precision == "int8" and views == 1:
        return graph.add("Flatten", [INPUT.name], "levels0", axis=1)
    rows = graph.add("Cast", [INPUT.name], "bytes", to=TensorProto.FLOAT)
    if views > 1:
        rows = _add_views(graph, rows, views)
    if precision == "int8":
        one, zero = graph.hold("level", np.float32(1)), graph.hold("no_level", np.uint8(0))
        return graph.add("QuantizeLinear", [graph.add("Flatten", [rows], "flat", axis=1), one, zero], "levels0")
    scaled = graph.add("Div", [rows, graph.hold("white", np.float32(WHITE))], "scaled")
    return graph.add("Flatten", [scaled], "hidden0", axis=1)


def _add_views(graph: Graph, images: str, views: int) -> str:
    """Adds the sampling of all digits at the same places: GridSample takes the digits for channels of one image."""
    places = view_grids(views) / (SIDE - 1) * 2 - 1  # GridSample's coordinates: -1 and 1 are the outermost pixels
    grid = graph.hold("places", places.astype(np.float32).reshape(1, views * SIDE, SIDE, 2))
    channels = graph.add("Unsqueeze", [images, graph.hold("first", np.array([0]))], "channels")
    seen = graph.add("GridSample", [channels, grid], "seen", mode="bilinear", padding_mode="zeros", align_corners=1)
    return graph.add("Reshape", [seen, graph.hold("rows", np.array([-1, PIXELS]))], "views")


def _add_float_layers(graph: Graph, layers: Layers, hidden: str, dtype: type, name: str) -> str:
    for index, (kernel, bias) in enumerate(layers):
        held = graph.hold(f"{name}kernel{index}", kernel.astype(dtype))
        if dtype is np.float16:  # folded into a float32 constant when the runtime loads the file
            held = graph.add("Cast", [held], f"{held}_float32", to=TensorProto.FLOAT)
        hidden = graph.add_dense([hidden, held, graph.hold(f"{name}bias{index}", bias)], name, index, len(layers))
    return hidden


def _add_answer(graph: Graph, logits: list[str], temperature: float, views: int) -> None:
    """Adds the mean over members and views, the temperature, the probabilities and the digit."""
    mean = logits[0] if len(logits) == 1 else graph.add("Mean", logits, "members_logits")
    if views > 1:
        of_each = graph.add("Reshape", [mean, graph.hold("by_digit", np.array([-1, views, CLASSES]))], "views_logits")
        mean = graph.add("ReduceMean", [of_each], "mean_logits", axes=[1], keepdims=0)
    tempered = graph.add("Div", [mean, graph.hold("temperature", np.float32(temperature))], "tempered")
    graph.add("Softmax", [tempered], PROBABILITIES.name, axis=1)
    graph.add("ArgMax", [PROBABILITIES.name], DIGIT.name, axis=1, keepdims=0)


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
