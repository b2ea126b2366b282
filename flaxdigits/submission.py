"""Kaggle's submission file for Digit Recognizer: written, checked, and handed in."""

import contextlib
import io
from pathlib import Path

import numpy as np

from flaxdigits import atomic
from flaxdigits.digits import Digits
from flaxdigits.errors import SubmissionError
from flaxdigits.extras import require

COMPETITION = "digit-recognizer"
HEADER = "ImageId,Label"
COMPETITION_ROWS = 28_000  # rows of the competition's own test.csv, and so of what it accepts


def check_test_set(digits: Digits, competition: bool) -> None:
    """Checks that digits are a test set, and, for `competition`, the competition's own in size.

    Raises:
        SubmissionError: where they have labels, or where there are not 28,000 of them.
    """
    if digits.labels is not None:
        raise SubmissionError(f"{digits.name}: has labels, so it is not the competition's test.csv")
    if competition and len(digits) != COMPETITION_ROWS:
        wanted = f"the competition wants {COMPETITION_ROWS:,} answers, here are {len(digits):,}"
        raise SubmissionError(f"{digits.name}: {wanted}")


def write_submission(digits: np.ndarray, path: Path) -> None:
    """Writes the answers in the order of test.csv's rows, with ids from 1, and checks what was written.

    Args:
        digits: integers [n] in 0..9.
        path: where to; the file appears only when it is whole and keeps the rules.

    Raises:
        SubmissionError: where the file would break the competition's rules.
    """
    lines = [HEADER, *(f"{row},{digit}" for row, digit in enumerate(digits.tolist(), 1))]
    with atomic.replacing(path) as beside:
        beside.write_text("\n".join(lines) + "\n", encoding="ascii")
        check_submission(beside, len(digits), str(path))


def check_submission(path: Path, rows: int, name: str | None = None) -> None:
    """Checks a file against the competition's rules: the header, ids 1 to `rows` in order, labels 0 to 9.

    Raises:
        SubmissionError: naming the first line that breaks a rule.
    """
    name = name or str(path)
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    if lines[:1] != [HEADER]:
        raise SubmissionError(f"{name}, line 1: expected {HEADER}, got {lines[0] if lines else 'nothing'}")
    if len(lines) - 1 != rows:
        raise SubmissionError(f"{name}: expected {rows} answers, got {len(lines) - 1}")
    for row, line in enumerate(lines[1:], 1):
        image_id, _, label = line.partition(",")
        if image_id != str(row) or label not in set("0123456789"):
            raise SubmissionError(f"{name}, line {row + 1}: expected {row} and a label from 0 to 9, got {line}")


def upload(path: Path, message: str) -> str:
    """Hands a submission file to the competition through the `kaggle` package.

    Returns:
        What Kaggle answered.

    Raises:
        MissingExtraError: where the `kaggle` package is not installed.
        SubmissionError: where there are no credentials, or Kaggle did not accept the file.
    """
    require("kaggle", "uploading a submission")
    try:
        # The package prints its help when it is imported and when it is used; the library prints nothing.
        with contextlib.redirect_stdout(io.StringIO()):
            from kaggle.api.kaggle_api_extended import KaggleApi

            api = KaggleApi()
            api.authenticate()
            answer = api.competition_submit(str(path), message, COMPETITION, quiet=True)
    except (Exception, SystemExit) as error:  # the package exits where it finds no credentials
        raise SubmissionError(f"{path}: not submitted: {_reason(error)}") from error
    if not answer.ref:  # set only when Kaggle has taken the submission
        raise SubmissionError(f"{path}: not submitted: {answer.message or 'Kaggle gave no reason'}")
    return answer.message


def _reason(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return "no Kaggle credentials found; see https://www.kaggle.com/docs/api#authentication"
    return " ".join(str(error).split()) or type(error).__name__
