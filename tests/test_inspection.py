import json

import numpy as np
import onnx
import pytest
from broken import BROKEN

from flaxdigits.errors import ModelError
from flaxdigits.inspection import Inspection
from flaxdigits.recognizer import Recognizer

UNREADABLE = {"not ONNX", "empty", "cut off"}
NOT_THERE = {"a directory", "missing"}  # a path is made into a file's by find_model
ONLY_WHEN_RUN = {"a batch it cannot run"}


def inspect_broken(kind, folder, write_model):
    BROKEN[kind][1](folder / "m.onnx", write_model)
    return Inspection.of(folder / "m.onnx")


def test_everything_is_said_of_a_model_that_keeps_the_contract(tiny_model):
    assert Inspection.of(tiny_model) == Inspection(
        path=tiny_model,
        bytes=tiny_model.stat().st_size,
        ir_version=8,
        opsets={"": 17},
        operators={"Cast": 2, "Div": 1, "Flatten": 1, "Gemm": 1, "Softmax": 1, "ArgMax": 1},
        inputs={"pixels": "tensor(uint8) [batch, 28, 28]"},
        outputs={"digit": "tensor(int64) [batch]", "probabilities": "tensor(float) [batch, 10]"},
        metadata={"name": "tiny"},
        breaches=[],
        cautions=[],
    )


@pytest.mark.parametrize("precision", ["float32", "float16", "int8"])
def test_our_own_files_keep_the_contract_in_every_precision(forms, precision):
    found = Inspection.of(forms[precision])
    assert found.breaches == found.cautions == []
    assert found.metadata["precision"] == precision
    assert (
        found.operators["DequantizeLinear"] == 9 if precision == "int8" else "DequantizeLinear" not in found.operators
    )


def test_the_most_frequent_operator_comes_first(forms):
    counts = list(Inspection.of(forms["int8"]).operators.values())
    assert counts == sorted(counts, reverse=True)
    assert sum(counts) == len(onnx.load(forms["int8"]).graph.node)


@pytest.mark.parametrize("kind", sorted(BROKEN.keys() - UNREADABLE - NOT_THERE - ONLY_WHEN_RUN))
def test_what_a_recognizer_refuses_is_among_the_breaches(kind, tmp_path, write_model):
    found = inspect_broken(kind, tmp_path, write_model)
    with pytest.raises(ModelError) as caught:
        Recognizer(found.path)
    stated = str(caught.value).removeprefix(f"{found.path}: ").removeprefix("breaks the contract: ")
    assert stated == "; ".join(found.breaches[: len(stated.split("; "))])
    assert all("\n" not in breach for breach in found.breaches)


@pytest.mark.parametrize("kind", sorted(UNREADABLE))
def test_what_is_no_model_cannot_be_inspected(kind, tmp_path, write_model):
    with pytest.raises(ModelError, match=r"^[^\n]*/m.onnx: not an ONNX model[^\n]*$"):
        inspect_broken(kind, tmp_path, write_model)


def test_what_onnxruntime_cannot_load_is_described_as_far_as_its_bytes_tell(tmp_path, write_model):
    found = inspect_broken("opset too new", tmp_path, write_model)
    assert (found.ir_version, found.opsets, found.operators["Cast"]) == (8, {"": 99}, 2)
    assert found.inputs == found.outputs == found.metadata == {}
    assert len(found.breaches) == 1
    assert found.breaches[0].startswith("not an ONNX model that onnxruntime can load: ")
    assert found.cautions == ["opset 99: the contract has 17, and older runtimes cannot load more"]


def test_all_breaches_are_named_and_not_the_first_alone(tmp_path, write_model):
    path = write_model(tmp_path / "m.onnx", np.zeros((784, 11)), digit_type="INT32")
    assert Inspection.of(path).breaches == [
        "expected digit tensor(int64) [batch], got digit tensor(int32) [batch]",
        "expected probabilities tensor(float) [batch, 10], got probabilities tensor(float) [batch, 11]",
    ]


def test_weights_in_another_file_are_said_though_onnxruntime_loads_them(tmp_path, write_model):
    found = inspect_broken("external data", tmp_path, write_model)
    assert found.breaches == ["expected all weights in the one file, got 1 in another"]
    assert found.inputs == {"pixels": "tensor(uint8) [batch, 28, 28]"}


def test_as_a_dictionary_it_is_json(tiny_model):
    found = json.loads(json.dumps(Inspection.of(tiny_model).as_dict()))
    assert found["path"] == str(tiny_model)
    assert found["opsets"] == {"": 17}
    assert list(found) == list(Inspection.__dataclass_fields__)
