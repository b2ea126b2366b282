"""Checkpoints: training states on disk, saved with Orbax, each with a hash that reveals damage."""

import errno
import hashlib
import json
import os
import re
import shutil
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Sharding
from jaxtyping import Array

from flaxdigits.errors import RunError, RunWarning
from flaxdigits.training.orbax import in_own_thread, orbax_context
from flaxdigits.training.processes import is_first
from flaxdigits.training.step import TrainState

KEPT = 2  # checkpoints: if the newest is damaged, training resumes from the one before
STATE, RECORD = "state", "record"  # the parts of a checkpoint
UNFINISHED = ".orbax-checkpoint-tmp"  # in the name of a checkpoint that is still being written


class Checkpoint(NamedTuple):
    """The content of a checkpoint.

    Attributes:
        state: the training state.
        files: the texts of files in the run directory at that time, by name.
    """

    state: TrainState
    files: dict[str, str]


@in_own_thread
def save_checkpoint(checkpoint: Checkpoint, folder: Path) -> None:
    """Saves a checkpoint under its step, atomically; keeps the previous one and removes older ones.

    Returns when the files are on disk: the next step donates the state's memory. All processes of the training run
    save together, and the first one writes.

    Raises:
        OSError: if it cannot be written; earlier checkpoints are kept.
    """
    state, files = key_data(checkpoint.state), checkpoint.files
    record = {"files": files, "files_sha256": sha256_of_files(files), "state_sha256": sha256_of_state(state)}
    if is_first():
        folder.mkdir(exist_ok=True)
        remove_unfinished(folder)
    try:
        with orbax_context(folder, set(range(jax.process_count()))) as (ocp, path):
            ocp.save_checkpointables(path / str(int(state.step)), {STATE: state, RECORD: record})
    except Exception as error:  # of Orbax, TensorStore or the system
        if is_first():
            remove_unfinished(folder)
        number = system_error(error)
        if number is None:
            raise
        raise OSError(number, os.strerror(number), str(folder)) from error
    if is_first():
        for old in saved_steps(folder)[:-KEPT]:
            shutil.rmtree(folder / str(old), ignore_errors=True)


def system_error(error: Exception) -> int | None:
    """Returns the number of the system's error behind another one; None if the system reported none."""
    if isinstance(error, OSError):
        return error.errno
    found = re.search(r"os_error_code='(\d+)'|OS error (\d+)", str(error))  # TensorStore's text, in a ValueError
    return int(found[1] or found[2]) if found else None


def remove_unfinished(folder: Path) -> None:
    """Removes checkpoints that were only partly written; they may fill the disk."""
    for unfinished in folder.glob(f"*{UNFINISHED}*"):
        shutil.rmtree(unfinished, ignore_errors=True)


def restore_checkpoint(abstract: TrainState, folder: Path, sharding: Sharding) -> Checkpoint | None:
    """Returns the newest intact checkpoint, None if nothing was saved yet; warns of damaged newer ones.

    Args:
        abstract: a state of the same structure, as returned by `jax.eval_shape`.
        folder: the folder of the checkpoints.
        sharding: the sharding of the restored arrays.

    Raises:
        RunError: if there are checkpoints, but none can be read as such a state.
    """
    found, damaged = _restore(abstract, folder, sharding)
    if found is None and damaged:
        raise RunError(
            folder,
            "no checkpoint can be read: damaged, or of another configuration",
            "start a new run, or replace this one",
        )
    for step in damaged:
        warnings.warn(f"{folder}: the checkpoint of step {step} is damaged; used the one before", RunWarning, 2)
    return found


@in_own_thread
def _restore(abstract: TrainState, folder: Path, sharding: Sharding) -> tuple[Checkpoint | None, list[int]]:
    """Returns the newest intact checkpoint, and the steps of the damaged newer ones."""
    damaged: list[int] = []
    if not saved_steps(folder):
        return None, damaged
    arrays = jax.eval_shape(key_data, abstract)
    target = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding), arrays)
    with orbax_context(folder, {jax.process_index()}) as (_, path):
        for step in reversed(saved_steps(folder)):
            try:
                saved = _load(path / str(step), target)
            except Exception as error:  # for damaged files, TensorStore, Zarr, JSON and Orbax each raise their own
                if is_passing(error):
                    raise
                damaged.append(step)
                continue
            wrapped = jax.tree.map(
                lambda like, leaf: jax.random.wrap_key_data(leaf) if is_key(like) else leaf, abstract, saved.state
            )
            return Checkpoint(wrapped, saved.files), damaged
    return None, damaged


def is_passing(error: Exception) -> bool:
    """Returns whether an error may be temporary and says nothing about the files, such as a lack of memory."""
    if isinstance(error, OSError):  # one of Orbax's own, such as a timeout, has no number
        return not isinstance(error, FileNotFoundError)
    is_of_system = system_error(error) not in (None, errno.ENOENT)
    return is_of_system or isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error)


def _load(path: Path, target: TrainState) -> Checkpoint:
    """Loads a checkpoint.

    Raises:
        ValueError: if it is not what was saved.
    """
    from orbax.checkpoint import v1 as ocp

    record = _load_record(path)  # separately: if it fails, Orbax would leave the state's coroutine behind
    state = ocp.load_checkpointables(path, {STATE: target})[STATE]
    if record["state_sha256"] != sha256_of_state(state):
        raise ValueError("the state has another hash")
    return Checkpoint(state, record["files"])


def _load_record(path: Path) -> dict[str, Any]:
    """Loads the record of a checkpoint: files, files_sha256, state_sha256.

    Raises:
        ValueError: if it is not what was saved.
    """
    from orbax.checkpoint import v1 as ocp

    record = ocp.load_checkpointables(path, {RECORD: None})[RECORD]
    if record["files_sha256"] != sha256_of_files(record["files"]):
        raise ValueError("the files have another hash")
    return record


@in_own_thread
def saved_files(folder: Path) -> dict[str, str]:
    """Returns the texts of the run's files, by name, from the newest checkpoint where they are intact; none without."""
    with orbax_context(folder, {jax.process_index()}) as (_, path):
        for step in reversed(saved_steps(folder)):
            with suppress(Exception):  # for damaged files, as above
                return _load_record(path / str(step))["files"]
    return {}


def saved_steps(folder: Path) -> list[int]:
    """Returns the steps of the checkpoints in a folder, the newest last. Orbax renames a folder once it is complete."""
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    return sorted(int(name) for name in names if name.isdecimal())


def set_aside(folder: Path, after: int) -> None:
    """Renames the damaged checkpoints after a step, since Orbax does not save a step before the latest one."""
    for step in saved_steps(folder):
        if step > after:
            damaged = folder / f"{step}.damaged"
            shutil.rmtree(damaged, ignore_errors=True)
            (folder / str(step)).rename(damaged)


def sha256_of_state(state: TrainState) -> str:
    """Returns the SHA-256 of the bytes of all arrays, in their order in the state."""
    found = hashlib.sha256()
    for leaf in jax.tree.leaves(state):
        found.update(np.asarray(leaf).tobytes())
    return found.hexdigest()


def sha256_of_files(files: dict[str, str]) -> str:
    """Returns the SHA-256 of the names and texts of files."""
    return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()


def key_data(state: TrainState) -> TrainState:
    """Returns the state with its random keys as plain arrays: Orbax can save keys, but not restore them."""
    return jax.tree.map(lambda leaf: jax.random.key_data(leaf) if is_key(leaf) else leaf, state)


def is_key(leaf: Array) -> bool:
    """Returns whether an array holds random keys."""
    return jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key)
