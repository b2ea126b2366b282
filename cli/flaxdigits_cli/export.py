"""`flaxdigits export`."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from flaxdigits.contract import IR_VERSION, OPSET, Precision
from flaxdigits.extras import require
from flaxdigits_cli.show import command_line, note_temperature

if TYPE_CHECKING:
    from flaxdigits.training.export import ExportReport


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Says what the command takes."""
    parser.add_argument(
        "source",
        nargs="*",
        type=Path,
        metavar="RUN",
        help="a run directory, or several, whose networks become one committee (default: runs/latest)",
    )
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="the file (default: the run's model.onnx, model-int8.onnx, ...)"
    )
    parser.add_argument(
        "--precision",
        choices=get_args(Precision),
        default="float32",
        help="of the weights in the file: float16 halves it, int8 quarters it and is fastest (default: %(default)s)",
    )
    parser.add_argument(
        "--views",
        type=int,
        default=1,
        metavar="N",
        help="read N slightly bent views of each digit and average; N times slower (default: %(default)s)",
    )
    parser.add_argument(
        "--golden", type=Path, metavar="FOLDER", help="also write golden vectors, which `verify` and the checkers take"
    )
    parser.add_argument("--triton", type=Path, metavar="FOLDER", help="also write a Triton / KServe model repository")


def run(arguments: argparse.Namespace) -> None:
    """Exports, and says what the gate found."""
    require("train", "exporting")
    from flaxdigits.training.export import export as write

    report = write(arguments.source or None, arguments.out, command_line(), arguments.precision, arguments.views)
    print(_text(report))
    note_temperature(report.temperature)
    if arguments.golden:
        from flaxdigits.golden import write_golden
        from flaxdigits.recognizer import Recognizer

        count = write_golden(Recognizer(report.path), arguments.golden)
        print(
            f"{arguments.golden}: {count} golden vectors; check with: flaxdigits verify {report.path} "
            f"{arguments.golden}"
        )
    if arguments.triton:
        from flaxdigits.triton import write_repository

        print(f"{write_repository(report.path, arguments.triton)}: config.pbtxt and 1/model.onnx for Triton or KServe")


def _text(report: "ExportReport") -> str:
    gate = report.gate
    *sizes, last_size = (f"{size:,}" for size in gate.batches)
    return (
        f"{report.path}: {report.precision}, {report.bytes / 1e6:.1f} MB, opset {OPSET}, IR {IR_VERSION}, "
        f"temperature {report.temperature:.3f}, weights {report.weights_sha256}\n"
        f"gate: {gate.digits:,} digits in batches of {', '.join(sizes)} and {last_size}; "
        f"{gate.differing} read otherwise than by the network, {gate.errors_lost:+d} errors; "
        f"largest difference of a probability {gate.largest_difference:.1e} from the network, "
        f"{gate.largest_difference_between_batches:.1e} between batches"
    )
