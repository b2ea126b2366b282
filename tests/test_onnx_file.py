import re
from collections import Counter

import numpy as np
import onnx
import pytest
from broken import BROKEN
from google.protobuf.message import DecodeError
from onnx import TensorProto, helper, numpy_helper

from flaxdigits import onnx_file
from flaxdigits.contract import IR_VERSION, OPSET
from flaxdigits.errors import ModelError
from flaxdigits.onnx_file import OnnxFile

FLOATS = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n"])
RESULT = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n"])


def model_of(nodes, held=(), opsets=(("", OPSET),), sparse=(), functions=()):
    graph = helper.make_graph(nodes, "graph", [FLOATS], [RESULT], held, sparse_initializer=sparse)
    imports = [helper.make_opsetid(*opset) for opset in opsets]
    return helper.make_model(graph, opset_imports=imports, ir_version=IR_VERSION, functions=functions)


def tensor(name="t", external=False):
    held = numpy_helper.from_array(np.ones(4, np.float32), name)
    if external:
        onnx.external_data_helper.set_external_data(held, "weights.bin")
        held.ClearField("raw_data")
    return held


def an_if_with_graphs():
    inner = helper.make_graph([helper.make_node("Neg", ["x"], ["z"])], "inner", [], [RESULT], [tensor(external=True)])
    deeper = helper.make_node("If", ["c"], ["z"], then_branch=inner, else_branch=inner)
    outer = helper.make_graph([deeper, helper.make_node("Relu", ["z"], ["y"])], "outer", [], [RESULT])
    return model_of([helper.make_node("If", ["c"], ["y"], then_branch=outer, else_branch=inner)])


def functions_of_its_own():
    body = [helper.make_node("Relu", ["a"], ["b"]), helper.make_node("Neg", ["b"], ["c"])]
    function = helper.make_function("local", "Bend", ["a"], ["c"], body, [helper.make_opsetid("", OPSET)])
    call = helper.make_node("Bend", ["x"], ["y"], domain="local")
    return model_of([call], opsets=(("", OPSET), ("local", 1)), functions=[function])


def attributes_with_tensors():
    sparse = helper.make_sparse_tensor(tensor("v", external=True), numpy_helper.from_array(np.arange(4), "i"), [9])
    nodes = [
        helper.make_node("Constant", [], ["a"], value=tensor()),
        helper.make_node("Constant", [], ["b"], value=tensor(external=True)),
        helper.make_node("Constant", [], ["c"], sparse_value=sparse),
        helper.make_node("Many", [], ["d"], tensors=[tensor(external=True), tensor()], domain="com.example"),
    ]
    return model_of(nodes, sparse=[sparse], opsets=(("ai.onnx", OPSET), ("com.example", 3)))


MODELS = {
    "weights in another file": lambda: model_of([], [tensor(), tensor(external=True)]),
    "a custom node": lambda: model_of(
        [helper.make_node("Gelu", ["x"], ["y"], domain="com.microsoft")], opsets=(("", 21), ("com.microsoft", 1))
    ),
    "an If with graphs in it": an_if_with_graphs,
    "functions of its own": functions_of_its_own,
    "attributes with tensors": attributes_with_tensors,
    "ONNX's domain written out": lambda: model_of([helper.make_node("Relu", ["x"], ["y"], domain="ai.onnx")]),
    "no opset's number": lambda: model_of([], opsets=(("", 0),)),
    "a negative opset": lambda: model_of([], opsets=(("", -1),)),
}


def read(content, folder):
    path = folder / "m.onnx"
    path.write_bytes(content)
    return OnnxFile.read(path)


def read_or_refuse(content, folder):
    """The form of a model, or what is said of one that has none."""
    try:
        return read(content, folder)
    except ModelError as error:
        return str(error)


def nodes_within(nodes):
    for node in nodes:
        yield node
        for attribute in node.attribute:
            for graph in (attribute.g, *attribute.graphs):
                yield from nodes_within(graph.node)


def tensors_within(message):
    """Every TensorProto at any depth, as the descriptors of onnx find them."""
    if isinstance(message, TensorProto):
        yield message
    for field, value in message.ListFields():
        if field.type == field.TYPE_MESSAGE:
            for part in [value] if hasattr(value, "ListFields") else value:
                yield from tensors_within(part)


