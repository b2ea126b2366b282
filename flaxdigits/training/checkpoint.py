"""Checkpoints: the latest state of a training on disk, through Orbax."""

import logging
from dataclasses import replace
from pathlib import Path

import jax
from jax.sharding import Sharding
from orbax.checkpoint import v1 as ocp

from flaxdigits.errors import RunError
from flaxdigits.training.state import TrainState

# Orbax tells of every file it writes; its errors come as exceptions.
logging.getLogger("absl").setLevel(logging.ERROR)


def save_state(state: TrainState, folder: Path) -> None:
    """Saves the state under its step, whole or not at all, and removes the one before.

    A teacher's answers are left out: they are many, and can be asked for again.
    The call returns when the files are on disk: the next step gives the state's memory away.
    """
    step = int(state.step)
    with _open(folder, cleanup=True) as checkpointer:
        if checkpointer.latest is None or checkpointer.latest.step != step:
            checkpointer.save(step, replace(state, answers=None))


def restore_state(like: TrainState, folder: Path, sharding: Sharding) -> TrainState | None:
    """Returns the latest saved state, or None where none was saved yet.

    Args:
        like: a state of the same structure, but without answers; the shapes and dtypes alone will do.
        folder: where the checkpoints are.
        sharding: where its arrays go.

    Raises:
        RunError: where what is there cannot be read as such a state.
    """
    if not folder.exists():
        return None
    target = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding), like)
    with _open(folder, cleanup=False) as checkpointer:
        if checkpointer.latest is None:
            return None
        try:
            return checkpointer.load(checkpointer.latest, target)
        except (ValueError, KeyError, FileNotFoundError) as error:
            raise RunError(f"{folder}: the checkpoint does not fit the configuration beside it") from error


def saved_step(folder: Path) -> int:
    """Returns the step of the latest saved state; 0 where there is none."""
    if not folder.exists():
        return 0
    with _open(folder, cleanup=False) as checkpointer:
        return checkpointer.latest.step if checkpointer.latest else 0


def _open(folder: Path, cleanup: bool) -> ocp.training.Checkpointer:
    """Opens the folder; only who trains may clean up what is half written, since it may be being written."""
    policies = ocp.training.preservation_policies
    saving = ocp.training.save_decision_policies
    return ocp.training.Checkpointer(
        folder.resolve(),  # Orbax takes absolute paths only
        save_decision_policy=saving.FixedIntervalPolicy(1),
        preservation_policy=policies.LatestN(1),
        cleanup_tmp_directories=cleanup,
    )
