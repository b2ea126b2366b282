"""Reading at scale: digits a second from Parquet, without Ray, with one worker, with two, and with one of two killed.

`just bench ray_predict [DIGITS]`, by default a million: MNIST's training digits, each copy shifted by up to three
pixels, as fixed-size lists, in ten files with row groups of 10,000. Every way must give each row once, and the same
digits. For Linux: the workers are found in /proc.
"""

import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import ray
from pyarrow import parquet

from benchmarks.tables import print_header, print_row
from flaxdigits import Recognizer, load
from flaxdigits.bulk import Options
from flaxdigits.scale.engine import read_parts
from flaxdigits.scale.job import plan

DIGITS = 1_000_000
FILES = 10
GROUP = 10_000  # rows of a row group
SHIFT = 3  # pixels
BATCH = 4096  # rows read at a time, as the workers do


class Way(NamedTuple):
    """How digits were read, and how long it took.

    Attributes:
        seconds: from the start of Ray, if any, to the last part.
        rate: digits a second between the first part and the last, when all workers run; overall without Ray.
        digits: uint8 [n], in the order of the ids.
    """

    seconds: float
    rate: float
    digits: np.ndarray


def write_digits(folder: Path, count: int) -> None:
    """Writes seeded digits with their ids and labels."""
    source, rng = load(), np.random.default_rng(0)
    for file, ids in enumerate(np.array_split(np.arange(count), FILES)):
        with parquet.ParquetWriter(folder / f"{file}.parquet", table_of(source.images[:1], ids[:1]).schema) as writer:
            for start in range(0, len(ids), GROUP):
                part = ids[start : start + GROUP]
                shifts = rng.integers(-SHIFT, SHIFT + 1, (len(part), 2))
                images = zip(source.images[part % len(source)], shifts, strict=True)
                shifted = np.stack([np.roll(image, tuple(shift), (0, 1)) for image, shift in images])
                writer.write_table(table_of(shifted, part))


def table_of(images: np.ndarray, ids: np.ndarray) -> pa.Table:
    pixels = pa.FixedSizeListArray.from_arrays(pa.array(images.reshape(-1)), images[0].size)
    return pa.table({"id": ids, "pixels": pixels})


def without_ray(folder: Path, out: Path, threads: int) -> Way:
    """Reads with PyArrow and a Recognizer in this process, and writes as many files as were read."""
    out.mkdir()
    recognizer = Recognizer(threads=threads)
    began = time.perf_counter()
    for path in sorted(folder.iterdir()):
        tables = []
        for batch in parquet.ParquetFile(path).iter_batches(BATCH):
            images = batch.column("pixels").flatten().to_numpy().reshape(-1, 28, 28)
            digits = recognizer(images).digits.astype(np.uint8)
            tables.append(pa.table({"id": batch.column("id"), "digit": digits}))
        parquet.write_table(pa.concat_tables(tables), out / path.name)
    seconds = time.perf_counter() - began
    digits = read_back(out)
    return Way(seconds, len(digits) / seconds, digits)


def with_ray(folder: Path, out: Path, workers: int, kill: bool = False) -> Way:
    """Reads with Ray, with a worker for each CPU that Ray is told of; kills one when half of the digits are read."""
    began = time.perf_counter()
    ray.init("local", num_cpus=workers, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    try:
        job = plan([str(folder)], out, Options())
        done, ends = 0, []
        for part in read_parts(job):
            done += part.inputs
            ends.append((time.perf_counter(), done))
            if kill and done >= job.inputs / 2:
                os.kill(next(actors()), signal.SIGKILL)
                kill = False
    finally:
        ray.shutdown()
    (first, before), (last, _) = ends[0], ends[-1]
    return Way(last - began, (done - before) / (last - first), read_back(out))


def actors() -> Iterator[int]:
    """Yields the workers of the cluster that this process has started."""
    found = [described(process) for process in Path("/proc").glob("[0-9]*")]
    raylets = {pid for pid, parent, _ in found if parent == os.getpid()}
    yield from (pid for pid, parent, command in found if parent in raylets and "ray::MapWorker" in command)


def described(process: Path) -> tuple[int, int, str]:
    """Returns the ID of a process, its parent's ID and its command line; without the latter two if it has ended."""
    try:
        parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
        return int(process.name), parent, (process / "cmdline").read_text(errors="replace")
    except OSError:
        return int(process.name), 0, ""


def read_back(out: Path) -> np.ndarray:
    """Returns the digits in the order of their ids; exits unless each id occurs once."""
    table = parquet.read_table(out).sort_by("id")
    if not np.array_equal(table["id"], np.arange(len(table))):
        sys.exit(f"{out}: rows are lost or doubled")
    return table["digit"].to_numpy()


def main() -> None:
    count = int(sys.argv[2]) if len(sys.argv) > 2 else DIGITS
    cores = os.cpu_count() or 1
    ways = {
        "one process without Ray, one thread": lambda folder, out: without_ray(folder, out, 1),
        f"one process without Ray, {cores} threads": lambda folder, out: without_ray(folder, out, cores),
        "Ray, one worker": lambda folder, out: with_ray(folder, out, 1),
        "Ray, two workers": lambda folder, out: with_ray(folder, out, 2),
        "Ray, two workers, one killed midway": lambda folder, out: with_ray(folder, out, 2, kill=True),
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "in").mkdir()
        write_digits(folder / "in", count)
        print(f"{count:,} digits in Parquet, {cores} cores")
        print_header(
            "", "seconds", "digits/s, overall", "digits/s, first to last part", "rows in = rows out", "same digits"
        )
        first = None
        for place, (label, read) in enumerate(ways.items()):
            way = read(folder / "in", folder / str(place))
            first = way if first is None else first
            rows, same = len(way.digits) == count, np.array_equal(way.digits, first.digits)
            rates = f"{count / way.seconds:,.0f}", f"{way.rate:,.0f}"
            print_row(label, f"{way.seconds:.1f}", *rates, "yes" if rows else "NO", "yes" if same else "NO")
            if not (rows and same):
                sys.exit("rows or digits differ")


if __name__ == "__main__":
    main()
