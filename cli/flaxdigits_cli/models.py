"""The MODEL argument: a run directory or an .onnx file."""

from pathlib import Path
from typing import Annotated

import typer

from flaxdigits.errors import ModelError
from flaxdigits.inference import shipped
from flaxdigits.runs import Run

Model = Annotated[
    Path | None,
    typer.Argument(metavar="MODEL", help="An .onnx file or a run directory; the shipped model by default."),
]
ModelOption = Annotated[
    Path | None,
    typer.Option("--model", metavar="MODEL", help="An .onnx file or a run directory; the shipped model by default."),
]


def find_model(path: Path | None) -> Path:
    """Returns the .onnx file for a MODEL argument; the shipped one for None.

    Raises:
        ModelError: for a path that does not exist.
        RunNotFoundError: for a folder that is not a run.
        RunUnfinishedError: for a run that is not exported yet.
    """
    if path is None:
        return shipped.MODEL
    if not path.exists():
        raise ModelError(f"{path}: no such file or folder", "expected an .onnx file or a run directory")
    return Run.existing(path).exported_model() if path.is_dir() else path
