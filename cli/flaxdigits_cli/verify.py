"""`flaxdigits verify`."""

from pathlib import Path
from typing import Annotated

import onnxruntime
import typer

from flaxdigits.inference import shipped
from flaxdigits.inference.golden import check_golden
from flaxdigits.inference.recognizer import CPU, Recognizer
from flaxdigits.inference.shipped import find_model
from flaxdigits_cli.models import Model
from flaxdigits_cli.show import say


def run(
    model: Model = None,
    golden: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER",
            help="Golden vectors, as `export --golden` writes them; the shipped model's by default.",
            show_default=False,
        ),
    ] = shipped.GOLDEN,
) -> None:
    """Checks a model and prints the largest difference."""
    recognizer = Recognizer(find_model(model), CPU)
    report = check_golden(recognizer, golden)
    say(
        f"{recognizer.name}: all {report.cases} golden vectors match, with onnxruntime {onnxruntime.__version__}; "
        f"largest difference of a probability {report.largest_difference:.1e}, tolerance {report.tolerance:.0e}"
    )
