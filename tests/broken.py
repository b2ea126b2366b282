"""Models that break the contract, each in one way, and the line that `Recognizer` refuses them with.

The lines are regular expressions, because of the words of onnxruntime and of the system in them.
"""

import re

import numpy as np
from onnx import TensorProto, external_data_helper, helper, load, save

ZEROS = np.zeros((784, 10))
PIXELS = "pixels tensor(uint8) [batch, 28, 28]"
PROBABILITIES = "probabilities tensor(float) [batch, 10]"


def external(path, write_model):
    """Writes a model whose weights are in weights.bin beside it."""
    write_model(path, ZEROS)
    model = load(path)
    external_data_helper.convert_model_to_external_data(model, location="weights.bin", size_threshold=100)
    save(model, path)
    return path


def external_without_its_file(path, write_model):
    external(path, write_model)
    (path.parent / "weights.bin").unlink()


def renamed_operator(name, domain):
    """Writes a model whose Softmax is an operator that onnxruntime does not know."""

    def write(path, write_model):
        model = load(write_model(path, ZEROS))
        node = next(node for node in model.graph.node if node.op_type == "Softmax")
        node.op_type, node.domain = name, domain
        del node.attribute[:]
        if domain:
            model.opset_import.append(helper.make_opsetid(domain, 1))
        path.write_bytes(model.SerializeToString())

    return write


def too_new(path, write_model):
    model = load(write_model(path, ZEROS))
    model.opset_import[0].version = 99
    path.write_bytes(model.SerializeToString())


def without_shape(path, write_model):
    model = load(write_model(path, ZEROS))
    model.graph.input[0].type.tensor_type.ClearField("shape")
    path.write_bytes(model.SerializeToString())


def in_latin_1(path, write_model):
    write_model(path, ZEROS, metadata={"name": "Leon"})
    path.write_bytes(path.read_bytes().replace(b"Leon", b"L\xe9on"))


def for_one_digit(path, write_model):
    """Writes a model that declares any batch and runs with one digit only."""
    model = load(write_model(path, ZEROS))
    flatten = next(node for node in model.graph.node if node.op_type == "Flatten")
    model.graph.initializer.append(helper.make_tensor("one", TensorProto.INT64, [2], [1, 784]))
    flatten.op_type = "Reshape"
    flatten.input.append("one")
    path.write_bytes(model.SerializeToString())


def changed(classes=10, **changes):
    return lambda path, write_model: write_model(path, np.zeros((784, classes)), **changes)


def cut_off(path, write_model):
    whole = write_model(path, ZEROS).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])


def breaks(complaint):
    return "MODEL: breaks the contract: " + re.escape(complaint)


UNLOADABLE = "MODEL: not an ONNX model that onnxruntime can load: "

# Defect: (the line of the refusal, with MODEL for the path; the function that writes the model)
BROKEN = {
    "other input name": (
        breaks(f"expected one input, {PIXELS}, got image tensor(uint8) [batch, 28, 28]"), changed(input_name="image")
    ),
    "float input": (
        breaks(f"expected {PIXELS}, got pixels tensor(float) [batch, 28, 28]"), changed(input_type="FLOAT")
    ),
    "flat input": (
        breaks(f"expected {PIXELS}, got pixels tensor(uint8) [batch, 784]"), changed(input_shape=("batch", 784))
    ),
    "input without a shape": (breaks(f"expected {PIXELS}, got pixels tensor(uint8) []"), without_shape),
    "fixed batch": (
        breaks(f"expected {PIXELS}, got pixels tensor(uint8) [1, 28, 28]"), changed(input_shape=(1, 28, 28), batch=1)
    ),
    "no digit output": (
        breaks(f"expected output digit tensor(int64) [batch], got {PROBABILITIES}"), changed(outputs=["probabilities"])
    ),
    "no probabilities": (
        breaks(f"expected output {PROBABILITIES}, got digit tensor(int64) [batch]"), changed(outputs=["digit"])
    ),
    "eleven classes": (breaks(f"expected {PROBABILITIES}, got probabilities tensor(float) [batch, 11]"), changed(11)),
    "int32 digit": (
        breaks("expected digit tensor(int64) [batch], got digit tensor(int32) [batch]"), changed(digit_type="INT32")
    ),
    "external data": (UNLOADABLE + ".*weights.bin.*", external),
    "external data without its file": (UNLOADABLE + ".*weights.bin.*", external_without_its_file),
    "custom operator": (UNLOADABLE + ".*com.example.*Softest.*", renamed_operator("Softest", "com.example")),
    "unknown operator": (UNLOADABLE + ".*Softest.*", renamed_operator("Softest", "")),
    "opset too new": (UNLOADABLE + ".*opset.*", too_new),
    "metadata that is no UTF-8": (UNLOADABLE + "'utf-8' codec can't decode .*", in_latin_1),
    "not ONNX": (UNLOADABLE + ".*", lambda path, _: path.write_text("no model")),
    "empty": (UNLOADABLE + ".*", lambda path, _: path.touch()),
    "cut off": (UNLOADABLE + ".*", cut_off),
    "a directory": ("MODEL: .*; expected an .onnx file", lambda path, _: path.mkdir()),
    "missing": ("MODEL: No such file or directory; expected an .onnx file", lambda path, _: None),
    "a batch it cannot run": (r"MODEL: onnxruntime cannot run it: .*requested shape:\{1,784\}", for_one_digit),
}  # fmt: skip
