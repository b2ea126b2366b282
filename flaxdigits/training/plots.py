"""Pictures of a training and of an evaluation: curves, confusion, mistakes, reliability."""

import math
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter, StrMethodFormatter

from flaxdigits import atomic
from flaxdigits.contract import CLASSES
from flaxdigits.evaluation import CALIBRATION_BINS, Evaluation, Reliability
from flaxdigits.training.history import EpochReport

DPI = 120
TRAINING, VALIDATION = "#8a8a8a", "#1f5fbf"
MISTAKES = 40  # shown at most
MISTAKES_A_ROW = 10


def plot_curves(reports: list[EpochReport], path: Path) -> None:
    """Draws loss and error over the epochs, training and validation, as a PNG."""
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    loss, error = figure.subplots(1, 2)
    epochs = [report.epoch for report in reports]
    _curves(loss, epochs, [r.train_loss for r in reports], [r.val_loss for r in reports])
    loss.set(title="Loss", ylabel="cross-entropy, nats a digit")
    train_error = [100 * (1 - r.train_accuracy) for r in reports]
    _curves(error, epochs, train_error, [100 * (1 - r.val_accuracy) for r in reports])
    error.set(title="Error", ylabel="digits misread")
    error.yaxis.set_major_formatter(PercentFormatter(decimals=None))
    figure.suptitle(_summary(reports[-1]))
    _save(figure, path)


def _summary(last: EpochReport) -> str:
    judged = "training" if math.isnan(last.val_loss) else "validation"
    loss, accuracy = (
        (last.train_loss, last.train_accuracy) if judged == "training" else (last.val_loss, last.val_accuracy)
    )
    return f"After epoch {last.epoch}: {judged} accuracy {accuracy:.2%}, loss {loss:.4f}"


def _curves(axes: Axes, epochs: list[int], training: list[float], validation: list[float]) -> None:
    axes.plot(epochs, training, ".-", color=TRAINING, label="training (as trained on)")
    axes.plot(epochs, validation, ".-", color=VALIDATION, label="validation (clean digits)")
    axes.set_xlabel("epoch")
    if any(value > 0 for value in [*training, *validation]):  # a perfect score has no logarithm
        axes.set_yscale("log")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(visible=True, which="both", color="#e6e6e6")
    axes.legend(frameon=False)


def plot_confusion(evaluation: Evaluation, path: Path) -> None:
    """Draws the confusion matrix as a PNG: counts in the cells, colour for the mistakes alone."""
    figure = Figure(figsize=(7.2, 6.6), layout="constrained")
    axes = figure.subplots()
    confusion = evaluation.confusion
    mistakes = np.where(np.eye(CLASSES, dtype=bool), 0, confusion)
    colours = axes.imshow(mistakes, cmap="Reds", vmin=0, vmax=max(mistakes.max(), 1))
    for (row, column), count in np.ndenumerate(confusion):
        dark = mistakes[row, column] > 0.6 * max(mistakes.max(), 1)
        colour = "#2a7a2a" if row == column else "white" if dark else "black" if count else "#c8c8c8"
        axes.text(column, row, f"{count}", ha="center", va="center", color=colour)
    axes.set(xticks=range(CLASSES), yticks=range(CLASSES), xlabel="read as", ylabel="true digit")
    axes.set_title(
        f"{evaluation.errors} of {len(evaluation.labels):,} digits misread ({evaluation.accuracy:.2%} right)"
    )
    figure.colorbar(colours, ax=axes, label="digits misread", shrink=0.8, ticks=MaxNLocator(integer=True))
    _save(figure, path)


def plot_mistakes(evaluation: Evaluation, path: Path) -> None:
    """Draws the worst mistakes as a PNG: each digit with its true label, the answer and its probability."""
    rows = evaluation.worst(MISTAKES)
    lines = max(1, -(-len(rows) // MISTAKES_A_ROW))
    figure = Figure(figsize=(1.25 * MISTAKES_A_ROW, 1.75 * lines + 0.6), layout="constrained")
    title = f"The worst {len(rows)} of {evaluation.errors} mistakes" if len(rows) else "No mistakes"
    figure.suptitle(f"{title}: the row in the data (from 1), the true digit, the answer and its probability")
    for axes, row in zip(figure.subplots(lines, MISTAKES_A_ROW, squeeze=False).flat, rows, strict=False):
        answer = evaluation.digits[row]
        axes.imshow(evaluation.images[row], cmap="gray_r", vmin=0, vmax=255)
        axes.set_title(f"#{row + 1}\n{evaluation.labels[row]} → {answer}  {evaluation.probabilities[row].max():.0%}")
    for axes in figure.axes:
        axes.set_axis_off()
    _save(figure, path)


def plot_reliability(evaluation: Evaluation, path: Path) -> None:
    """Draws accuracy against confidence as a PNG, and below it how many digits each bin of confidence holds."""
    figure = Figure(figsize=(7.2, 7.6), layout="constrained")
    accuracy, count = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    _accuracies(accuracy, evaluation.reliability)
    _counts(count, evaluation.reliability.counts)
    figure.align_ylabels()
    count.set(xlim=(0, 1), xlabel="confidence: the probability of the answer")
    count.xaxis.set_major_formatter(PercentFormatter(1))
    accuracy.set_title(
        f"Expected calibration error {evaluation.calibration_error:.4f} over {len(evaluation.labels):,} digits\n"
        f"mean confidence {evaluation.confidence.mean():.2%}, accuracy {evaluation.accuracy:.2%}\n"
        f"{_fullest(evaluation.reliability)}"
    )
    _save(figure, path)


def _accuracies(axes: Axes, reliability: Reliability) -> None:
    axes.plot([0, 1], [0, 1], "--", color=TRAINING, label="perfect calibration")
    axes.vlines(reliability.confidences, *reliability.intervals, color="#a5bfe5", linewidth=2.5, label="95% interval")
    axes.plot(
        reliability.confidences, reliability.accuracies, "o", color=VALIDATION, clip_on=False, label="digits of one bin"
    )
    axes.set(ylim=(-0.02, 1.05), ylabel="accuracy: digits read rightly")
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.grid(visible=True, color="#e6e6e6")
    axes.set_axisbelow(True)
    axes.legend(frameon=False, loc="upper left")


def _fullest(reliability: Reliability) -> str:
    """Says the figures of the fullest bin, which decides the calibration error and is too near a corner to be read."""
    count, confidence, accuracy = np.transpose(reliability)[reliability.counts.argmax()]
    return f"fullest bin: {count:,.0f} digits, {confidence:.1%} sure, {accuracy:.1%} right"


def _counts(axes: Axes, counts: np.ndarray) -> None:
    edges = np.arange(CALIBRATION_BINS) / CALIBRATION_BINS
    bars = axes.bar(edges, counts, width=1 / CALIBRATION_BINS, align="edge", color=TRAINING, edgecolor="white")
    axes.bar_label(bars, [f"{count:,}" if count else "" for count in counts], padding=2, fontsize="small")
    axes.set_yscale("log")
    axes.minorticks_off()
    axes.set(ylim=(0.5, 6 * counts.max()), ylabel="digits")  # from 1/2: a bar of one digit is seen, and room for labels
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))


def _save(figure: Figure, path: Path) -> None:
    with atomic.replacing(path) as beside:
        figure.savefig(beside, dpi=DPI)
