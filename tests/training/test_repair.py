"""A run directory whose files were damaged between two trainings."""

import shutil

import pytest
from orbax.checkpoint import v1 as orbax
from trained import same_bits

from flaxdigits.errors import ConfigError, RunError, RunExistsError, RunStorageError, RunWarning, TrainingInterrupted
from flaxdigits.runs import Run
from flaxdigits.training.config import TrainConfig
from flaxdigits.training.fit import fit, resume

SMALL = TrainConfig(hidden=(16,), batch_size=64, epochs=3, validation=0.2, added_pictures=0, seed=5)


@pytest.fixture(scope="module")
def digits(mnist_train):
    return mnist_train[:500]


@pytest.fixture(scope="module")
def finished(digits, tmp_path_factory):
    run = Run(tmp_path_factory.mktemp("runs") / "finished")
    list(fit(digits, SMALL, run))
    return run


@pytest.fixture(scope="module")
def stopped(digits, tmp_path_factory):
    """A run that was stopped before its last epoch."""
    run, steps = Run(tmp_path_factory.mktemp("runs") / "stopped"), [0]
    with pytest.raises(TrainingInterrupted):
        stop = lambda: steps[-1] >= 14  # noqa: E731
        list(fit(digits, SMALL, run, on_progress=lambda progress: steps.append(progress.step), should_stop=stop))
    return run


@pytest.fixture
def run(stopped, tmp_path):
    return Run(shutil.copytree(stopped.path, tmp_path / "run"))


def figures(run):
    return run.history_frame().drop(columns=["seconds", "images_per_second"])


@pytest.mark.parametrize("content", ["", "{", "[]", '{"name": "digits"}', None])
def test_data_json_is_restored_from_the_checkpoint(content, run, digits, finished):
    whole = run.data.read_text()
    run.data.unlink() if content is None else run.data.write_text(content)
    with pytest.warns(RunWarning, match=r"data.json: (damaged|missing); restored from the checkpoint"):
        list(resume(run, digits))
    assert run.data.read_text() == whole
    assert same_bits(run, finished)


def test_a_data_json_in_which_a_bit_has_flipped_is_restored_too(run, digits, finished):
    whole = run.data.read_text()
    sha256 = digits.sha256
    run.data.write_text(whole.replace(sha256, sha256[:-1] + chr(ord(sha256[-1]) ^ 2)))
    with pytest.warns(RunWarning, match="data.json: damaged; restored from the checkpoint"):
        list(resume(run, digits))
    assert run.data.read_text() == whole
    assert same_bits(run, finished)


@pytest.mark.parametrize("content", ["", "hidden = [16,", "\0\0\0", "a = " + "[" * 5000, "a = " + "9" * 5000])
def test_config_toml_is_restored_from_data_json(content, run, digits, finished):
    whole = run.config.read_text()
    run.config.write_text(content)
    with pytest.warns(
        RunWarning, match="config.toml: damaged; restored from data.json, the damaged one is config.toml.d"
    ):
        list(resume(run, digits))
    assert run.config.read_text() == whole
    assert (run.path / "config.toml.damaged").read_text() == content
    assert same_bits(run, finished)


def test_config_toml_is_restored_before_it_is_compared(run, digits, finished):
    run.config.write_text("hidden = [16,")
    with pytest.warns(RunWarning, match="config.toml: damaged; restored from data.json"):
        list(fit(digits, SMALL, run, if_exists="resume"))
    assert same_bits(run, finished)


def test_both_are_restored_where_both_are_damaged(run, digits, finished):
    run.data.write_text("")
    run.config.write_text("")
    with pytest.warns(RunWarning) as warned:
        list(resume(run, digits))
    assert len(warned) == 2
    assert same_bits(run, finished)


def test_a_configuration_with_a_mistake_is_not_taken_for_damage(run, digits):
    run.config.write_text(run.config.read_text().replace('device = "auto"', 'device = "gpuu"'))
    with pytest.raises(ConfigError, match="device: expected auto or cpu or gpu or tpu, got gpuu"):
        resume(run, digits)


