"""Kaggle's CSV of digits: an optional header, an optional label and 784 pixels in each row.

The text is parsed by `np.loadtxt` straight into uint8, which rejects everything but integers from
0 to 255. Only if it does is the text read a second time, slowly, to find the row and the column.
"""

import warnings
from collections.abc import Callable
from itertools import islice, zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import numpy as np

from flaxdigits.convention import PIXELS, SIDE
from flaxdigits.data.digits import Digits
from flaxdigits.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

LABEL = "label"
INDEX_NAMES = ("", "Unnamed: 0", "index")  # of the index: in a CSV, as pandas reads that, and after reset_index
WITHOUT_INDEX = "leave it out, as frame.to_csv(path, index=False) does"
PIXEL_NAMES = [f"pixel{i}" for i in range(PIXELS)]
CSV_FORM: dict[str, Any] = {"delimiter": ",", "ndmin": 2, "comments": None}
WIDTHS = f"{PIXELS + 1} columns (a label and {PIXELS} pixels) or {PIXELS}"


def read_csv(open_text: Callable[[], TextIO], name: str, path: Path | None = None) -> Digits:
    """Reads digits from CSV text.

    Args:
        open_text: opens the text; called again for each pass over it.
        name: the name used in messages.
        path: the file, if it is plain text: numpy reads a path twice as fast as a stream.

    Returns:
        The digits, with labels if there is a label column.

    Raises:
        DataError: naming the row (from 1, the header not counted) and the column.
        UnicodeDecodeError, OSError: as opening and reading the text raises them; see `source.readable`.
    """
    with open_text() as text:
        first, has_more = text.readline(), any(line.strip() for line in text)
    columns, has_header = _columns(first, name)
    if has_header and not has_more:
        raise DataError(f"{name}: no rows of digits under the header")
    table = _parse(open_text, path, skip=int(has_header))
    if table is None or table.shape[1] != len(columns):
        raise _explain(open_text, columns, has_header, name)
    return _digits(table, columns, name)


def read_frame(frame: "pd.DataFrame", name: str = "DataFrame") -> Digits:
    """Reads digits from a pandas DataFrame in Kaggle's form, without importing pandas.

    Raises:
        DataError: naming the row (from 1) and the column.
    """
    columns = [str(column) for column in frame.columns]
    _check_columns(columns, name)
    for column, kind in zip(columns, frame.dtypes, strict=True):
        if kind.kind not in "iu":
            raise DataError(f"{name}, {column}: expected integers, got {kind}")
    if frame.isna().to_numpy().any():
        raise DataError(f"{name}: expected integers, got missing values")
    values = frame.to_numpy(np.int64)
    wrong = np.argwhere((values < 0) | (values > 255))
    if len(wrong):
        row, column = wrong[0]
        raise DataError(_bad_cell(name, row + 1, columns[column], values[row, column]))
    return _digits(values.astype(np.uint8), columns, name)


def _columns(first: str, name: str) -> tuple[list[str], bool]:
    """Returns the names of the columns, from the header or by their number, and whether there is a header."""
    if "," not in first:
        raise DataError(f"{name}: not a CSV of digits: no comma in its first line")
    cells = [cell.strip().strip('"') for cell in first.split(",")]
    has_header = any(cell[:1].isalpha() for cell in cells[:2])
    columns = cells if has_header else _columns_by_number(len(cells), name)
    _check_columns(columns, name)
    return columns, has_header


def _columns_by_number(count: int, name: str) -> list[str]:
    if count not in (PIXELS, PIXELS + 1):
        hint = WITHOUT_INDEX if count == PIXELS + 2 else ""
        raise DataError(f"{name}, row 1: expected {WIDTHS}, got {count}", hint)
    return [LABEL, *PIXEL_NAMES][-count:]


def _check_columns(columns: list[str], name: str) -> None:
    if columns[:1] and columns[0] in INDEX_NAMES:
        raise DataError(f"{name}, header: expected {WIDTHS}, got an index before them", WITHOUT_INDEX)
    if len(columns) not in (PIXELS, PIXELS + 1):
        raise DataError(f"{name}, header: expected {WIDTHS}, got {len(columns)}")
    names = PIXEL_NAMES if LABEL in columns else [LABEL, *PIXEL_NAMES][-len(columns) :]
    others = [column for column in columns if column != LABEL]
    for found, expected in zip_longest(others, names):
        if found != expected:
            raise DataError(f"{name}, header: expected column {expected}, got {repr(found) if found else 'no more'}")


def _parse(open_text: Callable[[], TextIO], path: Path | None, skip: int) -> np.ndarray | None:
    """Parses the numbers as uint8 [rows, columns]; returns None if numpy rejects them."""
    with warnings.catch_warnings():
        # Older numpy reads 256 as 0 and 0.5 as 0, with no more than a DeprecationWarning.
        warnings.simplefilter("error", DeprecationWarning)
        try:
            if path is not None:
                return np.loadtxt(path, np.uint8, skiprows=skip, encoding="utf-8-sig", **CSV_FORM)
            with open_text() as text:
                return np.loadtxt(islice(text, skip, None), np.uint8, **CSV_FORM)
        except UnicodeDecodeError:
            raise
        except (ValueError, DeprecationWarning):
            return None


def _explain(open_text: Callable[[], TextIO], columns: list[str], has_header: bool, name: str) -> DataError:
    """Returns the error for the first cell that is not an integer from 0 to 255, or the first row of another width."""
    with open_text() as text:
        filled = (line for line in islice(text, int(has_header), None) if line.strip())
        for row, line in enumerate(filled, 1):
            cells = [cell.strip() for cell in line.split(",")]
            if len(cells) != len(columns):
                return DataError(f"{name}, row {row}: expected {len(columns)} columns, got {len(cells)}")
            for column, cell in zip(columns, cells, strict=True):
                if not _is_byte(cell):
                    return DataError(_bad_cell(name, row, column, cell))
    return DataError(f"{name}: not a table of integers from 0 to 255")


def _is_byte(cell: str) -> bool:
    return len(cell) <= 9 and cell.isascii() and cell.isdecimal() and int(cell) <= 255


def _bad_cell(name: str, row: int, column: str, found: object) -> str:
    top = 9 if column == LABEL else 255
    shown = repr(found) if isinstance(found, str) else found
    return f"{name}, row {row}, {column}: expected an integer from 0 to {top}, got {shown}"


def _digits(table: np.ndarray, columns: list[str], name: str) -> Digits:
    if LABEL not in columns:
        return Digits(table.reshape(-1, SIDE, SIDE), name=name)
    at = columns.index(LABEL)
    pixels = np.delete(table, at, axis=1)
    return Digits(pixels.reshape(-1, SIDE, SIDE), table[:, at], name=name)
