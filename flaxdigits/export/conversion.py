"""Conversion of a Flax module to an ONNX model that satisfies the contract, with jax2onnx."""

import logging
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import jax
import jax.numpy as jnp
import onnx
from flax import nnx
from jax.export import symbolic_shape
from jaxtyping import Array, UInt8
from onnx import TensorProto, helper

from flaxdigits import __version__
from flaxdigits.convention import CLASSES, SIDE
from flaxdigits.inference.contract import DIGIT, DIGITNESS, INPUT, IR_VERSION, OPSET, OUTPUTS, THRESHOLD


class DigitClassifier(nnx.Module):
    """A network between the inputs and outputs of the contract.

    Args:
        network: any module from pixels, float32 [batch, 28, 28] in 0..255, to logits, float32 [batch, 10], or [batch,
            11] with "no digit" as the last. It is copied, and the copy put into evaluation mode: dropout is off, batch
            normalisation uses running averages.
        temperature: divides the logits.
        threshold: of the network's digitness, which is mapped to contract.THRESHOLD; in 0..1, exclusive.
    """

    def __init__(self, network: nnx.Module, temperature: float = 1.0, threshold: float = THRESHOLD) -> None:
        self.network, self.temperature = nnx.clone(network), temperature
        self.none_bias = math.log(threshold / (1 - threshold)) - math.log(THRESHOLD / (1 - THRESHOLD))
        self.eval()

    def __call__(self, pixels: UInt8[Array, "batch 28 28"]) -> tuple[Array, ...]:
        """Returns the most probable digit, the probabilities of all ten, and, with 11 logits, the digitness."""
        logits = self.network(pixels.astype(jnp.float32))
        probabilities = nnx.softmax(logits[:, :CLASSES] / self.temperature)
        found = probabilities.argmax(axis=1), probabilities
        if logits.shape[1] == CLASSES:
            return found
        bias = jnp.asarray([0.0] * CLASSES + [self.none_bias])
        return *found, nnx.softmax(logits + bias)[:, :CLASSES].sum(axis=1)


def to_onnx(
    model: nnx.Module,
    temperature: float = 1.0,
    threshold: float = THRESHOLD,
    metadata: dict[str, str] | None = None,
) -> onnx.ModelProto:
    """Converts a network to an ONNX model that satisfies the contract, in float32.

    Args:
        model: any module from pixels, float32 [batch, 28, 28] in 0..255, to logits, float32 [batch, 10], or [batch,
            11] with "no digit" as the last. It is converted in evaluation mode and left unchanged.
        temperature: divides the logits; above 0.
        threshold: as for `DigitClassifier`.
        metadata: the file's metadata_props.
    """
    from jax2onnx import to_onnx as convert  # takes 2 s or more to import

    pixels = jax.ShapeDtypeStruct((*symbolic_shape("batch"), SIDE, SIDE), jnp.uint8)
    classifier = DigitClassifier(model, temperature, threshold)
    outputs = (*OUTPUTS, DIGITNESS)[: len(nnx.eval_shape(classifier, jax.ShapeDtypeStruct((1, SIDE, SIDE), jnp.uint8)))]
    names = {"input_names": [INPUT.name], "output_names": [tensor.name for tensor in outputs]}
    with quiet():
        converted = convert(classifier, [pixels], model_name=type(model).__name__, opset=OPSET, **names)
    _drop_cast(converted.graph)
    return finish(converted, metadata or {})


def finish(model: onnx.ModelProto, metadata: dict[str, str]) -> onnx.ModelProto:
    """Sets a model's versions, producer and metadata as the contract has them, and checks it.

    Raises:
        onnx.checker.ValidationError: if it is not a valid model.
    """
    model.ir_version = IR_VERSION
    model.producer_name, model.producer_version = "flaxdigits", __version__
    model.graph.input[0].type.denotation = "IMAGE"  # gives contract.IMAGE_METADATA its meaning
    del model.graph.value_info[:]  # shapes between the nodes, which every runtime infers itself
    for node in model.graph.node:
        node.ClearField("name")  # optional, and generated: 2 kB of a small file
    del model.metadata_props[:]
    helper.set_model_props(model, metadata)
    onnx.checker.check_model(model, full_check=True)
    return model


def _drop_cast(graph: onnx.GraphProto) -> None:
    """Drops the cast of ArgMax's int64 to int32, JAX's integer type: the contract has int64."""
    producers = {node.output[0]: node for node in graph.node}
    cast = producers[DIGIT.name]
    producers[cast.input[0]].output[0] = DIGIT.name
    graph.node.remove(cast)
    digit = next(output for output in graph.output if output.name == DIGIT.name)
    digit.type.tensor_type.elem_type = TensorProto.INT64


@contextmanager
def quiet() -> Iterator[None]:
    """Keeps jax2onnx, onnx_ir and onnxruntime.quantization from printing and from configuring logging.

    They call `logging.info`, which adds a printing handler to a root logger that has none; they log warnings about
    their own internals; and jax2onnx 0.17.1 uses an attribute that Flax 0.12.8 deprecates. Errors are still logged.
    """
    root, handler = logging.getLogger(), logging.NullHandler()
    disabled = root.manager.disable
    root.addHandler(handler)
    logging.disable(max(disabled, logging.WARNING))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            yield
    finally:
        logging.disable(disabled)
        root.removeHandler(handler)
