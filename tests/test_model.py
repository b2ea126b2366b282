import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from flaxdigits.training.config import TrainConfig
from flaxdigits.training.model import DenseStack
from flaxdigits.training.network import init_params, make_model
from flaxdigits.training.presets import REFERENCE_HIDDEN

KEY = jax.random.key(0)


def count_leaves(model):
    return sum(leaf.size for leaf in jax.tree.leaves(nnx.state(model, nnx.Param)))


def test_the_reference_stack_has_11000464_parameters():
    model = nnx.eval_shape(lambda: make_model(TrainConfig(hidden=REFERENCE_HIDDEN), KEY))
    assert count_leaves(model) == TrainConfig(hidden=REFERENCE_HIDDEN).parameters == 11_000_464


def test_the_forward_pass_equals_numpy(mnist_test):
    model = DenseStack((20, 12), rngs=nnx.Rngs(1))
    x = mnist_test.images[:5].reshape(5, 784) / np.float64(255)
    for layer in model.layers[:-1]:
        x = np.maximum(x @ np.asarray(layer.kernel[...], np.float64) + np.asarray(layer.bias[...]), 0)
    last = model.layers[-1]
    expected = x @ np.asarray(last.kernel[...], np.float64) + np.asarray(last.bias[...])
    found = model(jnp.asarray(mnist_test.images[:5], jnp.float32))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_bfloat16_computes_in_bfloat16_and_keeps_float32_parameters():
    model = make_model(TrainConfig(hidden=(8,), precision="bfloat16"), KEY)
    assert {leaf.dtype for leaf in jax.tree.leaves(nnx.state(model, nnx.Param))} == {jnp.dtype("float32")}
    pixels = jnp.full((1, 28, 28), 100.0)
    exact = make_model(TrainConfig(hidden=(8,)), KEY)(pixels)
    assert model(pixels).dtype == jnp.float32
    assert 0 < jnp.abs(model(pixels) - exact).max() < 0.05


def test_the_seed_decides_the_weights():
    params = (init_params(TrainConfig(hidden=(8,), seed=seed)) for seed in (1, 1, 2))
    first, same, other = (found["layers"][0]["kernel"] for found in params)
    assert jnp.array_equal(first, same)
    assert not jnp.allclose(first, other)
