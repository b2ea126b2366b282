"""`flaxdigits verify`."""

import argparse
from pathlib import Path

import onnxruntime

from flaxdigits import shipped
from flaxdigits.golden import check_golden
from flaxdigits.recognizer import Recognizer


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Says what the command takes."""
    parser.add_argument(
        "model",
        nargs="?",
        type=Path,
        metavar="MODEL",
        help="an .onnx file or a run directory (default: the shipped model)",
    )
    parser.add_argument(
        "golden",
        nargs="?",
        type=Path,
        default=shipped.GOLDEN,
        metavar="FOLDER",
        help="its golden vectors, as `export --golden` wrote them (default: the shipped model's)",
    )


def run(arguments: argparse.Namespace) -> None:
    """Reads the golden vectors with the model here, and says how far the answers are from those at home."""
    recognizer = Recognizer(arguments.model)
    report = check_golden(recognizer, arguments.golden)
    print(
        f"{recognizer.path}: all {report.cases} golden vectors answered as at home, with onnxruntime "
        f"{onnxruntime.__version__}; largest difference of a probability {report.largest_difference:.1e}, "
        f"where {report.tolerance:.0e} is allowed"
    )
