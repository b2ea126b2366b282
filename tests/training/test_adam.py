import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from trained import same_bits

import flaxdigits
from flaxdigits.errors import TrainingInterrupted
from flaxdigits.runs import Run
from flaxdigits.training.adam import pack, scale_by_packed_adam, unpack
from flaxdigits.training.config import TrainConfig


def random(shape, seed=0):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), jnp.float32)


def test_a_word_holds_both_moments_to_a_part_in_128():
    first, second = random(10_000), random(10_000, 1) ** 2
    for found, expected in zip(unpack(pack(first, second, jnp.int32(1))), (first, second), strict=True):
        assert (np.abs(found - expected) <= np.abs(expected) / 128).all()


@pytest.mark.parametrize("value", [0.0, 1.0, -2.5, np.inf, np.nan])
def test_what_bfloat16_holds_is_not_changed(value):
    first, second = unpack(pack(jnp.full(100, value), jnp.full(100, abs(value)), jnp.int32(1)))
    np.testing.assert_array_equal(first, value)
    np.testing.assert_array_equal(second, abs(value))


def test_rounding_is_right_on_average():
    first, second = random(1000), random(1000, 1) ** 2 + 1
    rounds = [unpack(pack(first, second, jnp.int32(step))) for step in range(400)]
    for at, exact in enumerate((first, second)):
        errors = (np.mean([found[at] for found in rounds], axis=0) - exact) / np.abs(exact)
        # Of one rounding the deviation is 1/2 of at most 1/128.
        assert np.abs(errors).max() < 5 * 0.5 / 128 / np.sqrt(400)
        assert abs(errors.mean()) < 4 * 0.5 / 128 / np.sqrt(400 * 1000)


def test_updates_follow_those_of_optax():
    ours, theirs = scale_by_packed_adam(eps=1e-5), optax.scale_by_adam(eps=1e-5)
    params = {"kernel": random((64, 32))}

    @jax.jit
    def step(count, states):
        gradients = {"kernel": random((64, 32), 2) + jax.random.normal(jax.random.key(count), (64, 32))}
        found, mine = ours.update(gradients, states[0])
        expected, others = theirs.update(gradients, states[1])
        return found["kernel"], expected["kernel"], (mine, others)

    states = ours.init(params), theirs.init(params)
    for count in range(1500):
        found, expected, states = step(count, states)
        if count in (0, 10, 100, 1499):
            assert np.linalg.norm(found - expected) < 0.02 * np.linalg.norm(expected), count
    assert float((found / expected).mean()) == pytest.approx(1, abs=0.01)  # rounded to the nearest 0.97


@pytest.mark.slow
def test_a_run_learns_and_resumes_with_the_same_bits(mnist_train, tmp_path):
    digits = mnist_train[:2000]
    config = TrainConfig(hidden=(32,), batch_size=64, epochs=3, adam_moments="bfloat16")
    reports = list(flaxdigits.fit(digits, config, tmp_path / "whole"))
    assert reports[-1].val_loss < reports[0].val_loss
    steps = [0]
    watch = {"on_progress": lambda progress: steps.append(progress.step), "should_stop": lambda: steps[-1] >= 40}
    with pytest.raises(TrainingInterrupted):
        list(flaxdigits.fit(digits, config, tmp_path / "stopped", **watch))
    list(flaxdigits.resume(tmp_path / "stopped", digits))
    assert same_bits(Run(tmp_path / "whole"), Run(tmp_path / "stopped"))
