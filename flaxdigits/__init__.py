"""Trains a dense network that reads handwritten digits, and exports it as one ONNX file.

The public names are imported when first used, so that reading a digit never loads JAX.
"""

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from flaxdigits.data.digits import Digits
    from flaxdigits.data.load import load
    from flaxdigits.errors import FlaxdigitsError
    from flaxdigits.evaluation import Evaluation
    from flaxdigits.export.export import export_onnx
    from flaxdigits.inference.recognizer import Recognizer
    from flaxdigits.pages import read_digits
    from flaxdigits.pictures.reading import read_picture
    from flaxdigits.runs import Run
    from flaxdigits.training.config import Augmentation, TrainConfig
    from flaxdigits.training.finetuning import finetuning_config
    from flaxdigits.training.fit import fit, resume
    from flaxdigits.training.presets import PRESETS

__all__ = [
    "PRESETS",
    "Augmentation",
    "Digits",
    "Evaluation",
    "FlaxdigitsError",
    "Recognizer",
    "Run",
    "TrainConfig",
    "errors",
    "export_onnx",
    "finetuning_config",
    "fit",
    "load",
    "read_digits",
    "read_picture",
    "resume",
]

_MODULES = {
    "PRESETS": "training.presets",
    "Augmentation": "training.config",
    "Digits": "data.digits",
    "Evaluation": "evaluation",
    "FlaxdigitsError": "errors",
    "Recognizer": "inference.recognizer",
    "Run": "runs",
    "TrainConfig": "training.config",
    "export_onnx": "export.export",
    "finetuning_config": "training.finetuning",
    "fit": "training.fit",
    "load": "data.load",
    "read_digits": "pages",
    "read_picture": "pictures.reading",
    "resume": "training.fit",
}


def __getattr__(name: str) -> object:
    if name == "errors":
        return import_module("flaxdigits.errors")
    if name not in _MODULES:
        raise AttributeError(f"module 'flaxdigits' has no attribute {name!r}")
    if name in ("fit", "finetuning_config", "resume", "export_onnx"):
        from flaxdigits.extras import require

        require("train", f"flaxdigits.{name}")
    return getattr(import_module(f"flaxdigits.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
