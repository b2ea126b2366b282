import json

import numpy as np
import onnx
import pytest
from broken import BROKEN
from onnx import TensorProto, external_data_helper, helper, numpy_helper

from flaxdigits.errors import ModelError
from flaxdigits.inference.inspection import Inspection
from flaxdigits.inference.recognizer import Recognizer
from flaxdigits.printable import CONTROL

UNREADABLE = {"not ONNX", "empty", "cut off"}
NOT_A_FILE = {"a directory", "missing"}
ONLY_WHEN_RUN = {"a batch it cannot run"}


def inspect_broken(kind, folder, write_model):
    BROKEN[kind][1](folder / "m.onnx", write_model)
    return Inspection.of(folder / "m.onnx")


def test_every_field_of_a_model_that_keeps_the_contract(tiny_model):
    assert Inspection.of(tiny_model) == Inspection(
        path=tiny_model,
        bytes=tiny_model.stat().st_size,
        ir_version=8,
        opsets={"": 17},
        operators={"Cast": 2, "Div": 1, "Flatten": 1, "Gemm": 1, "Softmax": 1, "ArgMax": 1},
        inputs={"pixels": "tensor(uint8) [batch, 28, 28]"},
        outputs={"digit": "tensor(int64) [batch]", "probabilities": "tensor(float) [batch, 10]"},
        metadata={"name": "tiny"},
        violations=[],
        warnings=[],
    )


@pytest.mark.parametrize("precision", ["float32", "float16", "int8"])
def test_our_own_files_keep_the_contract_in_every_precision(forms, precision):
    found = Inspection.of(forms[precision])
    assert found.violations == found.warnings == []
    assert found.metadata["precision"] == precision
    assert (
        found.operators["DequantizeLinear"] == 9 if precision == "int8" else "DequantizeLinear" not in found.operators
    )


def test_the_most_frequent_operator_comes_first(forms):
    counts = list(Inspection.of(forms["int8"]).operators.values())
    assert counts == sorted(counts, reverse=True)
    assert sum(counts) == len(onnx.load(forms["int8"]).graph.node)


@pytest.mark.parametrize("kind", sorted(BROKEN.keys() - UNREADABLE - NOT_A_FILE - ONLY_WHEN_RUN))
def test_what_a_recognizer_refuses_is_among_the_violations(kind, tmp_path, write_model):
    found = inspect_broken(kind, tmp_path, write_model)
    with pytest.raises(ModelError) as caught:
        Recognizer(found.path)
    stated = str(caught.value).removeprefix(f"{found.path}: ").removeprefix("breaks the contract: ")
    assert "; ".join(found.violations).endswith(stated)
    assert all("\n" not in violation for violation in found.violations)


@pytest.mark.parametrize("kind", sorted(UNREADABLE))
def test_a_file_that_is_not_a_model_is_refused_in_one_line(kind, tmp_path, write_model):
    with pytest.raises(ModelError, match=r"^[^\n]*/m.onnx: not an ONNX model[^\n]*$"):
        inspect_broken(kind, tmp_path, write_model)


@pytest.mark.parametrize("kind", sorted(NOT_A_FILE))
def test_a_path_that_cannot_be_read_is_refused_in_one_line(kind, tmp_path, write_model):
    with pytest.raises(ModelError, match=r"^[^\n]*/m.onnx: [^\n]*; expected an .onnx file$"):
        inspect_broken(kind, tmp_path, write_model)


def test_a_model_that_onnxruntime_cannot_load_is_described_all_the_same(tmp_path, write_model):
    found = inspect_broken("opset too new", tmp_path, write_model)
    assert (found.ir_version, found.opsets, found.operators["Cast"]) == (8, {"": 99}, 2)
    assert found.inputs == {"pixels": "tensor(uint8) [batch, 28, 28]"}
    assert found.outputs.keys() == {"digit", "probabilities"}
    assert len(found.violations) == 1
    assert found.violations[0].startswith("not an ONNX model that onnxruntime can load: ")
    assert found.warnings == ["opset 99: the contract has 17, and older runtimes cannot load more"]


