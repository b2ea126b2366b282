"""`just bench peers`: its sections, one after the other."""

import os
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.held_out import HELD_OUT
from benchmarks.peers import accuracy, prediction, startup, throughput
from benchmarks.peers.process import HUGE_PAGES, make_environments
from benchmarks.peers.report import Report, describe, processor, results_path
from flaxdigits import load

QUICK_DIGITS = 2048
SECTIONS = {"throughput": throughput, "accuracy": accuracy, "prediction": prediction, "startup": startup}


def write_digits(path: Path, count: int | None) -> None:
    """Writes digits for the peers: to train on, from seven tenths of the writers, and held-out ones, from the others.

    Args:
        path: the file, .npz.
        count: the number of each; all by default.
    """
    train, held = load().split(HELD_OUT, seed=0)
    assert held is not None
    train, held = train[:count], held[:count]
    arrays = {"train_images": train.images, "train_labels": train.known_labels()}
    np.savez(path, **arrays, held_images=held.images, held_labels=held.known_labels())


def main() -> None:
    quick = "--quick" in sys.argv
    wanted = [name for name in sys.argv[2:] if name != "--quick"] or list(SECTIONS)
    unknown = [name for name in wanted if name not in SECTIONS]
    if unknown:
        sys.exit(f"no section {unknown[0]!r}; there are: {', '.join(SECTIONS)}")
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # without bytecode, every start would compile all sources
    os.environ.update(HUGE_PAGES)  # for all tools
    make_environments()
    report = Report()
    describe(report, " ".join(["just bench", *sys.argv[1:]]))
    if quick:
        report.line("A quick run, to see that everything works: its figures mean nothing.")
    failures = 0
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "digits.npz"
        write_digits(data, QUICK_DIGITS if quick else None)
        for name in wanted:
            failures += SECTIONS[name].measure(report, data, quick)
            if not quick and wanted == list(SECTIONS):  # after each section, since all of them take most of an hour
                report.save(results_path(f"{processor()} python{sys.version_info.major}{sys.version_info.minor}"))
    if failures:
        sys.exit(f"{failures} measurements failed")
