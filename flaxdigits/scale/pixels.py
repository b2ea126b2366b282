"""Digits in Arrow tables: which columns hold them, and their pixels, checked row by row."""

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from flaxdigits.convention import INK, PIXELS, SIDE
from flaxdigits.data.kaggle_csv import PIXEL_NAMES
from flaxdigits.errors import DataError
from flaxdigits.pictures.normalization import to_mnist
from flaxdigits.pictures.reading import read_grey

if TYPE_CHECKING:
    import pyarrow as pa

COLUMN = "pixels"
PICTURE = "image"  # a column of encoded pictures, as in Hugging Face's data sets


@dataclass(frozen=True)
class Rows:
    """Where rows of a file are, for messages.

    Attributes:
        file: the name of the file.
        first: the number of the first of the rows, from 1.
    """

    file: str
    first: int

    def check(self, right: np.ndarray, expected: str, found: np.ndarray, each: int = 1) -> None:
        """Checks values of the rows.

        Args:
            right: bool [n * each], which of them are as expected.
            expected: what they should be, in words.
            found: [n * each], the values to be shown.
            each: values in a row.

        Raises:
            DataError: naming the first row with a wrong value.
        """
        if not right.all():
            wrong = int(np.argmin(right))
            row = self.first + wrong // each
            raise DataError(f"{self.file}, row {row:,}: expected {expected}, got {found[wrong]}")


def pixel_columns(names: list[str], file: str) -> list[str]:
    """Returns the columns that hold the digits: `pixels`, or Kaggle's pixel0 to pixel783, or `image`.

    Raises:
        DataError: if there are none.
    """
    for columns in ([COLUMN], PIXEL_NAMES, [PICTURE]):
        if set(columns) <= set(names):
            return columns
    found = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
    raise DataError(f"{file}: expected a column {COLUMN} or {PICTURE}, or pixel0 to pixel783; got {found}")


def images_of(batch: "pa.RecordBatch", columns: list[str], rows: Rows) -> np.ndarray:
    """Returns the pixels of a batch, uint8 [n, 28, 28].

    Args:
        batch: rows of a table.
        columns: as `pixel_columns` returns them. `pixels` is binary, 784 bytes in each row; or a list of 784 integers
            or of 28 lists of 28, also of a fixed size or as a tensor. `image` has a picture of one digit in each row,
            the bytes of a file, or a struct with these as `bytes`.
        rows: where the rows are, for messages.

    Raises:
        DataError: naming the first row with a missing value, or with one that is not an integer from 0 to 255.
    """
    if columns == [PICTURE]:
        return _decoded(batch.column(PICTURE), rows)
    if columns == [COLUMN]:
        values = _unpacked(batch.column(COLUMN), rows)
    else:
        values = np.stack([_integers(batch.column(name), rows) for name in columns], axis=1)
    flat = values.reshape(-1)
    if flat.dtype != np.uint8:
        rows.check((flat >= 0) & (flat <= INK), f"pixels from 0 to {INK}", flat, PIXELS)
    return flat.astype(np.uint8, copy=False).reshape(-1, SIDE, SIDE)


def _decoded(array: "pa.Array", rows: Rows) -> np.ndarray:
    """Returns the digits of encoded pictures, as `read_picture` does; one in which nothing stands out is empty."""
    from pyarrow import types

    if types.is_struct(array.type) and "bytes" in array.type.names:
        array = array.field("bytes")
    _check_present(array, rows)
    if not (types.is_binary(array.type) or types.is_large_binary(array.type)):
        raise DataError(f"{rows.file}: expected pictures as bytes in column {PICTURE}, got {array.type}")
    images = np.zeros((len(array), SIDE, SIDE), np.uint8)
    for place, content in enumerate(array.to_pylist()):
        grey = read_grey(content, f"{rows.file}, row {rows.first + place:,}")
        with suppress(DataError):
            images[place] = to_mnist(grey, rows.file)
    return images


def _unpacked(array: "pa.Array", rows: Rows) -> np.ndarray:
    """Returns the values of a column in which each row holds all pixels, integers [n * 784]."""
    from pyarrow import compute, types

    array = getattr(array, "storage", array)  # of a tensor
    if types.is_binary(array.type) or types.is_large_binary(array.type) or types.is_fixed_size_binary(array.type):
        _check_present(array, rows)
        lengths = compute.binary_length(array).to_numpy(zero_copy_only=False)
        rows.check(lengths == PIXELS, f"{PIXELS} bytes", lengths)
        return np.frombuffer(b"".join(array.to_pylist()), np.uint8)
    each = 1
    while hasattr(array.type, "value_type"):
        _check_present(array, rows, each)
        expected = SIDE if each > 1 or hasattr(array.type.value_type, "value_type") else PIXELS
        lengths = compute.list_value_length(array).to_numpy(zero_copy_only=False)
        rows.check(lengths == expected, f"{expected} values", lengths, each)
        each, array = each * expected, array.flatten()
    if each != PIXELS:
        raise DataError(f"{rows.file}: expected {PIXELS} values in each row of {COLUMN}, got one of {array.type}")
    return _integers(array, rows, each)


def _integers(array: "pa.Array", rows: Rows, each: int = 1) -> np.ndarray:
    _check_present(array, rows, each)
    values = array.to_numpy(zero_copy_only=False)
    if values.dtype.kind not in "iu":
        raise DataError(f"{rows.file}: expected pixels as integers from 0 to {INK}, got {array.type}")
    return values


def _check_present(array: "pa.Array", rows: Rows, each: int = 1) -> None:
    if array.null_count:
        present = array.is_valid().to_numpy(zero_copy_only=False)
        rows.check(present, "a value", np.full(len(array), "NULL"), each)
