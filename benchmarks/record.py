"""The shipped recipes on MNIST's test set: mean and deviation over three seeds, none left out.

Each network is trained on all 60,000 digits; the test set is opened once for each recipe. Calibration is shown at
temperature 1 and at the exported one. Long: runs in runs/record are reused, and unfinished ones go on.
"""

from dataclasses import replace
from pathlib import Path
from statistics import mean

import numpy as np

from benchmarks.sure import tempered
from benchmarks.tables import print_header, print_row, spread
from flaxdigits import Evaluation, Recognizer, TrainConfig, export_onnx, fit, load
from flaxdigits.data.load import MNIST_TEST
from flaxdigits.inference.contract import Precision
from flaxdigits.inference.shipped import FOLDER
from flaxdigits.runs import RUNS, Run

SEEDS = (0, 1, 2)
HEADER = (
    "recipe", "accuracy on the 10,000, %", "n", "epochs", "hours a network", "calibration error at temperature 1",
    "as exported", "loss at temperature 1, nats", "as exported",
)  # fmt: skip


def main() -> None:
    print_header(*HEADER)
    show("record", "seed", FOLDER / "digits.toml", "float32")
    show("tiny", "tiny", FOLDER / "digits-tiny.toml", "float32")
    show("tiny, int8", "tiny", FOLDER / "digits-tiny.toml", "int8")


def show(what: str, name: str, recipe: Path, precision: Precision) -> None:
    runs = [trained(f"{name}{seed}", recipe, seed) for seed in SEEDS]
    before, after = zip(*(evaluate(export_onnx(run, precision=precision).path) for run in runs), strict=True)
    print_row(
        what,
        spread([100 * one.accuracy for one in after]),
        f"{len(runs)}",
        f"{TrainConfig.from_toml(runs[0].config).epochs}",
        f"{np.mean([run.history_frame()['seconds'].sum() / 3600 for run in runs]):.1f}",
        *(f"{mean(one.calibration_error for one in evaluations):.4f}" for evaluations in (before, after)),
        *(f"{mean(one.loss for one in evaluations):.4f}" for evaluations in (before, after)),
    )


def trained(name: str, recipe: Path, seed: int) -> Run:
    """Returns a run; trains it if necessary.

    Raises:
        RunExistsError: if a run of that name has another configuration.
    """
    run, config = Run(RUNS / "record" / name), TrainConfig.from_toml(recipe, seed=seed)
    for _ in fit(load(), config, run, if_exists="resume"):
        pass
    return run


def evaluate(model: Path) -> tuple[Evaluation, Evaluation]:
    """Evaluates a model at temperature 1, and as it is."""
    recognizer = Recognizer(model)
    after = Evaluation.of(recognizer, load(MNIST_TEST))
    untempered = tempered(after.probabilities, 1 / float(recognizer.metadata["temperature"]))
    return replace(after, probabilities=untempered), after
