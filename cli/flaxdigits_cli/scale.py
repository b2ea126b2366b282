"""`flaxdigits predict --engine ray`: parts in Parquet, and the progress of writing them."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

from flaxdigits.bulk import Options
from flaxdigits.scale.engine import read_parts
from flaxdigits.scale.job import plan
from flaxdigits_cli.show import note, parts_bar


def read_at_scale(files: list[str], out: Path, options: Options) -> int:
    """Writes what is read as parts, prints a line about them; returns 1 if there were errors."""
    job = plan(files, out, options)
    what = "files" if job.of_pictures else "digits"
    began = time.monotonic()
    new = rows = errors = 0
    with without_ray_messages(), parts_bar(job.inputs, what) as (move, line):
        for part in read_parts(job):
            move(part.inputs)
            new += part.inputs if part.is_new else 0
            rows += part.rows
            errors += len(part.errors)
            for error in part.errors:
                line(f"flaxdigits: {error}")
    seconds = time.monotonic() - began
    print(f"{out}: {rows:,} rows in {len(job.units):,} parts; {new:,} {what} read now, {new / seconds:,.0f} a second")
    if errors:
        note(f"flaxdigits: {errors:,} {'files' if job.of_pictures else 'parts'} could not be read")
    return 1 if errors else 0


@contextmanager
def without_ray_messages() -> Iterator[None]:
    """Keeps Ray's messages off the terminal: its C++ prints to descriptor 2, its threads to standard output."""
    sys.stderr.flush()
    terminal = os.dup(2)
    with (
        Path(os.devnull).open("w") as nowhere,
        os.fdopen(terminal, "w", buffering=1, errors="backslashreplace") as ours,
    ):
        os.dup2(nowhere.fileno(), 2)
        try:
            with redirect_stderr(ours), redirect_stdout(nowhere):
                yield
        finally:
            os.dup2(terminal, 2)
