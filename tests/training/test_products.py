import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from flaxdigits.training.devices import make_mesh
from flaxdigits.training.precision import ONEDNN, uses_onednn
from flaxdigits.training.products import (
    LARGE_GRADIENT,
    LARGE_KERNEL,
    BFloat16Linear,
    as_bfloat16,
    rounded,
    summed,
    transposed,
)


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


@pytest.mark.parametrize("shape", [(50, 33), (512, LARGE_GRADIENT // 512)])
def test_sums_over_the_batch_are_those_of_numpy(shape):
    array = random(*shape)
    np.testing.assert_allclose(jax.jit(summed)(array), np.sum(array, axis=0), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("batch", [48, 512])
def test_the_gradients_of_a_large_layer_are_those_of_numpy(batch):
    layer = BFloat16Linear(1024, LARGE_KERNEL // 1024, rngs=nnx.Rngs(0))
    inputs, weights = random(batch, 1024), random(batch, LARGE_KERNEL // 1024)
    gradients = jax.jit(jax.grad(lambda inputs, layer: (layer(inputs) * weights).sum(), argnums=(0, 1)))(inputs, layer)
    delta, kernel = np.asarray(weights, np.float64), np.asarray(layer.kernel[...], np.float64)
    found = {"inputs": gradients[0], "kernel": gradients[1].kernel[...], "bias": gradients[1].bias[...]}
    expected = {"inputs": delta @ kernel.T, "kernel": np.asarray(inputs).T @ delta, "bias": delta.sum(axis=0)}
    for name, array in expected.items():
        assert np.linalg.norm(found[name] - array) <= 0.01 * np.linalg.norm(array), name


@pytest.mark.skipif(not uses_onednn(make_mesh("cpu", 1)), reason="needs bfloat16 units and JAX 0.12")
@pytest.mark.parametrize("features", [1024, 2000, 3000])
def test_large_sums_over_the_batch_are_onednn_s_where_the_cpu_has_units_for_it(features):
    array = jnp.ones((-(-LARGE_GRADIENT // features), features), jnp.bfloat16)
    program = jax.jit(summed, compiler_options=ONEDNN).lower(array).compile().as_text()
    assert 'custom_call_target="__onednn$matmul"' in program
    assert "f32" not in program
