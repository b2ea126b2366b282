"""The shipped networks in float32, float16 and int8: what each form loses, weighs and takes.

Of the runs in runs/shipped, which `just ship` makes, on MNIST's 10,000 test digits. Digits read otherwise and the
largest difference of a probability are against the network in JAX, or between batches of 1, 7 and 1,000.
"""

import tempfile
from pathlib import Path
from typing import get_args

from benchmarks.speed import latency, throughput
from flaxdigits import Evaluation, Recognizer, export, load
from flaxdigits.contract import Precision
from flaxdigits.runs import RUNS

NAMES = ("digits", "digits-tiny")


def main() -> None:
    print(
        "| network | precision | errors | read otherwise | largest difference | between batches | MB | one digit, ms "
        "| digits/s at 1,000 |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for name in NAMES:
        for precision in get_args(Precision):
            print(row(name, precision), flush=True)


def row(name: str, precision: Precision) -> str:
    with tempfile.TemporaryDirectory() as folder:
        report = export(RUNS / "shipped" / name, Path(folder) / "model.onnx", precision=precision)
        recognizer = Recognizer(report.path)
        errors = Evaluation.of(recognizer, load("mnist-test")).errors
        return (
            f"| {name} | {precision} | {errors} | {report.gate.differing} | {report.gate.largest_difference:.1e} | "
            f"{report.gate.largest_difference_between_batches:.1e} | {report.bytes / 1e6:.2f} | "
            f"{1e3 * latency(recognizer):.3f} | {throughput(recognizer):,.0f} |"
        )
