"""Evaluation: labels and predictions -> accuracy, loss, calibration and confusion of a model."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np

from flaxdigits.convention import CLASSES
from flaxdigits.data.digits import Digits
from flaxdigits.errors import DataError
from flaxdigits.extras import require

if TYPE_CHECKING:
    import pandas as pd

CALIBRATION_BINS = 15
DEVIATIONS_OF_95 = (
    1.959964  # a normal variable is within this many standard deviations of its mean with probability 0.95
)
SMALLEST = np.finfo(np.float32).tiny  # limits the loss of a row to 87.3 nats where the true digit has probability 0


class Reliability(NamedTuple):
    """Accuracy by confidence, over equal-width bins of confidence from 0 to 1.

    Attributes:
        counts: int64 [15], the number of rows in each bin.
        confidences: float64 [15], their mean confidence, in 0..1; NaN for an empty bin.
        accuracies: float64 [15], their accuracy, in 0..1; NaN for an empty bin.
    """

    counts: np.ndarray
    confidences: np.ndarray
    accuracies: np.ndarray

    @property
    def error(self) -> float:
        """The mean absolute difference between confidence and accuracy, weighted by the counts, in 0..1."""
        gaps = np.abs(self.confidences - self.accuracies)
        return float(np.nansum(self.counts * gaps) / self.counts.sum())

    @property
    def intervals(self) -> np.ndarray:
        """The 95% confidence intervals of the accuracies, float64 [2, 15], in 0..1; NaN for an empty bin.

        Score intervals, which also hold for few rows and for accuracies of 0 and 1 (E. B. Wilson,
        "Probable Inference, the Law of Succession, and Statistical Inference", 1927).
        """
        square = DEVIATIONS_OF_95**2
        middle = self.counts * self.accuracies + square / 2
        variance = self.counts * self.accuracies * (1 - self.accuracies)
        reach = DEVIATIONS_OF_95 * np.sqrt(variance + square / 4)
        return np.stack([middle - reach, middle + reach]) / (self.counts + square)


@dataclass(frozen=True, eq=False, repr=False)
class Evaluation:
    """The predictions of a model for labelled digits.

    Attributes:
        labels: uint8 [n], the true digits.
        digits: int64 [n], the digits that the model predicted; these are scored.
        probabilities: float32 [n, 10], each row sums to 1.
        images: uint8 [n, 28, 28].
        data: the name of the data.
        model: the name of the model.

    Raises:
        DataError: if digits or probabilities have the wrong shape, dtype or range.
    """

    labels: np.ndarray
    digits: np.ndarray
    probabilities: np.ndarray
    images: np.ndarray
    data: str
    model: str

    def __post_init__(self) -> None:
        rows = len(self.labels)
        for name, expected in (("digits", (rows,)), ("probabilities", (rows, CLASSES))):
            found = getattr(self, name).shape
            if found != expected:
                raise DataError(f"expected {name} {list(expected)}, got {list(found)}")
        if not np.issubdtype(self.digits.dtype, np.integer):
            raise DataError(f"expected integers as digits, got {self.digits.dtype}")
        if not np.isin(self.digits, range(CLASSES)).all():
            raise DataError(f"expected digits from 0 to 9, got {self.digits.min()} to {self.digits.max()}")

    def __repr__(self) -> str:
        return f"<Evaluation of {self.model} on {self.data}: {self.accuracy:.2%}, {self.errors} errors>"

    @classmethod
    def of(cls, recognizer: Callable, digits: Digits) -> Self:
        """Evaluates a recognizer on labelled digits.

        Args:
            recognizer: a `Recognizer`, or another callable from pixels to a `Prediction`.
            digits: the digits, with labels.

        Raises:
            DataError: if the digits have no labels.
        """
        labels = digits.known_labels()
        prediction = recognizer(digits.images)
        model = getattr(recognizer, "name", "model")
        return cls(labels, prediction.digits, prediction.probabilities, digits.images, digits.name, model)

    @property
    def confidence(self) -> np.ndarray:
        """The probability of each predicted digit, float64 [n], in 0..1."""
        return self._probabilities_of(self.digits)

    @property
    def wrong(self) -> np.ndarray:
        """Whether each row is misclassified, bool [n]."""
        return self.digits != self.labels

    @property
    def errors(self) -> int:
        """The number of misclassified rows."""
        return int(self.wrong.sum())

    @property
    def accuracy(self) -> float:
        """The fraction of rows classified correctly, in 0..1."""
        return 1 - self.errors / len(self.labels)

    @property
    def loss(self) -> float:
        """The mean cross-entropy, in nats per digit."""
        return float(-np.log(np.maximum(self._probabilities_of(self.labels), SMALLEST)).mean())

    @property
    def confusion(self) -> np.ndarray:
        """The confusion matrix, int64 [10, 10]: true digits in rows, predicted digits in columns."""
        pairs = self.labels.astype(np.int64) * CLASSES + self.digits
        return np.bincount(pairs, minlength=CLASSES**2).reshape(CLASSES, CLASSES)

    @property
    def accuracy_per_digit(self) -> np.ndarray:
        """The accuracy for each true digit, float64 [10]; NaN for a digit that does not occur."""
        return _shares(self.confusion.diagonal(), self.confusion.sum(axis=1))

    @property
    def reliability(self) -> Reliability:
        """The accuracy by confidence, over 15 equal-width bins of confidence."""
        bins = np.minimum((self.confidence * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
        counts = np.bincount(bins, minlength=CALIBRATION_BINS)
        sums = (np.bincount(bins, each, CALIBRATION_BINS) for each in (self.confidence, ~self.wrong))
        return Reliability(counts, *(_shares(each, counts) for each in sums))

    @property
    def calibration_error(self) -> float:
        """The expected calibration error, in 0..1.

        The mean absolute difference between confidence and accuracy over 15 equal-width bins of confidence,
        weighted by the number of rows in each (C. Guo et al., "On Calibration of Modern Neural Networks", 2017).
        """
        return self.reliability.error

    def worst(self, count: int) -> np.ndarray:
        """Returns misclassified rows, lowest probability of the true digit first, int64 [<= count], from 0."""
        rows = np.flatnonzero(self.wrong)
        return rows[np.argsort(self._probabilities_of(self.labels)[rows], kind="stable")][:count]

    def per_digit_frame(self) -> "pd.DataFrame":
        """Returns a DataFrame with a row for each true digit: the columns digits (their number), errors and accuracy.

        Raises:
            MissingExtraError: if pandas is not installed.
        """
        require("train", "a DataFrame")
        import pandas as pd

        rows = self.confusion.sum(axis=1)
        errors = rows - self.confusion.diagonal()
        columns = {"digits": rows, "errors": errors, "accuracy": self.accuracy_per_digit}
        return pd.DataFrame(columns, index=pd.RangeIndex(CLASSES, name="digit"))

    def summary(self) -> dict[str, object]:
        """Returns all metrics in the form of metrics.json; rows of mistakes count from 1."""
        per_digit = [None if np.isnan(share) else float(share) for share in self.accuracy_per_digit]
        return {
            "model": self.model,
            "data": self.data,
            "digits": len(self.labels),
            "errors": self.errors,
            "accuracy": self.accuracy,
            "loss": self.loss,
            "expected_calibration_error": self.calibration_error,
            "accuracy_per_digit": per_digit,
            "confusion": self.confusion.tolist(),
            "mistakes": [int(row) + 1 for row in self.worst(self.errors)],
        }

    def _probabilities_of(self, digits: np.ndarray) -> np.ndarray:
        """Returns the probability of one digit in each row, float64 [n]."""
        return self.probabilities[np.arange(len(digits)), digits].astype(np.float64)


def _shares(parts: np.ndarray, wholes: np.ndarray) -> np.ndarray:
    """Returns the quotients, float64 of the same shape; NaN where the divisor is 0."""
    return np.divide(parts, wholes, out=np.full(len(wholes), np.nan), where=wholes > 0)
