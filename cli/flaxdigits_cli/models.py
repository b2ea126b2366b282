"""The MODEL argument: a run directory or an .onnx file."""

from pathlib import Path
from typing import Annotated

import typer

Model = Annotated[
    Path | None,
    typer.Argument(metavar="MODEL", help="An .onnx file or a run directory; the shipped model by default."),
]
ModelOption = Annotated[
    Path | None,
    typer.Option("--model", metavar="MODEL", help="An .onnx file or a run directory; the shipped model by default."),
]
