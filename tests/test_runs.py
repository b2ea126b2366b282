import shutil
from pathlib import Path

import pytest

from flaxdigits.errors import RunError, RunLockedError, RunNotFoundError, RunUnfinishedError
from flaxdigits.runs import Run, point_latest


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def make_run(path, model=True):
    run = Run(path)
    run.path.mkdir(parents=True)
    run.config.touch()
    if model:
        run.model.write_text(str(path))
    point_latest(run)
    return run


def test_latest_is_the_newest_run():
    make_run("runs/a")
    assert Run("runs/latest").exported_model().read_text() == "runs/a"
    make_run("runs/b")
    assert Run("runs/latest").exported_model().read_text() == "runs/b"
    assert Path("runs/latest").resolve() == Path("runs/b").resolve()


def test_the_newest_run_may_be_outside_of_runs():
    make_run("elsewhere/deep/c")
    assert Run("runs/latest").exported_model().read_text() == "elsewhere/deep/c"


def test_latest_still_points_into_runs_after_they_have_moved():
    make_run("runs/a")
    shutil.move("runs", "archive")
    assert Path("archive/latest/model.onnx").read_text() == "runs/a"


def test_pointing_latest_leaves_no_litter():
    make_run("runs/a")
    make_run("runs/b")
    assert sorted(path.name for path in Path("runs").iterdir()) == ["a", "b", "latest"]


@pytest.mark.parametrize("make", [Path.mkdir, Path.touch])
def test_a_latest_that_is_no_link_is_an_error_and_stays(make):
    Path("runs").mkdir()
    make(Path("runs/latest"))
    with pytest.raises(RunError, match="runs/latest: expected a symbolic link"):
        make_run("runs/a")
    assert not Path("runs/latest").is_symlink()


def test_a_run_without_a_model_is_unfinished():
    run = make_run("half", model=False)
    with pytest.raises(RunUnfinishedError, match=r"half: no model\.onnx in it yet") as caught:
        run.exported_model()
    assert caught.value.run == run.path


@pytest.mark.parametrize("path", [None, "runs/latest", "empty", "none"])
def test_a_folder_without_a_configuration_is_no_run(path):
    Path("empty").mkdir()
    with pytest.raises(RunNotFoundError, match="no run yet" if path in (None, "runs/latest") else "not a run"):
        Run.existing(path)


def test_a_latest_whose_run_is_gone_is_named_with_its_target():
    shutil.rmtree(make_run("runs/a").path)
    with pytest.raises(RunNotFoundError, match="^runs/latest: links to runs/a, which is not a run"):
        Run.existing()


def test_an_existing_run_is_one_with_a_configuration():
    made = make_run("runs/a", model=False)
    assert Run.existing("runs/a").path == made.path
    assert Run.existing().config.resolve() == made.config.resolve()


def test_a_run_found_by_latest_stays_the_same_when_latest_moves_on():
    make_run("runs/a")
    run = Run.existing()
    make_run("runs/b")
    assert run.path == Run.existing("runs/a").path == Path("runs/a")
    assert run.exported_model().read_text() == "runs/a"


def test_making_a_run_touches_no_disk():
    assert Run.new().path.parent == Path("runs")
    Run("somewhere")
    assert list(Path().iterdir()) == []


def test_a_lock_is_exclusive_and_freed():
    pytest.importorskip("filelock")
    run = Run("runs/a")
    with run.locked(), pytest.raises(RunLockedError), Run("runs/a").locked():
        pass
    with run.locked():
        pass


def test_a_run_displays_as_its_curves():
    run = make_run("runs/a")
    assert run._repr_png_() is None
    run.curves.write_bytes(b"\x89PNG")
    assert run._repr_png_() == b"\x89PNG"


def test_the_history_comes_back_as_a_frame():
    pytest.importorskip("pandas")
    run = make_run("runs/a")
    run.history.write_text("epoch,val_accuracy\n1,0.5\n2,0.75\n")
    assert run.history_frame()["val_accuracy"].tolist() == [0.5, 0.75]
