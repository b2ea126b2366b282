"""`flaxdigits doctor`."""

import json
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated

import typer

import flaxdigits
from flaxdigits.errors import DeviceError
from flaxdigits.extras import EXTRAS, install_command, missing

PACKAGES = (
    *("numpy", "onnx", "onnxruntime", "pillow", "typer", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint"),
    *("jax2onnx", "pandas", "matplotlib", "opencv-python-headless", "pillow-heif", "kaggle", "ray", "pyarrow"),
)


def run(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Prints what is installed and which devices there are."""
    report = {
        "flaxdigits": flaxdigits.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: _version(name) for name in PACKAGES},
        "onnxruntime_providers": _providers(),
        "jax_devices": _devices(),
        "training_precision": _precision(),
        "missing": {extra: install_command(extra) for extra in EXTRAS if missing(extra)},
    }
    print(json.dumps(report, indent=2) if as_json else _table(report))


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _providers() -> list[str]:
    """Returns the execution providers that a `Recognizer` uses here, the first one by default."""
    import onnxruntime

    from flaxdigits.inference.recognizer import CPU, CUDA

    used = (CUDA[0], *CPU)
    return [provider for provider in used if provider in onnxruntime.get_available_providers()]


def _devices() -> list[str]:
    """Returns the devices that JAX can train on; empty if JAX is not installed."""
    if missing("train"):
        return []
    from flaxdigits.training.devices import describe_kind, find_devices

    try:
        devices = find_devices("auto")
        return [f"{len(devices)} {describe_kind(devices[0])}"]
    except DeviceError as error:
        return [str(error)]


def _precision() -> str | None:
    """Returns the precision that training uses by default; None if JAX is not installed or finds no device."""
    if missing("train"):
        return None
    from flaxdigits.training.devices import make_mesh
    from flaxdigits.training.precision import fastest_precision

    try:
        return fastest_precision(make_mesh("auto", batch_size=1))
    except DeviceError:
        return None


def _table(report: dict) -> str:
    rows = [
        *((name, report[name]) for name in ("flaxdigits", "python", "platform")),
        *((name, found or "not installed") for name, found in report["packages"].items()),
        ("predicts on", ", ".join(report["onnxruntime_providers"])),
        ("trains on", ", ".join(report["jax_devices"]) or "nothing: training is not installed"),
        *([("trains in", report["training_precision"])] if report["training_precision"] else []),
        *((f"missing: {extra}", command) for extra, command in report["missing"].items()),
    ]
    return "\n".join(f"{name:<18}{value}" for name, value in rows)
