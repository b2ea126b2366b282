"""`flaxdigits predict`."""

import sys
from typing import Annotated, Literal

import numpy as np
import typer

from flaxdigits.data.inputs import read_inputs
from flaxdigits.errors import DataError
from flaxdigits.inference.recognizer import Prediction, Recognizer
from flaxdigits_cli.models import ModelOption, find_model
from flaxdigits_cli.show import note

Format = Literal["table", "csv", "json", "jsonl"]


def run(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE...", help="Pictures, folders, Kaggle CSV or .npz files; - for standard input."),
    ],
    model: ModelOption = None,
    output_format: Annotated[Format, typer.Option("--format", help="Output format.")] = "table",
) -> int:
    """Prints the digits that can be read, and the errors of the rest; returns 1 if there are any."""
    recognizer = Recognizer(find_model(model))
    found = list(read_inputs(files))
    unread = [item for item in found if isinstance(item, DataError)]
    named = [item for item in found if not isinstance(item, DataError)]
    if named:
        names = [name for item in named for name in item.names]
        prediction = recognizer(np.concatenate([item.images for item in named]))
        sys.stdout.write(WRITERS[output_format](names, prediction))
    for error in unread:
        note(f"flaxdigits: {error}")
    return 1 if unread else 0


def _table(names: list[str], prediction: Prediction) -> str:
    width = max(map(len, names))
    rows = zip(names, prediction.digits, prediction.confidences, strict=True)
    return "".join(f"{name:<{width}}  {digit}  {confidence:.1%}\n" for name, digit, confidence in rows)


def _csv(names: list[str], prediction: Prediction) -> str:
    import csv
    import io

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["file", "digit", "probability", *(f"probability_{digit}" for digit in range(10))])
    rows = zip(names, *prediction, prediction.confidences, strict=True)
    for name, digit, probabilities, confidence in rows:
        writer.writerow([name, digit, f"{confidence:.6f}", *(f"{value:.6f}" for value in probabilities)])
    return text.getvalue()


def _records(names: list[str], prediction: Prediction) -> list[dict]:
    rows = zip(names, *prediction, prediction.confidences, strict=True)
    return [
        {"file": name, "digit": int(digit), "probability": float(confidence), "probabilities": probabilities.tolist()}
        for name, digit, probabilities, confidence in rows
    ]


def _json(names: list[str], prediction: Prediction) -> str:
    import json

    return json.dumps(_records(names, prediction), indent=2) + "\n"


def _jsonl(names: list[str], prediction: Prediction) -> str:
    import json

    return "".join(json.dumps(record) + "\n" for record in _records(names, prediction))


WRITERS = {"table": _table, "csv": _csv, "json": _json, "jsonl": _jsonl}
