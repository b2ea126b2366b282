"""A peer as a process of its own: it says when it is ready, then answers each request with the figure of one round."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

SCRIPTS = Path(__file__).parent / "scripts"
OURS = "flaxdigits"
HUGE_PAGES = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}  # as `flaxdigits train` asks for


class PeerFailed(Exception):
    """A peer exited without an answer; the message has the last line that it wrote."""


class Spec(NamedTuple):
    """A peer and the options of its task."""

    name: str
    script: str  # a file of scripts/
    options: tuple[str, ...] = ()

    def command(self, data: Path, task: str, *options: object) -> list[str]:
        """Returns the command that runs a task; a script's own header declares its environment."""
        words = [str(data), task, *self.options, *map(str, options)]
        script = str(SCRIPTS / f"{self.script}.py")
        if self.name.startswith(OURS):
            return [sys.executable, script, *words]
        return ["uv", "run", "--quiet", "--no-project", "--python", sys.executable, "--script", script, *words]


def without_huge_pages() -> dict[str, str]:
    """Returns the environment of a command as its users have it."""
    return {name: value for name, value in os.environ.items() if name not in HUGE_PAGES}


def make_environments() -> None:
    """Makes the peers' environments, with bytecode, as a second start would find them."""
    for script in sorted(SCRIPTS.glob("*.py")):
        if "# /// script" in script.read_text():
            command = ["uv", "sync", "--quiet", "--compile-bytecode", "--python", sys.executable, "--script", script]
            subprocess.run(command, check=True)


class Result(NamedTuple):
    """The outcome of one peer."""

    first_seconds: float  # of its first step or call, compilation included
    figures: list[float]  # a round each
    peak_mb: float


class Peer:
    """A running peer.

    Args:
        command: the command that starts it.
        cores: the cores that it may use; all by default.

    Attributes:
        ready: its first answer: the seconds of its first step.
    """

    def __init__(self, command: list[str], cores: int | None = None) -> None:
        pipe = subprocess.PIPE
        only = ["taskset", "--cpu-list", f"0-{cores - 1}"] if cores else []
        self.log = tempfile.TemporaryFile("w+")  # noqa: SIM115 (a pipe that nobody reads would stop the peer)
        self.process = subprocess.Popen([*only, *command], stdin=pipe, stdout=pipe, stderr=self.log, text=True)
        self.ready = self.answer()

    def answer(self) -> dict[str, Any]:
        """Returns its next answer.

        Raises:
            PeerFailed: if it has exited instead.
        """
        assert self.process.stdout
        for line in self.process.stdout:
            if line.startswith("{"):
                return json.loads(line)
        self.log.seek(0)
        said = self.log.read().strip().splitlines()
        raise PeerFailed(said[-1] if said else f"exit code {self.process.wait()}")

    def round(self) -> float:
        """Returns the figure of the second of two rounds: after a pause a process is slower, for about a second."""
        assert self.process.stdin
        self.process.stdin.write("\n\n")
        self.process.stdin.flush()
        self.answer()
        return float(next(iter(self.answer().values())))

    def result(self, figures: list[float]) -> Result:
        """Ends the process, and returns its figures with the most memory that it used."""
        assert self.process.stdin
        self.process.stdin.close()
        peak = float(self.answer()["peak_mb"])
        self.process.wait()
        return Result(float(next(iter(self.ready.values()))), figures, peak)


def compare(
    specs: list[Spec],
    data: Path,
    task: str,
    *options: object,
    rounds: int,
    cores: int | None = None,
    at_once: bool = False,
) -> dict[str, Result | str]:
    """Returns each peer's result over rounds in which they take turns; for one that failed, the reason.

    Args:
        specs: the peers.
        data: the digits, .npz.
        task: the task of each peer.
        options: the options of the task.
        rounds: the number of figures from each.
        cores: the cores that each may use; all by default.
        at_once: start them all at once, which spoils the time to their first step.
    """
    figures: dict[str, list[float]] = {spec.name: [] for spec in specs}

    def start(spec: Spec) -> Peer | str:
        try:
            return Peer(spec.command(data, task, *options), cores)
        except PeerFailed as error:
            return f"failed: {error}"

    with ThreadPoolExecutor(len(specs) if at_once else 1) as executor:
        started = dict(zip(figures, executor.map(start, specs), strict=True))
    running = {name: peer for name, peer in started.items() if isinstance(peer, Peer)}
    failed: dict[str, Result | str] = {name: why for name, why in started.items() if isinstance(why, str)}
    for _ in range(rounds):
        for name in [name for name in running if name not in failed]:
            try:
                figures[name].append(running[name].round())
            except (PeerFailed, OSError) as error:
                failed[name] = f"failed: {error}"
    results = {name: peer.result(figures[name]) for name, peer in running.items() if name not in failed} | failed
    return {spec.name: results[spec.name] for spec in specs}


def ratio(ours: Result, theirs: Result) -> float:
    """Returns the median of the rounds' ratios, in which a drift of the machine's speed cancels out."""
    return median(one / other for one, other in zip(ours.figures, theirs.figures, strict=True))


def cost(command: list[str]) -> tuple[float, float]:
    """Returns the seconds that a command took, and its peak memory, MB."""
    began = time.perf_counter()
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, env=without_huge_pages(), **silent)
    _, status, used = os.wait4(process.pid, 0)
    took = time.perf_counter() - began
    if status:
        raise subprocess.CalledProcessError(status, command)
    return took, used.ru_maxrss / 1024


def evaluations(command: list[str]) -> Iterator[tuple[float, dict[str, Any]]]:
    """Starts a process and yields its answers, each with the seconds since before it was started.

    The process, and uv above it, is stopped with the iterator.
    """
    began = time.perf_counter()
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True
    )
    assert process.stdout
    try:
        for line in process.stdout:
            if line.startswith("{"):
                yield time.perf_counter() - began, json.loads(line)
        if process.wait():
            raise PeerFailed(f"exit code {process.returncode}")
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
