"""Error against parameters: stacks of all sizes in all precisions, as a table and as docs/error-against-parameters.png.

Every stack has the default preset's recipe but for its widths, and is judged on three tenths of the training digits,
whose writers were held out; the test set has no part in it. Long: over an hour on two cores; what is in runs/sizes
already is taken from there, and a training that was stopped goes on.
"""

from pathlib import Path
from typing import get_args

from matplotlib.figure import Figure

from benchmarks.held_out import HELD_OUT, Judgement, as_model, judge, trained
from benchmarks.speed import latency, throughput
from flaxdigits import TrainConfig, load
from flaxdigits.contract import Precision
from flaxdigits.runs import Run
from flaxdigits.training.config import REFERENCE_HIDDEN

STACKS = (
    (64, 32),
    (128, 64),
    (256, 128),
    (512, 256),
    (1024, 512, 256),
    (1280, 1024, 512),
    (2048, 1024, 512),
    REFERENCE_HIDDEN,
)
PLOT = Path(__file__).parents[1] / "docs" / "error-against-parameters.png"


def main() -> None:
    configs = [TrainConfig(hidden=hidden, validation=HELD_OUT) for hidden in STACKS]
    runs = [trained(f"sizes/{'-'.join(map(str, config.hidden))}", config) for config in configs]
    plot([config.parameters for config in configs], [judge(run) for run in runs])
    print("| stack | parameters | precision | errors | MB | one digit, ms | digits/s at 1,000 |")
    print("|---|---|---|---|---|---|---|")
    for run in runs:
        report(run)


def report(run: Run) -> None:
    config = TrainConfig.from_toml(run.config)
    _, held_out = load().split(config.validation, config.seed)
    for precision in get_args(Precision):
        recognizer, size = as_model(run, precision)
        errors = (recognizer(held_out.images).digits != held_out.labels).sum()
        print(
            f"| {'-'.join(map(str, config.hidden))} | {config.parameters:,} | {precision} | {errors} of "
            f"{len(held_out):,} | {size / 1e6:.1f} | {1e3 * latency(recognizer):.2f} | {throughput(recognizer):,.0f} |",
            flush=True,
        )


def plot(parameters: list[int], found: list[Judgement]) -> None:
    """Draws the errors with the deviation that counts of that size have by chance alone."""
    figure = Figure(figsize=(7.2, 4.2), layout="constrained")
    axes = figure.subplots()
    percents = [100 * one.errors / one.digits for one in found]
    chance = [100 * one.errors**0.5 / one.digits for one in found]
    axes.errorbar(parameters, percents, chance, fmt="o-", color="#1f5fbf", ecolor="#a8c0e8", capsize=3)
    axes.set(xscale="log", xlabel="parameters", ylabel=f"misread of {found[0].digits:,} digits of other writers, %")
    axes.set_ylim(bottom=0)
    axes.grid(visible=True, color="#e6e6e6")
    PLOT.parent.mkdir(exist_ok=True)
    figure.savefig(PLOT, dpi=120)
