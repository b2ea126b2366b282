"""Cold start of each command, and the second start of training in the same place."""

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
    """Writes the seconds of `train` to its first step and to its first epoch's end, with an empty cache, then again."""
    taken = []
    for count in range(rounds):
        environment = without_huge_pages() | {"JAX_COMPILATION_CACHE_DIR": str(folder / f"cache{count}")}
        taken.append([first_epoch(folder / f"run{count}{which}", environment) for which in "ab"])
    for which, pairs in zip(("with an empty compilation cache", "again"), zip(*taken, strict=True), strict=True):
        for end, times in zip(("first step", "end of the first epoch"), zip(*pairs, strict=True), strict=True):
            report.row(f"flaxdigits train, to the {end}, {which}", f"{median(times):.2f}")


def first_epoch(run: Path, environment: dict[str, str]) -> tuple[float, float]:
    """Returns the seconds until training has taken its first step, and until it has reported its first epoch."""
    began = time.perf_counter()
    command = [sys.executable, "-c", FIRST_EPOCH, "train", "--out", str(run)]
    run.parent.mkdir(exist_ok=True)
    with subprocess.Popen(command, cwd=run.parent, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        step, epoch = (time.perf_counter() - began for _ in zip(range(2), process.stdout, strict=False))
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, "flaxdigits train")
    return step, epoch


# The program itself, except that training only prints a line after the first step and after the first epoch.
FIRST_EPOCH = """
import os
from flaxdigits_cli import program, train

steps = []

def move(progress):
    steps.append(progress.step)
    if len(steps) == 1:
        print("step", flush=True)

def watch(recipe, start):
    next(start(on_progress=move))
    print("epoch", flush=True)
    os._exit(0)

train.watch = watch
program.main()
"""
