"""`flaxdigits predict`."""

import argparse
import sys
from pathlib import Path

import numpy as np

from flaxdigits.errors import DataError
from flaxdigits.inputs import read_inputs
from flaxdigits.recognizer import Answer, Recognizer
from flaxdigits_cli.show import note


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Says what the command takes."""
    parser.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help="a picture, a folder of them, a Kaggle CSV, an .npz; - for standard input",
    )
    parser.add_argument(
        "--model", type=Path, metavar="FILE", help="an .onnx file or a run directory (default: the shipped model)"
    )
    parser.add_argument(
        "--format", choices=WRITERS, default="table", help="how to write the answers (default: %(default)s)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Reads what can be read, and says of the rest why it cannot; 1 where there was such a rest."""
    recognizer = Recognizer(arguments.model)
    found = list(read_inputs(arguments.files))
    unread = [item for item in found if isinstance(item, DataError)]
    named = [item for item in found if not isinstance(item, DataError)]
    if named:
        names = [name for item in named for name in item.names]
        answer = recognizer(np.concatenate([item.images for item in named]))
        sys.stdout.write(WRITERS[arguments.format](names, answer))
    for error in unread:
        note(f"flaxdigits: {error}")
    return 1 if unread else 0


def _table(names: list[str], answer: Answer) -> str:
    width = max(map(len, names))
    rows = zip(names, answer.digits, answer.confidences, strict=True)
    return "".join(f"{name:<{width}}  {digit}  {confidence:.1%}\n" for name, digit, confidence in rows)


def _csv(names: list[str], answer: Answer) -> str:
    import csv
    import io

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["file", "digit", "probability", *(f"probability_{digit}" for digit in range(10))])
    for name, digit, row in zip(names, answer.digits, answer.probabilities, strict=True):
        writer.writerow([name, digit, f"{row.max():.6f}", *(f"{value:.6f}" for value in row)])
    return text.getvalue()


def _records(names: list[str], answer: Answer) -> list[dict]:
    return [
        {"file": name, "digit": int(digit), "probability": float(row.max()), "probabilities": row.tolist()}
        for name, digit, row in zip(names, answer.digits, answer.probabilities, strict=True)
    ]


def _json(names: list[str], answer: Answer) -> str:
    import json

    return json.dumps(_records(names, answer), indent=2) + "\n"


def _jsonl(names: list[str], answer: Answer) -> str:
    import json

    return "".join(json.dumps(record) + "\n" for record in _records(names, answer))


WRITERS = {"table": _table, "csv": _csv, "json": _json, "jsonl": _jsonl}
