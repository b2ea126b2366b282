"""Orbax, as the checkpoints use it."""

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache, wraps
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


def in_own_thread(function: Callable[P, R]) -> Callable[P, R]:
    """Runs a function in a thread of its own, away from a running event loop such as a notebook's.

    Orbax would start a second event loop beside it, and may close its own before the last callback.
    """

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        with ThreadPoolExecutor(max_workers=1) as executor:
            return executor.submit(function, *args, **kwargs).result()

    return run


@contextmanager
def orbax_context(folder: Path, processes: set[int]) -> Iterator[tuple[Any, Path]]:
    """Yields Orbax, configured for these processes, and the folder's path in a form that it accepts.

    Each process restores for itself: the state is the same in all of them, and only the first one exports.
    """
    from orbax.checkpoint import v1 as ocp  # takes a second, which the start of training need not wait for

    _silence()
    options = ocp.options.MultiprocessingOptions(primary_host=min(processes), active_processes=processes)
    with _without_brackets(folder.resolve()) as path, ocp.Context(multiprocessing_options=options):
        yield ocp, path  # which is absolute


@cache
def _silence() -> None:
    """Keeps Orbax out of absl's log, where it reports each file; its errors are exceptions too.

    For good: after an error its other threads go on, and log theirs.
    """
    logging.getLogger("absl").addFilter(lambda record: "orbax" not in Path(record.pathname).parts)


@contextmanager
def _without_brackets(folder: Path) -> Iterator[Path]:
    """Yields a path to the folder without `[`, which Orbax would read as a glob pattern that matches nothing."""
    if "[" not in str(folder):
        yield folder
        return
    with TemporaryDirectory() as temporary:
        link = Path(temporary) / "checkpoints"
        link.symlink_to(folder, target_is_directory=True)
        yield link
