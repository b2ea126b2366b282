"""`flaxdigits predict --engine ray`: parts in Parquet, and the progress of writing them."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from pathlib import Path

from flaxdigits.bulk import Options
from flaxdigits.scale.engine import read_parts
from flaxdigits.scale.job import plan
from flaxdigits_cli.show import note, parts_bar, say


def read_at_scale(files: list[str], out: Path, options: Options) -> int:
    """Reads the inputs into parts and prints a line about them; returns 1 if there were errors."""
    for kind in (signal.SIGINT, signal.SIGTERM):
        signal.signal(kind, stop)
    job = plan(files, out, options)
    what = "files" if job.of_pictures else "digits"
    began = time.monotonic()
    new = rows = parts = errors = 0
    with without_ray_messages(), parts_bar(job.inputs, what) as (move, line):
        for part in read_parts(job):
            move(part.inputs)
            new += part.inputs if part.is_new and part.rows else 0
            rows += part.rows
            parts += part.rows > 0
            errors += len(part.errors)
            for error in part.errors:
                line(f"flaxdigits: {error}")
    seconds = time.monotonic() - began
    rate = f" in {seconds:.1f} s, {new / seconds:,.1f} a second" if new else ""
    say(f"{out}: {rows:,} rows in {parts:,} part{'s' * (parts != 1)}; {new:,} {what} read now{rate}")
    if errors > 1:
        note(f"flaxdigits: {errors:,} {'files' if job.of_pictures else 'parts'} could not be read")
    return 1 if errors else 0


def stop(kind: int, _: object) -> None:
    """Ends the program at once, and Ray's processes with it: in Ray, an exception may be lost, or crash the program."""
    with suppress(OSError, RuntimeError):
        note("stopped; finished parts are kept: run the same command again to resume")
    os._exit(128 + kind)


@contextmanager
def without_ray_messages() -> Iterator[None]:
    """Keeps Ray's messages off the terminal: its C++ prints to descriptor 2, its threads to standard output.

    Both files stay open: Ray's loggers keep what was standard error when they were created, and use it until the end.
    Ray's processes inherit neither descriptor: some live for a minute longer, and would keep a pipe open.
    """
    for stream in filter(None, (sys.stdout, sys.stderr)):
        stream.flush()
    stdout, stderr = os.dup(1), os.dup(2)
    ours = os.fdopen(stderr, "w", buffering=1, errors="backslashreplace")
    nowhere = Path(os.devnull).open("w")  # noqa: SIM115
    for descriptor in (1, 2):
        os.dup2(nowhere.fileno(), descriptor)
    try:
        with redirect_stderr(ours), redirect_stdout(nowhere):
            yield
    finally:
        os.dup2(stdout, 1)
        os.close(stdout)
        os.dup2(stderr, 2)
