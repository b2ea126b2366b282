"""The gate: what an exported file must show before it is left in place."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from flaxdigits.contract import MOST_ERRORS_LOST, PROBABILITY_TOLERANCE, Precision
from flaxdigits.digits import Digits
from flaxdigits.errors import ExportError
from flaxdigits.recognizer import Answer, Recognizer

BATCHES = (1, 7, 1000)  # digits a call; the answers must be the same in each


@dataclass(frozen=True)
class GateReport:
    """What the gate found; differences are of a probability."""

    digits: int
    batches: tuple[int, ...]  # digits a call, in turn
    differing: int  # digits that the file reads otherwise than the network
    depending: int  # digits that are read otherwise in another batch
    errors_lost: int  # more of them wrong than by the network; below 0 where fewer are
    largest_difference: float  # file against network
    largest_difference_between_batches: float  # file against itself


def check_gate(path: Path, expected: np.ndarray, digits: Digits, precision: Precision = "float32") -> GateReport:
    """Lets the file read every digit in batches of several sizes, and compares with what the network said.

    Args:
        path: the file.
        expected: the network's probabilities, float32 [n, 10].
        digits: what to read, with labels.
        precision: of the file's kernels. float32 must answer as the network does; a quantised form may
            lose MOST_ERRORS_LOST digits.

    Raises:
        ExportError: where the answers are other than that, or depend on the batch.
    """
    recognizer = Recognizer(path)
    answers = [recognizer(digits.images, batch=size) for size in BATCHES]
    labels, network = digits.known_labels(), expected.argmax(axis=1)
    report = GateReport(
        digits=len(digits),
        batches=BATCHES,
        differing=max(int((answer.digits != network).sum()) for answer in answers),
        depending=max(int((answer.digits != answers[0].digits).sum()) for answer in answers),
        errors_lost=max(int((answer.digits != labels).sum()) for answer in answers) - int((network != labels).sum()),
        largest_difference=_largest(answers, expected),
        largest_difference_between_batches=_largest(answers, answers[0].probabilities),
    )
    _hold_to_bounds(report, precision)
    return report


def _hold_to_bounds(report: GateReport, precision: Precision) -> None:
    found = (
        f"{report.differing} of {report.digits} digits differ, {report.errors_lost} more are wrong, and probabilities "
        f"differ by up to {report.largest_difference:.1e}"
    )
    if np.isnan(report.largest_difference):
        raise ExportError(f"NaN is among the probabilities, of the file or of the network: {found}")
    if report.depending or not report.largest_difference_between_batches <= PROBABILITY_TOLERANCE:
        off = f"{report.largest_difference_between_batches:.1e}, where {PROBABILITY_TOLERANCE:.0e} is allowed"
        raise ExportError(
            f"the file's answers depend on the batch: {report.depending} digits and probabilities by up to {off}"
        )
    if precision == "float32" and (report.differing or not report.largest_difference <= PROBABILITY_TOLERANCE):
        allowed = f"where {PROBABILITY_TOLERANCE:.0e} is allowed"
        raise ExportError(f"the file does not answer as the model does: {found}, {allowed}")
    if not report.errors_lost <= MOST_ERRORS_LOST:
        allowed = f"where {MOST_ERRORS_LOST} more are allowed; choose another precision"
        raise ExportError(f"{precision} loses too much: {found}, {allowed}")


def _largest(answers: list[Answer], expected: np.ndarray) -> float:
    """Returns the largest difference of a probability in any of the answers; NaN where there is a NaN in one."""
    return float(np.max([np.abs(answer.probabilities - expected).max() for answer in answers]))
