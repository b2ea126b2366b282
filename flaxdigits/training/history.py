"""What happened in each epoch, and its file, history.csv."""

import csv
import io
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from flaxdigits import atomic


@dataclass(frozen=True)
class EpochReport:
    """One epoch, as `fit` yields it and as a row of history.csv.

    The training figures are of the digits as trained on, deformed, with smoothed labels or a teacher's
    answers (then the loss is against these, times the square of their temperature), by the weights as
    they were at each step; the validation figures are of clean digits, by the weights
    that would be exported. So validation looks better until the deformation is annealed.
    """

    epoch: int  # from 1
    step: int  # steps taken since the start of the training
    learning_rate: float  # at the end of the epoch
    train_loss: float  # nats a digit
    train_accuracy: float  # 0..1
    val_loss: float  # nats a digit; NaN where nothing is held out
    val_accuracy: float  # 0..1; NaN where nothing is held out
    temperature: float  # of least validation loss; NaN where nothing is held out
    seconds: float  # spent on the training steps, by the process that ended the epoch
    images_per_second: float

    def __post_init__(self) -> None:
        # To what history.csv keeps, so that a report read back compares as the one that was written.
        for entry in fields(self):
            if entry.type is float:
                object.__setattr__(self, entry.name, float(f"{getattr(self, entry.name):.7g}"))


def write_history(reports: list[EpochReport], path: Path) -> None:
    """Writes history.csv, a row an epoch; NaN becomes an empty cell."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [entry.name for entry in fields(EpochReport)], lineterminator="\n")
    writer.writeheader()
    for report in reports:
        row = asdict(report)
        writer.writerow({name: "" if value != value else value for name, value in row.items()})
    atomic.write_text(path, text.getvalue())


def read_history(path: Path) -> list[EpochReport]:
    """Reads history.csv back; an empty list where there is none yet."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return [EpochReport(*_values(row)) for row in csv.DictReader(file)]


def stale_epochs(reports: list[EpochReport]) -> int:
    """Counts the epochs since the best validation loss."""
    losses = [report.val_loss for report in reports]
    return len(losses) - 1 - losses.index(min(losses)) if losses else 0


def is_best(reports: list[EpochReport]) -> bool:
    """Whether the last epoch has the best validation loss so far."""
    return stale_epochs(reports) == 0


def _values(row: dict[str, str]) -> list:
    return [entry.type(row[entry.name] or "nan") for entry in fields(EpochReport)]  # type: ignore[operator]
