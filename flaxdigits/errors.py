"""Every failure that flaxdigits states in one line.

FlaxdigitsError
├── DataError             what was given is not digits, or not in a form that can be read
├── ConfigError           the configuration cannot work
├── DeviceError           the device asked for is not there
├── RunError              the run directory is missing, or does not hold what is needed
├── ModelError            the file is not a model that keeps the ONNX contract
├── TrainingError         the loss stopped being finite
├── TrainingInterrupted   training was asked to stop, and has saved its state
├── ExportError           the exported file does not answer as the model does
├── GoldenError           a model does not answer its golden vectors as it did at home
├── SubmissionError       the submission breaks the competition's rules, or was not accepted
└── MissingExtraError     the command needs packages that the base install leaves out

The message is complete by itself: what, where, expected and found, and what to do next.
"""


class FlaxdigitsError(Exception):
    """The parent of every error that flaxdigits raises on purpose."""


class DataError(FlaxdigitsError):
    """Data that cannot be read as digits: names the file, the row or the picture."""


class ConfigError(FlaxdigitsError):
    """A configuration value out of its range, or a configuration file that cannot be read."""


class DeviceError(FlaxdigitsError):
    """The device asked for is not on this machine."""


class RunError(FlaxdigitsError):
    """A run directory that is missing or incomplete, or that belongs to other data."""


class ModelError(FlaxdigitsError):
    """A file that is not an ONNX model, or one that breaks the contract."""


class TrainingError(FlaxdigitsError):
    """Training that cannot go on: the loss became NaN or infinite."""


class TrainingInterrupted(FlaxdigitsError):
    """Training stopped on request, its state saved."""


class ExportError(FlaxdigitsError):
    """An exported file that failed the gate; it has been removed."""


class GoldenError(FlaxdigitsError):
    """Golden vectors that a model answers otherwise, or that cannot be read."""


class SubmissionError(FlaxdigitsError):
    """A submission that breaks the competition's rules, or that Kaggle did not accept."""


class MissingExtraError(FlaxdigitsError):
    """A part of flaxdigits whose packages are not installed."""
