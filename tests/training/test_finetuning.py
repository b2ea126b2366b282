import math
import shutil

import numpy as np
import onnx
import pytest
from trained import same_bits, weights

from flaxdigits.data.digits import Digits
from flaxdigits.errors import ConfigError, FlaxdigitsError, ModelError, RunError, TrainingInterrupted
from flaxdigits.export.export import export_onnx
from flaxdigits.inference.recognizer import CPU, Recognizer
from flaxdigits.runs import Run
from flaxdigits.training.config import NO_AUGMENTATION
from flaxdigits.training.finetuning import EPOCH_DIGITS, RECIPE, finetuning_config
from flaxdigits.training.fit import fit, resume
from flaxdigits.training.trained import trained_model
from flaxdigits.training.weights import read_weights

SMALL = {"epochs": 1, "batch_size": 64, "repeats": 1, "replay": 1.0, "device": "cpu"}


@pytest.fixture(scope="module")
def model(tiny_run, tmp_path_factory):
    """The exported file of a small trained network."""
    return export_onnx(tiny_run, tmp_path_factory.mktemp("model") / "model.onnx").path


@pytest.fixture(scope="module")
def negatives(mnist_test):
    """Digits in a style that no network knows: the top and the bottom half of each one swapped."""
    images = np.roll(mnist_test.images[:200], 14, axis=1)
    return Digits(images, mnist_test.labels[:200], name="swapped")


def test_the_weights_of_a_file_are_those_of_the_network(tiny_run, model):
    found = read_weights(model)
    expected = trained_model(tiny_run)[1].layers
    assert found.widths == (48, 24, 11)
    for (kernel, bias), layer in zip(found.layers, expected, strict=True):
        assert np.array_equal(kernel, layer.kernel[...])
        assert np.array_equal(bias, layer.bias[...])


@pytest.mark.parametrize(("precision", "error"), [("float16", 1e-3), ("int8", 0.02)])
def test_rounded_weights_are_read_as_they_were_rounded(tiny_run, model, tmp_path, precision, error):
    rounded = read_weights(export_onnx(tiny_run, tmp_path / "model.onnx", precision=precision).path)
    for layer, exact in zip(rounded.layers, read_weights(model).layers, strict=True):
        for array, expected in zip(layer, exact, strict=True):
            assert array.dtype == np.float32
            difference = np.abs(array - expected).max()
            assert (difference > 0) == (array.ndim == 2 or precision == "int8")
            assert difference <= error * np.abs(expected).max()


def test_the_calibration_of_a_file_is_kept(tiny_run, model):
    config = finetuning_config(model, 100)
    assert config.temperature == pytest.approx(read_weights(model).temperature)
    assert 0 < config.digitness_threshold < 1
    assert config.outputs == 11


def test_a_model_that_flaxdigits_has_not_exported_is_refused(tiny_model, tmp_path):
    with pytest.raises(ModelError, match="not a dense network that flaxdigits has exported"):
        finetuning_config(tiny_model, 100)
    (tmp_path / "text.onnx").write_text("no model")
    with pytest.raises(ModelError, match="not an ONNX model"):
        finetuning_config(tmp_path / "text.onnx", 100)
    with pytest.raises(
        ModelError, match=r"no such file or folder; expected an \.onnx file, a run directory or shipped"
    ):
        finetuning_config(tmp_path / "none.onnx", 100)


def test_few_digits_are_repeated_and_many_are_not(model):
    assert finetuning_config(model, 100).repeats * 80 == EPOCH_DIGITS
    assert finetuning_config(model, 10 * EPOCH_DIGITS).repeats == 1
    assert finetuning_config(model, 100, epochs=3).epochs == 3
    assert finetuning_config(model, 100, epochs=None).epochs == RECIPE.epochs
    assert finetuning_config(model, 100, ema_decay=0.0).ema_decay == 0
    with pytest.raises(ConfigError, match="epochs"):
        finetuning_config(model, 100, epochs=0)


def test_of_few_digits_none_are_held_out(model, few, tmp_path):
    config = finetuning_config(model, 3, epochs=1, repeats=1, batch_size=8, device="cpu")
    assert config.validation == 0
    assert len(list(fit(few[:3], config, tmp_path / "run"))) == 1


def test_half_of_the_initial_weights_is_kept(model):
    config = finetuning_config(model, 200)
    rows = 8000 * (1 + config.replay) * (1 + config.added_pictures)
    assert config.ema_decay ** (config.epochs * math.ceil(rows / config.batch_size)) == pytest.approx(0.5)
    assert config.ema_ramp == 1


