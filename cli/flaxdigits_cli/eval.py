"""`flaxdigits eval`."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from flaxdigits.data import MNIST_TEST, load
from flaxdigits_cli.show import note

if TYPE_CHECKING:
    from flaxdigits.digits import Digits
    from flaxdigits.evaluation import Evaluation


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Says what the command takes."""
    parser.add_argument(
        "model", nargs="?", type=Path, metavar="MODEL", help="a run directory or an .onnx file (default: runs/latest)"
    )
    parser.add_argument(
        "data", nargs="?", default=MNIST_TEST, metavar="DATA", help="labelled digits (default: %(default)s)"
    )
    parser.add_argument(
        "--views", type=int, default=1, metavar="N", help="read N slightly bent views of each digit and average"
    )
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FOLDER",
        help="where metrics.json and the pictures go (default: the run; nowhere for an .onnx file)",
    )


def run(arguments: argparse.Namespace) -> None:
    """Evaluates, prints, and writes the files."""
    from flaxdigits.evaluation import Evaluation
    from flaxdigits.recognizer import Recognizer
    from flaxdigits.runs import LATEST, Run
    from flaxdigits.views import AveragingRecognizer

    model = arguments.model or LATEST
    recognizer = Recognizer(Run.existing(model).path if model == LATEST else model)
    digits = load(arguments.data)
    reader = recognizer if arguments.views == 1 else AveragingRecognizer(recognizer, arguments.views)
    evaluation = Evaluation.of(reader, digits)
    print(json.dumps(evaluation.summary(), indent=2) if arguments.json else _table(evaluation))
    _warn(recognizer.metadata, digits)
    folder = arguments.out or model
    if arguments.out or folder.is_dir():
        _save(evaluation, folder)
    else:
        note("add --out FOLDER for metrics.json and the pictures")


def _warn(metadata: dict[str, str], digits: "Digits") -> None:
    """Says where a score is too good because the model was trained on what it was judged by."""
    shared = metadata.get("training_rows_in_mnist_test", "0") if digits.name == MNIST_TEST else "0"
    if metadata.get("training_data_sha256") == digits.sha256:
        shared = "all"
    if shared != "0":
        note(f"warning: the model was trained on {shared} of these digits, so this score is too good")


def _table(evaluation: "Evaluation") -> str:
    """Lays the figures out for reading."""
    lines = [
        f"model              {evaluation.model}",
        f"data               {evaluation.data}, {len(evaluation.labels):,} digits",
        f"accuracy           {evaluation.accuracy:.2%}",
        f"errors             {evaluation.errors}",
        f"loss               {evaluation.loss:.4f} nats a digit",
        f"calibration error  {evaluation.calibration_error:.4f}",
        "",
        "digit errors accuracy  read as" + "".join(f"{digit:>5}" for digit in range(10)),
    ]
    for digit, (counts, accuracy) in enumerate(zip(evaluation.confusion, evaluation.accuracy_per_digit, strict=True)):
        shares = f"{digit:>5} {counts.sum() - counts[digit]:>6} {accuracy:>8.2%}"
        lines.append(shares + " " * 9 + "".join(f"{count:>5}" for count in counts))
    return "\n".join(lines)


def _save(evaluation: "Evaluation", folder: Path) -> None:
    """Writes metrics.json, and the pictures where matplotlib is installed."""
    from flaxdigits import atomic
    from flaxdigits.extras import missing
    from flaxdigits.runs import Run

    run = Run(folder)
    atomic.write_text(run.metrics, json.dumps(evaluation.summary(), indent=2) + "\n")
    written = [run.metrics]
    if missing("train"):
        note("no pictures: they need matplotlib, which comes with: pip install 'flaxdigits[train]'")
    else:
        from flaxdigits.training.plots import plot_confusion, plot_mistakes, plot_reliability

        plot_confusion(evaluation, run.confusion)
        plot_mistakes(evaluation, run.mistakes)
        plot_reliability(evaluation, run.reliability)
        written += [run.confusion, run.mistakes, run.reliability]
    note("wrote " + ", ".join(map(str, written)))
