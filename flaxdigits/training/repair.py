"""Repairs a run directory: restores damaged files from each other and from the checkpoint."""

import os
import tomllib
import warnings
from pathlib import Path

from flaxdigits import atomic
from flaxdigits.errors import RunError, RunWarning
from flaxdigits.runs import Run
from flaxdigits.training.checkpoint import saved_files
from flaxdigits.training.records import Provenance


def repair(run: Run) -> None:
    """Restores data.json from the newest checkpoint, and config.toml from data.json, if they are missing or damaged.

    A damaged file is kept under another name, and a RunWarning says so. history.csv is restored from the checkpoint
    when training resumes.

    Raises:
        RunError: if data.json is damaged and no checkpoint has it.
    """
    try:
        Provenance.read(run.data)
    except RunError:
        if not restore_data(run):
            raise
    if not (run.config.exists() and is_toml(run.config)):
        replace_damaged(run.config, Provenance.read(run.data).begun_config(run).to_toml(), run.data.name)


def restore_data(run: Run) -> bool:
    """Restores data.json if it differs from the newest checkpoint's, and returns whether it did.

    Training never changes it, so a file that differs is damaged.
    """
    saved = saved_files(run.checkpoints).get(run.data.name)
    if saved is None or (run.data.exists() and run.data.read_bytes() == saved.encode()):
        return False
    replace_damaged(run.data, saved, "the checkpoint")
    return True


def is_toml(path: Path) -> bool:
    """Returns whether a file is TOML and not empty; a truncated file may still be."""
    try:
        return bool(tomllib.loads(path.read_text(encoding="utf-8")))
    except (ValueError, RecursionError):  # not UTF-8, not TOML, or with a number or brackets without end
        return False


def replace_damaged(path: Path, text: str, source: str) -> None:
    """Rewrites a file, and warns of it; a damaged one is kept, with `.damaged` appended to its name."""
    problem, kept = "missing", ""
    if path.exists():
        damaged = path.with_name(f"{path.name}.damaged")
        os.replace(path, damaged)
        problem, kept = "damaged", f", the damaged one is {damaged.name}"
    atomic.write_text(path, text)
    warnings.warn(f"{path}: {problem}; restored from {source}{kept}", RunWarning, 3)
