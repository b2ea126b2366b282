"""Properties of every shipped model."""

import re

import pytest

from flaxdigits.evaluation import Evaluation
from flaxdigits.export.gate import GATE_ALLOWS
from flaxdigits.inference import contract, shipped
from flaxdigits.inference.inspection import Inspection
from flaxdigits.inference.recognizer import Recognizer
from flaxdigits.training.config import TrainConfig

LARGEST = {"digits": 12_000_000, "digits-tiny": 300_000}  # bytes


@pytest.fixture(scope="module", params=LARGEST)
def inspection(request):
    return Inspection.of(shipped.FOLDER / f"{request.param}.onnx")


def test_it_is_one_small_file(inspection):
    assert shipped.MODEL.name == "digits.onnx"
    assert inspection.bytes == inspection.path.stat().st_size <= LARGEST[inspection.path.stem]


def test_it_keeps_the_contract_and_asks_for_no_newer_runtime(inspection):
    assert inspection.violations == inspection.warnings == []
    assert (inspection.ir_version, inspection.opsets) == (contract.IR_VERSION, {"": contract.OPSET})
    assert inspection.inputs == {"pixels": "tensor(uint8) [batch, 28, 28]"}
    assert inspection.outputs == {
        "digit": "tensor(int64) [batch]",
        "probabilities": "tensor(float) [batch, 10]",
        "digitness": "tensor(float) [batch]",
    }


def test_its_metadata_are_complete(inspection):
    newer = {"initial_weights_sha256"}  # than the shipped models
    assert inspection.metadata.keys() | newer == {*contract.Metadata._fields, *contract.IMAGE_METADATA}
    assert inspection.metadata.items() >= contract.IMAGE_METADATA.items()
    assert inspection.metadata["training_rows_in_mnist_test"] == "0"
    assert re.fullmatch("[0-9a-f]{64}", inspection.metadata["weights_sha256"])


def test_its_recipe_is_the_one_beside_it_and_its_data_the_embedded(inspection, mnist_train, tmp_path):
    (tmp_path / "config.toml").write_text(inspection.metadata["config"])
    recipe = TrainConfig.from_toml(inspection.path.with_suffix(".toml"))
    assert TrainConfig.from_toml(tmp_path / "config.toml") == recipe
    assert inspection.metadata["training_data_sha256"] == mnist_train.sha256
    assert inspection.metadata["epochs_trained"] == str(recipe.epochs)


def test_it_is_as_accurate_as_it_states(inspection, mnist_test):
    stated, *rest = inspection.metadata["test_accuracy"].split(maxsplit=1)
    found = Evaluation.of(Recognizer(inspection.path), mnist_test).accuracy
    if inspection.metadata["precision"] == "float32":
        assert rest == []
        assert found == pytest.approx(float(stated), abs=1e-9)
    else:
        assert rest == [f"in float32; this form: {GATE_ALLOWS}"]
        assert found >= float(stated) - contract.MAX_ADDED_ERRORS / 10_000
