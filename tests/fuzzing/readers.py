"""The readers, each with the check of what it returns."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np

from flaxdigits.data.digits import Digits
from flaxdigits.data.inputs import PictureFile, read_input
from flaxdigits.data.load import load
from flaxdigits.inference import recognizer, shipped
from flaxdigits.inference.golden import check_golden
from flaxdigits.inference.inspection import Inspection
from flaxdigits.inference.recognizer import CPU, Prediction, Recognizer
from flaxdigits.pages import read_digits
from flaxdigits.pictures.reading import read_picture
from flaxdigits.training.config import TrainConfig

recognizer.DEADLINE = 5.0  # seconds in place of minutes


class WrongValueError(Exception):
    """A reader returned what it must not return."""


def require(holds: object, what: str) -> None:
    """Raises WrongValueError unless a condition holds."""
    if not holds:
        raise WrongValueError(what)


@cache
def tiny() -> Recognizer:
    """Returns the smaller shipped model."""
    return Recognizer(shipped.FOLDER / "digits-tiny.onnx", CPU, threads=1)


def read_data(path: Path) -> None:
    """Loads digits, as `train` and `predict` do."""
    found = load(path)
    check_digits(found)
    images = read_input(str(path))
    require(
        isinstance(images, PictureFile) or np.array_equal(images.images, found.images), "predict reads other digits"
    )


def check_digits(found: Digits) -> None:
    """Checks digits, value by value."""
    images, labels, writers = found.images, found.labels, found.writers
    require(images.dtype == np.uint8 and images.shape[1:] == (28, 28) and len(images) > 0, "images")
    if labels is not None:
        require(labels.dtype == np.uint8 and labels.shape == (len(images),) and labels.max() <= 9, "labels")
    if writers is not None:
        require(writers.dtype.kind in "iu" and writers.shape == (len(images),), "writers")


def read_one(path: Path) -> None:
    """Reads a picture of one digit."""
    found = read_picture(path)
    require(found.dtype == np.uint8 and found.shape == (28, 28) and found.max() > 0, "pixels")


def read_page(path: Path) -> None:
    """Reads a picture as `predict` does: as a digit or as a page."""
    for one in read_digits(path, tiny()):
        require(0 <= one.digit <= 9 and 0 <= one.probability <= 1.001 and abs(one.digitness - 0.5) <= 0.51, "a reading")


def read_config(path: Path) -> None:
    """Reads a configuration."""
    found = TrainConfig.from_toml(path)
    require(TrainConfig.from_dict(found.to_dict()) == found, "the configuration")


def read_model(path: Path) -> None:
    """Loads a model and reads digits with it: none, one and several."""
    model = Recognizer(path, CPU, threads=1)
    images = np.random.default_rng(0).integers(0, 256, (3, 28, 28), np.uint8)
    for count in (0, 1, 3):
        check_prediction(model(images[:count]), count)


def check_prediction(found: Prediction, count: int) -> None:
    """Checks a prediction against the contract."""
    digits, probabilities, digitness = found
    require(digits.shape == (count,) and digits.dtype == np.int64, "shape of the digits")
    require(probabilities.shape == (count, 10) and probabilities.dtype == np.float32, "shape of the probabilities")
    require(digitness.shape == (count,) and digitness.dtype == np.float32, "shape of the digitness")
    require(((digits >= 0) & (digits <= 9)).all(), "digits outside 0 to 9")
    require((probabilities >= 0).all() and (abs(probabilities.sum(axis=1) - 1) < 0.01).all(), "probabilities")
    require((abs(digitness - 0.5) <= 0.51).all(), "digitness")


def inspect(path: Path) -> None:
    """Describes a model."""
    import json

    found = Inspection.of(path)
    json.dumps(found.as_dict())
    require("\n" not in "".join(found.violations), "a violation of several lines")


def verify(folder: Path) -> None:
    """Checks golden vectors; those of another model, or with a wide tolerance, must not pass."""
    report = check_golden(tiny(), folder)
    require(0 <= report.tolerance <= 0.02 and report.largest_difference <= report.tolerance, "golden vectors")


READERS: dict[str, Callable[[Path], None]] = {
    "csv": read_data,
    "idx": read_data,
    "npz": read_data,
    "zip": read_data,
    "gzip": read_data,
    "picture": read_one,
    "page": read_page,
    "toml": read_config,
    "onnx": read_model,
    "inspect": inspect,
    "golden": verify,
}
