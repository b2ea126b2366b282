"""What a run was begun with, in data.json: enough to refuse to go on with other data, and to tell an honest score."""

import json
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Self

from flaxdigits import atomic
from flaxdigits.data import MNIST_TEST, MNIST_TRAIN, load
from flaxdigits.digits import Digits
from flaxdigits.errors import RunError
from flaxdigits.training.config import TrainConfig


@dataclass(frozen=True)
class Provenance:
    """The training data and the configuration of a run, by content, and what it is computed with."""

    name: str
    sha256: str  # of the images' bytes followed by the labels' bytes
    digits: int
    rows_in_mnist_test: int  # how many of MNIST's 10,000 test images stand in it, pixel for pixel
    config_sha256: str  # of all that has a part in the result
    teacher_sha256: str = ""  # of the teachers' weights
    held_out_sha256: str = ""  # of the digits held out; which they are also depends on the writers
    jax: str = ""  # its version; another one rounds otherwise

    @classmethod
    def of(cls, digits: Digits, config: TrainConfig, held_out: Digits | None = None, teacher_sha256: str = "") -> Self:
        """Describes a training. The embedded training set is known to share none with the test set."""
        shared = 0 if digits.name == MNIST_TRAIN else digits.count_shared(load(MNIST_TEST))
        kept = held_out.sha256 if held_out else ""
        facts = digits.name, digits.sha256, len(digits), shared, config.sha256, teacher_sha256, kept
        return cls(*facts, version("jax"))

    def save(self, path: Path) -> None:
        """Writes data.json."""
        atomic.write_text(path, json.dumps(asdict(self), indent=2) + "\n")

    @classmethod
    def read(cls, path: Path) -> Self:
        """Reads data.json.

        Raises:
            RunError: where it is missing or damaged.
        """
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except OSError as error:
            raise RunError(f"{path}: {error.strerror}; the run cannot be used without it") from error
        except (ValueError, TypeError) as error:
            raise RunError(f"{path}: damaged; restore it, or train anew") from error
