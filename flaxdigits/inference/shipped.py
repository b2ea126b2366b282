"""The model that comes with flaxdigits, and its golden vectors: in the installed package, or in a checkout."""

from pathlib import Path

_PACKAGE = Path(__file__).parents[1]
FOLDER = _PACKAGE / "exports" if (_PACKAGE / "exports").exists() else _PACKAGE.parent / "exports"
MODEL = FOLDER / "digits.onnx"
GOLDEN = FOLDER / "golden"
