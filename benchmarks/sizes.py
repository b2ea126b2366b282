"""Which stack to ship: sizes and precisions against validation errors, bytes, latency and throughput.

Every stack has the default preset's recipe, and is judged on the tenth of the training digits whose
writers were held out; the test set has no part in it. Long: about an hour on two cores; what is in
runs/sizes already is taken from there, and a training that was stopped goes on.
"""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import get_args

from benchmarks.speed import latency, throughput
from flaxdigits import Recognizer, load
from flaxdigits.contract import Precision
from flaxdigits.runs import RUNS, Run
from flaxdigits.training.export import CALIBRATION_DIGITS
from flaxdigits.training.graph import make_model_proto
from flaxdigits.training.weights import trained_weights

STACKS = ("256,128", "512,256", "1024,512,256", "1280,1024,512", "2048,1024,512", "3000,2000,1000,500,250,64")


def main() -> None:
    program = str(Path(sys.executable).with_name("flaxdigits"))
    for stack in STACKS:
        run = place(stack)
        if not run.model.exists():
            begin = ["--resume", str(run)] if run.config.exists() else ["--hidden", stack, "--out", str(run)]
            subprocess.run([program, "train", *begin], check=True)
    print("| stack | parameters | precision | validation errors | MB | one digit, ms | digits/s at 1,000 |")
    print("|---|---|---|---|---|---|---|")
    for stack in STACKS:
        report(place(stack))


def place(stack: str) -> Run:
    return Run(RUNS / "sizes" / stack.replace(",", "-"))


def report(run: Run) -> None:
    config, params = trained_weights(run)
    _, held_out = load().split(config.validation, config.seed)
    calibration = load().images[:CALIBRATION_DIGITS]
    for precision in get_args(Precision):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.onnx"
            path.write_bytes(make_model_proto(params, {}, precision, calibration).SerializeToString())
            recognizer = Recognizer(path)
            errors = (recognizer(held_out.images).digits != held_out.labels).sum()
            print(
                f"| {'-'.join(map(str, config.hidden))} | {config.parameters:,} | {precision} | {errors} of "
                f"{len(held_out):,} | {path.stat().st_size / 1e6:.1f} | {1e3 * latency(recognizer):.2f} | "
                f"{throughput(recognizer):,.0f} |",
                flush=True,
            )
