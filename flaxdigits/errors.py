"""The errors that flaxdigits raises on purpose.

FlaxdigitsError
├── DataError                 the source is not digits, or not in a form that can be read
├── ConfigError               a configuration value is invalid
├── DeviceError               the requested device is not available
├── RunError                  the run directory is damaged, or belongs to other data
│   ├── RunNotFoundError      there is no run directory at this path
│   ├── RunExistsError        the directory holds a run already
│   ├── RunLockedError        a training in this run is open already
│   ├── RunUnfinishedError    the run has no checkpoint or no exported model yet
│   ├── RunStorageError       the run directory cannot be written: the disk is full, read-only or gone
│   ├── TrainingError         the loss or a weight is no longer finite, or the device's memory is too small
│   └── TrainingInterrupted   training was asked to stop, and its state is saved
├── ModelError                the file is not an ONNX model that keeps the contract
├── ExportError               the exported file does not reproduce the network's answers
├── GoldenError               a model does not reproduce its golden vectors
├── PartsError                the folder of parts is of another reading, or the reading did not finish
├── SubmissionError           the submission breaks the competition's rules, or was not accepted
└── MissingExtraError         an optional dependency is not installed

A RunWarning says what of a run directory was damaged, and has been restored.

`message` says what is wrong and where, expected and found; `hint` says what to do next, in Python. The command line
replaces the hint by a command of its own. Both are one printable line each, whatever is in a name or a file.
"""

from pathlib import Path

from flaxdigits.printable import one_line


class FlaxdigitsError(Exception):
    """The base class of all errors that flaxdigits raises on purpose.

    Attributes:
        message: what is wrong, in one line.
        hint: what to do next; empty if there is nothing to add.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.message, self.hint = one_line(message), one_line(hint)

    def __str__(self) -> str:
        return f"{self.message}; {self.hint}" if self.hint else self.message


class DataError(FlaxdigitsError):
    """Data that cannot be read as digits; names the file, the row or the picture."""


class ConfigError(FlaxdigitsError):
    """A configuration value out of its range, or a configuration file that cannot be read."""


class DeviceError(FlaxdigitsError):
    """The requested device is not available."""


class RunError(FlaxdigitsError):
    """A run directory that is missing or incomplete, or that belongs to other data.

    Attributes:
        run: the run directory.
    """

    def __init__(self, run: Path | str, problem: str, hint: str = "") -> None:
        super().__init__(f"{run}: {problem}", hint)
        self.run = run


class RunNotFoundError(RunError):
    """There is no run directory at this path."""


class RunExistsError(RunError):
    """The directory holds a run already."""


class RunLockedError(RunError):
    """A training in this run is open already, in this process or another."""


class RunUnfinishedError(RunError):
    """The run has no checkpoint or no exported model yet."""


class RunStorageError(RunError):
    """The run directory cannot be written: the disk is full, read-only or gone."""


class RunWarning(UserWarning):
    """Something in a run directory was damaged, and has been restored."""


class ModelError(FlaxdigitsError):
    """A file that is not an ONNX model, or one that breaks the contract."""


class TrainingError(RunError):
    """Training that cannot go on: the loss or a weight became NaN or infinite, or the device's memory is too small."""


class TrainingInterrupted(RunError):
    """Training that stopped on request, its state saved."""


class ExportError(FlaxdigitsError):
    """An exported file that failed the gate; it has been removed."""


class GoldenError(FlaxdigitsError):
    """Golden vectors that a model does not reproduce, or that cannot be read."""


class PartsError(FlaxdigitsError):
    """A folder of parts that belongs to another reading, or one that could not be finished."""


class SubmissionError(FlaxdigitsError):
    """A submission that breaks the competition's rules, or that Kaggle did not accept."""


class MissingExtraError(FlaxdigitsError):
    """An optional dependency that is not installed."""