@pytest.mark.slow
@pytest.mark.parametrize("missing", ["initial_weights", "replay_data"])
def test_what_is_missing_is_found_before_a_run_is_replaced(negatives, model, tmp_path, missing):
    config = finetuning_config(model, 200, **SMALL)
    for _ in fit(negatives, config, tmp_path / "run"):
        pass
    before = sorted(path.name for path in (tmp_path / "run").iterdir())
    broken = config.changed(**{missing: str(tmp_path / "none.npz")})
    with pytest.raises(FlaxdigitsError, match="no such file"):
        fit(negatives, broken, tmp_path / "run", if_exists="replace")
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == before


def test_a_run_without_a_checkpoint_does_not_begin_with_another_model(negatives, model, tmp_path):
    moved = tmp_path / "model.onnx"
    moved.write_bytes(model.read_bytes())
    config = finetuning_config(moved, 200, **SMALL)
    for _ in fit(negatives, config, tmp_path / "run"):
        pass
    shutil.rmtree(tmp_path / "run" / "checkpoints")
    (tmp_path / "run" / "history.csv").unlink()
    other = onnx.load(model)
    other.doc_string = "another"
    onnx.save(other, moved)
    with pytest.raises(RunError, match="the model whose weights it starts from has changed"):
        list(resume(tmp_path / "run", negatives))


def test_a_stack_with_other_activations_is_refused(model, tmp_path):
    other = onnx.load(model)
    for entry in other.metadata_props:
        if entry.key == "name":
            entry.value = "flaxdigits ResidualNetwork"
    onnx.save(other, tmp_path / "model.onnx")
    with pytest.raises(ModelError, match="not a dense network that flaxdigits has exported, but 'flaxdigits Residual"):
        finetuning_config(tmp_path / "model.onnx", 100)


@pytest.mark.slow
def test_a_training_begins_with_the_weights_of_the_model(negatives, model, tmp_path, mnist_test):
    still = finetuning_config(model, 200, **SMALL, learning_rate=1e-12, ema_decay=0.0)
    for _ in fit(negatives, still, tmp_path / "run"):
        pass
    exported = export_onnx(tmp_path / "run", tmp_path / "same.onnx").path
    before, after = (Recognizer(file, CPU)(mnist_test.images[:500]) for file in (model, exported))
    assert np.abs(before.probabilities - after.probabilities).max() < 1e-4
    assert np.abs(before.digitness - after.digitness).max() < 1e-3


@pytest.mark.slow
def test_new_digits_are_learnt_and_old_ones_are_not_forgotten(negatives, model, tmp_path, mnist_test):
    config = finetuning_config(model, 200, epochs=15, repeats=5, batch_size=64, learning_rate=3e-3, device="cpu")
    for _ in fit(negatives, config, tmp_path / "run"):
        pass
    new = negatives[negatives.held_out(config.validation, config.seed)]
    old = mnist_test[1000:3000]
    errors = {}
    for name, file in (("before", model), ("after", export_onnx(tmp_path / "run").path)):
        recognizer = Recognizer(file, CPU)
        errors[name] = [(recognizer(digits.images).digits != digits.labels).mean() for digits in (new, old)]
    assert errors["after"][0] < 0.6 * errors["before"][0]
    assert errors["after"][1] < errors["before"][1] + 0.02


@pytest.mark.slow
def test_a_stopped_training_goes_on_without_the_model(negatives, model, tmp_path):
    moved = tmp_path / "model.onnx"
    moved.write_bytes(model.read_bytes())
    config = finetuning_config(moved, 200, **(SMALL | {"epochs": 3}), augmentation=NO_AUGMENTATION)
    for _ in fit(negatives, config, tmp_path / "whole"):
        pass
    moved.rename(tmp_path / "away.onnx")
    steps = []
    with pytest.raises(ModelError, match="no such file"):
        list(fit(negatives, config, tmp_path / "none"))
    (tmp_path / "away.onnx").rename(moved)
    with pytest.raises(TrainingInterrupted):
        list(fit(negatives, config, tmp_path / "run", on_progress=steps.append, should_stop=lambda: bool(steps)))
    moved.unlink()
    assert len(list(resume(tmp_path / "run", negatives))) > 0
    assert same_bits(Run(tmp_path / "whole"), Run(tmp_path / "run"))
    assert len(weights(Run(tmp_path / "run"))) == 6


def test_weights_of_another_shape_are_refused(negatives, model, tmp_path):
    config = finetuning_config(model, 200, **SMALL).changed(hidden=(48, 25))
    with pytest.raises(ModelError, match=r"expected layers of \[48, 25, 11\], got \[48, 24, 11\]"):
        list(fit(negatives, config, tmp_path / "run"))
