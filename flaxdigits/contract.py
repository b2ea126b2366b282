"""The contract of every ONNX file that flaxdigits writes or reads, in one place.

Raw pixels go in, the digit and its probabilities come out. What writes a model
(`training/export.py`) and what reads one (`recognizer.py`) both take the names from here.
"""

from typing import Literal, NamedTuple

import numpy as np

SIDE = 28
PIXELS = SIDE * SIDE
CLASSES = 10
CENTRE = SIDE / 2  # where MNIST puts the centre of mass, pixels from 0

OPSET = 17  # of 2022; every onnxruntime since 1.12 loads it
IR_VERSION = 8


Precision = Literal["float32", "float16", "int8"]  # how a file holds its kernels


class Tensor(NamedTuple):
    """One input or output: the dtype in onnxruntime's spelling, and the shape after the batch axis."""

    name: str
    dtype: str
    shape: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.name} {self.dtype} [{', '.join(['batch', *map(str, self.shape)])}]"


INPUT = Tensor("pixels", "tensor(uint8)", (SIDE, SIDE))
DIGIT = Tensor("digit", "tensor(int64)", ())
PROBABILITIES = Tensor("probabilities", "tensor(float)", (CLASSES,))
OUTPUTS = (DIGIT, PROBABILITIES)

INPUT_CONVENTION = "uint8 [batch, 28, 28], 0 = paper, 255 = ink, rows from the top"


class Metadata(NamedTuple):
    """What a file says of itself in its metadata_props; every value is a string."""

    name: str
    version: str
    license: str
    input_convention: str
    classes: str  # JSON list
    hidden: str  # JSON list of widths
    members: str  # networks whose logits are averaged
    views: str  # of each digit, whose logits are averaged
    temperature: str  # that divides the mean of the logits, inside the graph
    parameters: str
    precision: str  # of the kernels: float32, float16 or int8
    weights_sha256: str  # of the float32 weights that the file was made from
    training_data: str
    training_data_sha256: str
    training_rows_in_mnist_test: str
    teacher_sha256: str  # of the weights that were learned from, for each run; empty where the labels were
    config: str  # TOML
    seed: str
    epochs_trained: str
    test_accuracy: str
    test_data: str
    command: str  # that made the file


# ONNX's own keys for a model whose input is denoted an image (onnx/docs/MetadataProps.md). They know
# nothing of ink and paper: that 255 is ink stands in input_convention.
IMAGE_METADATA = {"Image.BitmapPixelFormat": "Gray8", "Image.NominalPixelRange": "NominalRange_0_255"}

PROBABILITY_TOLERANCE = 1e-5  # largest difference the export gate allows between a model and its file
INT8_TOLERANCE = 0.02  # between int8 on two runtimes: one level of rounding in a hidden layer
MOST_ERRORS_LOST = 2  # by a quantised form, of 10,000 digits


def breach(expected: Tensor, found: Tensor) -> str | None:
    """Says how `found` breaks the contract for `expected`, or None where it keeps it."""
    return None if found == expected else f"expected {expected}, got {found}"


def is_pixels(array: np.ndarray) -> bool:
    """Whether an array is what `pixels` takes: uint8 [batch, 28, 28]."""
    return array.dtype == np.uint8 and array.ndim == 3 and array.shape[1:] == (SIDE, SIDE)
