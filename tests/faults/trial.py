"""A training run in a process of its own, and whether it ends like an undisturbed one after a fault."""

import os
import random
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

import flaxdigits
from flaxdigits.inference.recognizer import Recognizer
from flaxdigits.runs import Run
from flaxdigits.training.checkpoint import saved_steps

EPOCHS = 16
CONFIG = f"""
data = "digits.npz"
hidden = [32, 16]
epochs = {EPOCHS}
batch_size = 64
validation = 0.2
added_pictures = 0
checkpoint_seconds = 0
"""  # a checkpoint after each slice of work, so that one is being written at almost any moment
DIGITS = 3000
TRAIN = [sys.executable, "-m", "flaxdigits_cli.main", "train", "--config", "config.toml", "--if-exists", "resume"]
PIPES = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
TIMINGS = ["seconds", "images_per_second"]  # of history.csv, which differ between any two runs


@dataclass
class Trials:
    """Training runs of one configuration in a folder, and the undisturbed run that they are compared with.

    Attributes:
        folder: the folder with the digits and the configuration.
        random: chooses the moments and the places of faults.
        seconds: the duration of the undisturbed run.
        training_seconds: of these, from its first epoch to its last.
    """

    folder: Path
    random: random.Random
    seconds: float = 0.0
    training_seconds: float = 0.0
    environment: dict[str, str] = field(default_factory=lambda: dict(os.environ))

    @property
    def whole(self) -> Run:
        """The undisturbed run."""
        return Run(self.folder / "whole")

    def prepare(self) -> None:
        """Makes the digits, and trains the undisturbed run twice: the second time already compiled, like the others."""
        digits = flaxdigits.load()[:DIGITS]
        np.savez(self.folder / "digits.npz", images=digits.images, labels=digits.labels)
        (self.folder / "config.toml").write_text(CONFIG)
        for name in ("first", "whole"):
            began = time.monotonic()
            process = self.start(Run(self.folder / name))
            assert process.stderr
            epochs = [time.monotonic() for line in process.stderr if line.startswith("epoch")]
            assert process.wait() == 0
            self.seconds, self.training_seconds = time.monotonic() - began, epochs[-1] - epochs[0]

    def start(self, run: Run, *words: str, **variables: str) -> subprocess.Popen:
        """Starts or resumes the run."""
        command = [*TRAIN, "--out", str(run), *words]
        return subprocess.Popen(command, cwd=self.folder, env=self.environment | variables, **PIPES)

    def wait(self, process: subprocess.Popen) -> bool:
        """Waits for a random moment: half of the time of the whole program, half of its epochs.

        Returns:
            Whether the process has trained an epoch, as it has printed.
        """
        assert process.stderr
        if self.random.random() < 0.5:
            time.sleep(self.random.uniform(0, self.seconds))
            return False
        if not any(line.startswith("epoch") for line in process.stderr):
            return False
        time.sleep(self.random.uniform(0, self.training_seconds))
        return True

    def fail(self, run: Run, *words: str) -> str:
        """Runs the command, which must fail with one line, and returns this line."""
        return failure(self.start(run, *words))

    def finish(self, run: Run) -> str:
        """Runs the command to its end, and returns the notes that it printed besides its epochs."""
        process = self.start(run)
        _, stderr = process.communicate(timeout=600)
        assert process.returncode == 0, f"the run does not go on: {stderr}"
        return "\n".join(line for line in stderr.splitlines() if re.match("warning|flaxdigits", line))

    def is_whole(self, run: Run) -> bool:
        """Returns whether a finished run has the weights and the history of the undisturbed one."""
        weights = [Recognizer(one.model).metadata["weights_sha256"] for one in (run, self.whole)]
        histories = [one.history_frame().drop(columns=TIMINGS) for one in (run, self.whole)]
        return weights[0] == weights[1] and histories[0].equals(histories[1])


def failure(process: subprocess.Popen) -> str:
    """Waits for a process that must fail with one line, and returns this line."""
    _, stderr = process.communicate(timeout=120)
    assert "Traceback" not in stderr, stderr
    assert process.returncode == 1, f"exit code {process.returncode}: {stderr}"
    last = stderr.splitlines()[-1]
    assert last.startswith("flaxdigits: "), stderr
    return last


def newest_checkpoint(run: Run) -> Path | None:
    """Returns the folder of the newest checkpoint."""
    steps = saved_steps(run.checkpoints)
    return run.checkpoints / str(steps[-1]) if steps else None


def damage(path: Path, how: str, chosen: random.Random) -> None:
    """Damages a file: flips a bit, truncates it, empties it, or removes it."""
    content = bytearray(path.read_bytes())
    if how == "removed":
        path.unlink()
    elif how == "emptied" or not content:
        path.write_bytes(b"")
    elif how == "cut off":
        path.write_bytes(content[: chosen.randrange(len(content))])
    else:
        content[chosen.randrange(len(content))] ^= 1 << chosen.randrange(8)
        path.write_bytes(content)


def remove(run: Run) -> None:
    """Removes a run that has been compared."""
    shutil.rmtree(run.path, ignore_errors=True)
