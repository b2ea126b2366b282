"""`flaxdigits submit`."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flaxdigits.extras import require
from flaxdigits_cli.models import ModelOption, find_model
from flaxdigits_cli.show import command_line, note

if TYPE_CHECKING:
    from flaxdigits.data.digits import Digits


def run(
    test: Annotated[
        Path, typer.Argument(metavar="TEST.csv", help="The competition's test.csv; .gz, or the .zip it comes in.")
    ],
    model: ModelOption = None,
    out: Annotated[Path, typer.Option(metavar="FILE", help="The file to write.")] = Path("submission.csv"),
    upload: Annotated[bool, typer.Option("--upload", help="Upload it, through the kaggle package.")] = False,
    message: Annotated[str, typer.Option(metavar="TEXT", help="Shown beside it on Kaggle.")] = "flaxdigits",
) -> None:
    """Writes the submission, and uploads it on request."""
    from flaxdigits import submission
    from flaxdigits.data.load import load
    from flaxdigits.inference.recognizer import Recognizer

    if upload:
        require("kaggle", "uploading a submission")
    recognizer = Recognizer(find_model(model))
    digits = load(test, part="test")
    submission.check_test_set(digits, competition=upload)
    with ThreadPoolExecutor(max_workers=1) as executor:  # while onnxruntime predicts
        seen = executor.submit(_count_seen, recognizer.metadata, digits)
        submission.write_submission(recognizer(digits.images).digits, out)
    print(f"{out}: {len(digits):,} predictions by {recognizer.name}")
    if shared := seen.result():
        note(
            f"warning: the model was trained on {shared:,} of these digits, so its score is optimistic; "
            "train on the competition's own train.csv, and submit with --model runs/latest"
        )
    if len(digits) != submission.COMPETITION_ROWS:
        note(f"note: the competition's own test.csv has {submission.COMPETITION_ROWS:,} rows")
    if upload:
        print(f"Kaggle: {submission.upload(out, message)}")
    else:
        note(f"to upload it: {command_line()} --upload")


def _count_seen(metadata: dict[str, str], digits: "Digits") -> int:
    """Returns how many of the digits a model was trained on, if it was trained on the embedded MNIST; otherwise 0."""
    from flaxdigits.data.load import MNIST_TRAIN, load

    if metadata.get("training_data") != MNIST_TRAIN:  # own data may have this name too, so the hash decides
        return 0
    mnist = load(MNIST_TRAIN)
    return mnist.count_shared(digits) if metadata.get("training_data_sha256") == mnist.sha256 else 0
