"""`flaxdigits doctor`."""

import argparse
import json

import flaxdigits
from flaxdigits.errors import DeviceError
from flaxdigits.extras import EXTRAS, missing

PACKAGES = (
    *("numpy", "onnxruntime", "pillow", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint"),
    *("onnx", "pandas", "matplotlib", "kaggle"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Says what the command takes."""
    parser.add_argument("--json", action="store_true", help="print it as JSON")


def run(arguments: argparse.Namespace) -> None:
    """Looks around, and says what it found."""
    import platform

    report = {
        "flaxdigits": flaxdigits.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: _version(name) for name in PACKAGES},
        "onnxruntime_providers": _providers(),
        "jax_devices": _devices(),
        "missing": {extra: f"pip install 'flaxdigits[{extra}]'" for extra in EXTRAS if missing(extra)},
    }
    print(json.dumps(report, indent=2) if arguments.json else _table(report))


def _version(package: str) -> str | None:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _providers() -> list[str]:
    import onnxruntime

    return onnxruntime.get_available_providers()


def _devices() -> list[str]:
    """Lists what JAX can train on; empty where JAX is not installed."""
    if missing("train"):
        return []
    from flaxdigits.training.devices import local_devices

    try:
        return [f"{device.platform}: {device.device_kind}" for device in local_devices("auto")]
    except DeviceError as error:
        return [str(error)]


def _table(report: dict) -> str:
    rows = [
        *((name, report[name]) for name in ("flaxdigits", "python", "platform")),
        *((name, found or "not installed") for name, found in report["packages"].items()),
        ("predicts on", ", ".join(report["onnxruntime_providers"])),
        ("trains on", ", ".join(report["jax_devices"]) or "nothing: training is not installed"),
        *((f"missing: {extra}", command) for extra, command in report["missing"].items()),
    ]
    return "\n".join(f"{name:<18}{value}" for name, value in rows)
