"""Cold start of each command, and the second start of a training in the same place."""

import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from PIL import Image

from benchmarks import PROGRAM
from benchmarks.peers.process import cost, without_huge_pages
from benchmarks.peers.report import Report
from flaxdigits import load

ROUNDS = 5


def measure(report: Report, data: Path, quick: bool) -> int:
    """Measures and writes the section; returns how many measurements failed."""
    report.heading("Start", "Seconds of a cold process" + ("." if quick else f", median of {ROUNDS}."))
    report.table("command", "seconds")
    picture, trained = data.with_name("one.png"), data.with_name("run")
    Image.fromarray(255 - load("mnist-test").images[0]).resize((200, 200)).save(picture)
    commands = [["--help"], ["predict", str(picture)], ["inspect"], ["verify"], ["doctor"]]
    for words in commands[:2] if quick else commands:
        taken = [cost([PROGRAM, *words])[0] for _ in range(1 if quick else ROUNDS)]
        report.row("flaxdigits " + words[0], f"{median(taken):.2f}")
    measure_training(report, trained, 1 if quick else ROUNDS)
    return 0


def measure_training(report: Report, folder: Path, rounds: int) -> None:
    """Writes the seconds from the start of `train` to its first progress, first with an empty cache, then again."""
    taken = []
    for count in range(rounds):
        environment = without_huge_pages() | {"JAX_COMPILATION_CACHE_DIR": str(folder / f"cache{count}")}
        taken.append([first_step(folder / f"run{count}{which}", environment) for which in "ab"])
    for which, times in zip(("with an empty compilation cache", "again"), zip(*taken, strict=True), strict=True):
        report.row(f"flaxdigits train, to the first step, {which}", f"{median(times):.2f}")


def first_step(run: Path, environment: dict[str, str]) -> float:
    """Returns the seconds until a training has taken its first step."""
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-c", FIRST_STEP, str(run)], env=environment, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    first = process.stdout.readline()
    took = time.perf_counter() - began
    if process.wait() or not first:
        raise subprocess.CalledProcessError(process.returncode, "flaxdigits train")
    return took


FIRST_STEP = """
import gc, os, sys
from pathlib import Path
from flaxdigits_cli import program
gc.set_threshold(100_000)  # as the program does
program.use_huge_pages()
from flaxdigits_cli import train

def move(progress):
    print(progress.step, flush=True)
    os._exit(0)

train.use_compilation_cache()
for report in train.begun(train.DEFAULTS, Path(sys.argv[1]))(on_progress=move):
    pass
"""
