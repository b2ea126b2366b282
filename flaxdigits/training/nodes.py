"""Nodes and constants of an ONNX graph as it is written, and a dense layer of it."""

from typing import Any

import numpy as np
from onnx import NodeProto, TensorProto, helper, numpy_helper

Layers = list[tuple[np.ndarray, np.ndarray]]  # (kernel [in, out], bias [out]) of each layer


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

    def add_dense(self, inputs: list[str], name: str, index: int, count: int) -> str:
        """Adds one dense layer of a member: its ReLU too, but for the last, which gives logits.

        Args:
            inputs: names of the rows, the kernel and the bias.
            name: what the member's own names begin with.
            index: which layer it is, from 0.
            count: of how many.
        """
        if index == count - 1:
            return self.add("Gemm", inputs, f"{name}logits")
        total = self.add("Gemm", inputs, f"{name}sum{index}")
        return self.add("Relu", [total], f"{name}relu{index}")
