"""Fuzzes the readers: just fuzz [READER] [--inputs N] [--seed S] [--keep FOLDER]."""

import argparse
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fuzzing import inputs
from fuzzing.readers import READERS

TIME_LIMIT = 60.0  # seconds an input may take
MEMORY_LIMIT = 3 * 2**30  # bytes an input may take on top of what the process had
RESTART = 2000  # inputs that a process reads, so that leaks are seen but do not add up
SHARES = {"page": 0.3}  # of the inputs, for the slowest reader


class Worker:
    """A reading process, restarted after it has ended."""

    def __init__(self, reader: str, folder: Path) -> None:
        self.reader, self.folder = reader, folder
        self.process: subprocess.Popen[str] | None = None

    def read(self, path: Path) -> dict[str, Any]:
        """Returns the outcome of a path; a crash or a hang is a defect, and ends the process."""
        process = self.process or self.start()
        assert process.stdin
        assert process.stdout
        process.stdin.write(f"{path}\n")
        process.stdin.flush()
        answers, _, _ = select.select([process.stdout], [], [], TIME_LIMIT)
        line = process.stdout.readline() if answers else ""
        if line:
            return json.loads(line)
        words = "takes too long" if not answers else f"ends the process: {process.wait()}"
        self.end()
        return {"outcome": "defect", "words": words, "seconds": 0.0 if answers else TIME_LIMIT, "memory": 0}

    def start(self) -> subprocess.Popen[str]:
        """Starts the process."""
        command = [sys.executable, "-m", "fuzzing.worker", self.reader, str(self.folder / "printed")]
        streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.process = subprocess.Popen(command, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}, **streams)
        return self.process

    def end(self) -> None:
        """Ends the process."""
        if self.process:
            self.process.kill()
            self.process.communicate()
            self.process = None


@dataclass
class Tally:
    """The outcomes of a reader's inputs."""

    reader: str
    outcomes: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    slowest: float = 0.0
    memory: int = 0
    defects: dict[str, list[int]] = field(default_factory=dict)  # the numbers of the inputs, by defect

    def add(self, number: int, found: dict[str, Any]) -> None:
        """Counts an input."""
        if found["outcome"] != "defect" and found["memory"] > MEMORY_LIMIT:
            found |= {"outcome": "defect", "words": "takes too much memory"}
        self.outcomes[found["outcome"]] += 1
        self.seconds += found["seconds"]
        self.slowest, self.memory = max(self.slowest, found["seconds"]), max(self.memory, found["memory"])
        if found["outcome"] == "defect":
            self.defects.setdefault(found["words"], []).append(number)

    def __str__(self) -> str:
        read, refused, defects = (self.outcomes[name] for name in ("read", "refused", "defect"))
        figures = f"{self.seconds:.0f} | {self.slowest:.2f} | {self.memory / 2**20:.0f} | {defects}"
        return f"| {self.reader} | {self.outcomes.total():,} | {read:,} | {refused:,} | {figures} |"


HEAD = """\
| reader | inputs | read | refused | seconds | slowest, s | most memory, MiB | defects |
|---|---|---|---|---|---|---|---|"""


def fuzz(reader: str, count: int, seed: int, keep: Path) -> Tally:
    """Gives a reader `count` inputs; keeps the first one with each defect."""
    tally = Tally(reader)
    with tempfile.TemporaryDirectory() as scratch:
        worker = Worker(reader, Path(scratch))
        for number in range(count):
            path = Path(scratch, "input")
            content = inputs.make(reader, number, seed)
            inputs.write(content, path)
            found = worker.read(path)
            tally.add(number, found)
            if found["outcome"] == "defect" and len(tally.defects[found["words"]]) == 1:
                report(reader, number, found)
                keep.mkdir(parents=True, exist_ok=True)
                shutil.move(path, keep / f"{reader}-{seed}-{number}")
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
            if number % RESTART == RESTART - 1:
                worker.end()
        worker.end()
    return tally


def report(reader: str, number: int, found: dict[str, Any]) -> None:
    """Prints a defect when it is first found."""
    print(f"{reader} {number}: {found['words']!r}\n{found.get('trace', '')}", file=sys.stderr, flush=True)


def main() -> int:
    """Fuzzes, and prints a table; returns 1 if there are defects."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("reader", nargs="?", choices=READERS, help="all of them by default")
    parser.add_argument("--inputs", type=int, default=2500, help="of each reader; of pages a part")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, default=Path("fuzz-defects"), help="where inputs with a defect go")
    given = parser.parse_args()
    print(f"seed {given.seed}\n\n{HEAD}", flush=True)
    failed = 0
    for reader in [given.reader] if given.reader else READERS:
        tally = fuzz(reader, round(given.inputs * SHARES.get(reader, 1)), given.seed, given.keep)
        failed += tally.outcomes["defect"]
        print(tally, flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
