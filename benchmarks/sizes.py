"""Error against parameters: stacks of all sizes, as a table and as docs/error-against-parameters.png.

Every stack has the default preset's recipe but for its widths, and is evaluated on three tenths of the training
digits, whose writers were held out; the test set has no part in it. Long: half an hour on two cores with Python 3.12.
Runs in runs/sizes are reused, and unfinished ones go on.
"""

from pathlib import Path

from matplotlib.figure import Figure

from benchmarks.held_out import HELD_OUT, RECORD, Figures, as_model, evaluate, trained
from benchmarks.speed import latency, throughput
from benchmarks.tables import print_header, print_row
from flaxdigits import PRESETS, TrainConfig, load
from flaxdigits.runs import Run

STACKS = (
    (64, 32),
    (128, 64),
    (256, 128),
    (512, 256),
    (1024, 512, 256),
    (1280, 1024, 512),
    (2048, 1024, 512),
    PRESETS["reference"].hidden,
)
PLOT = Path(__file__).parents[1] / "docs" / "error-against-parameters.png"
HEADER = (
    "stack", "parameters", "errors", "in int8", "MB", "in int8", "one digit, ms", "in int8", "digits/s at 1,000",
    "in int8",
)  # fmt: skip


def main() -> None:
    runs = [trained_stack(hidden) for hidden in STACKS]
    print_header(*HEADER)
    for run in runs:
        print_row(*cells(run))
    plot([measured(run) for run in runs], [measured(trained("held-out", RECORD))])


def trained_stack(hidden: tuple[int, ...]) -> Run:
    config = TrainConfig(hidden=hidden, validation=HELD_OUT, precision="bfloat16")
    return trained(f"sizes/{'-'.join(map(str, hidden))}", config)


def cells(run: Run) -> list[str]:
    """Measures a stack, for the columns of HEADER."""
    config = TrainConfig.from_toml(run.config)
    _, held_out = load().split(HELD_OUT, config.seed)
    assert held_out is not None
    (full, size), (small, int8_size) = as_model(run), as_model(run, "int8")
    return [
        "-".join(map(str, config.hidden)),
        f"{config.parameters:,}",
        f"{evaluate(run).errors}",
        f"{(small(held_out.images).digits != held_out.labels).sum()}",
        *(f"{size / 1e6:.2f}" for size in (size, int8_size)),
        *(f"{1e3 * latency(model):.3f}" for model in (full, small)),
        *(f"{throughput(model):,.0f}" for model in (full, small)),
    ]


def measured(run: Run) -> tuple[int, Figures]:
    """Returns the number of a network's parameters, and its figures."""
    return TrainConfig.from_toml(run.config).parameters, evaluate(run)


def plot(*lines: list[tuple[int, Figures]]) -> None:
    """Draws errors against parameters, of the stacks and of the record network.

    The bars are the standard deviation of such counts.
    """
    figure = Figure(figsize=(7.2, 4.2), layout="constrained")
    axes = figure.subplots()
    looks = ("o-", "#1f5fbf", "default recipe, 50 epochs"), ("*", "#2f8f4e", "record preset")
    for line, (shape, color, label) in zip(lines, looks, strict=True):
        parameters, figures = zip(*line, strict=True)
        percents, deviations = ([100 * one.errors**power / one.digits for one in figures] for power in (1, 0.5))
        axes.errorbar(parameters, percents, deviations, fmt=shape, color=color, elinewidth=0.7, capsize=3, label=label)
    axes.set(xscale="log", xlabel="parameters", ylabel="error on held-out writers, %")
    axes.set_ylim(bottom=0)
    axes.grid(visible=True, color="#e6e6e6")
    axes.legend(frameon=False)
    figure.savefig(PLOT, dpi=120)
