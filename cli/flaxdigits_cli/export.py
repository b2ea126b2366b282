"""`flaxdigits export`."""

import argparse
from pathlib import Path

from flaxdigits.contract import IR_VERSION, OPSET
from flaxdigits.extras import require
from flaxdigits_cli.show import command_line


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Says what the command takes."""
    parser.add_argument("source", nargs="?", type=Path, metavar="RUN", help="a run directory (default: runs/latest)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="the file (default: the run's model.onnx)")


def run(arguments: argparse.Namespace) -> None:
    """Exports, and says what the gate found."""
    require("train", "exporting")
    from flaxdigits.training.export import export as write

    report = write(arguments.source, arguments.out, command_line())
    print(
        f"{report.path}: {report.bytes / 1e6:.1f} MB, opset {OPSET}, IR {IR_VERSION}, weights {report.weights_sha256}\n"
        f"gate: {report.digits_compared:,} digits, none read otherwise than by the network; largest difference of a "
        f"probability {report.largest_difference_alone:.1e} one by one, "
        f"{report.largest_difference_batched:.1e} in batches of 1,000"
    )
