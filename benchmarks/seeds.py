"""The default preset's accuracy on MNIST's test set: mean and deviation over three seeds, and the time it took.

The seeds are 0, 1, 2, and none is left out. Long: about three times what `just train` takes.
"""

import json
import subprocess

from benchmarks import PROGRAM
from benchmarks.tables import spread
from flaxdigits.runs import Run

SEEDS = (0, 1, 2)


def main() -> None:
    folder = Run.new().path.with_suffix(".seeds")
    accuracies, seconds = [], []
    for seed in SEEDS:
        run = Run(folder / f"seed{seed}")
        subprocess.run([PROGRAM, "train", "--seed", str(seed), "--out", str(run)], check=True)
        subprocess.run([PROGRAM, "eval", str(run)], check=True, stdout=subprocess.DEVNULL)
        accuracies.append(100 * json.loads(run.metrics.read_text())["accuracy"])
        seconds.append(run.history_frame()["seconds"].sum())
        print(f"seed {seed}: {accuracies[-1]:.2f}%, {seconds[-1]:.0f} s of training", flush=True)
    print(f"accuracy in %: {spread(accuracies)}; at most {max(seconds):.0f} s of training")
