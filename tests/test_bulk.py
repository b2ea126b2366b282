import numpy as np
import pytest
from PIL import Image

from flaxdigits import Recognizer
from flaxdigits.bulk import PARALLEL_FROM, Options, Result, read_batch, read_file, read_files
from flaxdigits.errors import DataError, ModelError
from flaxdigits.inference.shipped import GOLDEN


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


def test_a_batch_of_files_is_read_as_each_of_them_alone(tmp_path, few):
    for row, image in enumerate(few.images[:3]):
        Image.fromarray(image).save(tmp_path / f"{row}.png")
    Image.new("L", (40, 40), 200).save(tmp_path / "blank.png")
    np.savez(tmp_path / "digits.npz", images=few.images)
    (tmp_path / "broken.png").write_text("no picture")
    names = ["0.png", "blank.png", GOLDEN / "pages" / "ruled.png", "digits.npz", "1.png", "broken.png", "2.png"]
    recognizer, options = Recognizer(), Options(threshold=0.4)
    batch = read_batch([str(tmp_path / name) for name in names], recognizer, options)
    for name, found in zip(names, batch, strict=True):
        alone = read_file(str(tmp_path / name), recognizer, options)
        assert str(rounded(found)) == str(rounded(alone))
    assert isinstance(batch[5], DataError)
    counts = [sum(len(result.readings) for result in found) for found in batch if isinstance(found, list)]
    assert counts[:2] + counts[3:] == [1, 0, 20, 1, 1]
    assert counts[2] > 1


def rounded(found):
    """Returns what was read of a file, with figures that do not depend on the batch; or the error."""
    if isinstance(found, DataError):
        return found
    return [
        (result.name, reading.as_dict() | {"probability": round(reading.probability, 4), "digitness": None})
        for result in found
        for reading in result.readings
    ]


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
