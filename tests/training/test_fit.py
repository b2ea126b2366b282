import gc
import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from trained import same_bits, weights

import flaxdigits
from flaxdigits.errors import (
    ConfigError,
    DataError,
    RunError,
    RunExistsError,
    RunLockedError,
    TrainingError,
    TrainingInterrupted,
)
from flaxdigits.runs import Run
from flaxdigits.training.checkpoint import saved_steps
from flaxdigits.training.config import NO_AUGMENTATION, TrainConfig
from flaxdigits.training.fit import fit, resume
from flaxdigits.training.trained import trained_model
from flaxdigits.training.validation import validate

SMALL = TrainConfig(hidden=(32,), batch_size=64, epochs=3, learning_rate=3e-3, validation=0.2, added_pictures=0)


@pytest.fixture(scope="module")
def digits():
    train = flaxdigits.load()
    return train[train.writers < np.sort(train.writers)[2000]]


@pytest.fixture(scope="module")
def finished(digits, tmp_path_factory):
    run = Run(tmp_path_factory.mktemp("runs") / "finished")
    reports = list(fit(digits, SMALL, run.path))
    return run, reports


def test_a_run_holds_what_the_contract_says(finished):
    run, reports = finished
    assert [report.epoch for report in reports] == [1, 2, 3]
    assert TrainConfig.from_toml(run.config) == SMALL.changed(precision=TrainConfig.from_toml(run.config).precision)
    assert run.curves.read_bytes().startswith(b"\x89PNG")
    assert run.checkpoints.is_dir()
    header = (
        "epoch,step,learning_rate,train_loss,train_accuracy,val_loss,val_accuracy,temperature,digitness_threshold,"
        "seconds,images_per_second"
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
    config, model, _ = trained_model(run)
    _, held_out = digits.split(config.validation, config.seed)
    images = held_out.images.reshape(len(held_out), 784) / 255
    first, last = ((np.asarray(layer.kernel[...]), np.asarray(layer.bias[...])) for layer in model.layers)
    logits = np.maximum(images @ first[0] + first[1], 0) @ last[0] + last[1]
    right = (logits.argmax(axis=1) == held_out.labels).mean()
    assert len(held_out) % 100 != 0  # so that a dropped last batch would show
    rounding = 1e-6 if TrainConfig.from_toml(run.config).precision == "float32" else 3 / len(held_out)
    assert reports[-1].val_accuracy == pytest.approx(right, abs=rounding)
    assert validate(model, held_out).accuracy == pytest.approx(right)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_weights_and_another_does_not(digits, finished, tmp_path):
    list(fit(digits, SMALL, tmp_path / "same"))
    list(fit(digits, SMALL.changed(seed=1), tmp_path / "other"))
    assert same_bits(Run(tmp_path / "same"), finished[0])
    assert not same_bits(Run(tmp_path / "other"), finished[0])


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
    with pytest.raises(TrainingInterrupted, match="stopped and saved at step") as stopped:
        list(fit(digits, SMALL, run.path, on_progress=lambda p: steps.append(p.step), should_stop=is_there))
    assert stopped.value.run == run.path
    list(resume(run, digits))
    assert same_bits(run, finished[0])
    courses = [r.history_frame().drop(columns=["seconds", "images_per_second"]) for r in (run, finished[0])]
    assert courses[0].equals(courses[1])


def test_a_loop_that_is_left_early_has_saved_what_it_saw(digits, tmp_path):
    run = Run(tmp_path / "run")
    for report in fit(digits, SMALL, run.path):
        if report.epoch == 2:
            break
    assert trained_model(run)
    assert [report.epoch for report in resume(run.path, digits)] == [3]


def test_a_run_whose_configuration_was_edited_does_not_go_on(digits, tmp_path):
    run = Run(tmp_path / "run")
    list(fit(digits, SMALL.changed(epochs=1), run.path))
    run.config.write_text(run.config.read_text().replace("\nepochs = 1", "\nepochs = 9"))
    with pytest.raises(RunError, match=r"config\.toml was changed after the run began \(epochs: 9, not 1\)"):
        resume(run, digits)


def test_reading_a_run_leaves_a_half_written_checkpoint_alone(digits, tmp_path):
    run = Run(tmp_path / "run")
    list(fit(digits, SMALL.changed(epochs=1), run.path))
    half = run.checkpoints / "99.orbax-checkpoint-tmp"
    half.mkdir()
    trained_model(run)
    assert half.exists()


def test_a_finished_run_has_nothing_left_to_do(digits, finished):
    assert list(resume(finished[0], digits)) == []


def test_a_run_does_not_go_on_with_other_digits(digits, finished):
    with pytest.raises(RunError, match="began with other digits"):
        resume(finished[0], digits[:1000])


def test_a_run_is_not_overwritten(digits, finished):
    with pytest.raises(RunExistsError, match="already holds a run"):
        fit(digits, SMALL, finished[0].path)


def test_a_loss_that_is_lost_stops_the_run(digits, tmp_path):
    run = Run(tmp_path / "run")
    with pytest.raises(
        TrainingError,
        match=r"the loss became (nan|inf) by step \d+, in epoch 1; begin a new run with a lower learning_rate",
    ):
        list(fit(digits, SMALL.changed(learning_rate=1e30, augmentation=NO_AUGMENTATION), run.path))
    assert not run.checkpoints.exists()


def test_a_loss_that_is_lost_leaves_the_last_good_checkpoint(digits, tmp_path):
    run = Run(tmp_path / "run")
    # The warm-up begins at 0, so the first step changes nothing, and its checkpoint is good.
    config = SMALL.changed(learning_rate=1e30, augmentation=NO_AUGMENTATION, checkpoint_seconds=0.0)
    with pytest.raises(TrainingError):
        list(fit(digits, config, run.path))
    assert saved_steps(run.checkpoints)
    assert all(np.isfinite(leaf).all() for leaf in weights(run))


def test_a_batch_that_does_not_fit_in_memory_is_an_error_with_what_to_do(digits, tmp_path):
    with pytest.raises(TrainingError, match="the device has too little memory; choose a smaller batch_size"):
        list(fit(digits, SMALL.changed(batch_size=10**8), tmp_path / "run"))


def test_weights_that_are_lost_before_the_loss_shows_it_are_not_saved(digits, tmp_path):
    # One batch an epoch: the loss of the only step is still good when its update has ruined the weights.
    run = Run(tmp_path / "run")
    config = SMALL.changed(
        epochs=1, learning_rate=3e38, weight_decay=100.0, warmup_epochs=0.0, batch_size=64, validation=0.0
    )
    with pytest.raises(TrainingError, match="a weight became infinite or NaN by step 1, in epoch 1"):
        list(fit(digits[:64], config, run.path))
    assert not run.checkpoints.exists()


def test_training_on_everything_reports_no_validation(digits, tmp_path):
    (report,) = fit(digits[:256], SMALL.changed(epochs=1, validation=0.0), tmp_path / "run")
    assert np.isnan(report.val_loss)
    assert ",,,," in Run(tmp_path / "run").history.read_text().splitlines()[1]


def test_fewer_digits_than_a_batch_can_be_trained_on(digits, tmp_path):
    (report,) = fit(digits[:10], SMALL.changed(epochs=1, validation=0.0), tmp_path / "run")
    assert report.step == 1


def test_bfloat16_trains(digits, tmp_path):
    reports = list(fit(digits, SMALL.changed(precision="bfloat16", epochs=1), tmp_path / "run"))
    assert np.isfinite(reports[-1].val_loss)
    assert {leaf.dtype for leaf in weights(Run(tmp_path / "run"))} == {np.dtype("float32")}


def test_digits_without_labels_are_refused_before_anything_is_written(digits, tmp_path):
    with pytest.raises(DataError, match="has no labels"):
        fit(flaxdigits.Digits(digits.images), SMALL, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_data_json_tells_of_test_digits_in_the_training_data(mnist_test, tmp_path):
    list(fit(mnist_test[:200], SMALL.changed(epochs=1), tmp_path / "run"))
    assert json.loads(Run(tmp_path / "run").data.read_text())["rows_in_mnist_test"] == 200


@pytest.mark.slow
def test_the_digits_that_are_trained_on_share_no_writer_with_validation(digits, tmp_path):
    # A network that memorises its training digits recognises them, and those that are held out less well.
    config = SMALL.changed(epochs=40, augmentation=NO_AUGMENTATION, ema_decay=0.0, label_smoothing=0.0)
    run = Run(tmp_path / "run")
    *_, last = fit(digits, config, run)
    training, held_out = digits.split(config.validation, config.seed)
    assert not set(training.writers) & set(held_out.writers)
    model = trained_model(run).model
    assert validate(model, training).accuracy == 1
    assert validate(model, held_out).accuracy == pytest.approx(last.val_accuracy)
    assert last.val_accuracy < 0.99


def test_the_length_counts_what_an_earlier_training_has_saved_when_its_name_is_used_again(digits, tmp_path):
    training = fit(digits, SMALL, tmp_path / "run")
    next(training)
    training = fit(digits, SMALL, tmp_path / "run", if_exists="resume")
    assert (len(training), training.step) == (2, 25)
    assert [report.epoch for report in training] == [2, 3]


def test_nothing_happens_until_the_first_epoch_is_asked_for(digits, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    training = fit(digits, SMALL)
    assert list(tmp_path.iterdir()) == []
    assert (len(training), training.step) == (3, 0)
    next(training)
    assert (len(training), training.step) == (2, 25)
    assert (tmp_path / "runs" / "latest").resolve() == training.run.path.resolve()
    training.close()


@pytest.mark.slow
def test_an_existing_run_is_gone_on_with_or_replaced_when_asked_to(digits, tmp_path):
    run, config = Run(tmp_path / "run"), SMALL.changed(epochs=2)
    next(fit(digits, config, run))
    assert [report.epoch for report in fit(digits, config, run, if_exists="resume")] == [2]
    assert [report.epoch for report in fit(digits, config.changed(seed=1), run, if_exists="replace")] == [1, 2]
    assert TrainConfig.from_toml(run.config).seed == 1


def test_a_training_resumed_by_latest_writes_into_its_own_run_when_latest_moves_on(
    digits, finished, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    first = fit(digits, SMALL, "runs/a")
    next(first)
    first.close()
    resumed = resume("runs/latest", digits)
    next(resumed)
    assert len(list(fit(digits, SMALL.changed(seed=1), "runs/b"))) == 3
    before = weights(Run("runs/b"))
    list(resumed)
    assert same_bits(Run("runs/a"), finished[0])
    assert all(np.array_equal(a, b) for a, b in zip(weights(Run("runs/b")), before, strict=True))


def test_a_replaced_run_leaves_no_results_of_the_old_one(digits, tmp_path):
    run = Run(tmp_path / "run")
    list(fit(digits, SMALL.changed(epochs=1), run))
    for path in (run.model, run.path / "model-int8.onnx", run.metrics, run.mistakes):
        path.write_text("old")
    training = fit(digits, SMALL, run, if_exists="replace")
    next(training)
    training.close()
    left = {path.name for path in run.path.iterdir()} - {".lock"}
    assert left == {"checkpoints", "config.toml", "curves.png", "data.json", "history.csv"}


def test_digits_that_lie_elsewhere_now_are_named_by_editing_the_configuration(digits, tmp_path):
    np.savez(tmp_path / "old.npz", images=digits.images[:500], labels=digits.labels[:500])
    run = Run(tmp_path / "run")
    list(fit(tmp_path / "old.npz", SMALL.changed(epochs=1), run))
    (tmp_path / "old.npz").rename(tmp_path / "new.npz")
    with pytest.raises(DataError, match=r"old.npz: no such file .*change `data` in .*config.toml"):
        resume(run)
    run.config.write_text(run.config.read_text().replace("old.npz", "new.npz"))
    assert len(resume(run)) == 0


def test_a_run_does_not_go_on_with_another_configuration_than_the_given_one(digits, finished):
    with pytest.raises(RunExistsError, match=r"another configuration \(epochs: 4, not 3\)"):
        fit(digits, SMALL.changed(epochs=4), finished[0], if_exists="resume")
    assert len(fit(digits, SMALL, finished[0], if_exists="resume")) == 0


def test_a_data_frame_or_a_name_can_be_trained_on(to_frame, digits, tmp_path):
    (report,) = fit(to_frame(digits[:200]), SMALL.changed(epochs=1), tmp_path / "run")
    assert report.epoch == 1


def test_two_trainings_of_one_run_are_refused(digits, tmp_path):
    run = Run(tmp_path / "run")
    first = fit(digits, SMALL, run)
    next(first)
    with pytest.raises(RunLockedError, match="already being trained"):
        next(resume(run, digits))
    first.close()
    assert [report.epoch for report in resume(run, digits)] == [2, 3]


def test_a_with_statement_saves_a_training_that_an_error_in_its_body_ends(digits, tmp_path):
    run = Run(tmp_path / "run")
    with pytest.raises(KeyboardInterrupt), fit(digits, SMALL, run) as training:
        next(training)
        raise KeyboardInterrupt
    assert [report.epoch for report in resume(run, digits)] == [2, 3]


@pytest.mark.slow
def test_a_training_left_open_at_exit_is_warned_of_in_place_of_a_traceback(tmp_path):
    script = """
import flaxdigits as fd
digits, config = fd.load()[:500], fd.TrainConfig(hidden=(8,), epochs=2, batch_size=100, validation=0)
finished = fd.fit(digits, config, "finished")
next(finished), next(finished)
training = fd.fit(digits, config, "run")
next(training)
"""
    ended = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0
    assert "Traceback" not in ended.stderr
    assert "run: not closed before exit, so the steps after step 0 are lost" in ended.stderr
    assert "finished: " not in ended.stderr


@pytest.mark.slow
def test_a_run_is_written_where_it_began_when_the_working_directory_changes(digits, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    training = fit(digits, SMALL.changed(epochs=2), "runs/a")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    next(training)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RunLockedError, match="^runs/a: "):
        next(resume("runs/a", digits))
    monkeypatch.chdir(tmp_path / "elsewhere")
    next(training)
    training.close()
    assert list(Path.cwd().iterdir()) == []
    assert len(Run(tmp_path / "runs/latest").history_frame()) == 2


def test_a_training_whose_callback_refers_to_it_is_saved_when_it_is_dropped(digits, tmp_path):
    class Watcher:
        def move(self, progress):
            self.step = progress.step

    watcher = Watcher()
    watcher.training = fit(digits, SMALL, tmp_path / "run", on_progress=watcher.move)
    next(watcher.training)
    del watcher
    gc.collect()
    assert [report.epoch for report in resume(tmp_path / "run", digits)] == [2, 3]


@pytest.mark.parametrize("name", ["epochs", "pretraining_epochs"])
def test_more_steps_than_an_int32_counts_are_refused_before_anything_is_written(name, digits, tmp_path):
    config = SMALL.changed(hidden=(144, 36), **{name: 2_000_000_000})
    with pytest.raises(ConfigError, match=rf"^{name}: expected at most .* got 2,000,000,000"):
        fit(digits, config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_folder_whose_training_never_began_can_be_trained_in(digits, finished, tmp_path):
    run = Run(tmp_path / "run")
    training = fit(digits, SMALL.changed(epochs=1), run)
    with run.locked():  # what a crash leaves before the configuration is written
        shutil.copy(finished[0].data, run.data)
    assert [report.epoch for report in training] == [1]


def test_a_run_that_was_killed_before_its_first_checkpoint_begins_anew(digits, finished, tmp_path):
    run = Run(shutil.copytree(finished[0].path, tmp_path / "run"))
    shutil.rmtree(run.checkpoints)
    run.history.unlink()
    assert [report.epoch for report in resume(run, digits)] == [1, 2, 3]
    assert same_bits(run, finished[0])


def test_a_run_does_not_move_held_out_digits_into_training(digits, finished, tmp_path):
    # The images and labels are the same: only who wrote them has changed, and so who is held out.
    run = Run(shutil.copytree(finished[0].path, tmp_path / "run"))
    others = flaxdigits.Digits(digits.images, digits.labels, digits.writers[::-1], digits.name)
    with pytest.raises(RunError, match="other digits of .* would be held out"):
        resume(run, others)


def test_a_configuration_field_that_is_newer_than_a_run_does_not_keep_it_from_going_on(digits, finished, tmp_path):
    run = Run(shutil.copytree(finished[0].path, tmp_path / "run"))
    provenance = json.loads(run.data.read_text())
    del provenance["config"]["label_smoothing"]  # as a run of a version without this field has it
    run.data.write_text(json.dumps(provenance))
    lines = run.config.read_text().splitlines(keepends=True)
    run.config.write_text("".join(line for line in lines if "label_smoothing" not in line))
    assert list(resume(run, digits)) == []


def test_the_device_may_change_before_a_run_goes_on(digits, finished, tmp_path):
    run = Run(shutil.copytree(finished[0].path, tmp_path / "run"))
    run.config.write_text(run.config.read_text().replace('device = "auto"', 'device = "cpu"'))
    assert list(resume(run, digits)) == []


def test_an_interrupt_in_a_notebook_saves_the_state(digits, tmp_path):
    # As Jupyter does it: SIGINT, while the main thread trains with Python's own handler.
    run = Run(tmp_path / "run")
    steps = []

    def interrupt(progress):
        steps.append(progress.step)
        if len(steps) == 3:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(
        TrainingInterrupted, match=r"stopped and saved at step \d+ of 75; resume with flaxdigits.resume"
    ):
        list(fit(digits, SMALL, run, on_progress=interrupt))
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert resume(run, digits).step == steps[-1]