def as_onnx_reads(model):
    nodes = [*nodes_within(model.graph.node), *(node for f in model.functions for node in nodes_within(f.node))]
    names = (node.op_type if node.domain in ("", "ai.onnx") else f"{node.domain}.{node.op_type}" for node in nodes)
    return OnnxFile(
        ir_version=model.ir_version,
        opsets={opset.domain: opset.version for opset in model.opset_import},
        operators=Counter(names),
        functions={f"{function.domain}.{function.name}" for function in model.functions},
        external_tensors=sum(held.data_location == TensorProto.EXTERNAL for held in tensors_within(model)),
    )


@pytest.mark.parametrize("kind", MODELS)
def test_it_reads_what_the_onnx_package_reads(kind, tmp_path):
    model = MODELS[kind]()
    found = read(model.SerializeToString(), tmp_path)
    assert found == as_onnx_reads(model)


@pytest.mark.parametrize("precision", ["float32", "float16", "int8"])
def test_it_reads_what_the_onnx_package_reads_in_our_own_files(forms, precision):
    found = OnnxFile.read(forms[precision])
    assert found == as_onnx_reads(onnx.load(forms[precision]))
    assert found.operators["Gemm"] == 3
    assert found.breaches() == found.cautions() == []


def test_field_numbers_are_those_of_onnx():
    names = {
        "MODEL": (onnx.ModelProto, {"OPSET": "opset_import", "FUNCTION": "functions"}),
        "OPSET": (onnx.OperatorSetIdProto, {}),
        "GRAPH": (onnx.GraphProto, {"SPARSE": "sparse_initializer"}),
        "NODE": (onnx.NodeProto, {"TYPE": "op_type"}),
        "ATTRIBUTE": (
            onnx.AttributeProto,
            {"TENSOR": "t", "GRAPH": "g", "SPARSE": "sparse_tensor", "SPARSES": "sparse_tensors"},
        ),
        "TENSOR": (onnx.TensorProto, {"LOCATION": "data_location"}),
        "SPARSE": (onnx.SparseTensorProto, {}),
        "FUNCTION": (onnx.FunctionProto, {}),
    }
    numbers = {name: value for name, value in vars(onnx_file).items() if name.split("_")[0] in names and "_" in name}
    for name, number in numbers.items():
        message, _, field = name.partition("_")
        proto, others = names[message]
        assert proto.DESCRIPTOR.fields_by_name[others.get(field, field.lower())].number == number, name
    assert len(numbers) == 24


@pytest.mark.parametrize(
    ("kind", "breaches"),
    [
        ("weights in another file", ["expected all weights in the one file, got 1 in another"]),
        ("a custom node", ["expected ONNX's own operators only, got com.microsoft.Gelu"]),
        ("an If with graphs in it", ["expected all weights in the one file, got 3 in another"]),
        ("functions of its own", []),
        (
            "attributes with tensors",
            [
                "expected all weights in the one file, got 4 in another",
                "expected ONNX's own operators only, got com.example.Many",
            ],
        ),
        ("ONNX's domain written out", []),
    ],
)
def test_what_older_loaders_cannot_know_breaks_the_contract(kind, breaches, tmp_path):
    assert read(MODELS[kind]().SerializeToString(), tmp_path).breaches() == breaches


def test_a_newer_opset_and_format_are_a_caution(tmp_path):
    model = model_of([], opsets=(("", OPSET + 1), ("ai.onnx.ml", 99)))
    model.ir_version = IR_VERSION + 1
    assert read(model.SerializeToString(), tmp_path).cautions() == [
        "opset 18: the contract has 17, and older runtimes cannot load more",
        "IR version 9: the contract has 8, and older runtimes cannot load more",
    ]
    assert read(model_of([]).SerializeToString(), tmp_path).cautions() == []


def test_a_file_cut_anywhere_is_no_model_or_has_lost_whole_fields_only(tmp_path):
    model = MODELS["functions of its own"]()
    helper.set_model_props(model, {"name": "tiny"})
    whole, read_whole = model.SerializeToString(), 0
    for cut in range(len(whole)):
        found = read_or_refuse(whole[:cut], tmp_path)
        if isinstance(found, str):
            assert re.fullmatch(f"{tmp_path}/m.onnx: not an ONNX model(, or cut off)?", found)
        else:
            assert found == as_onnx_reads(onnx.load_model_from_string(whole[:cut]))
            read_whole += 1
    assert 1 <= read_whole <= 4  # where a field of the model ends: after an opset, the metadata or the function


