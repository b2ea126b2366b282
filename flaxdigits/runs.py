"""The run directory: where a training leaves what it made, and how to find it again."""

import os
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Self

from flaxdigits import shipped
from flaxdigits.errors import RunError
from flaxdigits.extras import require

if TYPE_CHECKING:
    import pandas as pd

RUNS = Path("runs")
LATEST = RUNS / "latest"


class Run:
    """The places of a run directory's files; making one of these touches no disk."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.config = self.path / "config.toml"
        self.data = self.path / "data.json"
        self.history = self.path / "history.csv"
        self.curves = self.path / "curves.png"
        self.checkpoints = self.path / "checkpoints"
        self.model = self.path / "model.onnx"
        self.metrics = self.path / "metrics.json"
        self.confusion = self.path / "confusion.png"
        self.mistakes = self.path / "mistakes.png"
        self.reliability = self.path / "reliability.png"

    def __str__(self) -> str:
        return str(self.path)

    @classmethod
    def new(cls) -> Self:
        """Names a run after the present second, beside the others in runs/."""
        stem = datetime.now().strftime("%Y%m%d-%H%M%S")
        names = [stem, *(f"{stem}-{i}" for i in range(2, 100))]
        return cls(next(RUNS / name for name in names if not (RUNS / name).exists()))

    @classmethod
    def existing(cls, path: "Run | Path | str | None" = None) -> "Run":
        """Finds a run that holds a configuration; runs/latest where no path is given. A run is taken as it is.

        Raises:
            RunError: where there is none.
        """
        if isinstance(path, Run):
            return path
        run = cls(path or LATEST)
        if run.config.exists():
            return run
        if run.path == LATEST:
            raise RunError(f"{LATEST}: no run yet; `flaxdigits train` makes one")
        raise RunError(f"{path}: not a run directory, there is no {run.config.name} in it")

    def claim(self) -> None:
        """Makes the directory this training's own, also where another one begins in the same second.

        Raises:
            RunError: where it holds a run already.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        try:
            self.config.touch(exist_ok=False)
        except FileExistsError:
            again = f"continue it with: flaxdigits train --resume {self}, or choose another folder"
            raise RunError(f"{self}: holds a run already; {again}") from None

    def point_latest(self) -> None:
        """Makes runs/latest a link to this run, where the file system has links."""
        beside = LATEST.with_name(f".latest.{os.getpid()}")
        try:
            LATEST.parent.mkdir(parents=True, exist_ok=True)
            beside.symlink_to(os.path.relpath(self.path.resolve(), LATEST.parent.resolve()))
            os.replace(beside, LATEST)
        except OSError:  # Windows without the right to make links: runs are then named in full
            beside.unlink(missing_ok=True)

    def history_frame(self) -> "pd.DataFrame":
        """Returns history.csv as a DataFrame, a row an epoch."""
        require("train", "a DataFrame")
        import pandas as pd

        return pd.read_csv(self.history)


def find_model(path: Path | str | None = None) -> Path:
    """Finds the .onnx file that a path means: itself, or a run's model; the shipped one where left out.

    Raises:
        RunError: where there is no such file, with what makes one.
    """
    path = shipped.MODEL if path is None else Path(path)
    if path.is_dir():
        return _model_of(Run.existing(path))
    if not path.exists():
        raise RunError(f"{path}: no such model; expected an .onnx file or a run directory")
    return path


def _model_of(run: Run) -> Path:
    if not run.model.exists():
        finish = f"finish it with: flaxdigits train --resume {run}"
        raise RunError(f"{run}: no model.onnx in it yet; {finish}, or name another run")
    return run.model
