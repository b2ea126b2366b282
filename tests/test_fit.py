import json
import shutil

import jax
import numpy as np
import pytest

import flaxdigits
from flaxdigits.errors import ConfigError, DataError, RunError, TrainingError, TrainingInterrupted
from flaxdigits.runs import Run
from flaxdigits.training.config import NO_DEFORMATION, TrainConfig
from flaxdigits.training.export import export
from flaxdigits.training.fit import fit, resume
from flaxdigits.training.loop import Setup
from flaxdigits.training.weights import evaluate, trained_weights, weights_sha256

SMALL = TrainConfig(hidden=(32,), batch_size=64, epochs=3, learning_rate=3e-3, validation=0.2)


@pytest.fixture(scope="module")
def digits():
    train = flaxdigits.load()
    return train[train.writers < np.sort(train.writers)[2000]]


@pytest.fixture(scope="module")
def finished(digits, tmp_path_factory):
    run = Run(tmp_path_factory.mktemp("runs") / "finished")
    reports = list(fit(digits, SMALL, run.path))
    return run, reports


def sha(run):
    return weights_sha256(trained_weights(run)[1])


def test_a_run_holds_what_the_contract_says(finished):
    run, reports = finished
    assert [report.epoch for report in reports] == [1, 2, 3]
    assert TrainConfig.from_toml(run.config) == SMALL
    assert run.curves.read_bytes().startswith(b"\x89PNG")
    assert run.checkpoints.is_dir()
    header = (
        "epoch,step,learning_rate,train_loss,train_accuracy,val_loss,val_accuracy,temperature,seconds,images_per_second"
    )
    assert run.history.read_text().splitlines()[0] == header
    frame = run.history_frame()
    np.testing.assert_allclose(frame["val_loss"], [report.val_loss for report in reports], rtol=1e-6)


def test_training_learns(finished):
    _, reports = finished
    assert reports[-1].val_accuracy > 0.75
    assert reports[-1].val_loss < reports[0].val_loss


def test_the_reported_validation_is_of_every_held_out_digit(digits, finished):
    run, reports = finished
    config, params = trained_weights(run)
    _, held_out = digits.split(config.validation, config.seed)
    images = held_out.images.reshape(len(held_out), 784) / 255
    first, last = (jax.tree.map(lambda leaf: np.asarray(leaf[0]), params["layers"][index]) for index in (0, 1))
    logits = np.maximum(images @ first["kernel"] + first["bias"], 0) @ last["kernel"] + last["bias"]
    right = (logits.argmax(axis=1) == held_out.labels).mean()
    assert len(held_out) % 100 != 0  # so that a dropped last batch would show
    assert reports[-1].val_accuracy == pytest.approx(right)
    assert evaluate(config, params, held_out).accuracy == pytest.approx(right)


def test_the_same_seed_gives_the_same_weights_and_another_does_not(digits, finished, tmp_path):
    list(fit(digits, SMALL, tmp_path / "same"))
    list(fit(digits, SMALL.changed(seed=1), tmp_path / "other"))
    assert sha(Run(tmp_path / "same")) == sha(finished[0])
    assert sha(Run(tmp_path / "other")) != sha(finished[0])


@pytest.mark.parametrize("stop_at", ["the start", "the end of an epoch", "the middle of an epoch"])
def test_a_run_that_was_stopped_goes_on_as_if_nothing_had_happened(stop_at, digits, finished, tmp_path):
    run = Run(tmp_path / "run")
    steps = [0]
    epoch = finished[1][0].step
    is_there = {
        "the start": lambda: True,
        "the end of an epoch": lambda: steps[-1] == epoch,
        "the middle of an epoch": lambda: 3 <= steps[-1] < epoch,
    }[stop_at]
    with pytest.raises(TrainingInterrupted, match=f"go on with: flaxdigits train --resume {run}"):
        list(fit(digits, SMALL, run.path, on_progress=lambda p: steps.append(p.step), should_stop=is_there))
    list(resume(digits, run))
    assert sha(run) == sha(finished[0])
    courses = [r.history_frame().drop(columns=["seconds", "images_per_second"]) for r in (run, finished[0])]
    assert courses[0].equals(courses[1])


def test_a_run_stops_early_at_the_same_epoch_when_it_was_resumed(digits, tmp_path):
    config = SMALL.changed(epochs=40, patience=2, learning_rate=3e-2, schedule="constant", deformation=NO_DEFORMATION)
    runs = Run(tmp_path / "whole"), Run(tmp_path / "stopped")
    list(fit(digits, config, runs[0].path))
    seen = []
    with pytest.raises(TrainingInterrupted):
        list(fit(digits, config, runs[1].path, on_progress=seen.append, should_stop=lambda: len(seen) >= 6))
    list(resume(digits, runs[1]))
    assert sha(runs[0]) == sha(runs[1])
    assert len(runs[0].history_frame()) == len(runs[1].history_frame()) < 40


def test_a_loop_that_is_left_early_has_saved_what_it_saw(digits, tmp_path):
    run = Run(tmp_path / "run")
    for report in fit(digits, SMALL, run.path):
        if report.epoch == 2:
            break
    assert trained_weights(run)
    assert [report.epoch for report in resume(digits, run.path)] == [3]


