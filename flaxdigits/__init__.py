"""Trains a dense network that reads handwritten digits, and hands it out as one ONNX file.

The public names are imported when first used, so that reading a digit never loads JAX.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from flaxdigits.extras import require
from flaxdigits.version import __version__ as __version__

if TYPE_CHECKING:
    from flaxdigits.data import load
    from flaxdigits.digits import Digits
    from flaxdigits.evaluation import Evaluation
    from flaxdigits.pictures import read_picture
    from flaxdigits.recognizer import Recognizer
    from flaxdigits.training.config import TrainConfig
    from flaxdigits.training.export import export
    from flaxdigits.training.fit import fit, resume

__all__ = ["Digits", "Evaluation", "Recognizer", "TrainConfig", "export", "fit", "load", "read_picture", "resume"]

_HOMES = {
    "load": "data",
    "Digits": "digits",
    "Evaluation": "evaluation",
    "read_picture": "pictures",
    "Recognizer": "recognizer",
    "TrainConfig": "training.config",
    "export": "training.export",
    "fit": "training.fit",
    "resume": "training.fit",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'flaxdigits' has no attribute {name!r}")
    if name in ("fit", "resume", "export"):
        require("train", f"flaxdigits.{name}")
    return getattr(import_module(f"flaxdigits.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
