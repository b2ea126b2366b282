"""Figures of a GPU: seconds to an accuracy, the original's epochs, training throughput, PyTorch, idle time.

`just bench gpu` writes benchmarks/results/<device>.md and takes at most eight minutes: what does not fit is marked as
not measured. `python -m benchmarks gpu` does the same without a network; with --smoke it runs every part in small, on
a CPU too, and writes no file. The first of several GPUs is used.
"""

import argparse
import io
import os
import platform
import re
import shlex
import subprocess
import sys
import traceback
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import distributions, version
from pathlib import Path

import jax

import flaxdigits
from benchmarks.gpu.plan import Plan, full, smoke
from benchmarks.gpu.slices import slices
from benchmarks.gpu.speed import against_pytorch, throughput
from benchmarks.gpu.trainings import original, time_to_accuracy
from benchmarks.peers.report import processor, results_path
from benchmarks.tables import print_header, print_row
from flaxdigits import atomic
from flaxdigits.errors import DeviceError
from flaxdigits.extras import install_command
from flaxdigits.training.devices import find_devices

ROOT = Path(__file__).parents[2]
# The training runs come first, as the others take GPU memory and keep it; throughput gets the remaining time.
PARTS = (time_to_accuracy, original, slices, against_pytorch, throughput)
CUDA_PACKAGES = r"jax-cuda\d+-(plugin|pjrt)|nvidia-(cublas|cudnn|cuda-runtime|cuda-nvcc)(-cu\d+)?"


class Tee(io.StringIO):
    """Keeps what is printed, and prints it."""

    def write(self, text: str) -> int:
        """Writes to both."""
        assert sys.__stdout__
        sys.__stdout__.write(text)
        sys.__stdout__.flush()
        return super().write(text)


def main() -> None:
    options = parsed()
    plan = smoke() if options.smoke else full()
    plan = replace(plan, seconds=options.seconds or plan.seconds)
    prepare_environment()
    device = find_device("auto" if options.smoke else "gpu")
    with redirect_stdout(Tee()) as text:
        print_machine(device, shlex.join(["just", "bench", *sys.argv[1:]]))
        succeeded = [attempt(part, plan) for part in PARTS]
    if not options.smoke:
        path = results_path(device.device_kind)
        atomic.write_text(path, text.getvalue())
        print(f"\nwritten to {path}")
    sys.exit(0 if all(succeeded) else 1)


def parsed() -> argparse.Namespace:
    """Returns the options."""
    parser = argparse.ArgumentParser(prog="just bench gpu", description="Measures a GPU.")
    parser.add_argument("--smoke", action="store_true", help="run every part in small, on a CPU too; write no file")
    parser.add_argument("--seconds", type=float, help="the time for all of it; 460 by default")
    return parser.parse_args(sys.argv[2:])


def prepare_environment() -> None:
    """Leaves one GPU visible, and its memory to the training processes; called before JAX finds its devices."""
    os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"
    os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")  # as nvidia-smi counts
    os.environ["CUDA_VISIBLE_DEVICES"] = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]


def find_device(kind: str) -> jax.Device:
    """Returns the device, or exits if there is none."""
    try:
        return find_devices(kind)[0]
    except DeviceError:
        sys.exit(f"benchmarks: JAX finds no GPU here; it supports NVIDIA's after: {install_command('cuda')}")


def attempt(part: Callable[[Plan], None], plan: Plan) -> bool:
    """Runs a part; if it fails, the results say so, and the others still run."""
    try:
        part(plan)
    except Exception as error:
        traceback.print_exc()
        reason = str(error).partition("\n")[0]
        print(f"\nNot measured further: {type(error).__name__}: {reason}")
        return False
    return True


def print_machine(device: jax.Device, command: str) -> None:
    """Prints the hardware, the versions, the command and the date."""
    print(f"# {device.device_kind}\n")
    print_header("what", "value")
    print_row("device, memory, driver, power limit", nvidia_smi() or "not known: nvidia-smi shows nothing")
    print_row("CPU", f"{processor()}, {os.cpu_count()} threads, {platform.system()} {platform.release()}")
    print_row("JAX's platform", " ".join(device.client.platform_version.split()))
    print_row("CUDA packages", ", ".join(cuda_packages()) or "none installed")
    print_row("JAX, jaxlib, Python", ", ".join((version("jax"), version("jaxlib"), platform.python_version())))
    print_row("flaxdigits", f"{flaxdigits.__version__}, commit {commit()}")
    print_row("command", f"`{command}`")
    print_row("date", f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC")


def output(*command: str) -> str:
    """Returns what a command prints, without line breaks; empty if it fails or is not installed."""
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return " ".join(done.stdout.split())


def nvidia_smi() -> str:
    """Returns name, memory, driver and power limit of the visible GPU."""
    device = f"--id={os.environ['CUDA_VISIBLE_DEVICES']}"
    return output(
        "nvidia-smi", device, "--query-gpu=name,memory.total,driver_version,power.limit", "--format=csv,noheader"
    )


def cuda_packages() -> list[str]:
    """Returns name and version of the installed packages of JAX's CUDA support."""
    found = (f"{one.name} {one.version}" for one in distributions() if re.fullmatch(CUDA_PACKAGES, one.name))
    return sorted(set(found))


def commit() -> str:
    """Returns the commit of this checkout."""
    name, changes = output("git", "rev-parse", "--short", "HEAD"), output("git", "status", "--porcelain", "-uno")
    return (name or "not known") + (" with changes" if changes else "")
