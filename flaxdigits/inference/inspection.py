"""Inspection: the contents of an .onnx file, read without running it."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import onnx
from google.protobuf.message import DecodeError, Message

from flaxdigits.errors import ModelError
from flaxdigits.inference.contract import IR_VERSION, OPSET, find_violations
from flaxdigits.inference.recognizer import CPU, open_session, read_model
from flaxdigits.printable import printable

ONNX_DOMAINS = ("", "ai.onnx")


@dataclass(frozen=True)
class Inspection:
    """The structure of an .onnx file, and how it breaks the contract."""

    path: Path
    bytes: int
    ir_version: int
    opsets: dict[str, int]  # version by domain; "" is ONNX's own
    operators: dict[str, int]  # number of nodes by operator, the most frequent first; subgraphs and functions too
    inputs: dict[str, str]  # dtype and shape by name
    outputs: dict[str, str]
    metadata: dict[str, str]
    violations: list[str]
    warnings: list[str]  # versions that older runtimes cannot load

    @classmethod
    def of(cls, path: Path) -> Self:
        """Reads a file, whether onnxruntime can load it or not.

        Raises:
            ModelError: if it is not an ONNX model at all.
        """
        content = read_model(path)
        model = parse_model(content, str(path))
        operators = Counter(full_name(node.domain, node.op_type) for node in messages_within(model, onnx.NodeProto))
        return cls(
            path=path,
            bytes=len(content),
            ir_version=model.ir_version,
            opsets={text(opset.domain): opset.version for opset in model.opset_import},
            operators=dict(operators.most_common()),
            inputs=signatures(input_values(model.graph)),
            outputs=signatures(model.graph.output),
            metadata=dict(sorted((text(entry.key), text(entry.value)) for entry in model.metadata_props)),
            violations=[*model_violations(model, operators), *session_violations(content, str(path))],
            warnings=find_warnings(model),
        )

    def as_dict(self) -> dict[str, Any]:
        """Returns the fields as plain types, for JSON."""
        return asdict(self) | {"path": str(self.path)}


def parse_model(content: bytes, name: str) -> onnx.ModelProto:
    """Parses a model without its external data.

    Raises:
        ModelError: if the bytes are not an ONNX model.
    """
    try:
        model = onnx.load_model_from_string(content)
    except DecodeError as error:
        raise ModelError(f"{name}: not an ONNX model, or truncated") from error
    if not (model.ir_version and model.opset_import and model.HasField("graph")):
        raise ModelError(f"{name}: not an ONNX model, or truncated")
    return model


def model_violations(model: onnx.ModelProto, operators: Counter[str]) -> list[str]:
    """Lists external data and operators that are neither ONNX's own nor functions of the file."""
    external = sum(tensor.data_location == tensor.EXTERNAL for tensor in messages_within(model, onnx.TensorProto))
    functions = {full_name(function.domain, function.name) for function in model.functions}
    foreign = sorted(name for name in operators if "." in name and name not in functions)
    found = {
        f"expected all weights in the one file, got {external} in another": external,
        f"expected ONNX's own operators only, got {', '.join(foreign)}": foreign,
    }
    return [printable(violation) for violation, broken in found.items() if broken]


def session_violations(content: bytes, name: str) -> list[str]:
    """Lists the reasons why `Recognizer` refuses the model: its inputs and outputs, or onnxruntime's own."""
    try:
        session = open_session(content, name, CPU)
    except ModelError as error:
        return [str(error).removeprefix(f"{name}: ")]
    return [printable(violation) for violation in find_violations(session.get_inputs(), session.get_outputs())]


def find_warnings(model: onnx.ModelProto) -> list[str]:
    """Lists the versions that older runtimes cannot load."""
    opset = max((opset.version for opset in model.opset_import if opset.domain in ONNX_DOMAINS), default=0)
    versions = {"opset": (opset, OPSET), "IR version": (model.ir_version, IR_VERSION)}
    return [
        f"{name} {found}: the contract has {most}, and older runtimes cannot load more"
        for name, (found, most) in versions.items()
        if found > most
    ]


def messages_within(message: Message, kind: type) -> Iterator[Any]:
    """Yields every message of a kind at any depth: in subgraphs, functions and attributes too."""
    if isinstance(message, kind):
        yield message
    for field, value in message.ListFields():
        if field.message_type:
            for part in [value] if isinstance(value, Message) else value:
                yield from messages_within(part, kind)


def full_name(domain: str | bytes, name: str | bytes) -> str:
    """Returns the name of an operator or function, prefixed with its domain and a dot unless that is ONNX's own."""
    return text(name) if domain in ONNX_DOMAINS else f"{text(domain)}.{text(name)}"


def input_values(graph: onnx.GraphProto) -> list[onnx.ValueInfoProto]:
    """Returns the inputs that a caller passes; old files list their weights among the inputs."""
    weights = {tensor.name for tensor in graph.initializer}
    return [value for value in graph.input if value.name not in weights]


def signatures(values: Any) -> dict[str, str]:
    """Returns dtype and shape by name, in onnxruntime's spelling."""
    return {text(value.name): signature(value.type) for value in values}


def signature(kind: onnx.TypeProto) -> str:
    """Returns dtype and shape, such as "tensor(uint8) [batch, 28, 28]"; for types other than tensors, the kind."""
    if not kind.HasField("tensor_type"):
        return str(kind.WhichOneof("value"))
    number, dims = kind.tensor_type.elem_type, kind.tensor_type.shape.dim
    dtypes = {value: name.lower() for name, value in onnx.TensorProto.DataType.items()}
    axes = [str(dim.dim_value) if dim.HasField("dim_value") else text(dim.dim_param) or "?" for dim in dims]
    return f"tensor({dtypes.get(number, number)}) [{', '.join(axes)}]"


def text(value: str | bytes) -> str:
    """Returns a string field; protobuf returns bytes if it is not UTF-8."""
    return value if isinstance(value, str) else value.decode("utf-8", "replace")
