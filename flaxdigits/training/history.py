"""EpochReport, the figures of an epoch, and its file, history.csv."""

import csv
import io
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from flaxdigits import atomic
from flaxdigits.errors import RunError


@dataclass(frozen=True)
class EpochReport:
    """The figures of one epoch, as `fit` yields them and as a row of history.csv.

    The training figures are of augmented digits with smoothed labels, by the weights as they were at each step;
    the validation figures are of clean digits, by the weights that would be exported. So validation looks better
    until the augmentation is annealed.
    """

    epoch: int  # from 1
    step: int  # steps taken since the start of the training
    learning_rate: float  # at the end of the epoch
    train_loss: float  # nats
    train_accuracy: float  # 0..1
    val_loss: float  # nats; NaN without validation
    val_accuracy: float  # 0..1; NaN without validation
    temperature: float  # of least validation loss; NaN without validation
    seconds: float  # spent on the training steps, by the process that ended the epoch
    images_per_second: float

    def __post_init__(self) -> None:
        # To the precision of history.csv, so that a report read back equals the one that was written.
        for entry in fields(self):
            if entry.type is float:
                object.__setattr__(self, entry.name, float(f"{getattr(self, entry.name):.7g}"))

    def __str__(self) -> str:
        validated = self.val_loss == self.val_loss
        validation = f"  val_loss {self.val_loss:.4f}  val_accuracy {self.val_accuracy:.2%}" if validated else ""
        training = f"loss {self.train_loss:.4f}  accuracy {self.train_accuracy:.2%}"
        return f"epoch {self.epoch}  {training}{validation}  {self.images_per_second:,.0f} images/s"

    __repr__ = __str__  # a notebook shows the last expression of a cell by its repr


def write_history(reports: list[EpochReport], path: Path) -> None:
    """Writes history.csv, a row per epoch, NaN as an empty cell."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [entry.name for entry in fields(EpochReport)], lineterminator="\n")
    writer.writeheader()
    for report in reports:
        writer.writerow({name: "" if value != value else value for name, value in asdict(report).items()})
    atomic.write_text(path, text.getvalue())


def read_history(path: Path, epochs: int) -> list[EpochReport]:
    """Returns the first `epochs` reports of history.csv.

    Raises:
        RunError: if there are fewer, or the file is damaged.
    """
    reports = []
    if path.exists():
        try:
            rows = csv.DictReader(path.read_text(encoding="utf-8").splitlines())
            reports = [EpochReport(*_values(row)) for row in rows]
        except (ValueError, KeyError, TypeError) as error:
            raise RunError(path, "damaged", "restore it, or train anew") from error
    if [report.epoch for report in reports[:epochs]] != list(range(1, epochs + 1)):
        raise RunError(path, f"expected epochs 1 to {epochs}, got {len(reports)}", "restore it, or train anew")
    return reports[:epochs]


def _values(row: dict[str, str]) -> list:
    return [entry.type(row[entry.name] or "nan") for entry in fields(EpochReport)]  # type: ignore[operator]
