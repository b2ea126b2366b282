import math
import shutil

import numpy as np
import onnx
import pytest
from flax import nnx

import flaxdigits
from flaxdigits.errors import ConfigError, ExportError, RunNotFoundError, RunStorageError, RunUnfinishedError
from flaxdigits.export.export import calibrated_temperature, digitness_threshold, export_onnx, predict, weights_sha256
from flaxdigits.inference import contract
from flaxdigits.inference.recognizer import CPU, Recognizer
from flaxdigits.runs import Run
from flaxdigits.training.config import TrainConfig
from flaxdigits.training.fit import fit
from flaxdigits.training.trained import trained_model


@pytest.fixture(scope="module")
def run(tiny_run):
    return tiny_run


@pytest.fixture(scope="module")
def exported(run):
    return export_onnx(run, command="flaxdigits export run")


def test_the_file_equals_the_network_on_random_and_extreme_pixels(run, exported, extremes):
    expected = predict(
        trained_model(run).model, extremes, exported.temperature, digitness_threshold(trained_model(run))
    )
    found = Recognizer(exported.path, CPU)(extremes)
    np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=1e-5)
    np.testing.assert_allclose(found.digitness, expected.digitness, atol=1e-5)
    np.testing.assert_array_equal(found.digits, expected.digits)


def test_the_metadata_describe_the_file(run, exported, tmp_path):
    metadata = Recognizer(exported.path).metadata
    assert metadata.keys() == {*contract.Metadata._fields, *contract.IMAGE_METADATA}
    assert metadata.items() >= contract.IMAGE_METADATA.items()
    config = TrainConfig.from_toml(run.config)
    assert metadata["name"] == "flaxdigits DenseStack"
    assert metadata["precision"] == "float32"
    assert metadata["hidden"] == str(list(config.hidden)) == "[48, 24]"
    assert metadata["parameters"] == str(785 * 48 + 49 * 24 + 25 * 11)
    assert metadata["training_data_sha256"] == flaxdigits.load()[:5000].sha256
    assert metadata["weights_sha256"] == exported.weights_sha256
    assert metadata["epochs_trained"] == str(config.epochs)
    assert metadata["command"] == "flaxdigits export run"
    evaluation = flaxdigits.Evaluation.of(Recognizer(exported.path), flaxdigits.load("mnist-test"))
    assert float(metadata["test_accuracy"]) == pytest.approx(evaluation.accuracy, abs=1e-4)
    (tmp_path / "again.toml").write_text(metadata["config"])
    assert TrainConfig.from_toml(tmp_path / "again.toml") == config


def test_the_report_is_of_the_file_and_of_all_test_digits(exported):
    assert exported.bytes == exported.path.stat().st_size
    assert exported.precision == "float32"
    assert (exported.gate.digits, exported.gate.mismatches, exported.gate.added_errors) == (10_000, 0, 0)
    assert 0 < exported.gate.largest_difference <= contract.PROBABILITY_TOLERANCE
    assert exported.gate.largest_difference_between_batches <= contract.PROBABILITY_TOLERANCE


def test_the_temperature_is_the_configured_one_or_that_of_the_last_epoch(run, exported):
    fitted = run.history_frame()["temperature"].iloc[-1]
    assert exported.temperature == calibrated_temperature(trained_model(run)) == pytest.approx(fitted)
    assert not math.isclose(fitted, 1)


def test_the_temperature_is_the_checkpoint_s_whatever_became_of_the_history(run, exported, tmp_path):
    damaged = Run(shutil.copytree(run.path, tmp_path / "run"))
    damaged.history.write_text("rubbish")
    assert export_onnx(damaged, tmp_path / "m.onnx").temperature == exported.temperature


def test_a_run_that_is_moved_away_while_it_is_exported_is_not_made_again(run, tmp_path, monkeypatch):
    moved, check = Run(shutil.copytree(run.path, tmp_path / "run")), onnx.checker.check_model

    def check_late(*args, **kwargs):
        moved.path.rename(tmp_path / "elsewhere")
        check(*args, **kwargs)

    monkeypatch.setattr(onnx.checker, "check_model", check_late)
    with pytest.raises(RunStorageError, match=r"there is no config.toml in it any more"):
        export_onnx(moved)
    assert not moved.path.exists()


