"""Training runs of `gpu`: separate processes, timed from their start, without a cache of compiled programs."""

import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Timer
from typing import NamedTuple

from benchmarks.gpu.plan import Plan
from benchmarks.tables import print_header, print_row
from flaxdigits import TrainConfig

ROOT = Path(__file__).parents[2]
# What `flaxdigits train` does until its export.
TRAINING = """
import sys
from flaxdigits import TrainConfig, fit, load
config = TrainConfig.from_toml("config.toml")
training = fit(load(config.data)[: int(sys.argv[1])], config, "run")
print(f"{training.devices}, {training.config.precision}", flush=True)
for report in training:
    print(report.val_accuracy, flush=True)
"""
# The parent's variables, which leave the GPU's memory to others, and those that would cache compiled programs.
NOT_INHERITED = ("XLA_PYTHON_CLIENT_PREALLOCATE", "JAX_COMPILATION_CACHE_DIR")


class Watched(NamedTuple):
    """A training run, as seen by its parent process."""

    devices: str  # and the precision
    epochs: list[tuple[float, float]]  # seconds from the process's start to the epoch's end, and validation accuracy
    seconds: float  # from the process's start to its end
    stopped: bool  # before its end, since it took too long


def environment() -> dict[str, str]:
    """Returns the environment of a training process, in which this checkout is found from any directory."""
    inherited = {name: value for name, value in os.environ.items() if name not in NOT_INHERITED}
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    return inherited | {"PYTHONPATH": path}


def watch(config: TrainConfig, digits: int, seconds: float) -> Watched:
    """Trains in a process of its own on the first digits of the training set, at most that long.

    Raises:
        RuntimeError: if the process fails.
    """
    command = [sys.executable, "-c", TRAINING, str(digits)]
    with TemporaryDirectory() as folder:
        config.save(Path(folder) / "config.toml")
        began = time.perf_counter()
        with subprocess.Popen(command, cwd=folder, env=environment(), stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout
            timer = Timer(seconds, process.kill)
            timer.start()
            devices = process.stdout.readline().strip()
            epochs = [(time.perf_counter() - began, float(line)) for line in process.stdout]
            process.wait()
            took = time.perf_counter() - began
            stopped = timer.finished.is_set()
            timer.cancel()
    if process.returncode and not stopped:
        raise RuntimeError(f"the training ended with exit code {process.returncode}")
    return Watched(devices, epochs, took, stopped)


def reached(epochs: list[tuple[float, float]], level: float) -> str:
    """Returns when the first epoch ended that reached this accuracy."""
    found = ((seconds, epoch) for epoch, (seconds, accuracy) in enumerate(epochs, 1) if accuracy >= level)
    seconds, epoch = next(found, (0, 0))
    return f"{seconds:.1f} s, epoch {epoch}" if epoch else "not reached"


def ending(watched: Watched, config: TrainConfig) -> str:
    """Returns the seconds that training took, or after which it was stopped."""
    done = f"{len(watched.epochs)} of {config.epochs} epochs done"
    return f"stopped after {watched.seconds:.0f} s, {done}" if watched.stopped else f"{watched.seconds:.1f} s"


def time_to_accuracy(plan: Plan) -> None:
    """Prints the seconds to each level of accuracy on held-out writers, a row per preset."""
    print("\n## Seconds to an accuracy\n")
    print(
        "From the start of the process (imports and compilation included) to the end of the first epoch that has the\n"
        "accuracy on held-out writers: `flaxdigits.load().split(0.3, 0)`, three tenths of the training digits. The\n"
        "test set is not read. One run each, seed 0; no compiled program was kept from an earlier one.\n"
    )
    levels = [f"{level:.1%}" for level in plan.levels]
    print_header("preset", "device, precision", "first epoch", *levels, "last accuracy", "best", "to the process's end")
    for name, config in plan.trainings.items():
        watched = watch(config, plan.digits, min(plan.training_seconds[name], plan.left))
        accuracies = [accuracy for _, accuracy in watched.epochs]
        print_row(
            name,
            watched.devices,
            reached(watched.epochs, 0),
            *(reached(watched.epochs, level) for level in plan.levels),
            *((f"{accuracies[-1]:.2%}", f"{max(accuracies):.2%}") if accuracies else ("", "")),
            ending(watched, config),
        )


def original(plan: Plan) -> None:
    """Prints the seconds that the original's recipe takes, from the start of the process to its end."""
    config = plan.original
    print(f"\n## The original's {config.epochs} epochs\n")
    print(
        f"Preset `reference`, batch {config.batch_size}, with validation after every epoch, checkpoints and plots; "
        "not the export.\n"
    )
    print_header("device, precision", "first epoch", "to the process's end", "validation accuracy at the end")
    watched = watch(config, plan.digits, min(plan.training_seconds["reference"], plan.left))
    last = f"{watched.epochs[-1][1]:.2%}" if watched.epochs and not watched.stopped else "not reached"
    print_row(watched.devices, reached(watched.epochs, 0), ending(watched, config), last)
