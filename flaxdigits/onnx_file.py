"""What is written in an .onnx file, read from its bytes without the onnx package, which prediction does not need.

onnxruntime loads files that break the contract without a word: with weights in a second file, with
operators of its own, of any opset. An .onnx file is a protocol buffer, a row of fields with a number,
a type and a value each; the numbers below are those of onnx.proto (https://github.com/onnx/onnx).
As every reader of protocol buffers does, this one passes over fields of an unknown number or another type.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from flaxdigits.contract import IR_VERSION, OPSET
from flaxdigits.errors import ModelError

DEFAULT_DOMAINS = ("", "ai.onnx")
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5  # types of a field in a protocol buffer
EXTERNAL = 1  # TensorProto.data_location of weights that lie in another file

# Field numbers.
MODEL_IR_VERSION, MODEL_GRAPH, MODEL_OPSET, MODEL_FUNCTION = 1, 7, 8, 25
OPSET_DOMAIN, OPSET_VERSION = 1, 2
GRAPH_NODE, GRAPH_INITIALIZER, GRAPH_SPARSE = 1, 5, 15
NODE_TYPE, NODE_ATTRIBUTE, NODE_DOMAIN = 4, 5, 7
ATTRIBUTE_TENSOR, ATTRIBUTE_GRAPH, ATTRIBUTE_TENSORS, ATTRIBUTE_GRAPHS = 5, 6, 10, 11
ATTRIBUTE_SPARSE, ATTRIBUTE_SPARSES = 22, 23
TENSOR_LOCATION, SPARSE_VALUES, SPARSE_INDICES = 14, 1, 2
FUNCTION_NAME, FUNCTION_NODE, FUNCTION_DOMAIN = 1, 7, 10


@dataclass
class OnnxFile:
    """The form of a model, apart from its weights.

    Attributes:
        ir_version: of the file format.
        opsets: version by domain; "" is ONNX's own.
        operators: how many nodes of each, those of another domain written as domain.Name.
        functions: operators that the file itself defines out of others, written the same way.
        external_tensors: how many weights lie in another file.
    """

    ir_version: int = 0
    opsets: dict[str, int] = field(default_factory=dict)
    operators: Counter[str] = field(default_factory=Counter)
    functions: set[str] = field(default_factory=set)
    external_tensors: int = 0

    @classmethod
    def read(cls, path: Path) -> "OnnxFile":
        """Reads a file.

        Raises:
            ModelError: where it is not an ONNX model.
        """
        found = cls()
        try:
            found._read_model(np.memmap(path, np.uint8, mode="r").data)  # the weights stay on disk
        except (IndexError, ValueError, RecursionError) as error:
            raise ModelError(f"{path}: not an ONNX model, or cut off") from error
        if not (found.ir_version and found.opsets):
            raise ModelError(f"{path}: not an ONNX model")
        return found

    def breaches(self) -> list[str]:
        """Says in what the form breaks the contract; empty where it keeps it."""
        custom = sorted(name for name in self.operators if "." in name and name not in self.functions)
        found = {
            f"expected all weights in the one file, got {self.external_tensors} in another": self.external_tensors,
            f"expected ONNX's own operators only, got {', '.join(custom)}": custom,
        }
        return [complaint for complaint, broken in found.items() if broken]

    def cautions(self) -> list[str]:
        """Says what keeps older runtimes from loading the file; empty where nothing does."""
        opset = max(self.opsets.get(domain, 0) for domain in DEFAULT_DOMAINS)
        found = {
            f"opset {opset}: the contract has {OPSET}, and older runtimes cannot load more": opset > OPSET,
            f"IR version {self.ir_version}: the contract has {IR_VERSION}, and older runtimes cannot load more": (
                self.ir_version > IR_VERSION
            ),
        }
        return [complaint for complaint, broken in found.items() if broken]

    def _read_model(self, message: memoryview) -> None:
        self.ir_version = dict(numbers(message)).get(MODEL_IR_VERSION, 0)
        for number, part in parts(message):
            if number == MODEL_OPSET:
                domain = text(dict(parts(part)).get(OPSET_DOMAIN))
                self.opsets[domain] = dict(numbers(part)).get(OPSET_VERSION, 0)
            elif number == MODEL_GRAPH:
                self._read_graph(part)
            elif number == MODEL_FUNCTION:
                self._read_function(part)

    def _read_function(self, message: memoryview) -> None:
        written = dict(parts(message))
        self.functions.add(full_name(text(written.get(FUNCTION_DOMAIN)), text(written.get(FUNCTION_NAME))))
        for number, part in parts(message):
            if number == FUNCTION_NODE:
                self._read_node(part)

    def _read_graph(self, message: memoryview) -> None:
        for number, part in parts(message):
            if number == GRAPH_NODE:
                self._read_node(part)
            elif number == GRAPH_INITIALIZER:
                self._read_tensor(part)
            elif number == GRAPH_SPARSE:
                self._read_sparse(part)

    def _read_node(self, message: memoryview) -> None:
        written = dict(parts(message))
        self.operators[full_name(text(written.get(NODE_DOMAIN)), text(written.get(NODE_TYPE)))] += 1
        for number, part in parts(message):
            if number == NODE_ATTRIBUTE:
                self._read_attribute(part)

    def _read_attribute(self, message: memoryview) -> None:
        for number, part in parts(message):
            if number in (ATTRIBUTE_GRAPH, ATTRIBUTE_GRAPHS):
                self._read_graph(part)
            elif number in (ATTRIBUTE_TENSOR, ATTRIBUTE_TENSORS):
                self._read_tensor(part)
            elif number in (ATTRIBUTE_SPARSE, ATTRIBUTE_SPARSES):
                self._read_sparse(part)

    def _read_sparse(self, message: memoryview) -> None:
        for number, part in parts(message):
            if number in (SPARSE_VALUES, SPARSE_INDICES):
                self._read_tensor(part)

    def _read_tensor(self, message: memoryview) -> None:
        self.external_tensors += dict(numbers(message)).get(TENSOR_LOCATION) == EXTERNAL


def full_name(domain: str, name: str) -> str:
    """Names an operator: alone where it is ONNX's own, after its domain and a dot otherwise."""
    return name if domain in DEFAULT_DOMAINS else f"{domain}.{name}"


