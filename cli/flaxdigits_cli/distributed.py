"""`train --distributed`: one of several processes."""

import os
import re
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer

from flaxdigits_cli.show import note


def meet(coordinator: str | None, processes: int | None, process_id: int | None) -> None:
    """Connects this process to the others; Ctrl-C ends it at once while it waits, in JAX's C++, for them."""
    from flaxdigits.training.processes import connect

    where = f" for {processes} processes at {coordinator}" if coordinator else " for the other processes"
    note(f"waiting{where}; Ctrl-C stops")
    handler = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        connect(coordinator, processes, process_id)
    finally:
        signal.signal(signal.SIGINT, handler)


def check_distributed(
    distributed: bool, run: Path | None, coordinator: str | None, processes: int | None, process_id: int | None
) -> None:
    """Raises a usage error for options of multi-process training that do not go together."""
    by_hand = (coordinator, processes, process_id)
    if not distributed and any(value is not None for value in by_hand):
        raise typer.BadParameter("only together with --distributed", param_hint="--coordinator")
    if distributed and not run:
        raise typer.BadParameter(
            "name the run by --out or --resume, the same in all processes", param_hint="--distributed"
        )
    if coordinator and not re.fullmatch(r".+:\d+", coordinator):
        raise typer.BadParameter(f"expected HOST:PORT, got {coordinator}", param_hint="--coordinator")
    if processes and process_id and process_id >= processes:
        raise typer.BadParameter(f"expected 0 to {processes - 1}, got {process_id}", param_hint="--process-id")
    if len({value is None for value in by_hand}) > 1:
        raise typer.BadParameter("--coordinator, --processes and --process-id go together", param_hint="--coordinator")


def is_connected() -> bool:
    """Returns whether this process is one of several."""
    from flaxdigits.training import processes

    return processes.connected


@contextmanager
def results_only() -> Iterator[None]:
    """Keeps standard output for results: gloo, which connects processes on CPUs, would print its own lines there."""
    if not is_connected():
        yield
        return
    sys.stdout.flush()
    stdout = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        os.dup2(stdout, 1)
        os.close(stdout)
