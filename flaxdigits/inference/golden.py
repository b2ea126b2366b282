"""Golden vectors: inputs with a model's reference outputs, to check other runtimes and machines against.

A folder holds golden.json and pixels.bin (raw uint8, digit after digit), which any language can read.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from flaxdigits import atomic
from flaxdigits.convention import CLASSES, SIDE
from flaxdigits.data.load import MNIST_TEST, load
from flaxdigits.data.source import read_all
from flaxdigits.errors import GoldenError
from flaxdigits.inference.contract import INT8_TOLERANCE, PROBABILITY_TOLERANCE
from flaxdigits.inference.recognizer import Recognizer

DESCRIPTION = "golden.json"
PIXELS_FILE = "pixels.bin"
MOST_BYTES = 2**26  # of each of their files; forty cases take 40 kB
DIGITS_PER_CLASS = 2  # MNIST test digits among the inputs


@dataclass(frozen=True)
class GoldenReport:
    """How far a model's outputs are from the reference outputs."""

    cases: int
    largest_difference: float  # of a probability or of the digitness
    tolerance: float  # the largest that the vectors allow


@dataclass(frozen=True)
class _Vectors:
    """Golden vectors as read from a folder."""

    names: list[str]
    images: np.ndarray  # uint8 [n, 28, 28]
    digits: np.ndarray  # int64 [n]
    values: np.ndarray  # float64 [n, 11], the probabilities and the digitness
    tolerance: float
    model_sha256: str  # of the file that produced the reference outputs

    def __post_init__(self) -> None:
        if not self.names:
            raise ValueError("no cases")


def write_golden(recognizer: Recognizer, folder: Path) -> int:
    """Writes a model's outputs for some digits and extreme images as its golden vectors; returns their number.

    Args:
        recognizer: the model, on the CPU: `Recognizer(model, recognizer.CPU)`.
        folder: the folder for golden.json and pixels.bin.
    """
    cases = golden_images()
    images = np.stack(list(cases.values()))
    reference = recognizer(images, batch=1)
    int8 = recognizer.metadata.get("precision") == "int8"
    description = {
        "model": {
            "name": recognizer.metadata.get("name", Path(recognizer.name).name),
            "sha256": sha256(recognizer),
            "weights_sha256": recognizer.metadata.get("weights_sha256", ""),
        },
        "tolerance": INT8_TOLERANCE if int8 else PROBABILITY_TOLERANCE,
        "shape": list(images.shape),
        "pixels": PIXELS_FILE,
        "cases": [
            {"name": name, "digit": int(digit), "probabilities": row.tolist(), "digitness": float(digitness)}
            for name, digit, row, digitness in zip(cases, *reference, strict=True)
        ],
    }
    with atomic.replacing(folder / PIXELS_FILE) as beside:
        beside.write_bytes(images.tobytes())
    atomic.write_text(folder / DESCRIPTION, json.dumps(description, indent=1) + "\n")
    return len(cases)


def sha256(recognizer: Recognizer) -> str:
    """Returns the SHA-256 of a model's file."""
    return hashlib.sha256(recognizer.content).hexdigest()


def check_golden(recognizer: Recognizer, folder: Path) -> GoldenReport:
    """Compares a model's outputs, in batches of one and all at once, with the reference outputs.

    Args:
        recognizer: the model, on the CPU: `Recognizer(model, recognizer.CPU)`.
        folder: its golden vectors, as written by `write_golden`.

    Raises:
        GoldenError: if a digit differs, or a probability by more than the vectors allow, or they cannot be read.
    """
    vectors = _read(folder)
    difference = 0.0
    for batch in (1, len(vectors.images)):
        found = recognizer(vectors.images, batch=batch)
        differences = np.abs(np.column_stack(found[1:]) - vectors.values).max(axis=1)
        failed = np.flatnonzero(~(differences <= vectors.tolerance) | (found.digits != vectors.digits))
        if len(failed):
            raise _mismatch(recognizer, folder, vectors, failed.tolist(), float(differences.max()))
        difference = max(difference, float(differences.max()))
    return GoldenReport(len(vectors.images), difference, vectors.tolerance)


