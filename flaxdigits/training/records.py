"""Provenance: the record of what a run began with, in data.json."""

import json
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from flaxdigits import atomic
from flaxdigits.data.digits import Digits
from flaxdigits.data.load import MNIST_TEST, MNIST_TRAIN, load
from flaxdigits.errors import ConfigError, DataError, RunError
from flaxdigits.runs import Run
from flaxdigits.training.config import TrainConfig

if TYPE_CHECKING:
    from flaxdigits.training.examples import Examples


@dataclass(frozen=True)
class Provenance:
    """The data, by content, and the configuration that a run began with."""

    name: str  # of the data
    sha256: str  # of all digits: the images' bytes followed by the labels' bytes
    digits: int
    trained_on: int  # of these; the others are held out
    examples: int  # in an epoch: these and the added pictures
    added_sha256: str  # of the added pictures and their labels; empty without any
    rows_in_mnist_test: int  # how many of MNIST's 10,000 test images are in the data, pixel for pixel
    held_out_sha256: str  # of the held-out digits, which also depend on the writers; empty without validation
    initial_sha256: str  # of the model whose weights the run starts from; empty without one
    config: dict[str, Any]
    jax: str  # version; other versions may round differently

    @classmethod
    def of(cls, examples: "Examples", held_out: Digits | None, config: TrainConfig, initial_sha256: str = "") -> Self:
        """Describes a training run. The embedded training set is known to share no image with the test set."""
        digits = examples.digits
        shared = 0 if digits.name == MNIST_TRAIN else digits.count_shared(load(MNIST_TEST))
        return cls(
            name=digits.name,
            sha256=digits.sha256,
            digits=len(digits),
            trained_on=len(examples.training),
            examples=len(examples),
            added_sha256=examples.added_sha256,
            rows_in_mnist_test=shared,
            held_out_sha256=held_out.sha256 if held_out else "",
            initial_sha256=initial_sha256,
            config=config.to_dict(),
            jax=version("jax"),
        )

    def check_added(self, run: Run, examples: "Examples") -> None:
        """Checks that a run resumes with the added pictures that it began with.

        Raises:
            RunError: if they would now differ.
        """
        if self.added_sha256 and examples.added_sha256 != self.added_sha256:
            problem = "the added pictures would differ from those at the start of the run"
            raise RunError(run.path, problem, "another version of flaxdigits, NumPy or Pillow is installed")

    def check_initial(self, run: Run, sha256: str) -> None:
        """Checks that a run without a checkpoint still starts from the model that it began with.

        Raises:
            RunError: if the model has changed.
        """
        if sha256 != self.initial_sha256:
            raise RunError(run.path, "the model whose weights it starts from has changed", "begin a new run")

    def check(self, run: Run, digits: Digits, held_out: Digits | None, config: TrainConfig) -> None:
        """Checks that a run can resume with these digits and this configuration.

        Raises:
            RunError: naming the difference.
        """
        changes = config.differences(self.begun_config(run))
        if changes:
            hint = "undo the change, or begin a new run"
            raise RunError(run.path, f"config.toml was changed after the run began ({'; '.join(changes)})", hint)
        if digits.sha256 != self.sha256:
            raise RunError(run.path, f"began with other digits than those of {digits.name} now")
        if (held_out.sha256 if held_out else "") != self.held_out_sha256:
            problem = f"other digits of {digits.name} would be held out than at its start"
            raise RunError(run.path, problem, "the writers differ")

    def begun_config(self, run: Run) -> TrainConfig:
        """Returns the configuration that the run began with; fields newer than the run have their defaults."""
        try:
            return TrainConfig.from_dict(self.config)
        except ConfigError as error:
            raise RunError(run.data, f"the run was created by another version of flaxdigits: {error}") from error

    def save(self, path: Path) -> None:
        """Writes data.json."""
        atomic.write_text(path, json.dumps(asdict(self), indent=2) + "\n")

    @classmethod
    def read(cls, path: Path) -> Self:
        """Reads data.json.

        Raises:
            RunError: if it is missing or damaged.
        """
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            newer = {"examples": values["trained_on"], "added_sha256": "", "initial_sha256": ""}  # than the first runs
            read = cls(**(newer | values))
            if not isinstance(read.config, dict) or type(read.examples) is not int or read.examples < 1:
                raise ValueError("a value of another type or range")
            return read
        except OSError as error:
            raise RunError(path, f"{error.strerror}; the run cannot be used without it") from error
        except (ValueError, TypeError, KeyError) as error:
            raise RunError(path, "damaged", "restore it, or start a new run") from error


def load_again(run: Run, config: TrainConfig) -> Digits:
    """Returns the digits of a run, from the source in its configuration.

    Raises:
        DataError: if they are no longer there; it says where to set their new path.
    """
    try:
        return load(config.data)
    except DataError as error:
        raise DataError(error.message, f"they may have moved: change `data` in {run.config}") from error


def load_held_out(run: Run) -> Digits:
    """Returns the digits that a run held out for validation.

    Raises:
        DataError: if it held out none.
        RunError: if the data or the configuration have changed.
    """
    config = TrainConfig.from_toml(run.config)
    if not config.validation:
        raise DataError(f"{run}: held out no digits for validation")
    digits = load_again(run, config)
    held_out = digits[digits.held_out(config.validation, config.seed)]
    Provenance.read(run.data).check(run, digits, held_out, config)
    return replace(held_out, name=f"{held_out.name}, held out")
