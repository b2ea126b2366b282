import dataclasses

import numpy as np
import pytest

import flaxdigits
from flaxdigits import contract
from flaxdigits.errors import ConfigError, ExportError, RunError
from flaxdigits.recognizer import Recognizer
from flaxdigits.runs import Run
from flaxdigits.training.config import TrainConfig
from flaxdigits.training.export import export, predict_probabilities
from flaxdigits.training.fit import fit
from flaxdigits.training.weights import trained_weights


@pytest.fixture(scope="module")
def run(tiny_run):
    return tiny_run


@pytest.fixture(scope="module")
def exported(run):
    return export(run, command="flaxdigits export run")


def test_the_file_equals_the_network_on_random_and_extreme_pixels(run, exported, extremes):
    config, params = trained_weights(run)
    expected = predict_probabilities(config, params, extremes, exported.temperature)
    answer = Recognizer(exported.path)(extremes)
    np.testing.assert_allclose(answer.probabilities, expected, atol=1e-5)
    np.testing.assert_array_equal(answer.digits, expected.argmax(axis=1))


def test_the_metadata_says_what_the_file_is(run, exported):
    metadata = Recognizer(exported.path).metadata
    assert metadata.keys() == {*contract.Metadata._fields, *contract.IMAGE_METADATA}
    assert metadata.items() >= contract.IMAGE_METADATA.items()
    assert metadata["precision"] == "float32"
    assert metadata["hidden"] == "[48, 24]"
    assert metadata["parameters"] == str(785 * 48 + 49 * 24 + 25 * 10)
    assert metadata["training_data_sha256"] == flaxdigits.load()[:5000].sha256
    assert metadata["weights_sha256"] == exported.weights_sha256
    assert metadata["epochs_trained"] == "6"
    assert metadata["command"] == "flaxdigits export run"
    evaluation = flaxdigits.Evaluation.of(Recognizer(exported.path), flaxdigits.load("mnist-test"))
    assert float(metadata["test_accuracy"]) == pytest.approx(evaluation.accuracy, abs=1e-4)
    (run.path / "again.toml").write_text(metadata["config"])
    assert TrainConfig.from_toml(run.path / "again.toml") == TrainConfig.from_toml(run.config)


def test_the_report_is_of_the_file_and_of_all_test_digits(exported):
    assert exported.bytes == exported.path.stat().st_size
    assert exported.precision == "float32"
    assert (exported.gate.digits, exported.gate.differing, exported.gate.errors_lost) == (10_000, 0, 0)
    assert 0 < exported.gate.largest_difference <= contract.PROBABILITY_TOLERANCE
    assert exported.gate.largest_difference_between_batches <= contract.PROBABILITY_TOLERANCE


@pytest.mark.parametrize(("precision", "smaller"), [("float16", 0.55), ("int8", 0.35)])
def test_a_quantised_form_lies_beside_the_model_and_says_so(run, exported, precision, smaller, monkeypatch):
    monkeypatch.setattr("flaxdigits.training.gate.MOST_ERRORS_LOST", 50)  # so small a network loses more than ours
    report = export(run, precision=precision)
    assert report.path == run.path / f"model-{precision}.onnx"
    assert report.precision == Recognizer(report.path).metadata["precision"] == precision
    assert report.weights_sha256 == exported.weights_sha256
    assert report.bytes < smaller * exported.bytes
    assert report.gate.largest_difference > contract.PROBABILITY_TOLERANCE


def test_a_quantised_form_that_loses_too_much_is_not_left_behind(run, tmp_path, monkeypatch):
    monkeypatch.setattr("flaxdigits.training.gate.MOST_ERRORS_LOST", -10_000)
    with pytest.raises(ExportError, match="^int8 loses too much: "):
        export(run, tmp_path / "lost.onnx", precision="int8")
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_precision_is_refused(run):
    with pytest.raises(ConfigError, match="^precision: expected float32 or float16 or int8, got int4$"):
        export(run, precision="int4")


def test_no_accuracy_is_stated_on_digits_that_were_trained_on(mnist_test, tmp_path):
    run = Run(tmp_path / "run")
    list(fit(mnist_test[:200], TrainConfig(hidden=(8,), epochs=1), run.path))
    metadata = Recognizer(export(run).path).metadata
    assert metadata["training_rows_in_mnist_test"] == "200"
    assert metadata["test_accuracy"] == "not stated: 200 of its digits were trained on"


def test_an_export_that_fails_leaves_no_file_and_keeps_the_old_one(run, exported, monkeypatch, tmp_path):
    monkeypatch.setattr("flaxdigits.training.gate.PROBABILITY_TOLERANCE", -1.0)
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
    assert export(run).gate.largest_difference <= contract.PROBABILITY_TOLERANCE
