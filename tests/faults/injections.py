"""The faults. Each is a function that disturbs a run, which the same command must then be able to complete.

It returns what the user saw, a line for each injection; empty if the run had ended before the fault.
"""

import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import jax
import numpy as np
from flax import nnx

from faults.trial import EPOCHS, Trials, damage, failure, newest_checkpoint
from flaxdigits.runs import Run
from flaxdigits.training.checkpoint import saved_steps
from flaxdigits.training.history import read_history
from flaxdigits.training.trained import trained_model

Fault = Callable[[Trials, Run], list[str]]

DAMAGES = ("a flipped bit", "cut off", "emptied", "removed")
MEGABYTES = 64  # of the small disk
FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)


def killed(trials: Trials, run: Run) -> list[str]:
    """SIGKILL."""
    process = trials.start(run)
    trials.wait(process)
    if process.poll() is not None:
        return []
    process.kill()
    process.communicate()
    assert process.returncode in (0, -signal.SIGKILL)
    return ["(nothing: killed)"] if process.returncode else []


def asked(kind: signal.Signals) -> Fault:
    """Returns the fault of a signal that requests a stop; before the program handles it, Python ends at once."""

    def fault(trials: Trials, run: Run) -> list[str]:
        process = trials.start(run)
        trains = trials.wait(process)
        if process.poll() is not None:
            return []
        process.send_signal(kind)
        _, stderr = process.communicate(timeout=120)
        if process.returncode == 128 + kind and "saved at step" in stderr:
            return [stderr.splitlines()[-1]]
        assert not trains or is_trained(run), f"{process.returncode}: not saved: {stderr}"
        if process.returncode == 0:
            return ["(trained to its end)"]
        assert process.returncode in (-kind, 128 + kind, 130), f"{process.returncode}: {stderr}"
        return ["(ended while it started, or while it exported)"]

    return fault


def is_trained(run: Run) -> bool:
    """Returns whether all epochs of a run are done."""
    return len(read_history(run)) == EPOCHS


def asked_twice(trials: Trials, run: Run) -> list[str]:
    """SIGINT, and another one before the state is saved."""
    process = trials.start(run)
    trains = trials.wait(process)
    for _ in range(2):
        process.send_signal(signal.SIGINT)
        time.sleep(trials.random.uniform(0, 0.3))
    _, stderr = process.communicate(timeout=120)
    if trains:  # before it does, Python ends at once, with its own traceback
        assert "Traceback" not in stderr or is_trained(run), stderr
    assert process.returncode in (0, 130, -signal.SIGINT), f"{process.returncode}: {stderr}"
    if process.returncode == 0:
        return []
    if not trains:
        return ["(ended while it started, or while it exported)"]
    last = stderr.splitlines()[-1]
    return ["(ended at once)" if last.startswith("epoch") else last]


@contextmanager
def small_disk(run: Run) -> Iterator[Path]:
    """A separate file system for the run directory."""
    run.path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={MEGABYTES}m", "tmpfs", run.path], check=True)
    try:
        yield run.path
    finally:
        saved = run.path.with_name("copied")
        shutil.copytree(run.path, saved)
        subprocess.run(["umount", run.path], check=True)
        run.path.rmdir()
        saved.rename(run.path)


def full_disk(trials: Trials, run: Run) -> list[str]:
    """A disk that another program fills."""
    with small_disk(run) as disk:
        process = trials.start(run)
        trials.wait(process)
        subprocess.run(["dd", "if=/dev/zero", f"of={disk}/filler", "bs=64k"], check=False, stderr=subprocess.DEVNULL)
        seen = [] if process.wait(120) == 0 else [failure(process)]
        (disk / "filler").unlink()
        trials.finish(run)
    return seen


def read_only(trials: Trials, run: Run) -> list[str]:
    """A disk that becomes read-only, as on Linux after an error."""
    with small_disk(run) as disk:
        process = trials.start(run)
        trials.wait(process)
        remount = ["mount", "-o", "remount,ro", disk]
        while process.poll() is None and subprocess.run(remount, check=False, stderr=subprocess.DEVNULL).returncode:
            time.sleep(0.01)  # busy: a file is open
        seen = [] if process.wait(120) == 0 else [failure(process)]
        subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
        trials.finish(run)
    return seen


def moved_away(trials: Trials, run: Run) -> list[str]:
    """A run directory that vanishes, and comes back."""
    process = trials.start(run)
    while not run.config.exists() and process.poll() is None:
        time.sleep(0.05)
    time.sleep(trials.random.uniform(0, trials.seconds / 2))
    if process.poll() is not None:
        return []
    away = run.path.with_name("away")
    run.path.rename(away)
    process.wait(120)
    if process.returncode == 0:  # moved before the program looked for it: it trained a new run
        shutil.rmtree(run.path, ignore_errors=True)
        away.rename(run.path)
        return []
    seen = failure(process)
    assert not run.config.exists()
    shutil.rmtree(run.path, ignore_errors=True)  # an empty one, if a file was just being written
    away.rename(run.path)
    return [seen]


