"""A part: a unit of work, read and written atomically as one Parquet file. Runs in a worker, without Ray."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from flaxdigits import atomic
from flaxdigits.bulk import Options, Result, read_batch
from flaxdigits.errors import DataError, PartsError
from flaxdigits.inference.recognizer import Recognizer
from flaxdigits.scale.job import Unit
from flaxdigits.scale.pixels import Rows, images_of, pixel_columns

if TYPE_CHECKING:
    import pyarrow as pa

BATCH = 4096  # rows in memory as pixels, 26 MB as 64-bit integers
TRIES = 3  # after which a unit is assumed to be what kills its workers


class Part(NamedTuple):
    """The outcome of a unit.

    Attributes:
        name: of the part.
        inputs: the number of rows or pictures of the unit.
        rows: of the part; 0 if there is none because its rows cannot be read.
        errors: a line for each picture that cannot be read, or one for rows.
        is_new: whether it was read just now, not by an earlier run.
    """

    name: str
    inputs: int
    rows: int
    errors: list[str]
    is_new: bool = True


def read_unit(unit: Unit, out: Path, recognizer: Recognizer, options: Options) -> Part:
    """Reads a unit and writes its part; errors in the input are returned in it, not raised.

    Raises:
        OSError: if the part cannot be written.
    """
    from pyarrow import parquet

    tries = out / f".{unit.part}.tries"
    with tries.open("a") as file:
        file.write("x")  # before the work, which may kill the process
    try:
        if tries.stat().st_size > TRIES:
            place = f", row {unit.first:,}," if unit.groups else ""
            raise DataError(f"{unit.paths[0]}{place} and what follows: {TRIES} workers died reading {unit.part}")
        table = read_pictures(unit, recognizer, options) if not unit.groups else read_rows(unit, recognizer, options)
        with atomic.replacing(out / unit.part) as beside:
            parquet.write_table(table, beside)
        return Part(unit.part, unit.inputs, len(table), errors_of(table) if not unit.groups else [])
    except DataError as error:
        return Part(unit.part, unit.inputs, 0, [str(error)])
    finally:
        tries.unlink(missing_ok=True)


def read_rows(unit: Unit, recognizer: Recognizer, options: Options) -> "pa.Table":
    """Reads rows of a Parquet file; returns its columns except for the pixels, and what was read."""
    import pyarrow as pa
    from pyarrow import parquet

    (path,) = unit.paths
    tables, first = [], unit.first
    try:
        with parquet.ParquetFile(path) as file:
            columns = pixel_columns(file.schema_arrow.names, path)
            for batch in file.iter_batches(BATCH, row_groups=list(range(*unit.groups))):
                images = images_of(batch, columns, Rows(path, first))
                tables.append(with_digits(batch.drop_columns(columns), images, recognizer, options.threshold))
                first += len(batch)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path}, row {first:,} or later: {' '.join(str(error).split())}") from error
    if first != unit.first + unit.inputs:
        raise DataError(f"{path}: expected {unit.inputs:,} rows from {unit.first:,} on, got {first - unit.first:,}")
    return pa.concat_tables(tables)


def with_digits(
    others: "pa.RecordBatch", images: np.ndarray, recognizer: Recognizer, threshold: float | None
) -> "pa.Table":
    """Returns columns, with columns added for the digits read from as many images."""
    import pyarrow as pa

    found = recognizer(images)
    refused = found.digitness < (recognizer.threshold if threshold is None else threshold)
    added = {
        "digit": found.digits.astype(np.uint8),
        "probability": found.confidences,
        "digitness": found.digitness,
        "refused": refused,
    }
    columns = {name: others.column(name) for name in others.schema.names} | {
        name: pa.array(values) for name, values in added.items()
    }
    return pa.table(columns)


def read_pictures(unit: Unit, recognizer: Recognizer, options: Options) -> "pa.Table":
    """Reads pictures: one row per digit, per picture without digits, or per picture that cannot be read."""
    import pyarrow as pa

    rows: list[dict[str, Any]] = []
    for path, found in zip(unit.paths, read_batch(unit.paths, recognizer, options), strict=True):
        if isinstance(found, DataError):
            rows.append({"file": path, "error": str(found)})
        else:
            rows += [row for result in found for row in rows_of(result)]
    return pa.Table.from_pylist(rows, schema=picture_schema())


def rows_of(result: Result) -> list[dict[str, Any]]:
    """Returns a row for each digit of a picture."""
    rows = []
    for reading in result.readings:
        left, top, right, bottom = reading.box or [None] * 4
        box = {"left": left, "top": top, "right": right, "bottom": bottom}
        rows.append({"file": result.name} | reading.as_dict() | box)
    return rows or [{"file": result.name}]


def picture_schema() -> "pa.Schema":
    """Returns the columns of a part of pictures: those of `predict --format csv`, and the error."""
    import pyarrow as pa

    integers = dict.fromkeys(("left", "top", "right", "bottom"), pa.int32())
    figures = {"digit": pa.uint8(), "probability": pa.float32(), "digitness": pa.float32(), "refused": pa.bool_()}
    return pa.schema(
        {"file": pa.string(), "line": pa.int32(), "number": pa.int32()} | figures | integers | {"error": pa.string()}
    )


def finished_part(unit: Unit, out: Path) -> Part | None:
    """Returns the part of a unit that an earlier run has written; None if there is none.

    Raises:
        PartsError: if it is damaged.
    """
    from pyarrow import ArrowException, parquet

    path = out / unit.part
    if not path.exists():
        return None
    try:
        with parquet.ParquetFile(path) as file:
            errors = errors_of(file.read(["error"])) if not unit.groups else []
            return Part(unit.part, unit.inputs, file.metadata.num_rows, errors, is_new=False)
    except (ArrowException, OSError) as error:
        raise PartsError(f"{path}: damaged", "delete it, and run the command again") from error


def errors_of(table: "pa.Table") -> list[str]:
    """Returns the errors in a part of pictures."""
    return table.column("error").drop_null().to_pylist()
