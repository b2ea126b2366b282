import numpy as np
import pytest
from PIL import Image

from flaxdigits.bulk import PARALLEL_FROM, Options, Result, read_files
from flaxdigits.errors import DataError, ModelError


@pytest.fixture
def folder(tmp_path, mnist_test):
    for row, image in enumerate(mnist_test.images[: 2 * PARALLEL_FROM]):
        Image.fromarray(image).save(tmp_path / f"{row:03}.png")
    return tmp_path


@pytest.mark.slow
def test_many_files_are_read_in_several_processes_as_in_one(folder, tiny_model, monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    names = sorted(map(str, folder.iterdir()))
    (folder / "007.png").write_text("no picture")
    several = list(read_files(names, Options(tiny_model)))
    parts = (names[start : start + 50] for start in range(0, len(names), 50))
    one = [found for part in parts for found in read_files(part, Options(tiny_model))]
    assert [str(found) for found in several] == [str(found) for found in one]
    assert isinstance(several[7], DataError)
    assert [found[0].name for found in several if not isinstance(found, DataError)] == names[:7] + names[8:]


def test_a_row_of_a_table_is_a_result_without_a_box(tmp_path, few, tiny_model):
    np.savez(tmp_path / "digits.npz", images=few.images)
    (found,) = read_files([str(tmp_path / "digits.npz")], Options(tiny_model))
    assert [result.name for result in found] == [f"{tmp_path / 'digits.npz'}:{row}" for row in range(1, 21)]
    assert isinstance(found[0], Result)
    assert all(len(result.readings) == 1 and result.readings[0].box is None for result in found)


def test_a_model_that_cannot_be_used_is_an_error_before_anything_is_read(tmp_path):
    (tmp_path / "model.onnx").write_text("no model")
    with pytest.raises(ModelError):
        list(read_files(["a.png"] * 3 * PARALLEL_FROM, Options(tmp_path / "model.onnx")))
