"""What a run was trained on, in data.json: enough to refuse other data, and to tell an honest score."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from flaxdigits import atomic
from flaxdigits.data import MNIST_TEST, MNIST_TRAIN, load
from flaxdigits.digits import Digits


@dataclass(frozen=True)
class Provenance:
    """The training data of a run, by name and content."""

    name: str
    sha256: str  # of the images' bytes followed by the labels' bytes
    digits: int
    rows_in_mnist_test: int  # how many of MNIST's 10,000 test images stand in it, pixel for pixel

    @classmethod
    def of(cls, digits: Digits) -> Self:
        """Describes digits. The embedded training set is known to share none with the test set."""
        shared = 0 if digits.name == MNIST_TRAIN else digits.count_shared(load(MNIST_TEST))
        return cls(digits.name, digits.sha256, len(digits), shared)

    def save(self, path: Path) -> None:
        """Writes data.json."""
        atomic.write_text(path, json.dumps(asdict(self), indent=2) + "\n")

    @classmethod
    def read(cls, path: Path) -> Self:
        """Reads data.json."""
        return cls(**json.loads(path.read_text(encoding="utf-8")))
