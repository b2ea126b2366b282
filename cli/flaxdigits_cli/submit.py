"""`flaxdigits submit`."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flaxdigits.extras import require
from flaxdigits.inference.shipped import find_model
from flaxdigits_cli.models import ModelOption
from flaxdigits_cli.show import command_line, note, say

if TYPE_CHECKING:
    from flaxdigits.data.digits import Digits


def run(
    test: Annotated[
        Path, typer.Argument(metavar="TEST.csv", help="The competition's test.csv; .gz, or the .zip it comes in.")
    ],
    model: ModelOption = None,
    out: Annotated[Path, typer.Option(metavar="FILE", help="The file to write.")] = Path("submission.csv"),
    upload: Annotated[bool, typer.Option("--upload", help="Upload it, through the kaggle package.")] = False,
    message: Annotated[str, typer.Option(metavar="TEXT", help="Description shown on Kaggle.")] = "flaxdigits",
) -> None:
    """Writes the submission, and uploads it on request."""
    from flaxdigits import submission
    from flaxdigits.data.load import load_blocks
    from flaxdigits.inference.recognizer import Recognizer

    if upload:
        require("kaggle", "uploading a submission")
    recognizer = Recognizer(find_model(model), threads=1)
    with ThreadPoolExecutor(max_workers=1) as executor:
        training = executor.submit(_training_digits, recognizer.metadata)
        blocks = load_blocks(test, part="test")
        digits, predicted = submission.read_and_predict(lambda images: recognizer(images).digits, blocks)
    submission.check_test_set(digits, competition=upload)
    submission.write_submission(predicted, out)
    say(f"{out}: {len(digits):,} predictions by {recognizer.name}")
    trained_on = training.result()
    if trained_on and (shared := trained_on.count_shared(digits)):
        note(
            f"warning: the model was trained on {shared:,} of these digits, so its score is optimistic; "
            "train on the competition's own train.csv, and submit with --model runs/latest"
        )
    if len(digits) != submission.COMPETITION_ROWS:
        note(f"note: the competition's own test.csv has {submission.COMPETITION_ROWS:,} rows")
    if upload:
        say(f"Kaggle: {submission.upload(out, message)}")
    else:
        note(f"to upload it: {command_line()} --upload")


def _training_digits(metadata: dict[str, str]) -> "Digits | None":
    """Returns the digits that a model was trained on if they are the embedded MNIST; otherwise None."""
    from flaxdigits.data.load import MNIST_TRAIN, MNIST_TRAIN_SHA256, load

    return load(MNIST_TRAIN) if metadata.get("training_data_sha256") == MNIST_TRAIN_SHA256 else None
