"""The shipped recipes on MNIST's test set: networks, their mean and deviation over seeds, their committee, its pupils.

Every seed of SEEDS counts, none is left out; each network is trained on all 60,000 digits, and the test set is opened
for each of the rows once its recipe is frozen. Calibration is shown at temperature 1 and at the exported one. Very
long: what is in runs/record is taken from there, and a training that was stopped goes on.
"""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from statistics import mean

from benchmarks.held_out import refuse_another
from benchmarks.sure import tempered
from benchmarks.tables import print_header, print_row, spread
from flaxdigits import Evaluation, Recognizer, TrainConfig, load
from flaxdigits.data import MNIST_TEST
from flaxdigits.runs import RUNS, Run
from flaxdigits.shipped import MODEL
from flaxdigits.training.export import export

TEACHER, PUPIL, TINY = (MODEL.with_name(f"{name}.toml") for name in ("digits-teacher", "digits", "digits-tiny"))
SEEDS = (0, 1, 2, 3, 4)
FEW = 3  # seeds of those that teach and are joined, of the pupils and of the tiny networks
FOLDER = RUNS / "record"
VIEWS = 9
HEADER = (
    "what", "accuracy on the 10,000, %", "n", "epochs", "hours a network", "calibration error at temperature 1",
    "as exported", "loss at temperature 1, nats", "as exported",
)  # fmt: skip


def main() -> None:
    runs = [trained(f"seed{seed}", TEACHER, seed) for seed in SEEDS]
    few = runs[:FEW]
    pupils = [trained(f"taught{seed}", PUPIL, seed) for seed in SEEDS[:FEW]]
    tiny = [trained(f"tiny{seed}", TINY, seed) for seed in SEEDS[:FEW]]
    committee, views = FOLDER / "committee.onnx", FOLDER / "committee-views.onnx"
    print_header(*HEADER)
    show("one network", [run.model for run in runs], runs)
    show(f"a committee of the first {FEW}", [export(few, committee).path], few)
    show(f"the same, {VIEWS} views", [export(few, views, views=VIEWS).path], few)
    show("one network taught by that committee", [run.model for run in pupils], pupils)
    show("the tiny one, int8", [export(run, precision="int8").path for run in tiny], tiny)


def trained(name: str, recipe: Path, seed: int) -> Run:
    """Trains what is not trained yet.

    Raises:
        RunError: where a run of that name has another configuration.
    """
    program, run = str(Path(sys.executable).with_name("flaxdigits")), Run(FOLDER / name)
    refuse_another(run, TrainConfig.from_toml(recipe).changed(seed=seed))
    begin = ["--config", str(recipe), "--seed", str(seed), "--out", str(run)]
    if not run.model.exists():
        subprocess.run([program, "train", *(["--resume", str(run)] if run.config.exists() else begin)], check=True)
    return run


def show(what: str, models: list[Path], runs: list[Run]) -> None:
    before, after = zip(*map(judge, models), strict=True)
    hours = mean(run.history_frame()["seconds"].sum() / 3600 for run in runs)
    print_row(
        what,
        spread([100 * one.accuracy for one in after]),
        f"{len(models)}",
        f"{TrainConfig.from_toml(runs[0].config).epochs}",
        f"{hours:.1f}",
        *(f"{mean(one.calibration_error for one in judged):.4f}" for judged in (before, after)),
        *(f"{mean(one.loss for one in judged):.4f}" for judged in (before, after)),
    )


def judge(model: Path) -> tuple[Evaluation, Evaluation]:
    """Judges a model at temperature 1, and as it is."""
    recognizer = Recognizer(model)
    after = Evaluation.of(recognizer, load(MNIST_TEST))
    untempered = tempered(after.probabilities, 1 / float(recognizer.metadata["temperature"]))
    return replace(after, probabilities=untempered), after
