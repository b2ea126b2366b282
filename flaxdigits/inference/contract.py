"""The contract of every ONNX file that flaxdigits writes or reads.

Raw pixels go in, the digit and its probabilities come out. The package that writes a model (`export`) and the one that
reads it (`inference`) both take names, types and versions from here.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np

from flaxdigits.convention import CLASSES, SIDE

OPSET = 17  # from 2022; every onnxruntime since 1.12 loads it
IR_VERSION = 8

Precision = Literal["float32", "float16", "int8"]  # of the weights in a file


class Tensor(NamedTuple):
    """One input or output: the dtype in onnxruntime's spelling, and the shape after the batch axis."""

    name: str
    dtype: str
    shape: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.name} {self.dtype} [{', '.join(['batch', *map(str, self.shape)])}]"


class Node(Protocol):
    """An input or output as onnxruntime describes it, with the full shape; axes may be named or unknown."""

    name: str
    type: str
    shape: Sequence[Any]


INPUT = Tensor("pixels", "tensor(uint8)", (SIDE, SIDE))
DIGIT = Tensor("digit", "tensor(int64)", ())
PROBABILITIES = Tensor("probabilities", "tensor(float)", (CLASSES,))
OUTPUTS = (DIGIT, PROBABILITIES)
DIGITNESS = Tensor("digitness", "tensor(float)", ())  # 1 = surely a digit, 0 = surely not one; not in every model
THRESHOLD = 0.5  # of digitness; a picture below it is refused, as are 1% of the digits of held-out writers

INPUT_CONVENTION = "uint8 [batch, 28, 28], 0 = paper, 255 = ink, rows from the top"


class Metadata(NamedTuple):
    """The metadata_props of a file; every value is a string."""

    name: str
    version: str
    license: str
    input_convention: str
    classes: str  # JSON list
    hidden: str  # JSON list of widths
    temperature: str  # divides the logits, inside the graph
    digitness_threshold: str  # which the graph maps to THRESHOLD; empty without the output
    parameters: str
    precision: str  # of the weights: float32, float16 or int8
    weights_sha256: str  # of the float32 weights
    training_data: str
    training_data_sha256: str
    training_rows_in_mnist_test: str
    initial_weights_sha256: str  # of the file that training started from; empty if there is none
    config: str  # TOML
    seed: str
    epochs_trained: str
    test_accuracy: str
    test_data: str
    command: str  # that created the file


# ONNX's own keys for a model whose input has the denotation IMAGE (onnx/docs/MetadataProps.md). They do not say
# whether 255 is ink or paper; input_convention does.
IMAGE_METADATA = {"Image.BitmapPixelFormat": "Gray8", "Image.NominalPixelRange": "NominalRange_0_255"}

ROUNDING = 0.01  # tolerance for the sum of a digit's probabilities and for its digitness, in float16 and int8 too
PROBABILITY_TOLERANCE = 1e-5  # largest difference the export gate allows between a model and its file
INT8_TOLERANCE = 0.02  # between two runtimes in int8, whose rounded activations may differ by one
MAX_ADDED_ERRORS = 2  # additional errors of a quantised model, in 10,000 digits


def find_violations(inputs: Sequence[Node], outputs: Sequence[Node]) -> list[str]:
    """Lists how the inputs and outputs of a model break the contract; empty if they do not.

    Outputs beyond those of the contract are allowed. The batch axis of the input must not be fixed.
    """
    if [node.name for node in inputs] != [INPUT.name]:
        return [f"expected one input, {INPUT}, got {_listed(inputs)}"]
    found = {node.name: node for node in (*outputs, *inputs)}
    absent = [tensor for tensor in OUTPUTS if tensor.name not in found]
    if absent:
        return [f"expected output {tensor}, got {_listed(outputs)}" for tensor in absent]
    pairs = [(tensor, found[tensor.name]) for tensor in (INPUT, *OUTPUTS, DIGITNESS) if tensor.name in found]
    return [f"expected {tensor}, got {describe(node)}" for tensor, node in pairs if not _matches(tensor, node)]


def find_wrong_answer(answer: Mapping[str, np.ndarray], count: int) -> str:
    """Returns how a model's answer for `count` digits breaks the contract; empty if it does not.

    The outputs of a run may differ from what the file declares. Whether the digit is the most probable one is not
    checked.
    """
    for tensor in (*OUTPUTS, DIGITNESS):
        found = answer.get(tensor.name)
        if found is not None and found.shape != (count, *tensor.shape):
            return f"expected {tensor} with a batch of {count}, got {list(found.shape)}"
    digits, probabilities = answer[DIGIT.name], answer[PROBABILITIES.name]
    if digits.min(initial=0) < 0 or digits.max(initial=0) >= CLASSES:
        return f"expected digits from 0 to {CLASSES - 1}, got {digits.min()} to {digits.max()}"
    least, sums = probabilities.min(initial=0), probabilities.sum(axis=1)
    if not (least >= 0 and (abs(sums - 1) <= ROUNDING).all()):  # NaN compares false
        stated = f"got {probabilities.min()} and sums of {sums.min()} to {sums.max()}"
        return f"expected probabilities of 0 and more that sum to 1, {stated}"
    digitness = answer.get(DIGITNESS.name, probabilities[:0])
    if not (digitness.min(initial=0) >= -ROUNDING and digitness.max(initial=0) <= 1 + ROUNDING):
        return f"expected a digitness from 0 to 1, got {digitness.min()} to {digitness.max()}"
    return ""


def describe(node: Node) -> str:
    """Returns name, dtype and shape in the notation of the contract."""
    return f"{node.name} {node.type} [{', '.join(map(str, node.shape))}]"


def _matches(tensor: Tensor, node: Node) -> bool:
    has_fixed_batch = tensor is INPUT and (not node.shape or isinstance(node.shape[0], int))
    return (node.type, tuple(node.shape[1:])) == (tensor.dtype, tensor.shape) and not has_fixed_batch


def _listed(nodes: Sequence[Node]) -> str:
    return "; ".join(map(describe, nodes)) or "none"
