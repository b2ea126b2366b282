import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet

from flaxdigits import Recognizer
from flaxdigits.bulk import Options, Result, read_files
from flaxdigits.errors import DataError
from flaxdigits.scale.job import plan
from flaxdigits.scale.parts import TRIES, finished_part, read_unit


@pytest.fixture
def read(tmp_path, tiny_model):
    """Returns a function that reads inputs as a worker does, in this process."""

    def read(*inputs, **options):
        job = plan(list(map(str, inputs)), tmp_path / "out", Options(tiny_model, **options))
        return [read_unit(unit, job.out, Recognizer(tiny_model), job.options) for unit in job.units], job

    return read


def test_every_row_is_in_its_part_with_its_other_columns(read, tmp_path, mnist_test, write_digits, tiny_model):
    found, job = read(write_digits(tmp_path / "digits.parquet", mnist_test[:9000], 1000), threshold=0.3)
    assert found == [("part-00001.parquet", 9000, 9000, [], True)]
    table = parquet.read_table(job.out / "part-00001.parquet")
    assert table.column_names == ["id", "label", "digit", "probability", "digitness", "refused"]
    expected = Recognizer(tiny_model)(mnist_test.images[:9000])
    assert table["id"].to_pylist() == list(range(9000))
    np.testing.assert_array_equal(table["label"], mnist_test.labels[:9000])
    np.testing.assert_array_equal(table["digit"], expected.digits)
    np.testing.assert_array_equal(table["probability"], expected.confidences)
    np.testing.assert_array_equal(table["refused"], expected.digitness < 0.3)


def test_wrong_rows_leave_no_part_and_are_named(read, tmp_path):
    good, bad = [bytes(784)] * 5000, [bytes(783)]
    table = pa.table({"pixels": good + bad})
    parquet.write_table(table, tmp_path / "digits.parquet")
    (part,), job = read(tmp_path / "digits.parquet")
    assert part.rows == 0
    assert part.errors == [f"{tmp_path}/digits.parquet, row 5,001: expected 784 bytes, got 783"]
    assert finished_part(job.units[0], job.out) is None
    assert {path.name for path in job.out.iterdir()} == {"_manifest.json", ".lock"}


@pytest.fixture
def pictures(tmp_path, mnist_test):
    """Two pictures of digits, an empty one, and one that is none."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name, image in zip(("1.png", "2.png"), mnist_test.images[:2], strict=True):
        Image.fromarray(image).save(folder / name)
    Image.new("L", (28, 28)).save(folder / "3.png")
    (folder / "4.png").write_text("no picture")
    return folder


def test_a_part_of_pictures_has_what_predict_reads(read, pictures, tiny_model):
    (part,), job = read(pictures)
    rows = parquet.read_table(job.out / part.name).to_pylist()
    assert list(rows[0])[:11] == [
        *("file", "line", "number", "digit", "probability", "digitness", "refused"),
        *("left", "top", "right", "bottom"),
    ]
    results = list(read_files([str(path) for path in sorted(pictures.iterdir())], job.options))
    assert isinstance(results[3], DataError)
    for row, found in zip(rows[:2], results[:2], strict=True):
        (result,) = found
        assert isinstance(result, Result)
        (reading,) = result.readings
        assert (row["file"], row["digit"], row["refused"]) == (result.name, reading.digit, reading.refused)
        assert row["probability"] == np.float32(reading.probability)
        assert (row["left"], row["top"], row["right"], row["bottom"]) == reading.box
    assert rows[2] == dict.fromkeys(rows[0]) | {"file": str(pictures / "3.png")}
    assert rows[3] == dict.fromkeys(rows[0]) | {"file": str(pictures / "4.png"), "error": str(results[3])}
    assert part.errors == [str(results[3])]


def test_an_earlier_part_still_tells_its_errors(read, pictures):
    (part,), job = read(pictures)
    assert finished_part(job.units[0], job.out) == part._replace(is_new=False)


def test_a_unit_that_its_workers_die_of_is_given_up(read, pictures, tiny_model):
    _, job = read(pictures)
    unit = job.units[0]
    (job.out / unit.part).unlink()
    (job.out / f".{unit.part}.tries").write_text("x" * TRIES)
    part = read_unit(unit, job.out, Recognizer(tiny_model), job.options)
    assert "workers died" in part.errors[0]
    assert not (job.out / unit.part).exists()
