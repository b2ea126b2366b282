import shutil
from pathlib import Path

import pytest

from flaxdigits import shipped
from flaxdigits.errors import RunError
from flaxdigits.runs import Run, find_model


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def make_run(path, model=True):
    run = Run(path)
    run.path.mkdir(parents=True)
    run.config.touch()
    if model:
        run.model.write_text(str(path))
    run.point_latest()
    return run


def test_a_file_is_the_model_itself():
    Path("digits.onnx").touch()
    assert find_model("digits.onnx") == find_model(Path("digits.onnx")) == Path("digits.onnx")


def test_a_run_holds_its_model():
    make_run("runs/a")
    assert find_model("runs/a") == find_model(Path("runs/a")) == Path("runs/a/model.onnx")


def test_nothing_means_the_shipped_model_wherever_one_stands():
    make_run("runs/a")
    assert find_model() == find_model(None) == shipped.MODEL
    assert shipped.MODEL.is_absolute()


def test_latest_is_the_newest_run():
    make_run("runs/a")
    assert find_model("runs/latest").read_text() == "runs/a"
    make_run("runs/b")
    assert find_model("runs/latest").read_text() == "runs/b"
    assert Path("runs/latest").resolve() == Path("runs/b").resolve()


def test_the_newest_run_may_lie_elsewhere():
    make_run("elsewhere/deep/c")
    assert find_model("runs/latest").read_text() == "elsewhere/deep/c"


def test_latest_still_points_into_runs_after_they_have_moved():
    make_run("runs/a")
    shutil.move("runs", "archive")
    assert Path("archive/latest/model.onnx").read_text() == "runs/a"


def test_pointing_latest_leaves_no_litter():
    make_run("runs/a")
    make_run("runs/b")
    assert sorted(path.name for path in Path("runs").iterdir()) == ["a", "b", "latest"]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("runs/latest", "runs/latest: no such model; expected an .onnx file or a run directory"),
        ("none.onnx", "none.onnx: no such model; expected an .onnx file or a run directory"),
        ("empty", "empty: not a run directory, there is no config.toml in it"),
        ("half", "half: no model.onnx in it yet; finish it with: flaxdigits train --resume half, or name another run"),
    ],
)
def test_where_there_is_no_model_it_says_what_makes_one(path, message):
    Path("empty").mkdir()
    make_run("half", model=False)
    Path("runs/latest").unlink()
    with pytest.raises(RunError) as caught:
        find_model(path)
    assert str(caught.value) == message


def test_a_latest_whose_run_is_gone_is_no_run():
    shutil.rmtree(make_run("runs/a").path)
    with pytest.raises(RunError, match="^runs/latest: no run yet; `flaxdigits train` makes one$"):
        Run.existing()


def test_an_existing_run_is_one_with_a_configuration():
    made = make_run("runs/a", model=False)
    assert Run.existing("runs/a").path == made.path
    assert Run.existing().config.resolve() == made.config.resolve()


def test_runs_of_the_same_second_get_names_of_their_own():
    names = []
    for _ in range(3):
        run = Run.new()
        run.path.mkdir(parents=True)
        names.append(run.path)
    assert len(set(names)) == 3
    assert {path.parent for path in names} == {Path("runs")}


def test_naming_a_run_touches_no_disk():
    Run.new()
    Run("somewhere")
    assert list(Path().iterdir()) == []


def test_history_comes_back_as_a_frame():
    pytest.importorskip("pandas")
    run = make_run("runs/a")
    run.history.write_text("epoch,val_accuracy\n1,0.5\n2,0.75\n")
    assert run.history_frame()["val_accuracy"].tolist() == [0.5, 0.75]
