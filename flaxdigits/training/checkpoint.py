"""Checkpoints: the latest state of a training on disk, through Orbax; and the trained network in one."""

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import wraps
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import jax
from flax import nnx
from jax.sharding import Sharding
from jaxtyping import Array

from flaxdigits.errors import RunError, RunUnfinishedError
from flaxdigits.runs import Run
from flaxdigits.training.config import TrainConfig
from flaxdigits.training.devices import make_mesh, replicated_sharding
from flaxdigits.training.model import make_graph, make_keys, make_model, merge
from flaxdigits.training.step import TrainState, init_state

if TYPE_CHECKING:
    from orbax.checkpoint import v1 as ocp

P = ParamSpec("P")
R = TypeVar("R")


def in_own_thread(function: Callable[P, R]) -> Callable[P, R]:
    """Runs a function in a thread of its own, away from a running event loop such as a notebook's.

    Orbax would work in a second event loop beside it, and may close that one before its last callback.
    """

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        with ThreadPoolExecutor(max_workers=1) as executor:
            return executor.submit(function, *args, **kwargs).result()

    return run


@in_own_thread
def save_state(state: TrainState, folder: Path) -> None:
    """Saves the state under its step, whole or not at all, and removes the one before.

    Returns when the files are on disk: the next step donates the state's memory.
    """
    step = int(state.step)
    with _open(folder, cleanup=True) as checkpointer:
        if checkpointer.latest is None or checkpointer.latest.step != step:
            checkpointer.save_pytree(step, key_data(state))


@in_own_thread
def restore_state(abstract: TrainState, folder: Path, sharding: Sharding) -> TrainState | None:
    """Returns the latest saved state, None if none was saved yet.

    Args:
        abstract: a state of the same structure, as `jax.eval_shape` gives it.
        folder: of the checkpoints.
        sharding: of its arrays.

    Raises:
        RunError: if the checkpoint cannot be read as such a state.
    """
    if not folder.exists():
        return None
    arrays = jax.eval_shape(key_data, abstract)
    target = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding), arrays)
    with _open(folder, cleanup=False) as checkpointer:
        if checkpointer.latest is None:
            return None
        try:
            saved = checkpointer.load_pytree(checkpointer.latest, target)
        except (ValueError, KeyError, FileNotFoundError) as error:
            raise RunError(folder, "the checkpoint is damaged, or of another configuration", "train anew") from error
    return jax.tree.map(lambda like, leaf: jax.random.wrap_key_data(leaf) if is_key(like) else leaf, abstract, saved)


def key_data(state: TrainState) -> TrainState:
    """Returns the state with its random keys as plain arrays: Orbax saves keys, and cannot restore them."""
    return jax.tree.map(lambda leaf: jax.random.key_data(leaf) if is_key(leaf) else leaf, state)


def is_key(leaf: Array) -> bool:
    """Returns whether an array is of random keys."""
    return jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key)


@in_own_thread
def saved_step(run: Run) -> int | None:
    """Returns the step of the latest saved state, None without one."""
    if not run.checkpoints.exists():
        return None
    with _open(run.checkpoints, cleanup=False) as checkpointer:
        return checkpointer.latest.step if checkpointer.latest else None


def trained_model(run: Run) -> tuple[TrainConfig, nnx.Module]:
    """Returns a run's configuration and its trained network, in float32 and evaluation mode.

    Raises:
        RunUnfinishedError: if nothing was saved yet.
    """
    config = replace(TrainConfig.from_toml(run.config), precision="float32")
    abstract = jax.eval_shape(lambda: init_state(make_model(config, make_keys(config.seed)), config, 1))
    state = restore_state(abstract, run.checkpoints, replicated_sharding(make_mesh("cpu", 1)))
    if state is None:
        raise RunUnfinishedError(run.path, "no checkpoint in it yet", "flaxdigits.resume goes on with it")
    model = merge(make_graph(config), state.final_params, state.variables)
    model.eval()
    return config, model


@contextmanager
def _open(folder: Path, cleanup: bool) -> Iterator["ocp.training.Checkpointer"]:
    """Opens the folder. Only the training process may clean up unfinished checkpoints: they may be its own."""
    from orbax.checkpoint import v1 as ocp  # takes a second, which no training that begins has to wait for

    policies = ocp.training.preservation_policies
    saving = ocp.training.save_decision_policies
    with (
        _without_log(),
        _without_brackets(folder.resolve()) as path,  # Orbax takes absolute paths only
        ocp.training.Checkpointer(
            path,
            save_decision_policy=saving.FixedIntervalPolicy(1),
            preservation_policy=policies.LatestN(1),
            cleanup_tmp_directories=cleanup,
        ) as checkpointer,
    ):
        yield checkpointer


@contextmanager
def _without_log() -> Iterator[None]:
    """Silences absl's logger: Orbax logs every file that it writes, and its errors are exceptions as well."""
    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


@contextmanager
def _without_brackets(folder: Path) -> Iterator[Path]:
    """Yields a path to the folder that has no `[`: Orbax would read that as a pattern and find no checkpoint."""
    if "[" not in str(folder):
        yield folder
        return
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as temporary:
        link = Path(temporary) / "checkpoints"
        link.symlink_to(folder, target_is_directory=True)
        yield link
