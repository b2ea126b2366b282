"""Prediction throughput, and the time from Kaggle's test.csv to a submission."""

import subprocess
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks import PROGRAM
from benchmarks.peers.process import OURS, Spec, compare, cost
from benchmarks.peers.report import Report
from benchmarks.peers.throughput import rate, times

ROUNDS = 3
PEERS = [
    Spec("bare JAX", "bare_jax"),
    Spec("PyTorch", "pytorch"),
    Spec("Keras, TensorFlow", "keras_tensorflow"),
    Spec("Keras, JAX", "keras_jax"),
]
BATCH_SIZES = (1, 1000, 10_000)
ROWS = 28_000  # of Kaggle's test.csv
QUICK_ROWS = 2_000
SUBMISSIONS = 5


def measure(report: Report, data: Path, quick: bool) -> int:
    """Measures and writes the section; returns how many measurements failed."""
    report.heading(
        "Prediction",
        "784-1152-1152-320-10, uint8 digits to probabilities in a NumPy array, digits a second; on one core and on "
        "all. The ratios are those of float32; flaxdigits' int8 stands beside it.",
    )
    report.table("batch", "cores", "tool", "digits/s", "first call, s", "MB", "flaxdigits is")
    failures = 0
    for batch in (1000,) if quick else BATCH_SIZES:
        for cores in (1,) if quick else (1, 2):
            failures += measure_batch(report, data, batch, cores, quick)
    return failures + measure_submissions(report, data, quick)


def measure_batch(report: Report, data: Path, batch: int, cores: int, quick: bool) -> int:
    """Writes the rows of one batch size; returns how many failed."""
    ours = [Spec(f"{OURS}, {precision}", "ours", (f"precision={precision}",)) for precision in ("float32", "int8")]
    peers = [Spec(*peer[:2], ("precision=float32",)) for peer in PEERS]
    options = (f"batch={batch}", f"threads={cores}")
    rounds = 1 if quick else ROUNDS
    found = compare([*ours, *peers], data, "predict", *options, rounds=rounds, cores=cores, at_once=quick)
    for name, result in found.items():
        if isinstance(result, str):
            report.row(batch, cores, name, result, "", "", "")
            continue
        figures = (f"{rate(result):,.0f}", f"{result.first_seconds:.2f}", f"{result.peak_mb:,.0f}")
        report.row(batch, cores, name, *figures, "" if name.startswith(OURS) else times(found[ours[0].name], result))
    return sum(isinstance(result, str) for result in found.values())


def measure_submissions(report: Report, data: Path, quick: bool) -> int:
    """Writes the table of `submit`, cold, against the original's script; returns how many failed."""
    csv, model, out = data.with_name("test.csv"), data.with_name("model.keras"), data.with_name("submission.csv")
    rows = QUICK_ROWS if quick else ROWS
    write_test_set(data, csv, rows)
    original = Spec("the original's script", "original")
    subprocess.run(original.command(data, "prepare_submit", f"model={model}"), check=True, capture_output=True)
    commands = {
        OURS: [PROGRAM, "submit", str(csv), "--out", str(out)],
        original.name: original.command(data, "submit", f"model={model}", f"csv={csv}", f"out={out}"),
    }
    rounds, unmeasured = (1, 0) if quick else (SUBMISSIONS, 1)
    taken = [{name: cost(command) for name, command in commands.items()} for _ in range(rounds + unmeasured)]
    figures = taken[unmeasured:]
    report.line(
        f"\n`submit` of {rows:,} rows, a cold process each, {rounds} rounds; the first warms the disk's cache.\n"
    )
    report.table("tool", "seconds", "MB", "flaxdigits is")
    for name in commands:
        took, peak = (median(figure[name][kind] for figure in figures) for kind in (0, 1))
        faster = median(figure[name][0] / figure[OURS][0] for figure in figures)
        report.row(name, f"{took:.2f}", f"{peak:,.0f}", "" if name == OURS else f"{faster:.1f} times as fast")
    return 0


def write_test_set(data: Path, path: Path, rows: int) -> None:
    """Writes Kaggle's test.csv, of training digits."""
    images = np.resize(np.load(data)["train_images"], (rows, 784))
    header = ",".join(f"pixel{pixel}" for pixel in range(784))
    np.savetxt(path, images, fmt="%d", delimiter=",", header=header, comments="")