def test_a_run_whose_configuration_was_edited_does_not_go_on(digits, tmp_path):
    run = Run(tmp_path / "run")
    list(fit(digits, SMALL.changed(epochs=1), run.path))
    run.config.write_text(run.config.read_text().replace("epochs = 1", "epochs = 9"))
    with pytest.raises(RunError, match=r"config\.toml was changed after the run was begun"):
        resume(digits, run)


def test_reading_a_run_leaves_a_half_written_checkpoint_alone(digits, tmp_path):
    run = Run(tmp_path / "run")
    list(fit(digits, SMALL.changed(epochs=1), run.path))
    half = run.checkpoints / "99.orbax-checkpoint-tmp"
    half.mkdir()
    trained_weights(run)
    assert half.exists()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"name": "digits"}', None])
def test_a_run_whose_data_json_is_damaged_or_gone_is_refused_with_its_name(content, digits, finished, tmp_path):
    run = Run(shutil.copytree(finished[0].path, tmp_path / "run"))
    run.data.unlink()
    if content is not None:
        run.data.write_text(content)
    for use in (lambda: resume(digits, run), lambda: export(run)):
        with pytest.raises(RunError, match=r"data\.json: (damaged; restore it|No such file)"):
            use()


def test_a_finished_run_has_nothing_left_to_do(digits, finished):
    assert list(resume(digits, finished[0])) == []


def test_a_run_does_not_go_on_with_other_digits(digits, finished):
    with pytest.raises(RunError, match="was begun with other digits"):
        next(resume(digits[:1000], finished[0]))


def test_a_run_is_not_overwritten(digits, finished):
    with pytest.raises(RunError, match="holds a run already"):
        next(fit(digits, SMALL, finished[0].path))


def test_a_loss_that_is_lost_stops_the_run_and_leaves_the_last_good_checkpoint(digits, finished, tmp_path):
    run = Run(tmp_path / "run")
    with pytest.raises(
        TrainingError,
        match=r"the loss became (nan|inf) by step \d+, in epoch 1; begin a new run with a lower --learning-rate",
    ):
        list(fit(digits, SMALL.changed(learning_rate=1e30, deformation=NO_DEFORMATION), run.path))
    assert not run.checkpoints.exists()


def test_weights_that_are_lost_before_the_loss_shows_it_are_not_saved(digits, tmp_path):
    # One batch an epoch: the loss of the only step is still good when its update has ruined the weights.
    run = Run(tmp_path / "run")
    config = SMALL.changed(
        epochs=1, learning_rate=3e38, weight_decay=100.0, warmup_epochs=0.0, batch_size=64, validation=0.0
    )
    with pytest.raises(TrainingError, match="a weight became infinite or NaN by step 1, in epoch 1"):
        list(fit(digits[:64], config, run.path))
    assert not run.checkpoints.exists()


def test_early_stopping_ends_with_the_weights_of_the_best_epoch(digits, tmp_path):
    config = SMALL.changed(epochs=40, patience=2, learning_rate=3e-2, schedule="constant", deformation=NO_DEFORMATION)
    reports = list(fit(digits, config, tmp_path / "run"))
    losses = [report.val_loss for report in reports]
    assert len(reports) < 40
    assert losses.index(min(losses)) == len(losses) - 3
    _, held_out = digits.split(config.validation, config.seed)
    assert evaluate(config, trained_weights(Run(tmp_path / "run"))[1], held_out).loss == pytest.approx(min(losses))


def test_training_on_everything_reports_no_validation(digits, tmp_path):
    (report,) = fit(digits[:256], SMALL.changed(epochs=1, validation=0.0), tmp_path / "run")
    assert np.isnan(report.val_loss)
    assert ",,,," in Run(tmp_path / "run").history.read_text().splitlines()[1]


def test_fewer_digits_than_a_batch_can_be_trained_on(digits, tmp_path):
    (report,) = fit(digits[:10], SMALL.changed(epochs=1, validation=0.0), tmp_path / "run")
    assert report.step == 1


def test_bfloat16_trains(digits, tmp_path):
    reports = list(fit(digits, SMALL.changed(precision="bfloat16", epochs=1), tmp_path / "run"))
    params = trained_weights(Run(tmp_path / "run"))[1]
    assert np.isfinite(reports[-1].val_loss)
    assert {leaf.dtype for leaf in jax.tree.leaves(params)} == {np.dtype("float32")}


def test_no_writer_is_trained_on_and_judged_by(digits):
    training, held_out = digits.split(SMALL.validation, SMALL.seed)
    assert not set(training.writers) & set(held_out.writers)


def test_digits_without_labels_are_refused_before_anything_is_written(digits, tmp_path):
    with pytest.raises(DataError, match="has no labels"):
        next(fit(flaxdigits.Digits(digits.images), SMALL, tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_data_json_tells_of_test_digits_in_the_training_data(mnist_test, tmp_path):
    list(fit(mnist_test[:200], SMALL.changed(epochs=1), tmp_path / "run"))
    assert json.loads(Run(tmp_path / "run").data.read_text())["rows_in_mnist_test"] == 200


def test_steps_are_enough_for_every_digit(digits):
    setup = Setup(SMALL, Run("unused"), None, digits[:65], None)
    assert (setup.steps_per_epoch, setup.steps) == (2, 6)


def test_a_configuration_out_of_range_is_refused():
    with pytest.raises(ConfigError, match="epochs: expected 1 or more, got 0"):
        SMALL.changed(epochs=0)
