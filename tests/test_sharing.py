from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from flaxdigits.training.config import TrainConfig
from flaxdigits.training.devices import make_mesh
from flaxdigits.training.network import init_params
from flaxdigits.training.optimizer import make_schedule
from flaxdigits.training.sharing import Convolution, make_convolutions
from flaxdigits.training.state import init_state
from flaxdigits.training.step import TrainingSet, make_advance

CONFIG = TrainConfig(
    hidden=(12 * 12 * 2, 6 * 6 * 4, 16), map_sides=(12, 6), sharing=0.5, epochs=2, batch_size=64, ema_decay=0
)
NHWC = ("NHWC", "HWIO", "NHWC")
# The convolutions of these maps, and the paper about the map that their windows need (before, after).
MAPS = [(Convolution(28, 12, 1, 2), (0, 0)), (Convolution(12, 6, 2, 4), (1, 2)), (Convolution(28, 14, 1, 3), (1, 2))]


@pytest.mark.parametrize(("convolution", "padding"), MAPS)
def test_a_dense_layer_of_shared_weights_is_jax_s_own_convolution(convolution, padding):
    shape = convolution.side_in, convolution.side_in, convolution.channels_in
    x = jax.random.uniform(jax.random.key(0), (3, *shape))
    shared = jax.random.normal(jax.random.key(1), (5, 5, convolution.channels_in, convolution.channels_out))
    expected = lax.conv_general_dilated(x, shared, (2, 2), [padding] * 2, dimension_numbers=NHWC)
    dense = x.reshape(3, -1) @ convolution.spread(shared)
    np.testing.assert_allclose(dense, expected.reshape(3, -1), atol=1e-5)


