import io

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from flaxdigits.data.kaggle_csv import PIXEL_NAMES
from flaxdigits.errors import DataError
from flaxdigits.pictures.reading import read_picture
from flaxdigits.scale.pixels import Rows, images_of, pixel_columns

ROWS = Rows("digits.parquet", first=101)


def forms(images):
    """Each form in which a column may hold pixels."""
    flat = images.reshape(-1, 784)
    rows = pa.FixedSizeListArray.from_arrays
    values = pa.array(images.reshape(-1))
    return {
        "list": pa.array(flat.tolist()),
        "list of uint8": pa.array(flat.tolist(), pa.list_(pa.uint8())),
        "large list": pa.array(flat.tolist(), pa.large_list(pa.int16())),
        "fixed-size list": rows(values, 784),
        "lists of lists": pa.array(images.tolist()),
        "fixed-size lists of lists": rows(rows(values, 28), 28),
        "binary": pa.array([image.tobytes() for image in images]),
        "fixed-size binary": pa.array([image.tobytes() for image in images], pa.binary(784)),
        "tensor": pa.FixedShapeTensorArray.from_numpy_ndarray(images),
    }


def read(column):
    return images_of(pa.record_batch({"pixels": column}), ["pixels"], ROWS)


@pytest.mark.parametrize("form", forms(np.zeros((1, 28, 28), np.uint8)))
def test_a_column_of_pixels_is_read_in_every_form(form, few):
    column = forms(few.images)[form]
    np.testing.assert_array_equal(read(column), few.images)
    np.testing.assert_array_equal(read(column.slice(3, 5)), few.images[3:8])


@pytest.mark.parametrize("dtype", [np.uint8, np.int64])
def test_the_columns_of_kaggle_are_read(few, dtype):
    flat = few.images.reshape(-1, 784).astype(dtype)
    names = [*PIXEL_NAMES, "label"]
    batch = pa.record_batch([*(pa.array(column) for column in flat.T), pa.array(few.labels)], names)
    assert pixel_columns(names, "digits.parquet") == PIXEL_NAMES
    np.testing.assert_array_equal(images_of(batch, PIXEL_NAMES, ROWS), few.images)


def encoded(image):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()


def test_pictures_in_a_column_are_read_as_files_are(few):
    files = [encoded(image) for image in (*few.images, np.zeros((28, 28), np.uint8))]
    expected = [*(read_picture(file) for file in files[:-1]), np.zeros((28, 28), np.uint8)]
    for column in (pa.array(files), pa.array([{"bytes": file, "path": None} for file in files])):
        found = images_of(pa.record_batch({"image": column}), ["image"], ROWS)
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("wrong", [b"no picture", None])
def test_a_picture_in_a_column_that_cannot_be_read_is_named(few, wrong):
    batch = pa.record_batch({"image": pa.array([encoded(few.images[0]), wrong])})
    with pytest.raises(DataError, match=r"^digits.parquet, row 102: "):
        images_of(batch, ["image"], ROWS)


def replaced(row, value):
    """Lists of pixels, of which one row is another."""
    return [[0] * 784] * row + [value] + [[0] * 784]


@pytest.mark.parametrize(
    ("column", "row"),
    [
        (replaced(2, None), "103"),
        (replaced(2, [0] * 783), "103"),
        (replaced(1, [0] * 783 + [256]), "102"),
        (replaced(0, [-1] + [0] * 783), "101"),
        (replaced(2, [None] + [0] * 783), "103"),
        ([[[0] * 28] * 28, [[0] * 28] * 27], "102"),
        ([[[0] * 28] * 28, [[0] * 28] * 27 + [[0] * 29]], "102"),
        ([[[0] * 28] * 28, [[0] * 28] * 27 + [None]], "102"),
        ([bytes(784), bytes(783)], "102"),
        ([bytes(784), None], "102"),
    ],
)
def test_a_wrong_row_is_named(column, row):
    with pytest.raises(DataError, match=f"^digits.parquet, row {row}: expected "):
        read(pa.array(column))


def test_a_null_in_a_column_of_kaggle_is_named():
    columns = [pa.array([0, 0, None if name == "pixel7" else 0], pa.int64()) for name in PIXEL_NAMES]
    with pytest.raises(DataError, match="row 103: expected a value, got NULL"):
        images_of(pa.record_batch(columns, PIXEL_NAMES), PIXEL_NAMES, ROWS)


@pytest.mark.parametrize("column", [[0.5] * 2, [1, 2], ["7", "8"], [[0.0] * 784] * 2, [[[[0]]]]])
def test_a_column_of_another_type_is_an_error_of_the_file(column):
    with pytest.raises(DataError, match="^digits.parquet"):
        read(pa.array(column))


def test_a_file_without_pixels_is_an_error_that_lists_its_columns():
    with pytest.raises(DataError, match="got id, label, pixel0"):
        pixel_columns(["id", "label", *PIXEL_NAMES[:-1]], "digits.parquet")
