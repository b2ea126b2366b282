from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flaxdigits.training.config import NO_DEFORMATION, Deformation, TrainConfig
from flaxdigits.training.devices import make_mesh
from flaxdigits.training.network import make_graph
from flaxdigits.training.optimizer import make_schedule
from flaxdigits.training.presets import REFERENCE_HIDDEN
from flaxdigits.training.state import init_state
from flaxdigits.training.step import (
    TrainingSet,
    batch_rows,
    make_advance,
    members_loss,
    update_ema,
)
from flaxdigits.training.targets import label_targets

SMALL = TrainConfig(hidden=(32,), batch_size=16, epochs=2, learning_rate=1e-2)


def training_set(digits, count):
    return TrainingSet(jnp.asarray(digits.images[:count]), jnp.asarray(digits.labels[:count]))


def leaves(tree):
    return [np.asarray(leaf) for leaf in jax.tree.leaves(tree)]


@pytest.mark.parametrize("hidden", [(64, 32), REFERENCE_HIDDEN])
def test_gradients_jitted_equal_gradients_not_jitted(hidden, mnist_test):
    # jaxlib 0.10.2 is reported to miscompute some jitted reductions on the CPU
    config = TrainConfig(hidden=hidden)
    params = init_state(config, 1).params
    pixels = jnp.asarray(mnist_test.images[:32], jnp.float32)
    targets = label_targets(jnp.asarray(mnist_test.labels[:32]), config.label_smoothing)
    gradient = jax.grad(partial(members_loss, graph=make_graph(config)), has_aux=True)
    jitted = jax.jit(gradient)(params, pixels, targets)[0]
    with jax.disable_jit():
        plain = gradient(params, pixels, targets)[0]
    for found, expected in zip(leaves(jitted), leaves(plain), strict=True):
        assert np.linalg.norm(found - expected) <= 1e-5 * np.linalg.norm(expected)


def test_the_loss_equals_numpy(mnist_test):
    config = TrainConfig(hidden=(8,), label_smoothing=0.1)
    params = init_state(config, 1).params
    layers = jax.tree.map(lambda leaf: np.asarray(leaf[0]), params["layers"])
    x = mnist_test.images[:4].reshape(4, 784) / 255
    logits = np.maximum(x @ layers[0]["kernel"] + layers[0]["bias"], 0) @ layers[1]["kernel"] + layers[1]["bias"]
    log_probabilities = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    targets = 0.9 * np.eye(10)[mnist_test.labels[:4]] + 0.1 / 10
    expected = -(targets * log_probabilities).sum(axis=1).mean()
    pixels = jnp.asarray(mnist_test.images[:4], jnp.float32)
    found = label_targets(jnp.asarray(mnist_test.labels[:4]), 0.1)
    np.testing.assert_allclose(found, targets, rtol=1e-6)
    loss, read = members_loss(params, pixels, found, graph=make_graph(config))
    assert float(loss) == pytest.approx(expected, rel=1e-5)
    np.testing.assert_allclose(read[0], logits, rtol=1e-4, atol=1e-6)


def test_a_tiny_batch_is_learned_by_heart(mnist_test):
    config = TrainConfig(hidden=(32,), batch_size=16, epochs=60, deformation=NO_DEFORMATION, learning_rate=1e-2)
    state = make_advance(config, 60, make_mesh("cpu", 16))(init_state(config, 60), training_set(mnist_test, 16), 0, 60)
    last = make_advance(config, 60, make_mesh("cpu", 16))(state, training_set(mnist_test, 16), 60, 61)
    assert last.correct == 16


def test_an_epoch_meets_every_digit_and_its_short_last_batch_is_filled_up():
    order = jax.random.permutation(jax.random.key(0), 50)
    rows = np.concatenate([batch_rows(order, batch, 16) for batch in range(4)])
    assert set(rows[:50]) == set(range(50))
    np.testing.assert_array_equal(rows[50:], order[:14])


def test_a_training_anneals_its_deformation_at_its_end_alone(mnist_test):
    weights = []
    for anneal in (0.0, 0.5):
        config = SMALL.changed(deformation=Deformation(anneal=anneal))
        advance = make_advance(config, 4, make_mesh("cpu", 16))  # 8 steps in all, the last 4 annealed
        state, digits = init_state(config, 4), training_set(mnist_test, 64)
        for first, last in ((0, 5), (5, 8)):  # step 4 is still bent with a strength of 1
            state = advance(state, digits, first, last)
            weights.append(leaves(state.params)[0])
    np.testing.assert_array_equal(weights[0], weights[2])
    assert np.abs(weights[1] - weights[3]).max() > 1e-4


def test_an_epoch_in_one_piece_and_in_slices_give_the_same_bits(mnist_test):
    advance = make_advance(SMALL, 8, make_mesh("cpu", 16))
    digits = training_set(mnist_test, 128)
    whole = advance(init_state(SMALL, 8), digits, 0, 8)
    sliced = init_state(SMALL, 8)
    for first, last in ((0, 1), (1, 4), (4, 8)):
        sliced = advance(sliced, digits, first, last)
    for one, other in zip(leaves(whole), leaves(sliced), strict=True):
        np.testing.assert_array_equal(one, other)


def test_epochs_are_shuffled_differently_and_their_sums_begin_anew(mnist_test):
    advance = make_advance(SMALL, 8, make_mesh("cpu", 16))
    digits = training_set(mnist_test, 128)
    state = advance(init_state(SMALL, 8), digits, 0, 8)
    first = float(state.loss_sum)
    state = advance(state, digits, 8, 16)
    assert int(state.step) == 16
    assert 0 < float(state.loss_sum) < first


def test_the_average_follows_by_hand():
    # step 10: decay min(0.9, 11/20) = 0.55, so 0.55 * 1 + 0.45 * 3 = 1.9; step 1000: 0.9 * 1 + 0.1 * 3 = 1.2
    for step, expected in ((10, 1.9), (1000, 1.2)):
        found = update_ema({"w": jnp.float32(1)}, {"w": jnp.float32(3)}, jnp.int32(step), 0.9)
        assert float(found["w"]) == pytest.approx(expected)


def test_the_learning_rate_warms_up_and_falls_to_nothing():
    schedule = make_schedule(TrainConfig(epochs=4, warmup_epochs=1, learning_rate=0.1), steps_per_epoch=10)
    assert [float(schedule(step)) for step in (0, 5, 10, 25, 40)] == pytest.approx([0, 0.05, 0.1, 0.05, 0], abs=1e-8)


def test_a_constant_learning_rate_is_constant():
    schedule = make_schedule(TrainConfig(schedule="constant", warmup_epochs=0, learning_rate=0.1), 10)
    assert [float(schedule(step)) for step in (0, 7, 10_000)] == pytest.approx([0.1] * 3)