@pytest.mark.parametrize(("precision", "smaller"), [("float16", 0.55), ("int8", 0.35)])
def test_a_quantised_form_is_written_beside_the_model_and_named_so(run, exported, precision, smaller, monkeypatch):
    monkeypatch.setattr("flaxdigits.export.gate.MAX_ADDED_ERRORS", 50)  # so small a network loses more than ours
    report = export_onnx(run, precision=precision)
    assert report.path == run.path / f"model-{precision}.onnx"
    assert report.precision == Recognizer(report.path).metadata["precision"] == precision
    assert report.weights_sha256 == exported.weights_sha256
    assert report.bytes < smaller * exported.bytes
    assert report.gate.largest_difference > contract.PROBABILITY_TOLERANCE


def test_an_export_that_fails_leaves_no_file_and_keeps_the_old_one(run, exported, monkeypatch, tmp_path):
    monkeypatch.setattr("flaxdigits.export.gate.PROBABILITY_TOLERANCE", -1.0)
    before = exported.path.read_bytes()
    with pytest.raises(ExportError):
        export_onnx(run)
    with pytest.raises(ExportError):
        export_onnx(run, tmp_path / "new.onnx")
    assert exported.path.read_bytes() == before
    assert list(tmp_path.iterdir()) == []


def test_a_quantised_form_that_loses_too_much_leaves_no_file(run, tmp_path, monkeypatch):
    monkeypatch.setattr("flaxdigits.export.gate.MAX_ADDED_ERRORS", -10_000)
    with pytest.raises(ExportError, match="^int8 loses too much accuracy: "):
        export_onnx(run, tmp_path / "lost.onnx", precision="int8")
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_other_weights_than_the_network_s_leaves_no_file(run, tmp_path, monkeypatch, tiny_network):
    from flaxdigits.export import export

    convert = export.to_onnx
    monkeypatch.setattr(export, "to_onnx", lambda _, *words: convert(tiny_network, *words))
    with pytest.raises(ExportError, match="^the file does not reproduce the network: "):
        export_onnx(run, tmp_path / "other.onnx")
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_precision_is_refused(run):
    with pytest.raises(ConfigError, match="^precision: expected float32 or float16 or int8, got int4$"):
        export_onnx(run, precision="int4")


def test_a_missing_run_and_one_without_a_checkpoint_cannot_be_exported(tmp_path):
    with pytest.raises(RunNotFoundError):
        export_onnx(tmp_path)
    TrainConfig().save(Run(tmp_path).config)
    with pytest.raises(RunUnfinishedError, match="no checkpoint"):
        export_onnx(tmp_path)


@pytest.mark.slow
def test_no_accuracy_is_stated_on_digits_that_were_trained_on(mnist_test, tmp_path):
    list(fit(mnist_test[:200], TrainConfig(hidden=(8,), epochs=1, batch_size=64), tmp_path / "run"))
    metadata = Recognizer(export_onnx(tmp_path / "run").path).metadata
    assert metadata["training_rows_in_mnist_test"] == "200"
    assert metadata["test_accuracy"] == "not stated: 200 of its digits were trained on"


@pytest.mark.slow
def test_a_network_trained_in_bfloat16_is_exported_in_float32(tmp_path):
    config = TrainConfig(hidden=(16,), epochs=1, batch_size=64, precision="bfloat16")
    list(fit(flaxdigits.load()[:500], config, tmp_path / "run"))
    report = export_onnx(tmp_path / "run")
    assert report.gate.largest_difference <= contract.PROBABILITY_TOLERANCE
    assert 'precision = "bfloat16"' in Recognizer(report.path).metadata["config"]


def test_the_networks_own_probabilities_are_those_of_its_evaluation_mode(tiny_network, few):
    class WithDropout(nnx.Module):
        def __init__(self):
            self.network, self.dropout = tiny_network, nnx.Dropout(0.9, rngs=nnx.Rngs(0))

        def __call__(self, pixels):
            return self.dropout(self.network(pixels))

    expected = predict(tiny_network, few.images, 1.3).probabilities
    np.testing.assert_array_equal(predict(WithDropout(), few.images, 1.3).probabilities, expected)
    assert np.abs(nnx.softmax(WithDropout()(few.images.astype(np.float32)) / 1.3) - expected).max() > 0.1


def test_the_sha256_of_the_weights_is_that_of_their_values_alone(tiny_network):
    graph, state = nnx.split(tiny_network)
    assert weights_sha256(nnx.merge(graph, state)) == weights_sha256(tiny_network)
    tiny_network_changed = nnx.clone(tiny_network)
    tiny_network_changed.layers[0].bias[...] += 1e-6
    assert weights_sha256(tiny_network_changed) != weights_sha256(tiny_network)
