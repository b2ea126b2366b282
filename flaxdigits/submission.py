"""The submission file of Kaggle's Digit Recognizer: writing, checking, upload."""

import contextlib
import io
import os
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np

from flaxdigits import atomic
from flaxdigits.data.digits import Digits
from flaxdigits.errors import SubmissionError
from flaxdigits.extras import require

Predict = Callable[[np.ndarray], np.ndarray]  # from uint8 [n, 28, 28] to int64 [n]

COMPETITION = "digit-recognizer"
HEADER = "ImageId,Label"
BATCH = 500  # digits that a thread predicts at a time, at most
COMPETITION_ROWS = 28_000  # of the competition's test.csv, and so of a submission that it accepts


def check_test_set(digits: Digits, competition: bool) -> None:
    """Checks that digits are a test set.

    Args:
        digits: the digits to be submitted.
        competition: whether there must be as many as in the competition's test.csv.

    Raises:
        SubmissionError: if they have labels, or are not 28,000 for the competition.
    """
    if digits.labels is not None:
        raise SubmissionError(f"{digits.name}: has labels, so it is not the competition's test.csv")
    if competition and len(digits) != COMPETITION_ROWS:
        raise SubmissionError(f"{digits.name}: expected {COMPETITION_ROWS:,} digits, got {len(digits):,}")


def read_and_predict(predict: Predict, blocks: Iterable[Digits]) -> tuple[Digits, np.ndarray]:
    """Predicts digits while the next ones are read.

    Args:
        predict: from images to digits; called by a thread per core, so a model should use one thread itself.
        blocks: of one source, as yielded by `data.load.load_blocks`.

    Returns:
        All digits, and the predicted ones, int64 [n].

    Raises:
        DataError: if the blocks cannot be read.
        SubmissionError: if they have labels.
    """
    read: list[Digits] = []
    predicted: list[Future[np.ndarray]] = []
    with ThreadPoolExecutor(os.cpu_count()) as executor:
        try:
            for block in blocks:
                check_test_set(block, competition=False)
                pieces = range(0, len(block), BATCH)
                predicted += [executor.submit(predict, block.images[start : start + BATCH]) for start in pieces]
                read.append(block)
        except BaseException:
            executor.shutdown(cancel_futures=True)
            raise
    return Digits.joined(read), np.concatenate([part.result() for part in predicted])


def write_submission(digits: np.ndarray, path: Path) -> None:
    """Writes a submission file and checks it; the ids count from 1.

    Args:
        digits: the predicted digits, integers [n] in 0..9, in the order of test.csv.
        path: the file, which is replaced only by a complete and valid one.

    Raises:
        SubmissionError: if the file would break the competition's rules.
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
        raise SubmissionError(f"{name}: expected {rows} predictions, got {len(lines) - 1}")
    for row, line in enumerate(lines[1:], 1):
        image_id, _, label = line.partition(",")
        if image_id != str(row) or label not in set("0123456789"):
            raise SubmissionError(f"{name}, line {row + 1}: expected {row} and a label from 0 to 9, got {line}")


def upload(path: Path, message: str) -> str:
    """Uploads a submission file to the competition with the `kaggle` package.

    Args:
        path: the submission file.
        message: the description that Kaggle shows with the submission.

    Returns:
        Kaggle's reply.

    Raises:
        MissingExtraError: if the `kaggle` package is not installed.
        SubmissionError: if there are no credentials, or Kaggle rejected the file.
    """
    require("kaggle", "uploading a submission")
    try:
        # The package prints on import and during the upload; a library must not.
        with contextlib.redirect_stdout(io.StringIO()):
            from kaggle.api.kaggle_api_extended import KaggleApi

            api = KaggleApi()
            api.authenticate()
            reply = api.competition_submit(str(path), message, COMPETITION, quiet=True)
    except (Exception, SystemExit) as error:  # the package calls sys.exit without credentials
        raise SubmissionError(f"{path}: not submitted: {_reason(error)}") from error
    if not reply.ref:  # set only if Kaggle accepted the submission
        raise SubmissionError(f"{path}: not submitted: {reply.message or 'Kaggle gave no reason'}")
    return reply.message


def _reason(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return "no Kaggle credentials found; see https://www.kaggle.com/docs/api#authentication"
    return " ".join(str(error).split()) or type(error).__name__
