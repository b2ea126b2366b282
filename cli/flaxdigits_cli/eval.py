"""`flaxdigits eval`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flaxdigits.data.load import MNIST_TEST, load
from flaxdigits.inference.shipped import find_model
from flaxdigits.printable import printable
from flaxdigits_cli.show import note, to_json

if TYPE_CHECKING:
    from flaxdigits.data.digits import Digits
    from flaxdigits.evaluation import Evaluation


def run(
    model: Annotated[
        Path | None,
        typer.Argument(metavar="MODEL", help="A run directory or an .onnx file; runs/latest by default."),
    ] = None,
    data: Annotated[str, typer.Argument(metavar="DATA", help="Labelled digits.")] = MNIST_TEST,
    validation: Annotated[
        bool, typer.Option("--validation", help="Evaluate on the digits that the run held out.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="For metrics.json and the plots; the run by default, none for a file."),
    ] = None,
) -> None:
    """Evaluates a model, prints the figures, and writes the files."""
    from flaxdigits.runs import Run

    if model is None or model.is_dir():
        model = Run.existing(model).path  # runs/latest may be moved meanwhile
    if validation and (not model.is_dir() or data != MNIST_TEST):
        raise typer.BadParameter("it takes a run directory, and no DATA", param_hint="--validation")
    digits = held_out(model) if validation else load(data)
    evaluate(model, digits, as_json, out or (model if model.is_dir() else None))


def held_out(run: Path) -> "Digits":
    """Returns the digits that a run held out."""
    from flaxdigits.runs import Run
    from flaxdigits.training.records import load_held_out

    return load_held_out(Run.existing(run))


def evaluate(model: Path, digits: "Digits", as_json: bool = False, out: Path | None = None) -> None:
    """Prints the figures of a model on labelled digits, and writes them and the plots into a folder."""
    from flaxdigits.evaluation import Evaluation
    from flaxdigits.inference.recognizer import Recognizer

    recognizer = Recognizer(find_model(model))
    evaluation = Evaluation.of(recognizer, digits)
    print(to_json(evaluation.summary(), indent=2) if as_json else _table(evaluation))
    _warn(recognizer.metadata, digits)
    if out:
        _save(evaluation, out)
    else:
        note("add --out FOLDER for metrics.json and the plots")


def _warn(metadata: dict[str, str], digits: "Digits") -> None:
    """Warns about a score on digits that the model was trained on."""
    shared = metadata.get("training_rows_in_mnist_test", "0") if digits.name == MNIST_TEST else "0"
    if metadata.get("training_data_sha256") == digits.sha256:
        shared = "all"
    if shared != "0":
        note(f"warning: the model was trained on {shared} of these digits, so the score is optimistic")


def _table(evaluation: "Evaluation") -> str:
    lines = [
        f"model              {printable(evaluation.model)}",
        f"data               {printable(evaluation.data)}, {len(evaluation.labels):,} digits",
        f"accuracy           {evaluation.accuracy:.2%}",
        f"errors             {evaluation.errors}",
        f"loss               {evaluation.loss:.4f} nats",
        f"calibration error  {evaluation.calibration_error:.4f}",
        "",
        "digit errors accuracy  predicted" + "".join(f"{digit:>5}" for digit in range(10)),
    ]
    for digit, (counts, accuracy) in enumerate(zip(evaluation.confusion, evaluation.accuracy_per_digit, strict=True)):
        shares = f"{digit:>5} {counts.sum() - counts[digit]:>6} {accuracy:>8.2%}"
        lines.append(shares + " " * 11 + "".join(f"{count:>5}" for count in counts))
    return "\n".join(lines)


def _save(evaluation: "Evaluation", folder: Path) -> None:
    """Writes metrics.json, and the plots if matplotlib is installed."""
    from flaxdigits import atomic
    from flaxdigits.extras import install_command, missing
    from flaxdigits.runs import Run

    run = Run(folder)
    atomic.write_text(run.metrics, json.dumps(evaluation.summary(), indent=2) + "\n")
    written = [run.metrics]
    if missing("train"):
        note(f"no plots: they need matplotlib, which comes with: {install_command('train')}")
    else:
        from flaxdigits.training.plots import plot_confusion, plot_mistakes, plot_reliability

        plot_confusion(evaluation, run.confusion)
        plot_mistakes(evaluation, run.mistakes)
        plot_reliability(evaluation, run.reliability)
        written += [run.confusion, run.mistakes, run.reliability]
    note("wrote " + ", ".join(map(str, written)))
