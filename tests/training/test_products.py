import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from flaxdigits.training.products import LARGE, dot_general, transposed

DENSE = (((1,), (0,)), ((), ()))


def random(*shape):
    return jnp.asarray(np.random.default_rng(0).normal(size=shape), jnp.float32)


@pytest.mark.parametrize("shape", [(16, 5), (64, 784), (50, 33), (1, 7)])
def test_an_array_is_transposed(shape):
    array = random(*shape)
    np.testing.assert_array_equal(jax.jit(transposed)(array), array.T)


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
