"""A job: the inputs as units of work, each of which becomes a part, and the manifest of the folder of parts."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from flaxdigits import __version__, atomic
from flaxdigits.bulk import Options
from flaxdigits.data.inputs import expand
from flaxdigits.errors import DataError, PartsError
from flaxdigits.extras import missing, require
from flaxdigits.inference.recognizer import Recognizer
from flaxdigits.locking import lock
from flaxdigits.pictures.reading import picture_files
from flaxdigits.scale.pixels import pixel_columns

SUFFIX = ".parquet"
MANIFEST = "_manifest.json"  # readers of a folder of Parquet files ignore names that begin with _ or .
ROWS = 2**16  # of a Parquet file in a unit: a few seconds of work, which is what is lost when a worker dies
PICTURES = 256  # in a unit
DEPENDS = {  # what the parts depend on: its name in the manifest, and what the user knows it by
    "flaxdigits": "the version of flaxdigits", "inputs_sha256": "the inputs", "model_sha256": "--model",
    "mode": "--single and --page", "threshold": "--min-confidence", "parts": "the number of parts",
}  # fmt: skip
ADDED = ("digit", "probability", "digitness", "refused")  # the columns that a part adds to those of its input


class Unit(NamedTuple):
    """What a worker reads at a time and writes as one part.

    Attributes:
        part: the name of the part.
        paths: one Parquet file, or some pictures; absolute.
        groups: the first row group, and the one past the last; empty for pictures.
        first: the number of its first row in the file, or of its first picture in the job, from 1.
        inputs: the number of its rows or pictures.
    """

    part: str
    paths: list[str]
    groups: list[int]
    first: int
    inputs: int


@dataclass(frozen=True)
class Job:
    """What to read, how, and where to write it.

    Attributes:
        out: the folder of parts.
        options: how the inputs are read.
        model: the content of the .onnx file.
        units: in the order of the inputs.
        of_pictures: whether the units are pictures, not rows of Parquet files.
    """

    out: Path
    options: Options
    model: bytes
    units: list[Unit]
    of_pictures: bool

    @property
    def inputs(self) -> int:
        """The number of rows or pictures."""
        return sum(unit.inputs for unit in self.units)


def plan(inputs: Sequence[str], out: Path, options: Options) -> Job:
    """Divides inputs into units, and claims the folder of parts for them.

    Args:
        inputs: Parquet files, folders with any at any depth, pictures, and folders of pictures; not of both kinds.
        out: the folder of parts: new, empty, or of an earlier run with the same inputs, model and options.
        options: as for `read_files`; without OpenCV, "auto" is "single".

    Raises:
        DataError: if an input cannot be read, or has no pixels.
        ModelError: if the model cannot be used.
        PartsError: if the folder holds anything else.
        MissingExtraError: without Ray and PyArrow.
    """
    require("ray", "reading with Ray")
    if options.mode == "auto" and missing("pages"):
        options = options._replace(mode="single")
    model = Recognizer(options.model).content
    paths = find_files(inputs, out)
    of_pictures = not paths[0].endswith(SUFFIX)
    units = list(picture_units(paths) if of_pictures else parquet_units(paths))
    job = Job(out.absolute(), options, model, named(units), of_pictures)
    claim(job, {"inputs_sha256": identity(paths)})
    return job


def locked(out: Path) -> AbstractContextManager[object]:
    """Locks a folder of parts until the returned context ends.

    Raises:
        PartsError: if it is locked already.
    """
    return lock(out, PartsError(f"{out}: another process is reading into it", "wait for it to end"))


def find_files(inputs: Sequence[str], out: Path) -> list[str]:
    """Lists the absolute paths of the inputs' files, sorted by name within each input."""
    paths: list[str] = []
    for source in inputs:
        folder = Path(source).absolute()
        if folder.is_dir() and out.resolve().is_relative_to(folder.resolve()):
            raise DataError(f"{out}: is in the folder to be read, {source}; name one outside it")
        parquet = sorted(file for file in folder.rglob(f"*{SUFFIX}") if is_data(file, folder))
        pictures = picture_files(folder) if parquet else [Path(file).absolute() for file in expand(source)]
        paths += map(str, [*parquet, *pictures])
    others = [path for path in paths if not path.endswith(SUFFIX)]
    if others and len(others) < len(paths):
        raise DataError(f"{others[0]}: not a Parquet file, as other inputs are; read the two kinds in separate runs")
    absent = next((path for path in paths if not Path(path).exists()), None)
    if absent:
        raise DataError(f"{absent}: no such file")
    return paths


