"""The training history: an EpochReport per epoch, each a row in history.csv."""

import csv
import io
from dataclasses import asdict, dataclass, fields

from flaxdigits.errors import RunError
from flaxdigits.runs import Run

RESTORED = "flaxdigits.resume restores it from the checkpoint"


@dataclass(frozen=True)
class EpochReport:
    """The figures of one epoch, as `fit` yields them and as a row of history.csv.

    Training figures are for augmented digits with smoothed labels, with the weights at each step; validation
    figures are for clean digits, with the weights that would be exported. Validation therefore looks better until
    the augmentation is annealed.
    """

    epoch: int  # from 1
    step: int  # steps taken since the start of the training
    learning_rate: float  # at the end of the epoch
    train_loss: float  # nats
    train_accuracy: float  # 0..1
    val_loss: float  # nats; NaN without validation
    val_accuracy: float  # 0..1; NaN without validation
    temperature: float  # that minimises validation loss; NaN without validation
    digitness_threshold: float  # refuses 1% of the held-out digits; NaN without validation or outliers
    seconds: float  # spent on the training steps, by the process that finished the epoch
    images_per_second: float

    def __post_init__(self) -> None:
        # Rounded to the precision of history.csv, so that a report read back equals the one that was written.
        for entry in fields(self):
            if entry.type is float:
                object.__setattr__(self, entry.name, float(f"{getattr(self, entry.name):.7g}"))

    def __str__(self) -> str:
        validated = self.val_loss == self.val_loss
        validation = f"  val_loss {self.val_loss:.4f}  val_accuracy {self.val_accuracy:.2%}" if validated else ""
        training = f"loss {self.train_loss:.4f}  accuracy {self.train_accuracy:.2%}"
        return f"epoch {self.epoch}  {training}{validation}  {self.images_per_second:,.0f} images/s"

    __repr__ = __str__  # a notebook shows the last expression of a cell by its repr


def history_text(reports: list[EpochReport]) -> str:
    """Returns the content of history.csv, a row per epoch, NaN as an empty cell."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [entry.name for entry in fields(EpochReport)], lineterminator="\n")
    writer.writeheader()
    for report in reports:
        writer.writerow({name: "" if value != value else value for name, value in asdict(report).items()})
    return text.getvalue()


def parse_history(text: str) -> list[EpochReport]:
    """Returns the reports in the content of history.csv.

    Raises:
        ValueError: if they are not those of epochs 1, 2, ...
    """
    try:
        reports = [EpochReport(*_from_row(row)) for row in csv.DictReader(text.splitlines())]
    except KeyError as error:
        raise ValueError(f"there is no column {error}") from error
    except csv.Error as error:
        raise ValueError(str(error)) from error
    if [report.epoch for report in reports] != list(range(1, len(reports) + 1)):
        raise ValueError("an epoch is missing or twice there")
    return reports


def saved_history(run: Run, files: dict[str, str]) -> list[EpochReport]:
    """Returns the reports in history.csv as it was saved with a checkpoint; none if the first epoch was not done.

    Raises:
        RunError: if another version of flaxdigits wrote it.
    """
    try:
        return parse_history(files.get(run.history.name, ""))
    except ValueError as error:
        raise RunError(run.path, f"the history in its checkpoint is of another version: {error}") from error


def read_history(run: Run) -> list[EpochReport]:
    """Returns the reports in history.csv.

    Raises:
        RunError: if it cannot be read.
    """
    try:
        return parse_history(run.history.read_text(encoding="utf-8"))
    except OSError as error:
        raise RunError(run.path, f"{run.history.name}: {error.strerror}", RESTORED) from error
    except ValueError as error:
        raise RunError(run.path, f"{run.history.name}: damaged: {error}", RESTORED) from error


def _from_row(row: dict[str, str]) -> list:
    if None in row.values():
        raise ValueError("a row was cut off")
    return [entry.type(row[entry.name] or "nan") for entry in fields(EpochReport)]  # type: ignore[operator]
