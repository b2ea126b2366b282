"""How the command line shows things: notes on standard error, the training's progress bar."""

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


def note_temperature(temperature: float) -> None:
    """Says so where a model's probabilities are as the network gives them."""
    if temperature == 1:
        note("note: temperature 1, so the probabilities are not calibrated; digits held out (validation) would do it")


def command_line() -> str:
    """Returns the command that is running, as one would type it."""
    import shlex

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
    from rich import progress as rich_progress
    from rich.console import Console

    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        yield (lambda _: None), note
        return
    columns = (
        rich_progress.TextColumn("{task.description}"),
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
            text = f"epoch {progress.epoch}  loss {progress.loss:.3f}  {progress.accuracy:.1%}  {rate}"
            bar.update(task, total=progress.steps, completed=progress.step, description=text)

        yield move, lambda line: bar.console.print(line, soft_wrap=True)