def text(value: memoryview | None) -> str:
    """Decodes a string field; one that is left out is empty."""
    return bytes(value or b"").decode("utf-8")


def numbers(message: memoryview) -> Iterator[tuple[int, int]]:
    """Yields number and value of each field that is an integer."""
    return ((number, value) for number, value in fields(message) if isinstance(value, int))


def parts(message: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Yields number and value of each field that is a string, or a message in the message."""
    return ((number, value) for number, value in fields(message) if isinstance(value, memoryview))


def fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Yields number and value of each field but those of a fixed size, which the form of a model does not need.

    Raises:
        IndexError, ValueError: where the bytes are no protocol buffer.
    """
    at = 0
    while at < len(message):
        key, at = varint(message, at)
        number, kind = key >> 3, key & 7
        if number == 0 or kind not in (VARINT, BYTES, FIXED32, FIXED64):
            raise ValueError(f"no field has number {number} and type {kind}")
        if kind == VARINT:
            value, at = varint(message, at)
            yield number, value - (value >> 63 << 64)  # an int64, in two's complement
            continue
        size, at = varint(message, at) if kind == BYTES else (8 if kind == FIXED64 else 4, at)
        if size > len(message) - at:
            raise ValueError(f"field {number} does not fit")
        if kind == BYTES:
            yield number, message[at : at + size]
        at += size


def varint(message: memoryview, at: int) -> tuple[int, int]:
    """Reads a number of 64 bits, seven bits a byte, the lowest first; returns it and where the next thing begins."""
    value = 0
    for shift in range(0, 64, 7):
        byte = message[at]
        value |= (byte & 127) << shift
        at += 1
        if byte < 128:
            return value % 2**64, at
    raise ValueError("a number of more than 64 bits")
