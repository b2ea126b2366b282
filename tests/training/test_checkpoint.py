import asyncio
import errno
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from flaxdigits.errors import RunError, RunWarning
from flaxdigits.training.checkpoint import (
    Checkpoint,
    is_passing,
    restore_checkpoint,
    save_checkpoint,
    saved_files,
    saved_steps,
    set_aside,
)
from flaxdigits.training.config import TrainConfig
from flaxdigits.training.devices import make_mesh, replicated_sharding
from flaxdigits.training.step import init_state

FILES = {"history.csv": "epoch\n1\n"}


class WithDropout(nnx.Module):
    def __init__(self):
        rngs = nnx.Rngs(0)
        self.layer, self.dropout = nnx.Linear(784, 10, rngs=rngs), nnx.Dropout(0.5, rngs=rngs)


def initial():
    return init_state(WithDropout(), TrainConfig(), 1)


def at_step(step):
    return replace(initial(), step=jnp.int32(step))


def save(folder, *steps):
    for step in steps:
        save_checkpoint(Checkpoint(at_step(step), FILES), folder)


def restore(folder):
    return restore_checkpoint(jax.eval_shape(initial), folder, replicated_sharding(make_mesh("cpu", 1)))


def damage_arrays(checkpoint):
    """Flips a bit in the middle of the file with the arrays, which neither Zarr nor Orbax notices."""
    largest = max((path for path in checkpoint.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    content = bytearray(largest.read_bytes())
    content[len(content) // 2] ^= 1
    largest.write_bytes(content)


def empty_all(checkpoint):
    for path in checkpoint.rglob("*"):
        if path.is_file():
            path.write_bytes(b"")


def test_the_keys_of_dropout_survive_saving_and_restoring(tmp_path):
    save(tmp_path, 0)
    state, restored = initial(), restore(tmp_path).state
    draws = [jax.random.uniform(one.variables["dropout"]["rngs"]["key"], 5) for one in (state, restored)]
    np.testing.assert_array_equal(*draws)
    assert jax.tree.structure(restored) == jax.tree.structure(state)


def test_the_files_of_the_run_survive_too(tmp_path):
    save(tmp_path, 0)
    assert restore(tmp_path).files == saved_files(tmp_path) == FILES


def test_two_checkpoints_are_kept(tmp_path):
    save(tmp_path, 1, 2, 5)
    assert saved_steps(tmp_path) == [2, 5]


@pytest.mark.parametrize("damage", [damage_arrays, empty_all])
def test_a_damaged_checkpoint_is_passed_over_with_a_warning(damage, tmp_path):
    save(tmp_path, 1, 2)
    damage(tmp_path / "2")
    with pytest.warns(RunWarning, match="the checkpoint of step 2 is damaged; used the one before"):
        assert int(restore(tmp_path).state.step) == 1


def test_two_damaged_checkpoints_are_an_error(tmp_path):
    save(tmp_path, 1, 2)
    for step in ("1", "2"):
        damage_arrays(tmp_path / step)
    with pytest.raises(RunError, match="no checkpoint can be read"):
        restore(tmp_path)


def test_after_a_damaged_checkpoint_was_set_aside_earlier_steps_are_saved_again(tmp_path):
    save(tmp_path, 1, 4)
    set_aside(tmp_path, after=1)
    assert (tmp_path / "4.damaged").is_dir()
    save(tmp_path, 2)
    assert saved_steps(tmp_path) == [1, 2]
    assert int(restore(tmp_path).state.step) == 2


def test_a_state_of_another_shape_is_not_read(tmp_path):
    save(tmp_path, 1)
    other = jax.eval_shape(lambda: init_state(nnx.Linear(784, 11, rngs=nnx.Rngs(0)), TrainConfig(), 1))
    with pytest.raises(RunError, match="damaged, or of another configuration"):
        restore_checkpoint(other, tmp_path, replicated_sharding(make_mesh("cpu", 1)))


def test_a_checkpoint_is_saved_without_a_second_event_loop_beside_a_notebook_s(tmp_path, monkeypatch):
    uvloop = pytest.importorskip("uvloop")  # which Orbax uses where a loop is running

    async def cell():
        save(tmp_path, 0)

    monkeypatch.setattr(uvloop, "new_event_loop", lambda: pytest.fail("Orbax made a second event loop"))
    with ThreadPoolExecutor() as executor:  # a browser test may have left a loop running in this thread
        executor.submit(asyncio.run, cell()).result()
    assert any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("error", "passing"),
    [
        (TimeoutError("Timed out while waiting for commit to complete."), True),  # of Orbax, without a number
        (OSError(errno.EIO, "Input/output error"), True),
        (ValueError("UNKNOWN: Error opening file [os_error_code='116']"), True),
        (MemoryError(), True),
        (FileNotFoundError("no metadata"), False),
        (ValueError("NOT_FOUND: Error opening file [os_error_code='2']"), False),
        (ValueError("the state has another hash"), False),
    ],
)
def test_an_error_that_may_pass_is_not_taken_for_damage(error, passing):
    assert is_passing(error) == passing
