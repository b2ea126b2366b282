"""Throughput of `gpu`: against the GPU's peak, and against PyTorch."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from threading import Timer

import jax
import jax.numpy as jnp
from jax import lax

from benchmarks.gpu.plan import NO_TIME, Plan
from benchmarks.tables import print_header, print_row
from benchmarks.training import Steps, flops_an_image, measure, ours
from flaxdigits import TrainConfig
from flaxdigits.convention import CLASSES, PIXELS

# FLOP/s in bfloat16, dense, by the data sheet of exactly this device.
DATA_SHEET = {
    "NVIDIA H200": 989e12,
    "NVIDIA H100 80GB HBM3": 989e12,  # SXM
    "NVIDIA A100-SXM4-40GB": 312e12,
    "NVIDIA A100-SXM4-80GB": 312e12,
    "NVIDIA A100-PCIE-40GB": 312e12,
    "NVIDIA A100 80GB PCIe": 312e12,
    "NVIDIA L4": 121e12,
    "NVIDIA GeForce RTX 4090": 165e12,
}
TORCH = Path(__file__).with_name("pytorch.py")
TORCH_SECONDS = 120  # after which its process is stopped

steps_of = cache(ours)  # compiles, so that a configuration is compiled once for all tables


def measured_ceiling(plan: Plan) -> float:
    """Returns the FLOP/s of the fastest round of large bfloat16 products, one after the other.

    Two in each step, as the second one can overwrite what the first one has read; one alone would have to be copied.
    """
    size = plan.product
    left, right = jax.random.normal(jax.random.key(0), (2, size, size), jnp.bfloat16)
    right *= size**-0.5  # so that products of products keep their magnitude

    @jax.jit
    def products(left: jax.Array, right: jax.Array, count: int) -> jax.Array:
        return lax.fori_loop(0, count, lambda _, product: (product @ right) @ right, left)

    def run(count: int) -> None:
        jax.block_until_ready(products(left, right, count))

    return 2 * 2 * size**3 * max(measure([run], plan.rounds, plan.round_seconds)[0])


def variants(plan: Plan, *precisions: str) -> Iterator[tuple[str, TrainConfig]]:
    """Lists the name and the configuration of each row."""
    for precision in precisions:
        for name, config in plan.networks.items():
            for batch in plan.batches:
                yield name, replace(config, precision=precision, batch_size=batch)


def throughput(plan: Plan) -> None:
    """Prints images a second of each network, precision and batch, and their share of the peak."""
    kind = jax.devices()[0].device_kind
    peaks = measured_ceiling(plan), DATA_SHEET.get(kind)
    print("\n## Training throughput\n")
    print(
        "Forward, backward and update, in one call of many steps, the digits on the device. The FLOPs of an image are\n"
        "6 x weights - 2 x the first layer's weights (the gradient of the network's input is not computed):\n"
        + ", ".join(f"{flops_an_image(config):,} for {name}" for name, config in plan.networks.items())
        + ";\nthose of augmentation, optimizer and averages are not counted. Both shares are of a bfloat16 peak, in\n"
        "float32 too, whose products JAX computes in TF32 where the GPU has it. The measured ceiling is the fastest\n"
        f"of {plan.rounds} rounds of {plan.product}x{plan.product} bfloat16 products: "
        f"{peaks[0] / 1e12:,.1f} TFLOP/s. Data sheet of {kind}, dense: "
        + (f"{peaks[1] / 1e12:,.0f} TFLOP/s.\n" if peaks[1] else "not in the table.\n")
    )
    print_header("network", "precision", "batch", "images/s", "of the measured ceiling", "of the data sheet")
    for name, config in variants(plan, "bfloat16", "float32"):
        print_row(name, config.precision, config.batch_size, *throughput_cells(plan, config, *peaks))


def throughput_cells(plan: Plan, config: TrainConfig, *peaks: float | None) -> list[str]:
    """Returns the images a second, and their share of each peak."""
    if not plan.has_time:
        return [NO_TIME, "", ""]
    speeds = measure([steps_of(config)], plan.rounds, plan.round_seconds)[0]
    images = config.batch_size * median(speeds)
    return [f"{images:,.0f}", *(f"{images * flops_an_image(config) / peak:.1%}" if peak else "" for peak in peaks)]


def against_pytorch(plan: Plan) -> None:
    """Prints the throughput of the first network relative to PyTorch's, if it is installed with CUDA."""
    print("\n## Relative to PyTorch\n")
    if not find_spec("torch"):
        print("Not measured: PyTorch is not installed.")
        return
    name, config = next(iter(plan.networks.items()))
    widths = (PIXELS, *config.hidden, CLASSES)
    with torch_process(widths, min(TORCH_SECONDS, plan.left)) as (versions, torch_steps):
        if torch_steps is None:
            print("Not measured: PyTorch finds no CUDA.")
            return
        print(
            f"The {name} network without augmentation in bfloat16, Adam. PyTorch {versions}: bfloat16 autocast, fused\n"
            "and capturable Adam, a whole step as one CUDA graph, on one batch that stays the same; flaxdigits also\n"
            f"gathers each batch from the digits. {plan.rounds} rounds, in turns; the ratio is their median.\n"
        )
        print_header("batch", "flaxdigits, images/s", "PyTorch, images/s", "flaxdigits / PyTorch")
        for batch in plan.batches:
            ours_here = replace(config, batch_size=batch, precision="bfloat16")
            print_row(batch, *pytorch_cells(plan, ours_here, partial(torch_steps, batch)))


def pytorch_cells(plan: Plan, config: TrainConfig, theirs: Steps) -> list[str]:
    """Returns both throughputs and the median ratio."""
    if not plan.has_time:
        return [NO_TIME, "", ""]
    speeds = measure([steps_of(config), theirs], plan.rounds, plan.round_seconds)
    ratio = median(mine / other for mine, other in zip(*speeds, strict=True))
    return [*(f"{config.batch_size * median(rates):,.0f}" for rates in speeds), f"{ratio:.2f}"]


@contextmanager
def torch_process(widths: tuple[int, ...], seconds: float) -> Iterator[tuple[str, Callable[[int, int], None] | None]]:
    """Starts PyTorch's process, and stops it after that time.

    Yields:
        Its versions, and a function that takes a batch size and runs a number of steps; None without CUDA.
    """
    command = [sys.executable, str(TORCH), *map(str, widths)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) as process:
        assert process.stdin
        assert process.stdout
        asked, answers = process.stdin, process.stdout

        def answer() -> str:
            line = answers.readline().strip()
            if not line:
                raise RuntimeError(f"PyTorch's process ended with exit code {process.wait()}")
            return line

        def run(batch: int, count: int) -> None:
            asked.write(f"{batch} {count}\n")
            answer()

        timer = Timer(seconds, process.kill)
        timer.start()
        try:
            versions = answer()
            yield versions, None if versions == "no CUDA" else run
        finally:
            timer.cancel()
