import json
import os

import pyarrow as pa
import pytest
from pyarrow import parquet

from flaxdigits.bulk import Options
from flaxdigits.errors import DataError, PartsError
from flaxdigits.scale import job as scale_job
from flaxdigits.scale.job import MANIFEST, PICTURES, plan


@pytest.fixture
def folder(tmp_path, mnist_test, write_digits):
    """500 digits in two files, 100 in each row group."""
    write_digits(tmp_path / "in" / "b.parquet", mnist_test[300:500], 100, first_id=300)
    write_digits(tmp_path / "in" / "a" / "a.parquet", mnist_test[:300], 100)
    (tmp_path / "in" / "_metadata.parquet").write_text("not data")
    return tmp_path / "in"


@pytest.fixture
def options(tiny_model):
    return Options(tiny_model)


def test_units_are_runs_of_row_groups_of_one_file(folder, tmp_path, options, monkeypatch):
    monkeypatch.setattr(scale_job, "ROWS", 250)
    job = plan([str(folder)], tmp_path / "out", options)
    found = [(unit.part, unit.paths[0][-9:], unit.groups, unit.first, unit.inputs) for unit in job.units]
    assert found == [
        ("part-00001.parquet", "a.parquet", [0, 2], 1, 200),
        ("part-00002.parquet", "a.parquet", [2, 3], 201, 100),
        ("part-00003.parquet", "b.parquet", [0, 2], 1, 200),
    ]
    assert job.inputs == 500
    assert not job.of_pictures


def test_a_row_group_that_is_larger_is_a_unit(folder, tmp_path, options, monkeypatch):
    monkeypatch.setattr(scale_job, "ROWS", 10)
    assert [unit.inputs for unit in plan([str(folder)], tmp_path / "out", options).units] == [100] * 5


def test_units_of_pictures_are_runs_of_them(tmp_path, options):
    (tmp_path / "in").mkdir()
    for place in range(PICTURES + 1):
        (tmp_path / "in" / f"{place:04}.png").touch()
    job = plan([str(tmp_path / "in")], tmp_path / "out", options)
    assert job.of_pictures
    assert [(unit.first, unit.inputs) for unit in job.units] == [(1, PICTURES), (PICTURES + 1, 1)]
    assert job.units[1].paths == [str(tmp_path / "in" / f"{PICTURES:04}.png")]


def test_the_same_inputs_and_options_may_go_on(folder, tmp_path, options):
    first = plan([str(folder)], tmp_path / "out", options)
    (tmp_path / "out" / "part-00001.parquet").touch()
    assert plan([str(folder)], tmp_path / "out", options) == first


@pytest.mark.parametrize("change", ["touched", "more", "mode", "threshold", "model"])
def test_anything_else_is_refused_where_there_is_a_part(change, folder, tmp_path, options, write_model, tiny_weights):
    plan([str(folder)], tmp_path / "out", options)
    (tmp_path / "out" / "part-00001.parquet").touch()
    if change == "touched":
        os.utime(folder / "b.parquet", (0, 0))
    if change == "more":
        (folder / "c.parquet").write_bytes((folder / "b.parquet").read_bytes())
    if change == "model":
        options = Options(write_model(tmp_path / "other.onnx", tiny_weights + 1))
    options = options._replace(**{"mode": {"mode": "page"}, "threshold": {"threshold": 0.4}}.get(change, {}))
    with pytest.raises(PartsError, match="holds parts of another reading"):
        plan([str(folder)], tmp_path / "out", options)


def test_corrected_inputs_may_be_read_where_there_is_no_part_yet(folder, tmp_path, options):
    plan([str(folder)], tmp_path / "out", options)
    os.utime(folder / "b.parquet", (0, 0))
    plan([str(folder)], tmp_path / "out", options)
    (tmp_path / "out" / "part-00001.parquet").touch()
    assert plan([str(folder)], tmp_path / "out", options).units


def test_a_folder_of_other_files_is_refused(folder, tmp_path, options):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("keep")
    with pytest.raises(PartsError):
        plan([str(folder)], tmp_path / "out", options)
    assert list((tmp_path / "out").iterdir()) == [tmp_path / "out" / "mine.txt"]


def test_a_folder_that_was_emptied_may_be_used_again(folder, tmp_path, options):
    plan([str(folder)], tmp_path / "out", options)
    (tmp_path / "out" / MANIFEST).unlink()
    (tmp_path / "out" / ".part-00001.0123456789ab.parquet").touch()  # of a worker that was killed
    assert plan([str(folder)], tmp_path / "out", options._replace(mode="single")).units


def test_the_manifest_names_what_the_parts_depend_on(folder, tmp_path, options):
    plan([str(folder)], tmp_path / "out", options._replace(mode="single"))
    manifest = json.loads((tmp_path / "out" / MANIFEST).read_text())
    assert manifest["mode"] == "single"
    assert manifest["threshold"] is None
    assert (manifest["parts"], manifest["inputs"]) == (2, 500)
    assert len(manifest["model_sha256"]) == len(manifest["inputs_sha256"]) == 64


def test_an_input_that_cannot_be_read_is_named(folder, tmp_path, options, write_digits, few):
    (folder / "broken.parquet").write_text("not Parquet")
    picture = tmp_path / "seven.png"
    picture.touch()
    mixed = tmp_path / "mixed"
    mixed.mkdir()
    (mixed / "seven.png").touch()
    (mixed / "digits.parquet").write_bytes((folder / "b.parquet").read_bytes())
    parquet.write_table(pa.table({"id": [1]}), tmp_path / "no_pixels.parquet")
    parquet.write_table(pa.table({"pixels": [bytes(784)], "digit": [1]}), tmp_path / "digit.parquet")
    parquet.write_table(pa.table({"pixels": pa.array([], pa.binary())}), tmp_path / "no_rows.parquet")
    for inputs, expected in (
        ([folder], "broken.parquet: "),
        ([folder / "b.parquet", picture], "seven.png: "),
        ([mixed], "seven.png: not a Parquet file"),
        ([tmp_path / "none.parquet"], "none.parquet: no such file"),
        ([tmp_path / "no_pixels.parquet"], "expected a column pixels"),
        ([tmp_path / "digit.parquet"], "two columns would be named 'digit'"),
        ([tmp_path / "no_rows.parquet"], "no rows"),
        ([tmp_path], "is in the folder to be read"),
    ):
        with pytest.raises(DataError, match=expected):
            plan(list(map(str, inputs)), tmp_path / "out", options)
        assert not (tmp_path / "out").exists()
