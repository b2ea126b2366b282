"""int8: dense layers in whole numbers.

Static quantisation in the QDQ form (B. Jacob et al., "Quantization and Training of Neural Networks for
Efficient Integer-Arithmetic-Only Inference", 2018): the scales are constants of the file, so that an answer
cannot depend on its batch-mates, as it does with dynamic quantisation. Runtimes may round the steps between
layers differently, within contract.INT8_TOLERANCE.
"""

import numpy as np

from flaxdigits.contract import PIXELS
from flaxdigits.training.model import WHITE
from flaxdigits.training.nodes import Graph, Layers

# Kernels use 7 of the 8 bits. Without VNNI, x86 adds two products of uint8 and int8 in 16 bits, which
# saturates above 32,767; 255 * 64 * 2 = 32,640 does not.
KERNEL_MAX = 64
ACTIVATION_MAX = 255
BIAS_MAX = 2**30  # of int32's 2**31; the other half is left to the sum of the products
SMALLEST = 1e-8  # what a kernel or an activation reaches at least, lest its step be 0


def add_int8_layers(graph: Graph, layers: Layers, levels: str, scales: list[float], name: str) -> str:
    """Adds one member's layers.

    Args:
        graph: where to.
        layers: its weights.
        levels: the node of its input, uint8 levels 0..255.
        scales: the step of each layer's input, of `activation_scales`.
        name: what the member's own names begin with.

    Returns:
        The node of its logits.
    """
    last = ""
    for index, ((kernel, bias), scale) in enumerate(zip(layers, scales, strict=True)):
        step = graph.hold(f"{name}step{index}", np.float32(scale))
        zero = graph.hold(f"{name}zero{index}", np.uint8(0))
        if index > 0:
            levels = graph.add("QuantizeLinear", [last, step, zero], f"{name}levels{index}")
        hidden = graph.add("DequantizeLinear", [levels, step, zero], f"{name}hidden{index}")
        kernel_levels, kernel_steps = quantize_kernel(kernel, np.abs(bias) / (scale * BIAS_MAX))
        bias_steps = np.float32(scale) * kernel_steps
        held = [
            _add_dequantized(graph, f"{name}kernel{index}", kernel_levels, kernel_steps),
            _add_dequantized(graph, f"{name}bias{index}", np.rint(bias / bias_steps).astype(np.int32), bias_steps),
        ]
        last = graph.add_dense([hidden, *held], name, index, len(layers))
    return last


def _add_dequantized(graph: Graph, name: str, levels: np.ndarray, steps: np.ndarray) -> str:
    held = [graph.hold(f"{name}_levels", levels), graph.hold(f"{name}_steps", steps)]
    zeros = graph.hold(f"{name}_zeros", np.zeros(steps.shape, levels.dtype))
    return graph.add("DequantizeLinear", [*held, zeros], name, axis=levels.ndim - 1)


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


def activation_scales(layers: Layers, images: np.ndarray) -> list[float]:
    """Returns the step of each layer's input: 1/255 for the pixels, then what covers all calibration activations."""
    hidden = images.reshape(len(images), PIXELS).astype(np.float32) / WHITE
    scales = [1 / WHITE]
    for kernel, bias in layers[:-1]:
        hidden = np.maximum(hidden @ kernel + bias, 0)
        scales.append(max(float(hidden.max()), SMALLEST) / ACTIVATION_MAX)
    return scales
