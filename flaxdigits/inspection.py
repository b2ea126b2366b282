"""Inspection: everything that can be said about an .onnx file without running it."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

import onnxruntime

from flaxdigits.errors import ModelError
from flaxdigits.onnx_file import OnnxFile
from flaxdigits.recognizer import find_breaches, open_session


@dataclass(frozen=True)
class Inspection:
    """What an .onnx file is, and in what it breaks the contract."""

    path: Path
    bytes: int
    ir_version: int
    opsets: dict[str, int]  # version by domain; "" is ONNX's own
    operators: dict[str, int]  # how many nodes of each, the most frequent first
    inputs: dict[str, str]  # dtype and shape by name
    outputs: dict[str, str]
    metadata: dict[str, str]
    breaches: list[str]
    cautions: list[str]

    @classmethod
    def of(cls, path: Path) -> Self:
        """Reads a file; one that onnxruntime cannot load is described as far as its bytes tell.

        Raises:
            ModelError: where it is not an ONNX model at all.
        """
        file = OnnxFile.read(path)
        breaches = file.breaches()
        inputs: dict[str, str] = {}
        outputs: dict[str, str] = {}
        metadata: dict[str, str] = {}
        try:
            session = open_session(path)
        except ModelError as error:
            breaches.append(str(error).removeprefix(f"{path}: "))
        else:
            inputs, outputs = _signature(session.get_inputs()), _signature(session.get_outputs())
            metadata = dict(sorted(session.get_modelmeta().custom_metadata_map.items()))
            breaches += find_breaches(session)
        operators = dict(file.operators.most_common())
        size = path.stat().st_size
        return cls(
            path, size, file.ir_version, file.opsets, operators, inputs, outputs, metadata, breaches, file.cautions()
        )

    def as_dict(self) -> dict:
        """Returns the same with plain values, as JSON takes them."""
        return asdict(self) | {"path": str(self.path)}


def _signature(nodes: list[onnxruntime.NodeArg]) -> dict[str, str]:
    return {node.name: f"{node.type} [{', '.join(map(str, node.shape))}]" for node in nodes}
