"""The errors that flaxdigits raises deliberately.

FlaxdigitsError
├── DataError                 the source is not digits, or not in a form that can be read
├── ConfigError               a configuration value is invalid
├── DeviceError               the requested device is not available
├── RunError                  the run directory is damaged, or belongs to other data
│   ├── RunNotFoundError      there is no run directory at this path
│   ├── RunExistsError        the directory already holds a run
│   ├── RunLockedError        the run is already being trained
│   ├── RunUnfinishedError    the run has no checkpoint or no exported model yet
│   ├── RunStorageError       the run directory cannot be written: the disk is full, read-only or gone
│   ├── TrainingError         the loss or a weight is no longer finite, or the device's memory is too small
│   └── TrainingInterrupted   training was asked to stop, and its state is saved
├── ModelError                the file is not an ONNX model that satisfies the contract
├── ExportError               the exported file does not reproduce the network's answers
├── GoldenError               a model does not reproduce its golden vectors
├── PartsError                the folder of parts belongs to another job, or the job did not finish
├── SubmissionError           the submission breaks the competition's rules, or was not accepted
└── MissingExtraError         an optional dependency is not installed

A RunWarning says which part of a run directory was damaged and has been restored.

`message` says what is wrong and where, what was expected and what was found; `hint` says what to do next, in Python.
The command line replaces the hint with a command. Each is one printable line, whatever a name or a file contains.
"""

from pathlib import Path

from flaxdigits.printable import one_line


class FlaxdigitsError(Exception):
    """The base class of all errors that flaxdigits raises deliberately.

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
    """A configuration value out of range, or a configuration file that cannot be read."""


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
    """The directory already holds a run."""


class RunLockedError(RunError):
    """The run is already being trained, in this process or another."""


class RunUnfinishedError(RunError):
    """The run has no checkpoint or no exported model yet."""


class RunStorageError(RunError):
    """The run directory cannot be written: the disk is full, read-only or gone."""


class RunWarning(UserWarning):
    """Something in a run directory was damaged and has been restored."""


class ModelError(FlaxdigitsError):
    """A file that is not an ONNX model, or one that breaks the contract."""


class TrainingError(RunError):
    """Training that cannot continue: the loss or a weight is NaN or infinite, or the device's memory is too small."""


class TrainingInterrupted(RunError):
    """Training that stopped on request, with its state saved."""


class ExportError(FlaxdigitsError):
    """An exported file that failed the gate; it has been removed."""


class GoldenError(FlaxdigitsError):
    """Golden vectors that a model does not reproduce, or that cannot be read."""


class PartsError(FlaxdigitsError):
    """A folder of parts that belongs to another job, or a job that could not be finished."""


class SubmissionError(FlaxdigitsError):
    """A submission that breaks the competition's rules, or that Kaggle did not accept."""


class MissingExtraError(FlaxdigitsError):
    """An optional dependency that is not installed."""
