"""How the command line shows things: notes on standard error, the training's progress bar."""

import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flaxdigits.training.history import EpochReport
    from flaxdigits.training.loop import Progress


def note(message: str) -> None:
    """Says something that is not a result."""
    print(message, file=sys.stderr, flush=True)


def command_line() -> str:
    """Returns the command that is running, as one would type it."""
    return shlex.join(["flaxdigits", *sys.argv[1:]])


def epoch_line(report: "EpochReport", epochs: int) -> str:
    """Says what happened in an epoch, in a line."""
    validation = "" if report.val_loss != report.val_loss else f"  val_loss {report.val_loss:.4f}"
    validation += "" if not validation else f"  val_accuracy {report.val_accuracy:.2%}"
    return (
        f"epoch {report.epoch:>{len(str(epochs))}}/{epochs}  loss {report.train_loss:.4f}  "
        f"accuracy {report.train_accuracy:.2%}{validation}  {report.images_per_second:,.0f} images/s"
    )


@contextmanager
def training_bar(batch_size: int) -> Iterator[tuple[Callable[["Progress"], None], Callable[[str], None]]]:
    """Lends two functions: one that moves the bar, one that prints a line above it.

    Elsewhere than on a terminal there is no bar, and the lines come plain.
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        yield (lambda _: None), note
        return
    columns = (
        TextColumn("epoch {task.fields[epoch]}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]} images/s  loss {task.fields[loss]}  accuracy {task.fields[accuracy]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("train", total=None, epoch="1", rate="-", loss="-", accuracy="-")

        def move(progress: "Progress") -> None:
            speed = bar.tasks[0].speed
            bar.update(
                task,
                total=progress.steps,
                completed=progress.step,
                epoch=str(progress.epoch),
                rate=f"{speed * batch_size:,.0f}" if speed else "-",
                loss=f"{progress.loss:.4f}",
                accuracy=f"{progress.accuracy:.2%}",
            )

        yield move, lambda line: bar.console.print(line, soft_wrap=True)