def test_all_breaches_are_named_and_not_the_first_alone(tmp_path, write_model):
    path = write_model(tmp_path / "m.onnx", np.zeros((784, 11)), digit_type="INT32")
    assert Inspection.of(path).violations == [
        "expected digit tensor(int64) [batch], got digit tensor(int32) [batch]",
        "expected probabilities tensor(float) [batch, 10], got probabilities tensor(float) [batch, 11]",
    ]


def test_weights_in_another_file_are_a_violation(tmp_path, write_model):
    found = inspect_broken("external data", tmp_path, write_model)
    assert found.violations[0] == "expected all weights in the one file, got 1 in another"
    assert found.inputs == {"pixels": "tensor(uint8) [batch, 28, 28]"}


def test_an_operator_of_onnxruntime_itself_is_a_violation_though_it_runs(tmp_path, write_model):
    model = onnx.load(write_model(tmp_path / "m.onnx", np.zeros((784, 10))))
    gemm = next(node for node in model.graph.node if node.op_type == "Gemm")
    gemm.op_type, gemm.domain = "FusedGemm", "com.microsoft"
    gemm.attribute.append(helper.make_attribute("activation", "Relu"))
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    onnx.save(model, tmp_path / "m.onnx")
    found = Inspection.of(tmp_path / "m.onnx")
    assert Recognizer(found.path).name == str(found.path)
    assert found.violations == ["expected ONNX's own operators only, got com.microsoft.FusedGemm"]


def model_of(nodes, held=(), opsets=(("", 17),), sparse=(), functions=(), ir_version=8):
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n"]) for name in ("x", "y")]
    graph = helper.make_graph(nodes, "graph", values[:1], values[1:], held, sparse_initializer=sparse)
    imports = [helper.make_opsetid(*opset) for opset in opsets]
    return helper.make_model(graph, opset_imports=imports, ir_version=ir_version, functions=functions)


def tensor(name="t", external=False):
    held = numpy_helper.from_array(np.ones(4, np.float32), name)
    if external:
        external_data_helper.set_external_data(held, "weights.bin")
        held.ClearField("raw_data")
    return held


def inspect_bytes(content, folder):
    (folder / "m.onnx").write_bytes(content)
    return Inspection.of(folder / "m.onnx")


def inspect_model(model, folder):
    return inspect_bytes(model.SerializeToString(), folder)


def test_operators_and_weights_in_subgraphs_are_counted(tmp_path):
    result = helper.make_tensor_value_info("z", TensorProto.FLOAT, ["n"])
    inner = helper.make_graph([helper.make_node("Neg", ["x"], ["z"])], "inner", [], [result], [tensor(external=True)])
    deeper = helper.make_node("If", ["c"], ["z"], then_branch=inner, else_branch=inner)
    outer = helper.make_graph([deeper, helper.make_node("Relu", ["z"], ["y"])], "outer", [], [result])
    found = inspect_model(
        model_of([helper.make_node("If", ["c"], ["y"], then_branch=outer, else_branch=inner)]), tmp_path
    )
    assert found.operators == {"Neg": 3, "If": 2, "Relu": 1}
    assert found.violations[0] == "expected all weights in the one file, got 3 in another"


def test_weights_in_attributes_and_sparse_ones_are_counted(tmp_path):
    sparse = helper.make_sparse_tensor(tensor("v", external=True), numpy_helper.from_array(np.arange(4), "i"), [9])
    nodes = [
        helper.make_node("Constant", [], ["a"], value=tensor()),
        helper.make_node("Constant", [], ["b"], value=tensor(external=True)),
        helper.make_node("Constant", [], ["c"], sparse_value=sparse),
        helper.make_node("Many", [], ["d"], tensors=[tensor(external=True), tensor()], domain="com.example"),
    ]
    found = inspect_model(model_of(nodes, sparse=[sparse], opsets=(("ai.onnx", 17), ("com.example", 3))), tmp_path)
    assert found.opsets == {"ai.onnx": 17, "com.example": 3}
    assert found.violations[:2] == [
        "expected all weights in the one file, got 4 in another",
        "expected ONNX's own operators only, got com.example.Many",
    ]


