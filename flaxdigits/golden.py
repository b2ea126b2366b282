"""Golden vectors: digits with the answers a model gave at home, to show that it gives them elsewhere.

A folder holds golden.json and pixels.bin (raw uint8, digit after digit), which any language can read.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from flaxdigits import atomic
from flaxdigits.contract import CLASSES, INT8_TOLERANCE, PROBABILITY_TOLERANCE, SIDE
from flaxdigits.data import MNIST_TEST, load
from flaxdigits.errors import GoldenError
from flaxdigits.recognizer import Recognizer

DESCRIPTION = "golden.json"
PIXELS_FILE = "pixels.bin"
A_CLASS = 2  # test digits of each class among the vectors


@dataclass(frozen=True)
class GoldenReport:
    """What a model's answers to golden vectors were, beside those expected."""

    cases: int
    largest_difference: float  # of a probability
    tolerance: float  # that the vectors allow


@dataclass(frozen=True)
class _Vectors:
    """Golden vectors as they were written."""

    names: list[str]
    images: np.ndarray  # uint8 [n, 28, 28]
    digits: np.ndarray  # int64 [n]
    probabilities: np.ndarray  # float64 [n, 10]
    tolerance: float
    model_sha256: str  # of the file that gave the answers

    def __post_init__(self) -> None:
        if not self.names:
            raise ValueError("there are no cases")


def write_golden(recognizer: Recognizer, folder: Path) -> int:
    """Writes a model's answers to some digits and extreme pictures; returns how many."""
    cases = golden_images()
    images = np.stack(list(cases.values()))
    answer = recognizer(images, batch=1)
    int8 = recognizer.metadata.get("precision") == "int8"
    description = {
        "model": {
            "name": recognizer.metadata.get("name", recognizer.path.name),
            "sha256": file_sha256(recognizer.path),
            "weights_sha256": recognizer.metadata.get("weights_sha256", ""),
        },
        "tolerance": INT8_TOLERANCE if int8 else PROBABILITY_TOLERANCE,
        "shape": list(images.shape),
        "pixels": PIXELS_FILE,
        "cases": [
            {"name": name, "digit": int(digit), "probabilities": [float(value) for value in row]}
            for name, digit, row in zip(cases, answer.digits, answer.probabilities, strict=True)
        ],
    }
    with atomic.replacing(folder / PIXELS_FILE) as beside:
        beside.write_bytes(images.tobytes())
    atomic.write_text(folder / DESCRIPTION, json.dumps(description, indent=1) + "\n")
    return len(cases)


def file_sha256(path: Path) -> str:
    """Names a file by its bytes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def check_golden(recognizer: Recognizer, folder: Path) -> GoldenReport:
    """Compares a model's answers, one by one and all at once, with the golden vectors of a folder.

    Raises:
        GoldenError: where an answer differs by more than the vectors allow, or they cannot be read.
    """
    vectors = _read(folder)
    difference = 0.0
    for batch in (1, len(vectors.images)):
        answer = recognizer(vectors.images, batch=batch)
        off = np.abs(answer.probabilities - vectors.probabilities).max(axis=1)
        failed = np.flatnonzero(~(off <= vectors.tolerance) | (answer.digits != vectors.digits))
        if len(failed):
            raise GoldenError(_complaint(recognizer, folder, vectors, failed.tolist(), float(off.max())))
        difference = max(difference, float(off.max()))
    return GoldenReport(len(vectors.images), difference, vectors.tolerance)


def _read(folder: Path) -> _Vectors:
    path = folder / DESCRIPTION
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
        cases = description["cases"]
        pixels = np.frombuffer((folder / description["pixels"]).read_bytes(), np.uint8)
        return _Vectors(
            names=[str(case["name"]) for case in cases],
            images=pixels.reshape(len(cases), SIDE, SIDE),
            digits=np.array([case["digit"] for case in cases], np.int64).reshape(len(cases)),
            probabilities=np.array([case["probabilities"] for case in cases], float).reshape(len(cases), CLASSES),
            tolerance=float(description["tolerance"]),
            model_sha256=description["model"]["sha256"],
        )
    except OSError as error:
        hint = "`flaxdigits export --golden FOLDER` writes them"
        raise GoldenError(f"{error.filename}: {error.strerror}; {hint}") from error
    except KeyError as error:
        raise GoldenError(f"{path}: not golden vectors: there is no {error} in it") from error
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise GoldenError(f"{path}: not golden vectors, or cut off: {error}") from error


def _complaint(recognizer: Recognizer, folder: Path, vectors: _Vectors, failed: list[int], off: float) -> str:
    names = ", ".join(vectors.names[index] for index in failed[:3])
    same = vectors.model_sha256 == file_sha256(recognizer.path)
    hint = "" if same else "; they are not of this file (another model or precision, or damaged): name its own folder"
    return (
        f"{recognizer.path}: {len(failed)} of {len(vectors.names)} golden vectors of {folder} are answered "
        f"otherwise ({names}), probabilities by up to {off:.1e}{hint}"
    )


def golden_images() -> dict[str, np.ndarray]:
    """Returns the digits and the extreme pictures by name, each uint8 [28, 28]."""
    test = load(MNIST_TEST)
    rows = [row for digit in range(10) for row in np.flatnonzero(test.labels == digit)[:A_CLASS]]
    digits = {f"MNIST test row {row}, a {test.known_labels()[row]}": test.images[row] for row in sorted(rows)}
    return digits | _extremes(test.images[0])


def _extremes(seven: np.ndarray) -> dict[str, np.ndarray]:
    """Pictures at the ends of what uint8 [28, 28] can hold, and a real 7 bent in ways that embedders get wrong."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    noise = np.random.default_rng(0).integers(0, 256, (3, SIDE, SIDE))
    pictures = {
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
    return {name: picture.astype(np.uint8) for name, picture in pictures.items()}
