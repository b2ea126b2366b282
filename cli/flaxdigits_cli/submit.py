"""`flaxdigits submit`."""

import argparse
from pathlib import Path

from flaxdigits.extras import require
from flaxdigits_cli.show import command_line, note


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Says what the command takes."""
    parser.add_argument("test", type=Path, metavar="TEST.csv", help="the competition's test.csv; .gz and .zip as well")
    parser.add_argument(
        "--model", type=Path, metavar="MODEL", help="an .onnx file or a run directory (default: the shipped model)"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("submission.csv"), metavar="FILE", help="the file (default: %(default)s)"
    )
    parser.add_argument("--upload", action="store_true", help="hand it in, through the kaggle package")
    parser.add_argument(
        "--message", default="flaxdigits", metavar="TEXT", help="what Kaggle shows beside it (default: %(default)s)"
    )


def run(arguments: argparse.Namespace) -> None:
    """Writes the submission, and hands it in where asked to."""
    from flaxdigits import submission
    from flaxdigits.data import MNIST_TRAIN, load
    from flaxdigits.recognizer import Recognizer

    if arguments.upload:
        require("kaggle", "uploading a submission")
    recognizer = Recognizer(arguments.model)
    digits = load(arguments.test)
    submission.check_test_set(digits, competition=arguments.upload)
    submission.write_submission(recognizer(digits.images).digits, arguments.out)
    print(f"{arguments.out}: {len(digits):,} answers by {recognizer.path}")
    if recognizer.metadata.get("training_data") == MNIST_TRAIN:
        shared = load(MNIST_TRAIN).count_shared(digits)
        note(
            f"warning: {shared:,} of these digits are among MNIST's training digits, which the model has seen, so its "
            "score says little; for an honest one: flaxdigits train train.csv, then submit with --model runs/latest"
        )
    if len(digits) != submission.COMPETITION_ROWS:
        note(f"note: the competition's own test.csv has {submission.COMPETITION_ROWS:,} rows")
    if arguments.upload:
        print(f"Kaggle: {submission.upload(arguments.out, arguments.message)}")
    else:
        note(f"to hand it in: {command_line()} --upload")
