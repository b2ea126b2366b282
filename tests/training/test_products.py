import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flaxdigits.training.products import LARGE, as_bfloat16, dense, rounded, summed, transposed


def random(*shape):
    return jnp.asarray(np.random.default_rng(0).normal(size=shape), jnp.float32)


@pytest.mark.parametrize("shape", [(16, 5), (64, 784), (50, 33), (1, 7)])
def test_an_array_is_transposed(shape):
    array = random(*shape)
    np.testing.assert_array_equal(jax.jit(transposed)(array), array.T)


def test_rounding_is_that_of_xla():
    bits = np.random.default_rng(0).integers(0, 2**32, 100_000, dtype=np.uint32)
    edges = [0.0, -0.0, np.inf, -np.inf, np.nan, 1e-40, 3.4e38, 1 + 2**-8, 1 + 3 * 2**-8]
    values = jnp.concatenate([jnp.asarray(bits).view(jnp.float32), jnp.asarray(edges, jnp.float32)])
    values = jnp.where(jnp.isnan(values), jnp.nan, values)
    found, expected = jax.jit(rounded)(values), values.astype(jnp.bfloat16)
    np.testing.assert_array_equal(found.astype(jnp.float32), expected.astype(jnp.float32))


def test_the_gradient_of_rounding_is_that_of_a_conversion():
    assert jax.grad(lambda x: as_bfloat16(x).astype(jnp.float32) ** 2)(jnp.float32(3)) == 6


def test_sums_over_the_batch_are_those_of_numpy():
    array = random(50, 33)
    np.testing.assert_allclose(jax.jit(summed)(array), np.sum(array, axis=0), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("outputs", [LARGE // 1024, 8])
def test_a_dense_layer_and_its_gradients_are_those_of_jax(outputs):
    arrays = random(48, 1024), random(1024, outputs) / 32, random(outputs)

    def loss(layer):
        return lambda *arrays: jnp.sin(layer(*arrays)).sum()

    def plain(inputs, kernel, bias):
        return inputs @ kernel + bias

    np.testing.assert_array_equal(dense(*arrays), plain(*arrays))
    found, expected = (jax.jit(jax.grad(loss(each), argnums=(0, 1, 2)))(*arrays) for each in (dense, plain))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-3)
