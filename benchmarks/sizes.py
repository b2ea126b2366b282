"""Error against parameters: stacks of all sizes, as a table and as docs/error-against-parameters.png.

Every stack has the default preset's recipe but for its widths, once with the labels and once with what the network of
the record recipe says in their place. All are judged on three tenths of the training digits, whose writers were held
out from the teacher too; the test set has no part in it. Long: over an hour on two cores with Python 3.12; what is in
runs/sizes is taken from there, and a training that was stopped goes on.
"""

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from matplotlib.figure import Figure

from benchmarks.held_out import HELD_OUT, RECORD, Judgement, as_model, judge, trained
from benchmarks.speed import latency, throughput
from benchmarks.tables import print_header, print_row
from flaxdigits import TrainConfig, load
from flaxdigits.runs import Run
from flaxdigits.training.presets import REFERENCE_HIDDEN

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
HEADER = (
    "stack", "parameters", "misread", "in int8", "MB", "in int8", "one digit, ms", "in int8", "digits/s at 1,000",
    "in int8", "misread when taught",
)  # fmt: skip


class Point(NamedTuple):
    """A network by its size and by how well it reads the digits that it held out."""

    parameters: int
    found: Judgement


def main() -> None:
    teacher = trained("held-out", RECORD)
    plain, taught = ([trained_stack(hidden, by) for hidden in STACKS] for by in (None, teacher))
    lines = [[point(run) for run in runs] for runs in (plain, taught, [teacher])]
    print_header(*HEADER)
    for run, by_labels, by_teacher in zip(plain, *lines[:2], strict=True):
        print_row(*cells(run, by_labels, by_teacher.found))
    plot(lines)


def trained_stack(hidden: tuple[int, ...], teacher: Run | None = None) -> Run:
    """Trains a stack on the labels, or on what a teacher says."""
    config = TrainConfig(hidden=hidden, validation=HELD_OUT, precision="bfloat16")
    name = "-".join(map(str, hidden))
    if teacher is None:
        return trained(f"sizes/{name}", config)
    return trained(f"sizes/{name}-taught", replace(config, teachers=(str(teacher.path),)))


def point(run: Run) -> Point:
    return Point(TrainConfig.from_toml(run.config).parameters, judge(run))


def cells(run: Run, judged: Point, pupil: Judgement) -> list[str]:
    """Measures a stack, for the columns of HEADER."""
    config = TrainConfig.from_toml(run.config)
    _, held_out = load().split(HELD_OUT, config.seed)
    (full, size), (small, int8_size) = as_model(run), as_model(run, "int8")
    return [
        "-".join(map(str, config.hidden)),
        f"{judged.parameters:,}",
        f"{judged.found.errors}",
        f"{(small(held_out.images).digits != held_out.labels).sum()}",
        *(f"{size / 1e6:.2f}" for size in (size, int8_size)),
        *(f"{1e3 * latency(model):.3f}" for model in (full, small)),
        *(f"{throughput(model):,.0f}" for model in (full, small)),
        f"{pupil.errors}",
    ]


def plot(lines: list[list[Point]]) -> None:
    """Draws the errors of stacks by the labels, of taught ones, and of the teacher, against their parameters.

    The bars are the deviation that such counts have by chance alone.
    """
    figure = Figure(figsize=(7.2, 4.2), layout="constrained")
    axes = figure.subplots()
    looks = (
        ("o-", "#1f5fbf", "default recipe, 50 epochs, by the labels"),
        ("s--", "#c7622b", "the same, taught by the record network"),
        ("*", "#2f8f4e", "the record network, 240 epochs"),
    )
    for points, (shape, color, label) in zip(lines, looks, strict=True):
        parameters, found = zip(*points, strict=True)
        percents, chance = ([100 * one.errors**power / one.digits for one in found] for power in (1, 0.5))
        axes.errorbar(parameters, percents, chance, fmt=shape, color=color, elinewidth=0.7, capsize=3, label=label)
    axes.set(xscale="log", xlabel="parameters", ylabel="misread of digits of other writers, %")
    axes.set_ylim(bottom=0)
    axes.grid(visible=True, color="#e6e6e6")
    axes.legend(frameon=False)
    PLOT.parent.mkdir(exist_ok=True)
    figure.savefig(PLOT, dpi=120)
