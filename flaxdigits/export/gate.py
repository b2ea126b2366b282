"""The export gate: an exported model must reproduce the network's predictions on all test digits."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Integer

from flaxdigits.data.digits import Digits
from flaxdigits.errors import ExportError
from flaxdigits.inference.contract import MAX_ADDED_ERRORS, PROBABILITY_TOLERANCE, Precision
from flaxdigits.inference.recognizer import CPU, Prediction, Recognizer

BATCHES = (1, 7, 1000)  # digits per call; the predictions must be the same in each
GATE_ALLOWS = f"at most {MAX_ADDED_ERRORS} more errors in 10000"  # in a quantised model, as stated in its metadata


@dataclass(frozen=True)
class GateReport:
    """The figures of the gate; differences are between probabilities."""

    digits: int
    batches: tuple[int, ...]  # digits per call
    mismatches: int  # predictions that differ from the network's
    batch_mismatches: int  # predictions that differ between batch sizes
    added_errors: int  # errors minus the network's; may be negative
    largest_difference: float  # from the network, of the digitness too
    largest_difference_between_batches: float


def check_gate(model: bytes, expected: Prediction, digits: Digits, precision: Precision = "float32") -> GateReport:
    """Compares a model's predictions, on the CPU and in batches of several sizes, with the network's.

    Args:
        model: the bytes of the file.
        expected: the network's predictions.
        digits: n labelled digits.
        precision: of the model's weights. In float32 it must reproduce the network; a quantised one may make
            MAX_ADDED_ERRORS additional errors.

    Raises:
        ModelError: if the model breaks the contract, for example by answering NaN.
        ExportError: if it does not reproduce the network to that extent, or depends on the batch.
    """
    recognizer = Recognizer(model, CPU)
    predictions = [recognizer(digits.images, batch=size) for size in BATCHES]
    labels, network = digits.known_labels(), expected.digits
    report = GateReport(
        digits=len(digits),
        batches=BATCHES,
        mismatches=_most_mismatches(predictions, network),
        batch_mismatches=_most_mismatches(predictions, predictions[0].digits),
        added_errors=_most_mismatches(predictions, labels) - int((network != labels).sum()),
        largest_difference=_largest_difference(predictions, expected),
        largest_difference_between_batches=_largest_difference(predictions, predictions[0]),
    )
    _check_bounds(report, precision)
    return report


def _check_bounds(report: GateReport, precision: Precision) -> None:
    found = (
        f"{report.mismatches} of {report.digits} predictions differ, {report.added_errors} errors more, probabilities "
        f"differ by up to {report.largest_difference:.1e}"
    )
    allowed = f"{PROBABILITY_TOLERANCE:.0e} is allowed"
    if np.isnan(report.largest_difference):
        raise ExportError(f"NaN among the probabilities of the network: {found}")
    if report.batch_mismatches or not report.largest_difference_between_batches <= PROBABILITY_TOLERANCE:
        between = f"probabilities by up to {report.largest_difference_between_batches:.1e}"
        dependent = f"the file depends on the batch size: {report.batch_mismatches} predictions, {between}"
        raise ExportError(f"{dependent}; {allowed}")
    if precision == "float32" and (report.mismatches or not report.largest_difference <= PROBABILITY_TOLERANCE):
        raise ExportError(f"the file does not reproduce the network: {found}; {allowed}")
    if not report.added_errors <= MAX_ADDED_ERRORS:
        allowed = f"{MAX_ADDED_ERRORS} more are allowed"
        raise ExportError(
            f"{precision} loses too much accuracy: {found}; {allowed}",
            "train longer, widen the network, or choose another precision",
        )


def _most_mismatches(predictions: list[Prediction], digits: Integer[np.ndarray, " n"]) -> int:
    return max(int((prediction.digits != digits).sum()) for prediction in predictions)


def _largest_difference(predictions: list[Prediction], expected: Prediction) -> float:
    """Returns the largest difference between probabilities or digitness; NaN if any is NaN."""
    pairs = [pair for found in predictions for pair in zip(found[1:], expected[1:], strict=True)]
    return float(np.max([np.abs(found - wanted).max() for found, wanted in pairs]))
