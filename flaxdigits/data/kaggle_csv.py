"""Kaggle's CSV of digits: an optional header, an optional label and 784 pixels in each row.

The text is parsed in blocks by operations on whole arrays, which accept only integers from 0 to 255, commas and line
feeds. A block with anything else, such as spaces or an error, is parsed a second time, slowly, cell by cell.
"""

from collections.abc import Callable, Iterator
from itertools import zip_longest
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from flaxdigits.convention import CLASSES, PIXELS, SIDE
from flaxdigits.data.digits import Digits
from flaxdigits.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

LABEL = "label"
INDEX_NAMES = ("", "Unnamed: 0", "index")  # of an index column: in a CSV, as read by pandas, and after reset_index
WITHOUT_INDEX = "leave it out, as frame.to_csv(path, index=False) does"
PIXEL_NAMES = [f"pixel{i}" for i in range(PIXELS)]
WIDTHS = f"{PIXELS + 1} columns (a label and {PIXELS} pixels) or {PIXELS}"
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
LONGEST_LINE = 2**16  # bytes: 83 for each cell of a row
BLOCK = 2**18  # bytes: what is computed from a block stays in the L2 cache
LAST_OF_ROW = 1024  # added to the value of a row's last cell, which is at most 999


def read_blocks(open_binary: Callable[[], BinaryIO], name: str) -> Iterator[Digits]:
    """Reads digits from CSV text, and yields them in blocks of about a hundred.

    Args:
        open_binary: opens the text, UTF-8.
        name: the name used in messages, and of the digits.

    Raises:
        DataError: naming the row (from 1, the header not counted) and the column.
        UnicodeDecodeError, OSError: from opening and reading the text; see `source.readable`.
    """
    with open_binary() as file:
        try:
            yield from _read_blocks(file, name)
        except (DataError, UnicodeDecodeError):
            while file.read(BLOCK):  # to its end, where gzip and zip detect damage, which explains the error better
                pass
            raise


def _read_blocks(file: BinaryIO, name: str) -> Iterator[Digits]:
    begun = file.readline(LONGEST_LINE)
    first, end, rest = _with_line_feeds(begun).removeprefix(BYTE_ORDER_MARK).partition(b"\n")
    if not end and len(begun) == LONGEST_LINE:
        raise DataError(f"{name}: not a CSV of digits: its first line has more than {LONGEST_LINE:,} bytes")
    columns, has_header = _columns(first.decode(), name)
    row = 0
    for block in _whole_lines(file, rest if has_header else first + b"\n" + rest, name):
        table = _parse(block, len(columns))
        if table is None:
            table = _parse(block.replace(b", ", b","), len(columns))
        if table is None:
            table = _parse_slowly(block, columns, row, name)
        if len(table):
            yield _digits(table, columns, name, row)
        row += len(table)
    if not row:
        raise DataError(f"{name}: no rows of digits under the header")


def _with_line_feeds(text: bytes) -> bytes:
    """Returns text with the line ends of Windows and of old Macs replaced."""
    return text.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if b"\r" in text else text


def _whole_lines(file: BinaryIO, begun: bytes, name: str) -> Iterator[bytes]:
    """Yields the text already read and the rest of a file, in blocks of whole lines."""
    while read := file.read(BLOCK):
        text = begun + read
        end = max(text.rfind(b"\n"), text.rfind(b"\r", 0, -1)) + 1  # a \r at the very end may be half of a line end
        if len(text) - end > LONGEST_LINE:
            raise DataError(f"{name}: not a CSV of digits: a line has more than {LONGEST_LINE:,} bytes")
        yield _with_line_feeds(text[:end])
        begun = text[end:]
    yield _with_line_feeds(begun)


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
    """Returns the names of the columns, from the header or from their number, and whether there is a header."""
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


def _parse(block: bytes, columns: int) -> np.ndarray | None:
    """Returns whole lines as uint8 [rows, columns]; None if they hold anything but integers 0..255 and commas."""
    text = np.frombuffer(block.rstrip(b"\n") + b"\n", np.uint8)
    units = text - np.uint8(ord("0"))  # other characters wrap around to 10 or more
    digit = units < 10
    ends = ~digit  # of the cells
    line_ends = text == ord("\n")
    cells, rows = np.count_nonzero(ends), np.count_nonzero(line_ends)
    if cells != rows * columns or np.count_nonzero(text == ord(",")) != cells - rows:
        return None
    pairs = digit[1:] & digit[:-1]
    if ends[0] or (ends[1:] & ends[:-1]).any() or (pairs[2:] & pairs[:-2]).any():  # an empty cell, or four digits
        return None
    units *= digit
    values = units.astype(np.uint16)
    values[1:] += units[:-1] * np.uint16(10)
    values[2:] += units[:-2] * digit[1:-1] * np.uint16(100)
    values[:-1] += line_ends[1:] * np.uint16(LAST_OF_ROW)
    table = np.compress(ends[1:], values[:-1]).reshape(rows, columns)
    table[:, -1] -= LAST_OF_ROW  # wraps around if a row has a different number of cells
    return table.astype(np.uint8) if table.max() <= 255 else None


def _parse_slowly(block: bytes, columns: list[str], before: int, name: str) -> np.ndarray:
    """Returns whole lines as uint8 [rows, columns]; spaces around cells and blank lines are allowed.

    Raises:
        DataError: for the first cell that is not an integer from 0 to 255, or the first row of a different width.
    """
    table: list[list[int]] = []
    for line in filter(str.strip, block.decode().split("\n")):
        row = before + len(table) + 1
        cells = [cell.strip() for cell in line.split(",")]
        if len(cells) != len(columns):
            raise DataError(f"{name}, row {row}: expected {len(columns)} columns, got {len(cells)}")
        for column, cell in zip(columns, cells, strict=True):
            if not _is_byte(cell):
                raise DataError(_bad_cell(name, row, column, cell))
        table.append([int(cell) for cell in cells])
    return np.array(table, np.uint8).reshape(-1, len(columns))


def _is_byte(cell: str) -> bool:
    return len(cell) <= 9 and cell.isascii() and cell.isdecimal() and int(cell) <= 255


def _bad_cell(name: str, row: int, column: str, found: object) -> str:
    top = 9 if column == LABEL else 255
    shown = repr(found) if isinstance(found, str) else found
    return f"{name}, row {row}, {column}: expected an integer from 0 to {top}, got {shown}"


def _digits(table: np.ndarray, columns: list[str], name: str, before: int = 0) -> Digits:
    """Returns the digits of a table that follows `before` other rows."""
    if LABEL not in columns:
        return Digits(table.reshape(-1, SIDE, SIDE), name=name)
    at = columns.index(LABEL)
    labels = table[:, at]
    wrong = np.flatnonzero(labels >= CLASSES)
    if len(wrong):
        raise DataError(_bad_cell(name, before + int(wrong[0]) + 1, LABEL, labels[wrong[0]]))
    return Digits(np.delete(table, at, axis=1).reshape(-1, SIDE, SIDE), labels, name=name)
