"""The model that comes with flaxdigits, and its golden vectors: in the installed package, or in a checkout."""

from pathlib import Path

from flaxdigits.errors import ModelError
from flaxdigits.runs import Run

SHIPPED = "shipped"  # its name among models

_PACKAGE = Path(__file__).parents[1]
FOLDER = _PACKAGE / "exports" if (_PACKAGE / "exports").exists() else _PACKAGE.parent / "exports"
MODEL = FOLDER / "digits.onnx"
GOLDEN = FOLDER / "golden"


def find_model(source: Path | str | None) -> Path:
    """Returns the .onnx file of a model, given as an .onnx file, a run directory, or "shipped" (also None).

    Raises:
        ModelError: for a path that does not exist.
        RunNotFoundError: for a folder that is not a run.
        RunUnfinishedError: for a run that is not exported yet.
    """
    path = Path(source or SHIPPED)
    if str(path) == SHIPPED and not path.exists():
        return MODEL
    if not path.exists():
        raise ModelError(f"{path}: no such file or folder", f"expected an .onnx file, a run directory or {SHIPPED}")
    return Run.existing(path).exported_model() if path.is_dir() else path
