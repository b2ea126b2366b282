"""Scale: time and memory of a training against rows, width and devices, as tables and as docs/scale.png.

Each training is a process of its own, `flaxdigits train` with the default preset. The rows are MNIST's digits,
augmented anew for each copy, in an IDX file: 10 million are 7.8 GB, written to the folder for temporary files.
"""

import csv
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import PROGRAM
from benchmarks.tables import print_header, print_row
from flaxdigits import PRESETS, Augmentation, TrainConfig, load
from flaxdigits.training.augmentation import augment

ROWS = (10_000, 100_000, 1_000_000, 10_000_000)
STREAMED_TOO = 1_000_000  # rows, which fit: trained in both ways
WIDTHS = (1, 2, 3, 4)
DEVICES = (1, 2, 4, 8)
PIECE = 10_000  # digits augmented and written at a time
PLOT = Path(__file__).parents[1] / "docs" / "scale.png"


class Cost(NamedTuple):
    """The cost of a training run."""

    images_per_second: float
    epoch_seconds: float
    seconds: float  # of the whole process
    anonymous_mb: float  # most memory, without the pages of files
    resident_mb: float  # most memory, with the pages of files, which the system may drop


def write_rows(path: Path, rows: int) -> None:
    """Writes augmented digits as an IDX file, and their labels beside it."""
    digits = load()
    augmented = jax.jit(lambda images, key: jnp.rint(augment(images, key, Augmentation(), jnp.float32(1))))
    with path.open("wb") as images, path.with_name("rows-labels-idx1-ubyte").open("wb") as labels:
        images.write(bytes([0, 0, 8, 3]) + np.array([rows, 28, 28], ">u4").tobytes())
        labels.write(bytes([0, 0, 8, 1]) + np.array([rows], ">u4").tobytes())
        for start in range(0, rows, PIECE):
            part = digits[np.arange(start, start + PIECE) % len(digits)]
            images.write(np.asarray(augmented(part.images, jax.random.key(start)), np.uint8).tobytes())
            labels.write(part.known_labels().tobytes())


def train(folder: Path, config: TrainConfig, devices: int = 1) -> Cost:
    """Trains in a process of its own."""
    config.save(folder / "scale.toml")
    run = Path(tempfile.mkdtemp(dir=folder), "run")
    command = [PROGRAM, "train", "--config", str(folder / "scale.toml"), "--out", str(run)]
    environment = os.environ | {"XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}"}
    began = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    peaks = [max(column) for column in zip(*memory(process), strict=True)]
    assert process.stderr
    if process.wait():
        sys.exit(process.stderr.read())
    seconds = time.perf_counter() - began
    last = list(csv.DictReader((run / "history.csv").open()))[-1]
    return Cost(float(last["images_per_second"]), float(last["seconds"]), seconds, *peaks)


def memory(process: subprocess.Popen) -> Iterator[tuple[float, float]]:
    """Yields the anonymous and the whole resident memory of a running process, MB."""
    while process.poll() is None:
        text = Path(f"/proc/{process.pid}/status").read_text()
        found = dict(line.split(":") for line in text.splitlines() if line.startswith(("RssAnon", "VmRSS")))
        if found:
            anonymous, resident = (int(found[name].split()[0]) / 1024 for name in ("RssAnon", "VmRSS"))
            yield anonymous, resident
        time.sleep(0.2)


def measure_rows(folder: Path) -> list[Cost]:
    """Prints and returns the costs of one epoch of more and more rows."""
    print_header("rows", "digits", "images/s", "epoch, s", "whole command, s", "memory, MB", "with file pages, MB")
    costs = []
    for rows in ROWS:
        path = folder / "rows-images-idx3-ubyte"
        write_rows(path, rows)
        config = replace(PRESETS["default"], data=str(path), epochs=1, validation=0.01)
        for streaming in ("off", "on") if rows == STREAMED_TOO else ("auto",):
            cost = train(folder, replace(config, streaming=streaming))
            how = "on the device" if streaming == "off" or rows < STREAMED_TOO else "streamed"
            print_row(f"{rows:,}", how, *(f"{value:,.0f}" for value in cost))
        costs.append(cost)
    return costs


def measure(name: str, folder: Path, variations: dict[int, tuple[TrainConfig, int]]) -> list[Cost]:
    """Prints and returns the costs of three epochs of MNIST for variations of the network or the devices."""
    print()
    print_header(name, "images/s", "epoch, s", "whole command, s", "memory, MB")
    costs = []
    for value, (config, devices) in variations.items():
        costs.append(train(folder, replace(config, epochs=3), devices))
        print_row(value, *(f"{figure:,.1f}" if figure < 10 else f"{figure:,.0f}" for figure in costs[-1][:-1]))
    return costs


def plot(curves: dict[str, tuple[tuple[int, ...], list[Cost]]], path: Path) -> None:
    """Draws speed and memory, in a column for each of rows, width and devices."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 5), layout="constrained")
    axes = figure.subplots(2, len(curves), sharex="col", sharey="row")
    for column, (name, (values, costs)) in enumerate(curves.items()):
        speed, memory = axes[:, column]
        speed.plot(values, [cost.images_per_second for cost in costs], "o-", color="#1b6ca8")
        memory.plot(values, [cost.anonymous_mb for cost in costs], "o-", color="#1b6ca8", label="memory")
        memory.plot(values, [cost.resident_mb for cost in costs], "o:", color="#999999", label="with pages of files")
        speed.set_xscale("log", base=10 if name == "rows" else 2)
        memory.set(xlabel=name, yscale="log")
        memory.set_xticks(values, [short(value) for value in values])
        memory.minorticks_off()
    axes[0, 0].set(ylabel="images/s", ylim=(0, None))
    axes[0, 0].yaxis.set_major_formatter("{x:,.0f}")
    axes[1, 0].set(ylabel="MB")
    axes[1, 0].yaxis.set_major_formatter("{x:,.0f}")
    axes[1, 0].legend(frameon=False)
    for axis in axes.flat:
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(alpha=0.3)
    figure.savefig(path, dpi=120)


def short(count: int) -> str:
    """Returns a count with k for thousands or M for millions."""
    return next((f"{count // unit}{name}" for unit, name in ((10**6, "M"), (1000, "k")) if count >= unit), str(count))


def main() -> None:
    default = PRESETS["default"]
    wider = {n: (replace(default, hidden=tuple(n * width for width in default.hidden)), 1) for n in WIDTHS}
    divided = {n: (default, n) for n in DEVICES}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = measure_rows(folder)
        widths = measure("width", folder, wider)
        devices = measure("devices", folder, divided)
    curves = {"rows": (ROWS, rows), "width, times the default's": (WIDTHS, widths)}
    plot(curves | {"devices, on the same cores": (DEVICES, devices)}, PLOT)


if __name__ == "__main__":
    main()
