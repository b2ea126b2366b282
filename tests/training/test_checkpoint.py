import asyncio
from concurrent.futures import ThreadPoolExecutor

import jax
import numpy as np
import pytest
from flax import nnx

from flaxdigits.training.checkpoint import restore_state, save_state
from flaxdigits.training.config import TrainConfig
from flaxdigits.training.devices import make_mesh, replicated_sharding
from flaxdigits.training.step import init_state


class WithDropout(nnx.Module):
    def __init__(self):
        rngs = nnx.Rngs(0)
        self.layer, self.dropout = nnx.Linear(784, 10, rngs=rngs), nnx.Dropout(0.5, rngs=rngs)


def initial():
    return init_state(WithDropout(), TrainConfig(), 1)


def test_the_keys_of_dropout_survive_saving_and_restoring(tmp_path):
    state = initial()
    save_state(state, tmp_path)
    restored = restore_state(jax.eval_shape(initial), tmp_path, replicated_sharding(make_mesh("cpu", 1)))
    draws = [jax.random.uniform(one.variables["dropout"]["rngs"]["key"], 5) for one in (state, restored)]
    np.testing.assert_array_equal(*draws)
    assert jax.tree.structure(restored) == jax.tree.structure(state)


def test_a_checkpoint_is_saved_without_a_second_event_loop_beside_a_notebook_s(tmp_path, monkeypatch):
    uvloop = pytest.importorskip("uvloop")  # which Orbax uses where a loop is running

    async def cell():
        save_state(initial(), tmp_path)

    monkeypatch.setattr(uvloop, "new_event_loop", lambda: pytest.fail("Orbax made a second event loop"))
    with ThreadPoolExecutor() as executor:  # a browser test may have left a loop running in this thread
        executor.submit(asyncio.run, cell()).result()
    assert any(tmp_path.iterdir())
