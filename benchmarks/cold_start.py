"""Cold starts, as ratios of process times: `predict one.png` to a bare onnxruntime script, `--help` to `import typer`.

The bare script imports numpy and onnxruntime, loads the same model and runs it once. The two processes take turns,
and the ratio is the median over the pairs, so that a drift of the machine's speed cancels out.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image

from benchmarks import PROGRAM
from flaxdigits import load
from flaxdigits.inference import shipped

BARE = """
import sys
import numpy as np
import onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
print(session.run(None, {"pixels": np.zeros((1, 28, 28), np.uint8)})[0][0])
"""
PAIRS = 31
# Without bytecode, Python would compile Pillow and flaxdigits at every start; the first pair writes it.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def seconds(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=ENVIRONMENT)
    return time.perf_counter() - began


def compare(name: str, ours: list[str], theirs: list[str]) -> None:
    """Prints the median seconds of two commands, and the median ratio."""
    pairs = [(seconds(ours), seconds(theirs)) for _ in range(PAIRS + 1)][1:]  # the first warms the disk's cache
    medians = [statistics.median(times) for times in zip(*pairs, strict=True)]
    ratio = statistics.median(mine / other for mine, other in pairs)
    print(f"{name} {medians[0]:.3f} s, {medians[1]:.3f} s, ratio {ratio:.2f} (median of {PAIRS} pairs)")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        picture = Path(folder) / "one.png"
        Image.fromarray(255 - load("mnist-test").images[0]).resize((200, 200)).save(picture)
        bare = [sys.executable, "-c", BARE, str(shipped.MODEL)]
        compare("predict, bare onnxruntime:", [PROGRAM, "predict", str(picture)], bare)
    compare("--help, import typer:", [PROGRAM, "--help"], [sys.executable, "-c", "import typer"])
