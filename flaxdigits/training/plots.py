"""Plots of training and evaluation: learning curves, confusion matrix, mistakes, reliability diagram."""

import math
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, StrMethodFormatter

from flaxdigits import atomic
from flaxdigits.convention import CLASSES
from flaxdigits.evaluation import CALIBRATION_BINS, Evaluation, Reliability
from flaxdigits.training.history import EpochReport

DPI = 120
TRAINING, VALIDATION = "#8a8a8a", "#1f5fbf"
PERCENT = StrMethodFormatter("{x:.0%}")
MISTAKES = 40  # shown at most
MISTAKES_A_ROW = 10


def plot_curves(reports: list[EpochReport], path: Path) -> None:
    """Draws training and validation loss and error over the epochs as a PNG."""
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    loss, error = figure.subplots(1, 2)
    epochs = [report.epoch for report in reports]
    _curves(loss, epochs, [r.train_loss for r in reports], [r.val_loss for r in reports])
    loss.set(title="Loss", ylabel="cross-entropy, nats")
    train_error = [100 * (1 - r.train_accuracy) for r in reports]
    _curves(error, epochs, train_error, [100 * (1 - r.val_accuracy) for r in reports])
    error.set(title="Error", ylabel="misclassified, %")
    figure.suptitle(_summary(reports[-1]))
    _save(figure, path)


def _summary(last: EpochReport) -> str:
    source = "training" if math.isnan(last.val_loss) else "validation"
    loss, accuracy = (
        (last.train_loss, last.train_accuracy) if source == "training" else (last.val_loss, last.val_accuracy)
    )
    return f"After epoch {last.epoch}: {source} accuracy {accuracy:.2%}, loss {loss:.4f}"


def _curves(axes: Axes, epochs: list[int], training: list[float], validation: list[float]) -> None:
    axes.plot(epochs, training, ".-", color=TRAINING, label="training (augmented)")
    axes.plot(epochs, validation, ".-", color=VALIDATION, label="validation (clean)")
    axes.set_xlabel("epoch")
    _scale(axes, [value for value in [*training, *validation] if value > 0])
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(visible=True, which="both", color="#e6e6e6")
    axes.legend(frameon=False)


def _scale(axes: Axes, values: list[float]) -> None:
    """Makes the axis logarithmic, with ticks at 1, 2 and 5, if the values span a wide enough range."""
    if values and max(values) >= 3 * min(values):
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.minorticks_off()
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def plot_confusion(evaluation: Evaluation, path: Path) -> None:
    """Draws the confusion matrix as a PNG: counts in the cells, colour for the mistakes only."""
    figure = Figure(figsize=(7.2, 6.6), layout="constrained")
    axes = figure.subplots()
    confusion = evaluation.confusion
    mistakes = np.where(np.eye(CLASSES, dtype=bool), 0, confusion)
    colours = axes.imshow(mistakes, cmap="Reds", vmin=0, vmax=max(mistakes.max(), 1))
    for (row, column), count in np.ndenumerate(confusion):
        dark = mistakes[row, column] > 0.6 * max(mistakes.max(), 1)
        colour = "#2a7a2a" if row == column else "white" if dark else "black" if count else "#c8c8c8"
        axes.text(column, row, f"{count}", ha="center", va="center", color=colour)
    axes.set(xticks=range(CLASSES), yticks=range(CLASSES), xlabel="predicted", ylabel="label")
    axes.set_title(
        f"{evaluation.errors} of {len(evaluation.labels):,} digits misclassified (accuracy {evaluation.accuracy:.2%})"
    )
    figure.colorbar(colours, ax=axes, label="digits misclassified", shrink=0.8, ticks=MaxNLocator(integer=True))
    _save(figure, path)


def plot_mistakes(evaluation: Evaluation, path: Path) -> None:
    """Draws the worst mistakes as a PNG: each digit with its label, the prediction and its probability."""
    rows = evaluation.worst(MISTAKES)
    lines = max(1, -(-len(rows) // MISTAKES_A_ROW))
    figure = Figure(figsize=(1.25 * MISTAKES_A_ROW, 1.75 * lines + 0.6), layout="constrained")
    order = f"The {len(rows)} of {evaluation.errors} mistakes that give the label the least probability, in that order"
    figure.suptitle(
        f"{order}\nrow in the data (from 1); label → prediction, probability" if len(rows) else "No mistakes"
    )
    for axes, row in zip(figure.subplots(lines, MISTAKES_A_ROW, squeeze=False).flat, rows, strict=False):
        answer = evaluation.digits[row]
        axes.imshow(evaluation.images[row], cmap="gray_r", vmin=0, vmax=255)
        axes.set_title(f"#{row + 1}\n{evaluation.labels[row]} → {answer}  {evaluation.probabilities[row, answer]:.0%}")
    for axes in figure.axes:
        axes.set_axis_off()
    _save(figure, path)


def plot_reliability(evaluation: Evaluation, path: Path) -> None:
    """Draws accuracy against confidence as a PNG, and below it the number of digits in each confidence bin."""
    figure = Figure(figsize=(7.2, 7.6), layout="constrained")
    accuracy, count = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    _accuracies(accuracy, evaluation.reliability)
    _counts(count, evaluation.reliability.counts)
    figure.align_ylabels()
    count.set(xlim=(0, 1), xlabel="confidence: the probability of the prediction")
    count.xaxis.set_major_formatter(PERCENT)
    accuracy.set_title(
        f"Expected calibration error {evaluation.calibration_error:.4f} over {len(evaluation.labels):,} digits\n"
        f"mean confidence {evaluation.confidence.mean():.2%}, accuracy {evaluation.accuracy:.2%}\n"
        f"{_largest_bin(evaluation.reliability)}"
    )
    _save(figure, path)


def _accuracies(axes: Axes, reliability: Reliability) -> None:
    axes.plot([0, 1], [0, 1], "--", color=TRAINING, label="perfect calibration")
    axes.vlines(reliability.confidences, *reliability.intervals, color="#a5bfe5", linewidth=2.5, label="95% interval")
    axes.plot(reliability.confidences, reliability.accuracies, "o", color=VALIDATION, clip_on=False, label="bin")
    axes.set(ylim=(-0.02, 1.05), ylabel="accuracy")
    axes.yaxis.set_major_formatter(PERCENT)
    axes.grid(visible=True, color="#e6e6e6")
    axes.set_axisbelow(True)
    axes.legend(frameon=False, loc="upper left")


def _largest_bin(reliability: Reliability) -> str:
    """Returns the figures of the largest bin, which dominates the calibration error."""
    count, confidence, accuracy = np.transpose(reliability)[reliability.counts.argmax()]
    return f"largest bin: {count:,.0f} digits, confidence {confidence:.1%}, accuracy {accuracy:.1%}"


def _counts(axes: Axes, counts: np.ndarray) -> None:
    edges = np.arange(CALIBRATION_BINS) / CALIBRATION_BINS
    bars = axes.bar(edges, counts, width=1 / CALIBRATION_BINS, align="edge", color=TRAINING, edgecolor="white")
    axes.bar_label(bars, [f"{count:,}" if count else "" for count in counts], padding=2, fontsize="small")
    axes.set_yscale("log")
    axes.minorticks_off()
    axes.set(ylim=(0.5, 6 * counts.max()), ylabel="digits")  # 1/2 shows a bar of one digit, 6 leaves room for labels
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))


def _save(figure: Figure, path: Path) -> None:
    with atomic.replacing(path) as beside:
        figure.savefig(beside, dpi=DPI)
