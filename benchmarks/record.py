"""The record recipe on MNIST's test set: single networks, their mean and deviation over seeds, and their committee.

Every seed of SEEDS counts, none is left out; each network is trained on all 60,000 digits, and the test set is opened
for each of the rows once its recipe is frozen. Very long: 240 epochs a seed. What is
in runs/record is taken from there, and a training that was stopped goes on.
"""

import statistics
import subprocess
import sys
from pathlib import Path

from flaxdigits import Evaluation, Recognizer, load
from flaxdigits.data import MNIST_TEST
from flaxdigits.runs import RUNS, Run
from flaxdigits.shipped import MODEL
from flaxdigits.training.export import export

RECIPE = MODEL.with_name("record.toml")
SEEDS = (0, 1, 2)
FOLDER = RUNS / "record"
VIEWS = 9


def main() -> None:
    runs = [trained(seed) for seed in SEEDS]
    hours = [run.history_frame()["seconds"].sum() / 3600 for run in runs]
    committee, views = FOLDER / "committee.onnx", FOLDER / "committee-views.onnx"
    export(runs, committee)
    export(runs, views, views=VIEWS)
    print("| what | accuracy on the 10,000 | n | hours of training |")
    print("|---|---|---|---|")
    singles = [accuracy(run.model) for run in runs]
    print(f"| one network | {spread(singles)} | {len(singles)} | {statistics.mean(hours):.1f} |")
    print(f"| a committee of {len(runs)} | {accuracy(committee):.2f} | 1 | {sum(hours):.1f} |")
    print(f"| the same, {VIEWS} views | {accuracy(views):.2f} | 1 | {sum(hours):.1f} |")


def trained(seed: int) -> Run:
    """Trains what is not trained yet."""
    program, run = str(Path(sys.executable).with_name("flaxdigits")), Run(FOLDER / f"seed{seed}")
    begin = ["--config", str(RECIPE), "--seed", str(seed), "--out", str(run)]
    if not run.model.exists():
        subprocess.run([program, "train", *(["--resume", str(run)] if run.config.exists() else begin)], check=True)
    return run


def accuracy(model: Path) -> float:
    return 100 * Evaluation.of(Recognizer(model), load(MNIST_TEST)).accuracy


def spread(values: list[float]) -> str:
    each = ", ".join(f"{value:.2f}" for value in values)
    return f"{statistics.mean(values):.2f} +- {statistics.stdev(values):.2f} ({each})"
