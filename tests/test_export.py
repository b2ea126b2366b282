import dataclasses

import jax
import numpy as np
import onnx
import pytest

import flaxdigits
from flaxdigits import contract
from flaxdigits.errors import ExportError, RunError
from flaxdigits.recognizer import Recognizer
from flaxdigits.runs import Run
from flaxdigits.training.config import TrainConfig
from flaxdigits.training.export import check_gate, export, make_model_proto, predict_probabilities
from flaxdigits.training.fit import fit
from flaxdigits.training.weights import trained_weights


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    run = Run(tmp_path_factory.mktemp("runs") / "run")
    list(fit(flaxdigits.load()[:2000], TrainConfig(hidden=(48, 24), epochs=2, batch_size=128), run.path))
    return run


@pytest.fixture(scope="module")
def exported(run):
    return export(run, command="flaxdigits export run")


def extremes():
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (50, 28, 28), np.uint8)
    return np.concatenate([noise, np.zeros((1, 28, 28), np.uint8), np.full((1, 28, 28), 255, np.uint8)])


def test_the_file_equals_the_network_on_random_and_extreme_pixels(run, exported):
    config, params = trained_weights(run)
    images = extremes()
    expected = predict_probabilities(config, params, images)
    answer = Recognizer(exported.path)(images)
    np.testing.assert_allclose(answer.probabilities, expected, atol=1e-5)
    np.testing.assert_array_equal(answer.digits, expected.argmax(axis=1))


def test_an_answer_does_not_depend_on_its_batch(exported, mnist_test):
    recognizer = Recognizer(exported.path)
    images = mnist_test.images[:100]
    whole = recognizer(images).probabilities
    for size in (1, 7):
        parts = [recognizer(images[start : start + size]).probabilities for start in range(0, 100, size)]
        np.testing.assert_allclose(np.concatenate(parts), whole, atol=1e-6)


def test_it_is_one_file_of_the_versions_in_the_contract(exported):
    model = onnx.load(exported.path)
    assert [p.name for p in exported.path.parent.glob("*.onnx*")] == ["model.onnx"]
    assert [(o.domain, o.version) for o in model.opset_import] == [("", contract.OPSET)]
    assert model.ir_version == contract.IR_VERSION
    assert {node.domain for node in model.graph.node} == {""}
    assert not any(tensor.external_data for tensor in model.graph.initializer)


def test_the_metadata_says_what_the_file_is(run, exported):
    metadata = Recognizer(exported.path).metadata
    assert sorted(metadata) == sorted(contract.Metadata._fields)
    assert metadata["hidden"] == "[48, 24]"
    assert metadata["parameters"] == str(785 * 48 + 49 * 24 + 25 * 10)
    assert metadata["training_data_sha256"] == flaxdigits.load()[:2000].sha256
    assert metadata["weights_sha256"] == exported.weights_sha256
    assert metadata["epochs_trained"] == "2"
    assert metadata["command"] == "flaxdigits export run"
    evaluation = flaxdigits.Evaluation.of(Recognizer(exported.path), flaxdigits.load("mnist-test"))
    assert float(metadata["test_accuracy"]) == pytest.approx(evaluation.accuracy, abs=1e-4)
    (run.path / "again.toml").write_text(metadata["config"])
    assert TrainConfig.from_toml(run.path / "again.toml") == TrainConfig.from_toml(run.config)


def test_no_accuracy_is_stated_on_digits_that_were_trained_on(mnist_test, tmp_path):
    run = Run(tmp_path / "run")
    list(fit(mnist_test[:200], TrainConfig(hidden=(8,), epochs=1), run.path))
    metadata = Recognizer(export(run).path).metadata
    assert metadata["training_rows_in_mnist_test"] == "200"
    assert metadata["test_accuracy"] == "not stated: 200 of its digits were trained on"


def test_the_gate_measures_the_difference(exported):
    assert 0 < exported.largest_difference_alone <= contract.PROBABILITY_TOLERANCE
    assert 0 < exported.largest_difference_batched <= contract.PROBABILITY_TOLERANCE
    assert exported.bytes == exported.path.stat().st_size


def test_the_gate_refuses_other_weights(run, exported, mnist_test, tmp_path):
    config, params = trained_weights(run)
    expected = predict_probabilities(config, params, mnist_test.images[:50])
    bent = jax.tree.map(lambda leaf: leaf * 1.001, params)
    (tmp_path / "bent.onnx").write_bytes(make_model_proto(bent, {}).SerializeToString())
    with pytest.raises(ExportError, match="does not answer as the model does: read one by one"):
        check_gate(tmp_path / "bent.onnx", expected, mnist_test.images[:50])


def test_the_gate_reads_the_digits_and_not_the_probabilities_alone(run, exported, mnist_test, tmp_path):
    config, params = trained_weights(run)
    expected = predict_probabilities(config, params, mnist_test.images[:50])
    model = onnx.load(exported.path)
    next(node for node in model.graph.node if node.op_type == "ArgMax").op_type = "ArgMin"
    onnx.save(model, tmp_path / "least.onnx")
    with pytest.raises(ExportError, match="50 of 50 digits differ"):
        check_gate(tmp_path / "least.onnx", expected, mnist_test.images[:50])


def test_an_export_that_fails_leaves_no_file_and_keeps_the_old_one(run, exported, monkeypatch, tmp_path):
    monkeypatch.setattr("flaxdigits.training.export.PROBABILITY_TOLERANCE", 0.0)
    before = exported.path.read_bytes()
    with pytest.raises(ExportError):
        export(run)
    with pytest.raises(ExportError):
        export(run, tmp_path / "new.onnx")
    assert exported.path.read_bytes() == before
    assert list(tmp_path.iterdir()) == []


def test_a_run_without_a_checkpoint_cannot_be_exported(tmp_path):
    run = Run(tmp_path)
    TrainConfig().save(run.config)
    with pytest.raises(RunError, match="no checkpoint in it yet; continue with: flaxdigits train --resume"):
        export(run)


def test_bfloat16_training_exports_its_float32_weights(tmp_path):
    run = Run(tmp_path / "run")
    config = dataclasses.replace(TrainConfig(), hidden=(16,), epochs=1, precision="bfloat16")
    list(fit(flaxdigits.load()[:500], config, run.path))
    assert export(run).largest_difference_batched <= contract.PROBABILITY_TOLERANCE
