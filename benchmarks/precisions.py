"""The shipped networks in float32, float16 and int8: errors, bytes and speed of each form.

Of the runs that `just ship` leaves in runs/record, on MNIST's 10,000 test digits. Differing digits and the
largest difference of a probability are against the network in JAX, or between batches of 1, 7 and 1,000.
"""

import tempfile
from pathlib import Path
from typing import get_args

from benchmarks.speed import latency, throughput
from benchmarks.tables import print_header, print_row
from flaxdigits import Evaluation, Recognizer, export_onnx, load
from flaxdigits.inference.contract import Precision
from flaxdigits.runs import RUNS

RUN = {"digits": "seed0", "digits-tiny": "tiny0"}
HEADER = (
    "network", "precision", "errors", "mismatches", "largest difference", "between batch sizes", "MB",
    "one digit, ms", "digits/s at 1,000",
)  # fmt: skip


def main() -> None:
    print_header(*HEADER)
    for name in RUN:
        for precision in get_args(Precision):
            print_row(name, precision, *cells(name, precision))


def cells(name: str, precision: Precision) -> list[str]:
    """Measures a form of a network, for the columns of HEADER from the third on."""
    with tempfile.TemporaryDirectory() as folder:
        report = export_onnx(RUNS / "record" / RUN[name], Path(folder) / "model.onnx", precision=precision)
        recognizer = Recognizer(report.path)
        errors = Evaluation.of(recognizer, load("mnist-test")).errors
        return [
            f"{errors}",
            f"{report.gate.mismatches}",
            f"{report.gate.largest_difference:.1e}",
            f"{report.gate.largest_difference_between_batches:.1e}",
            f"{report.bytes / 1e6:.2f}",
            f"{1e3 * latency(recognizer):.3f}",
            f"{throughput(recognizer):,.0f}",
        ]