@pytest.mark.parametrize(("convolution", "padding"), MAPS)
def test_a_gradient_is_shared_as_jax_s_own_convolution_shares_it(convolution, padding):
    shape = convolution.side_in, convolution.side_in, convolution.channels_in
    x = jax.random.uniform(jax.random.key(0), (3, *shape))
    shared = jax.random.normal(jax.random.key(1), (5, 5, convolution.channels_in, convolution.channels_out))
    bias = jnp.zeros(convolution.channels_out)

    def convolved(shared, bias):
        return (lax.conv_general_dilated(x, shared, (2, 2), [padding] * 2, dimension_numbers=NHWC) + bias).reshape(
            3, -1
        )

    def dense(kernel, bias):
        return x.reshape(3, -1) @ kernel + bias

    target = jax.random.normal(jax.random.key(2), convolved(shared, bias).shape)
    by_channel = jax.grad(lambda *weights: (convolved(*weights) * target).sum(), (0, 1))(shared, bias)
    by_unit = jax.grad(lambda *weights: (dense(*weights) * target).sum(), (0, 1))(
        convolution.spread(shared), jnp.zeros(target.shape[1])
    )
    expected = convolution.spread(by_channel[0]), jnp.tile(by_channel[1], convolution.side_out**2)
    np.testing.assert_allclose(convolution.share(by_unit[0]), expected[0], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(convolution.share_bias(by_unit[1]), expected[1], rtol=1e-4, atol=1e-4)


def test_windows_lie_evenly_about_the_middle():
    assert Convolution(28, 12, 1, 1).sources[:, 0].tolist() == list(range(0, 24, 2))
    assert Convolution(28, 14, 1, 1).sources[[0, -1]].tolist() == [[-1, 0, 1, 2, 3], [25, 26, 27, 28, 29]]
    assert Convolution(12, 6, 1, 1).sources[[0, -1]].tolist() == [[-1, 0, 1, 2, 3], [9, 10, 11, 12, 13]]


def test_a_network_begins_with_shared_weights_of_he_s_size():
    params = init_params(replace(CONFIG, hidden=(12 * 12 * 32, 6 * 6 * 16, 16)))
    for index, fan_in in ((0, 25), (1, 25 * 32)):
        kernel = np.asarray(params["layers"][index]["kernel"][0])
        assert kernel[kernel != 0].std() == pytest.approx(np.sqrt(2 / fan_in), rel=0.1)


def check_weights(params, free):
    for index, convolution in enumerate(make_convolutions(CONFIG)):
        kernel = np.asarray(params["layers"][index]["kernel"]).reshape(convolution.shape)
        windows = kernel[convolution.taps]
        outside = np.broadcast_to(~convolution.inside[..., None, None], windows.shape)
        of_all_units = np.ma.masked_array(windows, outside)
        biases = np.asarray(params["layers"][index]["bias"]).reshape(-1, convolution.channels_out)
        seen = np.zeros(convolution.shape, bool)
        np.logical_or.at(seen, convolution.taps, ~outside)
        assert (of_all_units.max(axis=(0, 1)) > of_all_units.min(axis=(0, 1))).any() == free
        assert (np.ptp(biases, axis=0).max() > 0) == free
        assert kernel[~seen].any() == free


@pytest.fixture(scope="module")
def digits(mnist_train):
    return TrainingSet(jnp.asarray(mnist_train.images[:640]), jnp.asarray(mnist_train.labels[:640]))


@pytest.fixture(scope="module")
def advance():
    return make_advance(CONFIG, 10, make_mesh("cpu", 64))


def arrays(tree):
    return jax.tree.map(np.array, tree)


def test_weights_are_shared_for_as_long_as_the_configuration_says(digits, advance):
    state = advance(init_state(CONFIG, 10), digits, 0, 10)
    shared = arrays(state.params)
    assert not np.allclose(shared["layers"][0]["kernel"], init_params(CONFIG)["layers"][0]["kernel"])
    check_weights(shared, free=False)
    check_weights(advance(state, digits, 10, 20).params, free=True)


def test_adam_begins_anew_as_the_weights_are_set_free_but_not_the_learning_rate(digits, advance):
    state = advance(init_state(CONFIG, 10), digits, 0, 10)
    adam, _, place = arrays(state.opt_state)
    assert (adam.count, place.count) == (10, 10)
    state = advance(state, digits, 10, 11)
    first = arrays(state.opt_state[0])
    assert (first.count, state.opt_state[2].count) == (1, 11)
    # After one step from nothing Adam's averages are 0.1 of the gradient and 0.001 of its square.
    kernel, squares = (moments["layers"][0]["kernel"] for moments in (first.mu, first.nu))
    np.testing.assert_allclose(squares, 0.1 * kernel**2, rtol=1e-3, atol=1e-12)


def test_the_learning_rate_has_a_warm_up_and_a_decay_for_each_part():
    schedule = make_schedule(replace(CONFIG, epochs=8, warmup_epochs=1, learning_rate=0.1), 10)
    rates = [float(schedule(step)) for step in (0, 10, 25, 40, 45, 50, 65, 80)]
    assert rates == pytest.approx([0, 0.1, 0.05, 0, 0.05, 0.1, 0.05, 0], abs=1e-8)


def test_slices_and_a_new_start_at_the_freeing_change_no_bit(digits, advance):
    state = advance(init_state(CONFIG, 10), digits, 0, 10)
    saved = arrays(state)
    whole = arrays(advance(state, digits, 10, 20).params)
    resumed = make_advance(CONFIG, 10, make_mesh("cpu", 64))
    state = jax.tree.map(jnp.asarray, saved)
    for first, last in ((10, 14), (14, 20)):
        state = resumed(state, digits, first, last)
    jax.tree.map(np.testing.assert_array_equal, arrays(state.params), whole)


def test_each_member_of_a_committee_shares_its_own_weights(digits, advance):
    both = replace(CONFIG, members=2)
    state = make_advance(both, 10, make_mesh("cpu", 64))(init_state(both, 10), digits, 0, 10)
    alone = advance(init_state(CONFIG, 10), digits, 0, 10).params["layers"]
    for index, convolution in enumerate(make_convolutions(CONFIG)):
        first, second = state.params["layers"][index]["kernel"]
        np.testing.assert_allclose(first, alone[index]["kernel"][0], atol=1e-5)
        assert not np.allclose(first, second, atol=1e-2)
        for kernel in (first, second):  # sharing what is shared already only counts the places
            again, count = convolution.share(kernel), convolution.share(jnp.ones_like(kernel))
            np.testing.assert_allclose(again / jnp.maximum(count, 1), kernel, atol=1e-5)
