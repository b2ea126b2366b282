"""The run directory: where training writes its files, and how to find it again."""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from flaxdigits.errors import (
    RunError,
    RunLockedError,
    RunNotFoundError,
    RunStorageError,
    RunUnfinishedError,
    RunWarning,
)
from flaxdigits.extras import require
from flaxdigits.locking import lock

if TYPE_CHECKING:
    import pandas as pd

IfExists = Literal["error", "resume", "replace"]  # what to do if the directory of a new run holds one already

RUNS = Path("runs")
LATEST = RUNS / "latest"


class Run:
    """The paths of a run directory's files. Creating one does not touch the disk.

    In a notebook, a run is displayed as its learning curves.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.config = self.path / "config.toml"
        self.data = self.path / "data.json"
        self.history = self.path / "history.csv"
        self.curves = self.path / "curves.png"
        self.checkpoints = self.path / "checkpoints"
        self.pretraining = self.path / "pretraining"
        self.model = self.path / "model.onnx"
        self.metrics = self.path / "metrics.json"
        self.confusion = self.path / "confusion.png"
        self.mistakes = self.path / "mistakes.png"
        self.reliability = self.path / "reliability.png"

    def __str__(self) -> str:
        return str(self.path)

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})"

    def _repr_png_(self) -> bytes | None:
        return self.curves.read_bytes() if self.curves.exists() else None

    @classmethod
    def new(cls) -> Self:
        """Returns a run in runs/ named after the current time, to the millisecond."""
        return cls(RUNS / datetime.now().strftime("%Y%m%d-%H%M%S-%f")[:-3])

    @classmethod
    def existing(cls, path: "Run | Path | str | None" = None) -> "Run":
        """Returns the run at a path, runs/latest by default; for a link, the run that it points to now.

        Raises:
            RunNotFoundError: if there is neither a configuration in it nor a checkpoint.
        """
        named = path.path if isinstance(path, Run) else Path(path or LATEST)
        run = cls(follow(named))
        if run.is_begun():
            return run
        if named.is_symlink():
            raise RunNotFoundError(named, f"links to {run.path}, which is not a run", "name the run itself")
        missing = "no run yet" if named == LATEST else f"not a run directory, there is no {run.config.name} in it"
        raise RunNotFoundError(named, missing, "create one with flaxdigits.fit")

    def is_begun(self) -> bool:
        """Returns whether there is a run: it has a configuration, or has lost it and has a checkpoint."""
        return self.config.exists() or any(path.name.isdecimal() for path in self.checkpoints.glob("*"))

    def check_exists(self, name: Path) -> None:
        """Raises RunStorageError if the directory has been moved or removed meanwhile.

        Args:
            name: of the run, in the message.
        """
        if not self.config.exists():
            hint = "restore it and resume, or start a new run"
            raise RunStorageError(name, f"there is no {self.config.name} in it any more", hint)

    def results(self) -> list[Path]:
        """Lists what training, export and evaluation have written, except for config.toml and data.json."""
        named = (
            self.history, self.curves, self.checkpoints, self.pretraining, self.metrics, self.confusion,
            self.mistakes, self.reliability, *self.path.glob("model*.onnx"), *self.path.glob("*.damaged"),
        )  # fmt: skip
        return [path for path in named if path.exists()]

    @contextmanager
    def locked(self, name: Path | None = None) -> Iterator[None]:
        """Locks the run against concurrent training; the system releases the lock when the process ends.

        Args:
            name: of the run, in messages; its path by default.

        Raises:
            RunLockedError: if the run is already being trained, in this process or another.
            RunStorageError: if the directory cannot be written.
        """
        problem, hint = "this run is already being trained", "wait for it to end, or close() it"
        with storage_errors(name or self.path):
            held = lock(self.path, RunLockedError(name or self.path, problem, hint))
        with held:
            yield

    def exported_model(self) -> Path:
        """Returns the path of the exported model.

        Raises:
            RunUnfinishedError: if the run has none yet.
        """
        if not self.model.exists():
            hint = f"flaxdigits.resume finishes it, flaxdigits.export_onnx({str(self)!r}) exports its last checkpoint"
            raise RunUnfinishedError(self.path, f"no {self.model.name} in it yet", hint)
        return self.model

    def history_frame(self) -> "pd.DataFrame":
        """Returns history.csv as a DataFrame, a row per epoch."""
        require("train", "a DataFrame")
        import pandas as pd

        return pd.read_csv(self.history)


@contextmanager
def storage_errors(name: Path) -> Iterator[None]:
    """Turns an OSError, such as that of a full disk, into a RunStorageError."""
    try:
        yield
    except OSError as error:
        hint = f"the last checkpoint is kept; once this is fixed, resume with flaxdigits.resume({str(name)!r})"
        raise RunStorageError(name, f"cannot be written: {error.strerror or error}", hint) from error


def follow(path: Path) -> Path:
    """Returns the current target of a link; any other path unchanged.

    The next training run moves runs/latest: files written through it later would end up in another run.
    """
    return path.parent / path.readlink() if path.is_symlink() else path


def point_latest(run: Run, latest: Path = LATEST) -> None:
    """Makes runs/latest a symbolic link to this run, if the file system has links.

    Args:
        run: the run.
        latest: the link, as an absolute path if the working directory may have changed.

    Raises:
        RunError: if runs/latest is a file or a folder, which a link must not replace.
    """
    check_latest(latest)
    beside = latest.with_name(f".latest.{os.urandom(6).hex()}")
    try:
        latest.parent.mkdir(parents=True, exist_ok=True)
        beside.symlink_to(os.path.relpath(run.path.resolve(), latest.parent.resolve()))
        os.replace(beside, latest)
    except OSError as error:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
        if os.name == "posix":  # not Windows without permission to create links: runs are then named in full
            warnings.warn(f"{latest}: still points to an earlier run: {error.strerror}", RunWarning, 2)


def check_latest(latest: Path = LATEST) -> None:
    """Raises RunError if runs/latest is a file or a folder, which a link must not replace."""
    if latest.exists() and not latest.is_symlink():
        raise RunError(latest, "expected a symbolic link to the latest run, got a file or a folder", "rename it first")
