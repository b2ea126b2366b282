from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from flaxdigits import PRESETS
from flaxdigits.convention import CLASSES
from flaxdigits.training.config import NO_AUGMENTATION, Augmentation, TrainConfig
from flaxdigits.training.devices import make_mesh
from flaxdigits.training.model import make_keys, make_model, split
from flaxdigits.training.step import (
    batch_rows,
    epoch_order,
    init_state,
    loss_fn,
    make_advance,
    make_schedule,
    take_rows,
    update_ema,
)

SMALL = TrainConfig(hidden=(32,), batch_size=16, epochs=2, learning_rate=1e-2, added_pictures=0)
KEYS = make_keys(0)


def network(config):
    model = make_model(config, KEYS)
    return nnx.graphdef(model), *split(model)


class Slices:
    """A training on the first `count` digits, whose steps can be taken in any slices."""

    def __init__(self, config, digits, count, model=None):
        self.model = model or make_model(config, KEYS)
        self.images, self.labels = jnp.asarray(digits.images[:count]), jnp.asarray(digits.labels[:count])
        self.steps = -(-count // config.batch_size)
        mesh = make_mesh("cpu", config.batch_size)
        self.advance = make_advance(nnx.graphdef(self.model), config, self.steps, KEYS.augmentation, mesh, take_rows)
        self.state = init_state(self.model, config, self.steps)

    def take(self, *lasts):
        for last in lasts:
            epoch = int(self.state.step) // self.steps
            order = epoch_order(KEYS.shuffle, epoch, len(self.images))
            self.state = self.advance(self.state, (self.images, self.labels, order), last)
        return self.state


def leaves(tree):
    return [np.asarray(leaf) for leaf in jax.tree.leaves(tree)]


@pytest.mark.slow
@pytest.mark.parametrize("hidden", [(64, 32), PRESETS["reference"].hidden])
def test_jitted_gradients_equal_unjitted_ones(hidden, mnist_test):
    # jaxlib 0.10.2 is reported to miscompute some jitted reductions on the CPU
    graph, params, variables = network(TrainConfig(hidden=hidden, added_pictures=0))
    pixels = jnp.asarray(mnist_test.images[:32], jnp.float32)
    targets = optax.smooth_labels(jax.nn.one_hot(mnist_test.labels[:32], CLASSES), 0.02)
    loss = partial(loss_fn, variables=variables, pixels=pixels, targets=targets, graph=graph)
    jitted = jax.jit(jax.grad(loss, has_aux=True))(params)[0]
    with jax.disable_jit():
        plain = jax.grad(loss, has_aux=True)(params)[0]
    for found, expected in zip(leaves(jitted), leaves(plain), strict=True):
        assert np.linalg.norm(found - expected) <= 1e-5 * np.linalg.norm(expected)


def test_the_loss_equals_numpy(mnist_test):
    graph, params, variables = network(TrainConfig(hidden=(8,), added_pictures=0))
    layers = jax.tree.map(np.asarray, params["layers"])
    x = mnist_test.images[:4].reshape(4, 784) / 255
    logits = np.maximum(x @ layers[0]["kernel"] + layers[0]["bias"], 0) @ layers[1]["kernel"] + layers[1]["bias"]
    log_probabilities = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    targets = 0.9 * np.eye(10)[mnist_test.labels[:4]] + 0.1 / 10
    expected = -(targets * log_probabilities).sum(axis=1).mean()
    pixels = jnp.asarray(mnist_test.images[:4], jnp.float32)
    found = {"variables": variables, "pixels": pixels, "targets": jnp.asarray(targets, jnp.float32), "graph": graph}
    loss, (found_logits, _) = loss_fn(params, **found)
    assert float(loss) == pytest.approx(expected, rel=1e-5)
    np.testing.assert_allclose(found_logits, logits, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_loss_of_a_compiled_step_equals_the_loss_of_its_logits(precision, mnist_test):
    # Without the barrier in logits_of, jaxlib 0.12.0 computes the softmax wrongly in bfloat16.
    graph, params, variables = network(TrainConfig(hidden=(64, 32), precision=precision, added_pictures=0))
    pixels = jnp.asarray(mnist_test.images[:512], jnp.float32)
    targets = jax.nn.one_hot(mnist_test.labels[:512], CLASSES)
    step = jax.jit(partial(loss_fn, graph=graph))
    loss, (logits, _) = step(params, variables=variables, pixels=pixels, targets=targets)
    logits = np.asarray(logits, np.float64)
    expected = (np.log(np.exp(logits).sum(axis=1)) - (logits * np.asarray(targets)).sum(axis=1)).mean()
    assert float(loss) == pytest.approx(expected, rel=1e-5)


def test_a_tiny_batch_can_be_learned_by_heart(mnist_test):
    config = SMALL.changed(epochs=61, augmentation=NO_AUGMENTATION)
    assert Slices(config, mnist_test, 16).take(*range(1, 62)).correct == 16


def test_the_short_last_batch_is_filled_up_from_the_beginning():
    order = epoch_order(KEYS.shuffle, 0, 50)
    rows = np.concatenate([batch_rows(order, batch, 16) for batch in range(4)])
    assert set(rows[:50]) == set(range(50))
    np.testing.assert_array_equal(rows[50:], order[:14])


def test_each_epoch_has_every_digit_in_an_order_of_its_own():
    first, second, again = (np.asarray(epoch_order(KEYS.shuffle, epoch, 1000)) for epoch in (0, 1, 0))
    np.testing.assert_array_equal(np.sort(first), np.arange(1000))
    np.testing.assert_array_equal(np.sort(second), np.arange(1000))
    np.testing.assert_array_equal(first, again)
    assert (first != second).mean() > 0.9
    assert (first != np.arange(1000)).mean() > 0.9


def test_the_keys_of_all_purposes_stages_and_seeds_differ():
    keys = [*make_keys(7), *make_keys(7, stage=1), *make_keys(8)]
    assert len({tuple(jax.random.key_data(key).tolist()) for key in keys}) == len(keys)


@pytest.mark.slow
def test_augmentation_is_annealed_over_the_last_share_of_the_training_alone(mnist_test):
    weights = []
    for anneal in (0.0, 0.5):
        training = Slices(SMALL.changed(augmentation=Augmentation(anneal=anneal)), mnist_test, 64)
        for last in (4, 5, 8):  # of 8 steps; the one from 4 to 5 still has a strength of 1
            weights.append(leaves(training.take(last).params)[0])
    np.testing.assert_array_equal(weights[1], weights[4])
    assert np.abs(weights[2] - weights[5]).max() > 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_an_epoch_in_one_piece_and_in_slices_gives_the_same_bits(precision, mnist_test):
    config = SMALL.changed(precision=precision)
    whole = Slices(config, mnist_test, 128).take(8)
    sliced = Slices(config, mnist_test, 128).take(1, 4, 8)
    for one, other in zip(leaves(whole), leaves(sliced), strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_sums_of_an_epoch_begin_at_0(mnist_test):
    training = Slices(SMALL, mnist_test, 128)
    first = float(training.take(8).loss_sum)
    second = training.take(16)
    assert int(second.step) == 16
    assert 0 < float(second.loss_sum) < first


class WithDropout(nnx.Module):
    """A network with a variable that is no parameter."""

    def __init__(self, rate, keys):
        rngs = nnx.Rngs(params=keys.params, dropout=keys.dropout)
        self.layer, self.dropout = nnx.Linear(784, 10, rngs=rngs), nnx.Dropout(rate, rngs=rngs)

    def __call__(self, pixels):
        return self.layer(self.dropout((pixels / 255).reshape(-1, 784)))


def test_dropout_is_active_in_training_and_new_at_every_step(mnist_test):
    config = SMALL.changed(augmentation=NO_AUGMENTATION, ema_decay=0.0)
    kernels = {}
    for rate in (0.0, 0.5):
        training = Slices(config, mnist_test, 32, WithDropout(rate, make_keys(0)))
        kernels[rate] = leaves(training.take(2).params)[1]
        assert int(training.state.variables["dropout"]["rngs"]["count"]) == (2 if rate else 0)
    assert np.abs(kernels[0.0] - kernels[0.5]).max() > 1e-4


def test_the_moving_average_by_hand():
    # step 10: decay min(0.9, 11/20) = 0.55, so 0.55 * 1 + 0.45 * 3 = 1.9; step 1000: 0.9 * 1 + 0.1 * 3 = 1.2
    for step, expected in ((10, 1.9), (1000, 1.2)):
        found = update_ema({"w": jnp.float32(1)}, {"w": jnp.float32(3)}, jnp.int32(step), 0.9, 10)
        assert float(found["w"]) == pytest.approx(expected)


def test_the_learning_rate_warms_up_and_falls_to_0():
    schedule = make_schedule(TrainConfig(epochs=4, warmup_epochs=1, learning_rate=0.1), steps_per_epoch=10)
    assert [float(schedule(step)) for step in (0, 5, 10, 25, 40)] == pytest.approx([0, 0.05, 0.1, 0.05, 0], abs=1e-8)


def test_a_constant_learning_rate_is_constant():
    schedule = make_schedule(TrainConfig(schedule="constant", warmup_epochs=0, learning_rate=0.1), 10)
    assert [float(schedule(step)) for step in (0, 7, 10_000)] == pytest.approx([0.1] * 3)