def is_data(file: Path, folder: Path) -> bool:
    """Returns whether something in a folder is a file that readers of Parquet folders do not ignore."""
    return file.is_file() and not any(part.startswith((".", "_")) for part in file.relative_to(folder).parts)


def parquet_units(paths: list[str]) -> Iterator[Unit]:
    """Yields runs of row groups of at most `ROWS` rows, or a single larger one; their parts are not named yet."""
    for path in paths:
        first, start, count = 1, 0, 0
        rows = rows_of_groups(path)
        for group, more in enumerate(rows):
            if count and count + more > ROWS:
                yield Unit("", [path], [start, group], first, count)
                first, start, count = first + count, group, 0
            count += more
        if count:
            yield Unit("", [path], [start, len(rows)], first, count)


def rows_of_groups(path: str) -> list[int]:
    """Returns the number of rows in each row group of a Parquet file.

    Raises:
        DataError: if it is not one, has no digits, or has a column with a name that a part adds.
    """
    from pyarrow import ArrowException, parquet

    try:
        with parquet.ParquetFile(path) as file:
            names, metadata = file.schema_arrow.names, file.metadata
            rows = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
    except (ArrowException, OSError) as error:
        raise DataError(f"{path}: {' '.join(str(error).split())}") from error
    pixel_columns(names, path)
    taken = next((name for name in names if name in ADDED or names.count(name) > 1), None)
    if taken:
        raise DataError(f"{path}: two columns would be named {taken!r}; rename the existing one")
    return rows


def picture_units(paths: list[str]) -> Iterator[Unit]:
    """Yields runs of pictures; their parts are not named yet."""
    for start in range(0, len(paths), PICTURES):
        run = paths[start : start + PICTURES]
        yield Unit("", run, [], start + 1, len(run))


def named(units: list[Unit]) -> list[Unit]:
    """Names the parts of units by position, so that a second run uses the same names as the first."""
    if not units:
        raise DataError("the inputs have no rows")
    width = max(5, len(str(len(units))))
    return [unit._replace(part=f"part-{place:0{width}}{SUFFIX}") for place, unit in enumerate(units, 1)]


def identity(paths: list[str]) -> str:
    """Returns a SHA-256 of the paths, sizes and modification times of files."""
    digest = hashlib.sha256()
    for path in paths:
        status = Path(path).stat()
        digest.update(f"{path}\0{status.st_size}\0{status.st_mtime_ns}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


def read_manifest(path: Path) -> dict[str, Any]:
    """Reads the manifest of an earlier run.

    Raises:
        PartsError: if it is damaged, or not a manifest.
    """
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise PartsError(f"{path}: damaged, or of another program", "choose another folder") from error


def claim(job: Job, identities: dict[str, str]) -> None:
    """Writes the manifest of a new folder of parts, or compares it with that of an earlier run.

    Raises:
        PartsError: if the folder belongs to another job, or to none.
    """
    manifest = {
        "flaxdigits": __version__, **identities, "model_sha256": hashlib.sha256(job.model).hexdigest(),
        "mode": job.options.mode, "threshold": job.options.threshold, "parts": len(job.units), "inputs": job.inputs,
    }  # fmt: skip
    path = job.out / MANIFEST
    if job.out.exists() and not job.out.is_dir():
        raise PartsError(f"{job.out}: is a file", "name a folder")
    others = job.out.is_dir() and any(not file.name.startswith(".") for file in job.out.iterdir())
    if others and not path.exists():
        raise PartsError(f"{job.out}: holds other files than parts", "choose a new folder")
    with locked(job.out):
        before = read_manifest(path) if path.exists() else {}
        other = [text for name, text in DEPENDS.items() if before.get(name) != manifest[name]]
        if other and any(job.out.glob("part-*")):
            problem = f"{job.out}: holds parts of another reading, with another value of: {', '.join(other)}"
            raise PartsError(problem, "choose another folder, or empty this one")
        atomic.write_text(path, json.dumps(manifest, indent=2) + "\n")
