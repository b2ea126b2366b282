import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from flaxdigits.training.products import LARGE, as_bfloat16, dot_general, rounded, transposed

DENSE = (((1,), (0,)), ((), ()))


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


def test_the_product_and_its_gradients_are_those_of_lax():
    inputs, kernel = random(48, 1024), random(1024, LARGE // 1024) / 32

    def loss(product):
        return lambda inputs, kernel: jnp.sin(product(inputs, kernel, DENSE, precision=None)).sum()

    np.testing.assert_array_equal(dot_general(inputs, kernel, DENSE), lax.dot_general(inputs, kernel, DENSE))
    found, expected = (
        jax.jit(jax.grad(loss(each), argnums=(0, 1)))(inputs, kernel) for each in (dot_general, lax.dot_general)
    )
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-3)