@pytest.mark.parametrize("kind", MODELS)
def test_damaged_files_are_read_as_onnx_reads_them_or_are_no_model(kind, tmp_path):
    whole, rng = MODELS[kind]().SerializeToString(), np.random.default_rng(0)
    refused = 0
    for _ in range(400):
        damaged = np.frombuffer(whole, np.uint8).copy()
        at = rng.integers(0, len(damaged), rng.integers(1, 4))
        damaged[at] = rng.integers(0, 256, len(at))
        content = damaged.tobytes()
        found = read_or_refuse(content, tmp_path)
        if isinstance(found, str):
            assert re.fullmatch(f"{tmp_path}/m.onnx: not an ONNX model(, or cut off)?", found)
            refused += 1
            continue
        try:
            expected = onnx.load_model_from_string(content)
        except DecodeError:  # it looks into parts that decide nothing here
            continue
        assert (found.ir_version, found.opsets) == (expected.ir_version, as_onnx_reads(expected).opsets)
    assert 40 < refused < 400


def test_noise_is_no_model(tmp_path):
    rng = np.random.default_rng(0)
    for size in rng.integers(0, 200, 500):
        with pytest.raises(ModelError, match=r"^[^\n]*: not an ONNX model[^\n]*$"):
            read(rng.bytes(size), tmp_path)


HUGE = b"\xff" * 9 + b"\x01"  # 2**64 - 1 in seven bits a byte


@pytest.mark.parametrize(
    ("content", "opsets"),
    [
        pytest.param(b"\x08\x08" + b"\x38" + HUGE, None, id="a graph that is a number"),
        pytest.param(b"\x0a\x02\x38\x38" + b"\x42\x02\x10\x11", None, id="an IR version that is text"),
        pytest.param(b"\x08\x08" + b"\x40\x11", None, id="an opset that is a number"),
        pytest.param(b"\x08\x08" + b"\x42\x0d\x08" + HUGE + b"\x10\x11", {"": 17}, id="a domain that is a number"),
        pytest.param(b"\x08\x08" + b"\x42\x03\x12\x01a", {"": 0}, id="an opset's version that is text"),
        pytest.param(
            b"\x08\x08\x42\x02\x10\x11" + b"\x3a\x0d\x0a\x0b\x20" + HUGE, {"": 17}, id="an operator that is a number"
        ),
        pytest.param(b"\x08\x08\x42\x02\x10\x11" + b"\x39" + b"\0" * 8, {"": 17}, id="a graph of eight bytes"),
        pytest.param(b"\x08\x08\x42\x02\x10\x11" + b"\x3d" + b"\0" * 4, {"": 17}, id="a graph of four bytes"),
    ],
)
def test_fields_of_another_type_are_passed_over_as_onnx_passes_over_them(content, opsets, tmp_path):
    expected = onnx.load_model_from_string(content)
    if opsets is None:
        assert not (expected.ir_version and expected.opset_import)
        with pytest.raises(ModelError, match="m.onnx: not an ONNX model$"):
            read(content, tmp_path)
    else:
        assert read(content, tmp_path) == as_onnx_reads(expected)
        assert as_onnx_reads(expected).opsets == opsets


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"\x08\x08\x00\x01", id="a field numbered 0"),
        pytest.param(b"\x08" + b"\xff" * 10 + b"\x01", id="a number of more than 64 bits"),
        pytest.param(b"\x08\x08\x3a" + HUGE, id="longer than can be"),
        pytest.param(b"\x08\x08\x3b\x3c", id="a group"),
        pytest.param(b"\x08\x08\x3d\0\0\0", id="three bytes of four"),
    ],
)
def test_bytes_that_are_no_protocol_buffer_are_no_model(content, tmp_path):
    with pytest.raises(ModelError, match="m.onnx: not an ONNX model, or cut off$"):
        read(content, tmp_path)


def test_graphs_nested_without_end_are_no_model(tmp_path):
    def within(number, content):
        size, length = len(content), b""
        while size > 127:
            size, length = size >> 7, length + bytes([size & 127 | 128])
        return bytes([number << 3 | 2]) + length + bytes([size]) + content

    graph = b""
    for _ in range(2000):
        graph = within(1, within(5, within(6, graph)))  # a node in it, with an attribute that is a graph
    with pytest.raises(ModelError, match="m.onnx: not an ONNX model, or cut off$"):
        read(b"\x08\x08\x42\x02\x10\x11" + within(7, graph), tmp_path)


def test_the_message_of_what_is_no_model_is_one_line(tmp_path, write_model):
    for kind in ("not ONNX", "empty", "cut off"):
        BROKEN[kind][1](tmp_path / kind, write_model)
        with pytest.raises(ModelError, match=rf"^{tmp_path}/{kind}: not an ONNX model[^\n]*$"):
            OnnxFile.read(tmp_path / kind)
