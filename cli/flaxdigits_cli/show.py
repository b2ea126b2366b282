"""Output: lines without control characters, notes on standard error, and progress bars."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from flaxdigits.printable import printable

if TYPE_CHECKING:
    from rich.console import Console

    from flaxdigits.training.setup import Progress

MANY_FILES = 100  # from which a progress bar is shown


def say(message: object) -> None:
    """Prints a line of a result for people to read, escaped, as a file name may contain anything."""
    print(printable(str(message)), flush=True)


def note(message: str) -> None:
    """Prints a line that is not a result."""
    print(printable(message), file=sys.stderr, flush=True)


def to_json(value: Any, indent: int | None = None) -> str:
    """Returns a value as JSON in ASCII, which escapes every control character; json itself leaves one."""
    return json.dumps(value, indent=indent).replace("\x7f", "\\u007f")


def check_picture(picture: Path, out: Path, option: str) -> None:
    """Raises a usage error if an output is not a PNG file, or would replace the picture that it is made from."""
    if out.suffix.lower() != ".png":
        raise typer.BadParameter(f"{option} writes a PNG; name a file that ends in .png")
    if out.exists() and picture.exists() and out.samefile(picture):
        raise typer.BadParameter(f"{option} would replace the picture; name another file")


def note_temperature(temperature: float) -> None:
    """Prints a note if a model is not calibrated."""
    if temperature == 1:
        note("note: temperature 1, so the probabilities are not calibrated; that needs held-out digits (validation)")


def command_line() -> str:
    """Returns the running command, as one would type it."""
    import shlex

    return shlex.join(["flaxdigits", *sys.argv[1:]])


def recorded_command() -> str:
    """Returns the running command as recorded in a file: with only the last part of each absolute path."""
    import shlex

    return shlex.join(["flaxdigits", *(Path(word).name if Path(word).is_absolute() else word for word in sys.argv[1:])])


@contextmanager
def training_bar(batch_size: int) -> Iterator[tuple[Callable[["Progress"], None], Callable[[str], None]]]:
    """Yields two functions: one moves the bar, the other prints a line above it.

    Without a terminal there is no bar, and the lines are plain. The lines for epochs of pretraining, for which
    `fit` yields no reports, are printed here.
    """
    from rich import progress as rich_progress
    from rich.console import Console

    console = Console(stderr=True, highlight=False, markup=False)
    if not console.is_terminal:
        yield partial(print_pretraining, note), note
        return
    columns = (
        rich_progress.TextColumn("{task.description}", markup=False),
        rich_progress.BarColumn(bar_width=10),  # the whole line fits 80 columns
        rich_progress.TaskProgressColumn(),
        rich_progress.TimeRemainingColumn(compact=True),
        rich_progress.TextColumn("left"),
    )
    with rich_progress.Progress(*columns, console=console, transient=True) as bar:
        console.show_cursor()  # a second Ctrl-C ends the process, and would leave it hidden
        task = bar.add_task("compiling", total=None)

        def move(progress: "Progress") -> None:
            rate = f"{(bar.tasks[0].speed or 0) * batch_size:,.0f} images/s"
            text = f"{progress.stage} epoch {progress.epoch}  loss {progress.loss:.3f}  {progress.accuracy:.1%}  {rate}"
            bar.update(task, total=progress.steps, completed=progress.step, description=text)
            print_pretraining(line, progress)

        line = partial(print_above, console)
        yield move, line


@contextmanager
def reading_bar(files: int) -> Iterator[tuple[Callable[[], None], Callable[[str], None]]]:
    """Yields two functions: one moves the bar by a file, the other prints a line above it.

    The bar is only shown for many files, on a terminal, when the results go elsewhere and the two cannot mix.
    """
    if files < MANY_FILES or not sys.stderr.isatty() or sys.stdout.isatty():
        yield lambda: None, note
        return
    from rich import progress as rich_progress
    from rich.console import Console

    columns = (
        rich_progress.BarColumn(bar_width=20),
        rich_progress.MofNCompleteColumn(),
        rich_progress.TextColumn("pictures"),
        rich_progress.TimeRemainingColumn(compact=True),
        rich_progress.TextColumn("left"),
    )
    console = Console(stderr=True, highlight=False, markup=False)
    with rich_progress.Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=files)
        yield partial(bar.advance, task), partial(print_above, console)


def print_above(console: "Console", message: str) -> None:
    """Prints a line above a bar."""
    console.print(printable(message), soft_wrap=True)


@contextmanager
def parts_bar(total: int, what: str) -> Iterator[tuple[Callable[[int], None], Callable[[str], None]]]:
    """Yields two functions: one moves the bar by some digits or files, the other prints a line above it.

    Without a terminal there is a line for each tenth instead of the bar.
    """
    from rich import progress as rich_progress
    from rich.console import Console

    console = Console(stderr=True, highlight=False, markup=False)
    if not console.is_terminal:
        yield tenths(total, what), note
        return
    columns = (
        rich_progress.BarColumn(bar_width=20),
        rich_progress.TextColumn("{task.completed:,.0f} of {task.total:,.0f} {task.description}", markup=False),
        rich_progress.TimeRemainingColumn(compact=True),
        rich_progress.TextColumn("left"),
    )
    with rich_progress.Progress(*columns, console=console, transient=True) as bar:
        console.show_cursor()  # which a signal would leave hidden
        task = bar.add_task(what, total=total)

        def move(more: int) -> None:
            bar.advance(task, more)
            bar.update(task, description=f"{what}, {bar.tasks[0].speed or 0:,.0f} a second")

        yield move, partial(print_above, bar.console)


def tenths(total: int, what: str) -> Callable[[int], None]:
    """Returns a function that counts, and prints a line whenever another tenth is done."""
    done = 0

    def move(more: int) -> None:
        nonlocal done
        if 10 * (done + more) // total > 10 * done // total:
            note(f"{done + more:,} of {total:,} {what}")
        done += more

    return move


def print_pretraining(line: Callable[[str], None], progress: "Progress") -> None:
    """Prints a line at the end of each epoch of pretraining."""
    if progress.stage == "pretraining" and progress.ends_epoch:
        line(f"pretraining epoch {progress.epoch}  loss {progress.loss:.4f}  accuracy {progress.accuracy:.2%}")