def _read(folder: Path) -> _Vectors:
    path = folder / DESCRIPTION
    try:
        return _parse(json.loads(_content(path)), folder)
    except OSError as error:
        hint = "inference.golden.write_golden writes them"
        raise GoldenError(f"{error.filename}: {error.strerror}", hint) from error
    except KeyError as error:
        raise GoldenError(f"{path}: not golden vectors: {error} is missing") from error
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise GoldenError(f"{path}: not golden vectors, or truncated: {error}") from error


def _parse(description: Any, folder: Path) -> _Vectors:
    cases, pixels, tolerance = (description[name] for name in ("cases", "pixels", "tolerance"))
    if not isinstance(pixels, str) or Path(pixels).name != pixels:
        raise ValueError("expected the name of a file in the folder as pixels")
    if not 0 <= float(tolerance) <= INT8_TOLERANCE:  # with a larger one, any model would pass
        raise ValueError(f"expected a tolerance from 0 to {INT8_TOLERANCE}")
    digits = [case["digit"] for case in cases]
    if any(type(digit) is not int for digit in digits):
        raise TypeError("expected integers as digits")
    values = [[*case["probabilities"], case["digitness"]] for case in cases]
    return _Vectors(
        names=[str(case["name"]) for case in cases],
        images=np.frombuffer(_content(folder / pixels), np.uint8).reshape(len(cases), SIDE, SIDE),
        digits=np.array(digits, np.int64),
        values=np.array(values, float).reshape(len(cases), CLASSES + 1),
        tolerance=float(tolerance),
        model_sha256=description["model"]["sha256"],
    )


def _content(path: Path) -> bytes:
    with path.open("rb") as file:
        return read_all(file, MOST_BYTES)


def _mismatch(recognizer: Recognizer, folder: Path, vectors: _Vectors, failed: list[int], off: float) -> GoldenError:
    names = "; ".join(vectors.names[index] for index in failed[:3])
    same = vectors.model_sha256 == sha256(recognizer)
    hint = "" if same else "they are of another model: name the folder of this one, which `export --golden` writes"
    count = f"{len(failed)} of {len(vectors.names)} golden vectors of {folder}"
    differs = f"does not match its reference outputs: {count} ({names}), probabilities by up to {off:.1e}"
    return GoldenError(f"{recognizer.name}: {differs}", hint)


def golden_images() -> dict[str, np.ndarray]:
    """Returns test digits and extreme images by name, each uint8 [28, 28]."""
    test = load(MNIST_TEST)
    rows = [row for digit in range(10) for row in np.flatnonzero(test.labels == digit)[:DIGITS_PER_CLASS]]
    digits = {f"MNIST test row {row}, a {test.known_labels()[row]}": test.images[row] for row in sorted(rows)}
    return digits | _extremes(test.images[0])


def _extremes(seven: np.ndarray) -> dict[str, np.ndarray]:
    """Returns images at the limits of uint8 [28, 28], and a 7 after common mistakes in preprocessing."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    noise = np.random.default_rng(0).integers(0, 256, (3, SIDE, SIDE))
    images = {
        "empty": 0 * rows,
        "full": 0 * rows + 255,
        "all 1": 0 * rows + 1,
        "all 128": 0 * rows + 128,
        "first pixel": np.where(rows + columns == 0, 255, 0),
        "last pixel": np.where(rows + columns == 2 * (SIDE - 1), 255, 0),
        "top row": np.where(rows == 0, 255, 0),
        "left column": np.where(columns == 0, 255, 0),
        "checkerboard": (rows + columns) % 2 * 255,
        "ramp to the right": columns * 255 // (SIDE - 1),
        "ramp to the bottom": rows * 255 // (SIDE - 1),
        "bytes counted up": (rows * SIDE + columns) % 256,
        "noise": noise[0],
        "noise of 0 and 255": noise[1] // 128 * 255,
        "faint noise": noise[2] // 16,
        "7, colours inverted": 255 - seven,
        "7, transposed": seven.T,
        "7, upside down": seven[::-1],
        "7, as 0 to 1": seven // 128,
        "7, in the corner": np.roll(seven, (-7, -6), (0, 1)),
    }
    return {name: image.astype(np.uint8) for name, image in images.items()}