def damaged_checkpoint(trials: Trials, run: Run) -> list[str]:
    """A file of the newest checkpoint, damaged."""
    killed(trials, run)
    newest = newest_checkpoint(run)
    if newest is None:
        return []
    chosen = trials.random.choice(sorted(path for path in newest.rglob("*") if path.is_file()))
    damage(chosen, trials.random.choice(DAMAGES), trials.random)
    if len(saved_steps(run.checkpoints)) > 1:
        return [trials.finish(run) or "(nothing: the file is not needed)"]
    process = trials.start(run)  # there is no other one: as the message says, training starts over
    _, stderr = process.communicate(timeout=600)
    if process.returncode == 0:
        return ["(nothing: the file is not needed)"]
    assert process.returncode == 1, stderr
    assert "no checkpoint can be read" in stderr, stderr
    shutil.rmtree(run.path)
    return [stderr.splitlines()[-1]]


def damaged_file(trials: Trials, run: Run) -> list[str]:
    """config.toml, data.json or history.csv, damaged."""
    killed(trials, run)
    if not run.history.exists() or not run.checkpoints.exists():
        return []
    path = trials.random.choice([run.config, run.data, run.history])
    whole = path.read_bytes()
    damage(path, trials.random.choice(DAMAGES), trials.random)
    process = trials.start(run)
    _, stderr = process.communicate(timeout=600)
    if process.returncode:
        assert process.returncode == 1, stderr
        assert "Traceback" not in stderr, stderr
        path.write_bytes(whole)  # as the message asks
        return [stderr.splitlines()[-1]]
    return ["\n".join(line for line in stderr.splitlines() if line.startswith("warning")) or f"(nothing: {path.name})"]


def changed_configuration(trials: Trials, run: Run) -> list[str]:
    """A configuration other than the one that the run began with."""
    killed(trials, run)
    if not run.config.exists():
        return []
    whole = run.config.read_text()
    run.config.write_text(whole.replace(f"\nepochs = {EPOCHS}", f"\nepochs = {EPOCHS + 1}"))
    seen = trials.fail(run)
    assert "epochs: " in seen, seen
    run.config.write_text(whole)
    return [seen]


def second_training(trials: Trials, run: Run) -> list[str]:
    """A second training process in the same run directory."""
    first = trials.start(run)
    while not (run.path / ".lock").exists() and first.poll() is None:
        time.sleep(0.05)
    time.sleep(trials.random.uniform(0, trials.seconds / 4))
    second = trials.start(run)
    seen = [] if second.wait(600) == 0 else [failure(second)]  # 0: it began after the first had ended
    assert all("already being trained" in line for line in seen), seen
    first.communicate(timeout=600)
    assert first.returncode == 0
    return seen


def jumping_clock(trials: Trials, run: Run) -> list[str]:
    """A clock that jumps by up to eleven years, forward and back."""
    if FAKETIME is None:
        return []
    clock = trials.folder / "clock"
    clock.write_text("+0")
    variables = {"LD_PRELOAD": str(FAKETIME), "FAKETIME_TIMESTAMP_FILE": str(clock), "FAKETIME_NO_CACHE": "1"}
    process, jumps = trials.start(run, DONT_FAKE_MONOTONIC="1", **variables), []
    while process.poll() is None:
        time.sleep(trials.random.uniform(0, trials.seconds / 4))
        days = trials.random.randint(-4000, 4000)
        clock.write_text(f"{days:+d}d")
        jumps.append("(nothing)")
    if process.wait():  # Orbax's timeouts use this clock
        jumps[-1:] = [failure(process)]
    return jumps


def longer_history(trials: Trials, run: Run) -> list[str]:
    """history.csv with rows that the checkpoint does not have, as after a power cut."""
    killed(trials, run)
    if not run.history.exists():
        return []
    rows = run.history.read_text().splitlines(keepends=True)
    run.history.write_text("".join([*rows, *rows[1:]]))
    return ["(nothing)"]


def lost_loss(trials: Trials, run: Run) -> list[str]:
    """A gradient that becomes infinite. What was saved must be finite; the run itself is lost."""
    seen = trials.fail(run, "--learning-rate", "1e30")
    assert "became" in seen, seen
    if saved_steps(run.checkpoints):
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(nnx.state(trained_model(run).model)))
    shutil.rmtree(run.path)
    return [seen]


FAULTS: dict[str, Fault] = {
    "SIGKILL": killed,
    "SIGTERM": asked(signal.SIGTERM),
    "SIGINT": asked(signal.SIGINT),
    "SIGINT twice": asked_twice,
    "disk full": full_disk,
    "disk read-only": read_only,
    "directory vanished": moved_away,
    "newest checkpoint damaged": damaged_checkpoint,
    "config.toml, data.json or history.csv damaged": damaged_file,
    "configuration changed": changed_configuration,
    "second training": second_training,
    "clock jumps": jumping_clock,
    "history.csv too long": longer_history,
    "gradient becomes infinite": lost_loss,
}