def test_functions_of_the_file_are_its_own_and_what_they_call_is_counted(tmp_path):
    body = [helper.make_node("Relu", ["a"], ["b"]), helper.make_node("Neg", ["b"], ["c"])]
    function = helper.make_function("local", "Bend", ["a"], ["c"], body, [helper.make_opsetid("", 17)])
    call = helper.make_node("Bend", ["x"], ["y"], domain="local")
    found = inspect_model(model_of([call], opsets=(("", 17), ("local", 1)), functions=[function]), tmp_path)
    assert found.operators == {"local.Bend": 1, "Relu": 1, "Neg": 1}
    assert not any("ONNX's own operators" in violation for violation in found.violations)


def test_newer_versions_are_warnings(tmp_path):
    assert inspect_model(model_of([], opsets=(("", 21), ("ai.onnx.ml", 99)), ir_version=10), tmp_path).warnings == [
        "opset 21: the contract has 17, and older runtimes cannot load more",
        "IR version 10: the contract has 8, and older runtimes cannot load more",
    ]
    assert inspect_model(model_of([]), tmp_path).warnings == []


def test_inputs_of_any_type_and_shape_are_described(tmp_path):
    model = model_of([helper.make_node("Identity", ["x"], ["y"])])
    model.graph.input[0].type.tensor_type.shape.dim.add()
    model.graph.input.append(helper.make_value_info("all", helper.make_sequence_type_proto(model.graph.input[0].type)))
    model.graph.input.append(helper.make_tensor_value_info("t", TensorProto.FLOAT, [4]))
    model.graph.initializer.append(tensor("t"))
    assert inspect_model(model, tmp_path).inputs == {"x": "tensor(float) [n, ?]", "all": "sequence_type"}


def test_metadata_that_is_not_utf_8_is_readable_all_the_same(tmp_path, write_model):
    found = inspect_broken("metadata that is no UTF-8", tmp_path, write_model)
    assert found.metadata == {"name": "L\ufffdon"}
    json.dumps(found.as_dict())


def test_a_damaged_file_is_described_or_refused_in_one_line(tmp_path):
    model = model_of([helper.make_node("Relu", ["x"], ["y"], domain="local")], [tensor()])
    helper.set_model_props(model, {"name": "tiny"})
    whole, rng = model.SerializeToString(), np.random.default_rng(0)
    refused = described = 0
    for _ in range(400):
        damaged = np.frombuffer(whole, np.uint8).copy()
        at = rng.integers(0, len(damaged), rng.integers(1, 4))
        damaged[at] = rng.integers(0, 256, len(at))
        try:
            found = inspect_bytes(damaged.tobytes(), tmp_path)
        except ModelError as error:
            refused += str(error) == f"{tmp_path}/m.onnx: not an ONNX model, or truncated"
        else:
            described += "\n" not in "".join(found.violations) and bool(json.dumps(found.as_dict()))
    assert refused + described == 400
    assert min(refused, described) > 20


def test_bytes_without_a_graph_or_versions_are_not_a_model(tmp_path):
    for content in (b"", b"\x08\x08", b"\x08\x08\x42\x02\x10\x11", b"\x08\x00\x42\x02\x10\x11\x3a\x00"):
        with pytest.raises(ModelError, match="m.onnx: not an ONNX model, or truncated$"):
            inspect_bytes(content, tmp_path)


def test_as_a_dictionary_it_is_json(tiny_model):
    found = json.loads(json.dumps(Inspection.of(tiny_model).as_dict()))
    assert found["path"] == str(tiny_model)
    assert found["opsets"] == {"": 17}
    assert list(found) == list(Inspection.__dataclass_fields__)


def test_a_violation_is_one_line_whatever_an_operator_is_called(tmp_path):
    found = inspect_model(
        model_of([helper.make_node("Re\x1b[31m\nlu", ["x"], ["y"], domain="a\nb")], [tensor()]), tmp_path
    )
    assert r"got a\nb.Re\x1b[31m\nlu" in found.violations[0]
    assert not CONTROL.search("".join(found.violations))
