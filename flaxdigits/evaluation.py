"""Evaluation: labels and probabilities -> every figure said about a model."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np

from flaxdigits.contract import CLASSES
from flaxdigits.digits import Digits
from flaxdigits.errors import DataError
from flaxdigits.extras import require

if TYPE_CHECKING:
    import pandas as pd

CALIBRATION_BINS = 15
DEVIATIONS_OF_95 = 1.959964  # a normal variable lies within so many standard deviations 95% of the time
SMALLEST = np.finfo(np.float32).tiny  # a probability of 0 for the true digit costs 87.3 nats, not infinity


class Reliability(NamedTuple):
    """How often a model was right where it was how sure, over equal bins of confidence from 0 to 1.

    Attributes:
        counts: int64 [15], how many rows fall in each bin.
        confidences: float64 [15], their mean confidence, in 0..1; NaN where a bin is empty.
        accuracies: float64 [15], the share of them read rightly, in 0..1; NaN where a bin is empty.
    """

    counts: np.ndarray
    confidences: np.ndarray
    accuracies: np.ndarray

    @property
    def error(self) -> float:
        """The mean distance between confidence and accuracy, weighted by the counts, in 0..1."""
        gaps = np.abs(self.confidences - self.accuracies)
        return float(np.nansum(self.counts * gaps) / self.counts.sum())

    @property
    def intervals(self) -> np.ndarray:
        """Between what the accuracies lie, with 95% confidence: float64 [2, 15], in 0..1; NaN where a bin is empty.

        The score interval, which holds for few rows and for shares of 0 and 1 as well (E. B. Wilson,
        "Probable Inference, the Law of Succession, and Statistical Inference", 1927).
        """
        square = DEVIATIONS_OF_95**2
        middle = self.counts * self.accuracies + square / 2
        variance = self.counts * self.accuracies * (1 - self.accuracies)
        reach = DEVIATIONS_OF_95 * np.sqrt(variance + square / 4)
        return np.stack([middle - reach, middle + reach]) / (self.counts + square)


@dataclass(frozen=True, eq=False, repr=False)
class Evaluation:
    """What a model answered on labelled digits, every row counted.

    Attributes:
        labels: uint8 [n], the truth.
        probabilities: float32 [n, 10], the answers.
        images: uint8 [n, 28, 28], what was read.
        data: the name of the data.
        model: the name of the model.
    """

    labels: np.ndarray
    probabilities: np.ndarray
    images: np.ndarray
    data: str
    model: str

    def __post_init__(self) -> None:
        if self.probabilities.shape != (len(self.labels), CLASSES):
            found = list(self.probabilities.shape)
            raise DataError(f"expected probabilities [{len(self.labels)}, {CLASSES}], got {found}")

    def __repr__(self) -> str:
        return f"<Evaluation of {self.model} on {self.data}: {self.accuracy:.2%}, {self.errors} errors>"

    @classmethod
    def of(cls, recognizer: Callable, digits: Digits) -> Self:
        """Lets a recognizer read labelled digits.

        Args:
            recognizer: a `Recognizer`, or whatever takes pixels and answers as one.
            digits: the digits, with labels.
        """
        labels = digits.known_labels()
        answer = recognizer(digits.images)
        model = str(getattr(recognizer, "path", "model"))
        return cls(labels, answer.probabilities, digits.images, digits.name, model)

    @property
    def digits(self) -> np.ndarray:
        """The most probable digit of each row, int64 [n]."""
        return self.probabilities.argmax(axis=1)

    @property
    def confidence(self) -> np.ndarray:
        """The probability given to the answer of each row, float64 [n], in 0.1..1."""
        return self.probabilities.max(axis=1).astype(np.float64)

    @property
    def wrong(self) -> np.ndarray:
        """Which rows were misread, bool [n]."""
        return self.digits != self.labels

    @property
    def errors(self) -> int:
        """How many rows were misread."""
        return int(self.wrong.sum())

    @property
    def accuracy(self) -> float:
        """The share of rows read rightly, in 0..1."""
        return 1 - self.errors / len(self.labels)

    @property
    def loss(self) -> float:
        """The mean cross-entropy, in nats a digit."""
        of_truth = self.probabilities[np.arange(len(self.labels)), self.labels]
        return float(-np.log(np.maximum(of_truth, SMALLEST).astype(np.float64)).mean())

    @property
    def confusion(self) -> np.ndarray:
        """How often each digit (row) was read as each (column), int64 [10, 10]."""
        pairs = self.labels.astype(np.int64) * CLASSES + self.digits
        return np.bincount(pairs, minlength=CLASSES**2).reshape(CLASSES, CLASSES)

    @property
    def accuracy_per_digit(self) -> np.ndarray:
        """The share of each digit that was read rightly, float64 [10]; NaN where a digit does not occur."""
        return _shares(self.confusion.diagonal(), self.confusion.sum(axis=1))

    @property
    def reliability(self) -> Reliability:
        """How often the model was right where it was how sure, over 15 equal bins of confidence."""
        bins = np.minimum((self.confidence * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
        counts = np.bincount(bins, minlength=CALIBRATION_BINS)
        sums = (np.bincount(bins, each, CALIBRATION_BINS) for each in (self.confidence, ~self.wrong))
        return Reliability(counts, *(_shares(each, counts) for each in sums))

    @property
    def calibration_error(self) -> float:
        """The expected calibration error, in 0..1.

        The mean distance between confidence and accuracy over 15 equal bins of confidence, weighted
        by how many rows fall in each (C. Guo et al., "On Calibration of Modern Neural Networks", 2017).
        """
        return self.reliability.error

    def worst(self, count: int) -> np.ndarray:
        """Returns the rows of the worst mistakes: misread, least probability for the truth first, int64 [<= count]."""
        of_truth = self.probabilities[np.arange(len(self.labels)), self.labels]
        misread = np.flatnonzero(self.wrong)
        return misread[np.argsort(of_truth[misread], kind="stable")][:count]

    def per_digit_frame(self) -> "pd.DataFrame":
        """Returns a DataFrame with a row a digit: how many there were, how many were misread, the accuracy."""
        require("train", "a DataFrame")
        import pandas as pd

        rows = self.confusion.sum(axis=1)
        misread = rows - self.confusion.diagonal()
        columns = {"digits": rows, "errors": misread, "accuracy": self.accuracy_per_digit}
        return pd.DataFrame(columns, index=pd.RangeIndex(CLASSES, name="digit"))

    def summary(self) -> dict[str, object]:
        """Returns every figure in the form of metrics.json."""
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


def _shares(parts: np.ndarray, wholes: np.ndarray) -> np.ndarray:
    """Divides, float64 of the same shape; NaN where there is nothing to divide by."""
    return np.divide(parts, wholes, out=np.full(len(wholes), np.nan), where=wholes > 0)
