from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from flaxdigits.training.config import TrainConfig
from flaxdigits.training.devices import make_mesh
from flaxdigits.training.network import init_params
from flaxdigits.training.sharing import Convolution, make_convolutions
from flaxdigits.training.state import init_state
from flaxdigits.training.step import TrainingSet, make_advance

CONFIG = TrainConfig(
    hidden=(12 * 12 * 2, 6 * 6 * 4, 16), map_sides=(12, 6), sharing=0.5, epochs=2, batch_size=64, ema_decay=0
)
# The convolutions of these maps, and the paper about the map that their windows need (before, after).
MAPS = [(Convolution(28, 12, 1, 2), (0, 0)), (Convolution(12, 6, 2, 4), (1, 2)), (Convolution(28, 14, 1, 3), (1, 2))]


@pytest.mark.parametrize(("convolution", "padding"), MAPS)
def test_a_dense_layer_of_shared_weights_is_jax_s_own_convolution(convolution, padding):
    shape = convolution.side_in, convolution.side_in, convolution.channels_in
    x = jax.random.uniform(jax.random.key(0), (3, *shape))
    shared = jax.random.normal(jax.random.key(1), (5, 5, convolution.channels_in, convolution.channels_out))
    expected = lax.conv_general_dilated(x, shared, (2, 2), [padding] * 2, dimension_numbers=("NHWC", "HWIO", "NHWC"))
    dense = x.reshape(3, -1) @ convolution.spread(shared)
    np.testing.assert_allclose(dense, expected.reshape(3, -1), atol=1e-5)


@pytest.mark.parametrize(("convolution", "padding"), MAPS)
def test_sharing_a_gradient_gives_that_of_the_shared_weights(convolution, padding):
    shared = jax.random.normal(jax.random.key(1), (5, 5, convolution.channels_in, convolution.channels_out))
    kernel = convolution.spread(shared)
    target = jax.random.normal(jax.random.key(2), kernel.shape)

    def loss(kernel):
        return ((kernel - target) ** 2).sum()

    expected = convolution.spread(jax.grad(lambda shared: loss(convolution.spread(shared)))(shared))
    np.testing.assert_allclose(convolution.share(jax.grad(loss)(kernel)), expected, rtol=1e-4, atol=1e-3)


def test_windows_lie_evenly_about_the_middle():
    assert Convolution(28, 12, 1, 1).sources[:, 0].tolist() == list(range(0, 24, 2))
    assert Convolution(28, 14, 1, 1).sources[[0, -1]].tolist() == [[-1, 0, 1, 2, 3], [25, 26, 27, 28, 29]]
    assert Convolution(28, 4, 1, 1).sources[[0, -1]].tolist() == [[8, 9, 10, 11, 12], [14, 15, 16, 17, 18]]


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


def test_weights_are_shared_for_as_long_as_the_configuration_says(mnist_train):
    digits = TrainingSet(jnp.asarray(mnist_train.images[:640]), jnp.asarray(mnist_train.labels[:640]))
    advance = make_advance(CONFIG, 10, make_mesh("cpu", 64))
    state = advance(init_state(CONFIG, 10), digits, 0, 10)
    shared = jax.tree.map(np.asarray, state.params)
    assert not np.allclose(shared["layers"][0]["kernel"], init_params(CONFIG)["layers"][0]["kernel"])
    check_weights(shared, free=False)
    check_weights(advance(state, digits, 10, 20).params, free=True)


def test_no_weight_takes_a_longer_first_step_once_free_than_adam_s_rate(mnist_train):
    digits = TrainingSet(jnp.asarray(mnist_train.images[:640]), jnp.asarray(mnist_train.labels[:640]))
    config = replace(CONFIG, warmup_epochs=0)
    advance = make_advance(config, 10, make_mesh("cpu", 64))
    state = advance(init_state(config, 10), digits, 0, 10)
    before = np.asarray(state.params["layers"][0]["kernel"])
    after = np.asarray(advance(state, digits, 10, 11).params["layers"][0]["kernel"])
    longest = config.learning_rate * (1 + config.weight_decay * np.abs(before).max())
    assert 0 < np.abs(after - before).max() <= 1.001 * longest
