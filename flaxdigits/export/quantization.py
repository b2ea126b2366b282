"""Smaller forms of a float32 ONNX model: weights as float16, and static int8 quantisation by onnxruntime."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
from jaxtyping import UInt8
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from flaxdigits.data.load import MNIST_TRAIN, load
from flaxdigits.export.conversion import finish, quiet
from flaxdigits.inference.contract import INPUT, Precision

CALIBRATION_DIGITS = 5000  # the first of MNIST's training digits
CALIBRATION_BATCH = 1000  # digits per call


def to_precision(model: onnx.ModelProto, precision: Precision) -> onnx.ModelProto:
    """Returns a float32 model with its weights in another precision."""
    if precision == "float16":
        return to_float16(model)
    if precision == "int8":
        return to_int8(model, load(MNIST_TRAIN).images[:CALIBRATION_DIGITS])
    return model


def to_float16(model: onnx.ModelProto) -> onnx.ModelProto:
    """Returns the model with its weight matrices stored as float16, in half the bytes.

    Runtimes cast them to float32 once, when they load the file, so the arithmetic is float32 everywhere.
    """
    smaller = onnx.ModelProto()
    smaller.CopyFrom(model)
    casts = []
    for tensor in smaller.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT and len(tensor.dims) > 1:
            name, half = tensor.name, numpy_helper.to_array(tensor).astype(np.float16)
            tensor.CopyFrom(numpy_helper.from_array(half, f"{name}_float16"))
            casts.append(helper.make_node("Cast", [tensor.name], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *smaller.graph.node]
    del smaller.graph.node[:]
    smaller.graph.node.extend(nodes)
    return finish(smaller, properties(model))


def to_int8(model: onnx.ModelProto, calibration: UInt8[np.ndarray, "n 28 28"]) -> onnx.ModelProto:
    """Returns the model with its dense layers in int8: static quantisation, in the QDQ form, per channel.

    Scales and zero points are constants of the file, so a prediction does not depend on the rest of the batch, as
    it does with dynamic quantisation. Weights use 7 of the 8 bits: x86 without VNNI adds two products of uint8 and
    int8 in 16 bits, which 255 * 127 * 2 overflows and 255 * 64 * 2 does not. Logits stay float32. Runtimes may round
    activations differently, within contract.INT8_TOLERANCE.

    Args:
        model: float32, with the layers as Gemm or MatMul.
        calibration: digits whose activations determine the scales, by minimum and maximum.

    References:
        B. Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
        Inference", 2018.
    """
    layers = ["Gemm", "MatMul"]
    source = onnx.ModelProto()
    source.CopyFrom(model)  # quantize_static modifies its argument
    helper.set_model_props(source, {"onnx.quant.pre_process": "onnxruntime.quant"})  # or it recommends pre-processing
    with TemporaryDirectory() as folder, quiet():
        path = Path(folder, "int8.onnx")
        quantize_static(
            source,
            path,
            _CalibrationReader(calibration),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=layers,
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            extra_options={"OpTypesToExcludeOutputQuantization": layers},
        )
        return finish(onnx.load(path), properties(model))


def properties(model: onnx.ModelProto) -> dict[str, str]:
    """Returns a model's metadata_props."""
    return {entry.key: entry.value for entry in model.metadata_props}


class _CalibrationReader(CalibrationDataReader):
    """Feeds the calibration set to onnxruntime in batches."""

    def __init__(self, images: np.ndarray) -> None:
        starts = range(0, len(images), CALIBRATION_BATCH)
        self._batches = ({INPUT.name: images[start : start + CALIBRATION_BATCH]} for start in starts)

    def get_next(self) -> dict[str, np.ndarray] | None:
        """Returns the next batch, None after the last."""
        return next(self._batches, None)