@pytest.mark.parametrize("content", ["", "rubbish", None, "longer"])
def test_history_csv_is_as_the_checkpoint_has_it(content, run, digits, finished):
    if content == "longer":  # as after a kill between an epoch's row and its checkpoint
        rows = run.history.read_text().splitlines()
        run.history.write_text("\n".join([*rows, rows[-1].replace("2,", "3,", 1)]) + "\n")
    elif content is None:
        run.history.unlink()
    else:
        run.history.write_text(content)
    list(resume(run, digits))
    assert figures(run).equals(figures(finished))


def test_without_a_checkpoint_a_damaged_data_json_is_refused_with_its_name(run, digits):
    shutil.rmtree(run.checkpoints)
    run.data.write_text("{")
    with pytest.raises(RunError, match=r"data.json: damaged; restore it, or start a new run"):
        resume(run, digits)


def test_a_run_that_has_lost_its_configuration_is_resumed_and_not_begun_anew(digits, finished, run):
    run.config.unlink()
    with pytest.raises(RunExistsError, match="already holds a run"):
        fit(digits, SMALL, run)
    with pytest.warns(RunWarning, match=r"config.toml: missing; restored from data.json$"):
        training = fit(digits, SMALL, run, if_exists="resume")
    assert training.step == 14
    list(training)
    assert same_bits(run, finished)


@pytest.mark.parametrize("if_exists", ["error", "resume", "replace"])
def test_files_of_other_origin_are_not_replaced(digits, tmp_path, if_exists):
    run = Run(tmp_path)
    for path in (run.history, run.curves, run.data, run.path / "notes.txt"):
        path.write_text("mine")
    expected = "not a run, but holds files that training would replace: curves.png, data.json, history.csv"
    with pytest.raises(RunError, match=expected):
        fit(digits, SMALL, run, if_exists=if_exists)
    assert run.history.read_text() == run.curves.read_text() == run.data.read_text() == "mine"


def test_a_damaged_run_is_known_by_its_checkpoint(digits, finished, run):
    run.config.write_text("")
    run.data.unlink()
    with pytest.raises(RunExistsError, match="already holds a run"):
        fit(digits, SMALL, run)
    list(fit(digits, SMALL, run, if_exists="replace"))
    assert same_bits(run, finished)


def test_other_files_may_lie_in_a_new_run(digits, tmp_path):
    (tmp_path / "train.log").write_text("")
    list(fit(digits, SMALL, tmp_path))
    assert (tmp_path / "train.log").exists()
    assert Run(tmp_path).config.exists()


def test_a_file_is_no_run_directory(digits, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="file: not a directory"):
        fit(digits, SMALL, tmp_path / "file", if_exists="resume")


def test_a_run_that_is_moved_away_while_it_trains_is_not_made_again(digits, tmp_path):
    run, elsewhere = Run(tmp_path / "run"), tmp_path / "elsewhere"
    training = fit(digits, SMALL.changed(checkpoint_seconds=0.0), run)
    next(training)
    run.path.rename(elsewhere)
    with pytest.raises(RunStorageError, match=r"there is no config.toml in it any more; restore it and resume"):
        next(training)
    assert not run.path.exists()
    elsewhere.rename(run.path)
    assert [report.epoch for report in resume(run, digits)] == [2, 3]


def test_a_run_that_is_moved_away_while_a_checkpoint_is_written_is_reported_as_moved(digits, tmp_path, monkeypatch):
    run, elsewhere, save = Run(tmp_path / "run"), tmp_path / "elsewhere", orbax.save_checkpointables

    def save_late(*args, **kwargs):
        run.path.rename(elsewhere)
        save(*args, **kwargs)

    training = fit(digits, SMALL, run)
    next(training)
    monkeypatch.setattr(orbax, "save_checkpointables", save_late)
    with pytest.raises(RunStorageError, match=r"there is no config.toml in it any more; restore it and resume"):
        list(training)
    assert elsewhere.exists()
