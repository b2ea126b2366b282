"""A dense layer's arithmetic in bfloat16, faster on a CPU than XLA's own. The figures are in docs/speed.md.

The gradient of the weights is a product of the inputs, transposed. oneDNN's and YNNPACK's kernels read rows: given
transposed inputs, the one takes up to twice as long, and the other leaves the product to a loop of XLA's own.

XLA rounds a kernel to bfloat16 at 27 GB/s; the same by integer operations runs at 40 GB/s, the memory's speed.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, BFloat16, Float, Float32, Shaped

ROWS = 16  # transposed at a time, so that what is read stays in the first-level cache
LARGE = 2**20  # weights; with fewer, transposing takes longer than it saves


def dot_general(inputs: Array, kernel: Array, *_: Any, **__: Any) -> Array:
    """Returns inputs @ kernel, in the signature of `lax.dot_general`, which `nnx.Linear` calls."""
    return product(inputs, kernel) if kernel.size >= LARGE else inputs @ kernel


def promote_dtype(arrays: tuple[Array, ...], **_: Any) -> tuple[Array, ...]:
    """Returns a layer's inputs, kernel and bias in bfloat16, in the signature that `nnx.Linear` calls."""
    inputs, kernel, bias = arrays
    return inputs.astype(jnp.bfloat16), as_bfloat16(kernel), bias.astype(jnp.bfloat16)


@jax.custom_vjp
def as_bfloat16(array: Float[Array, "*shape"]) -> BFloat16[Array, "*shape"]:
    """Returns the nearest bfloat16, of two that are equally near the one whose last bit is 0."""
    return lax.platform_dependent(array, cpu=rounded, default=lambda array: array.astype(jnp.bfloat16))


as_bfloat16.defvjp(lambda array: (as_bfloat16(array), None), lambda _, gradient: (gradient.astype(jnp.float32),))


def rounded(array: Float32[Array, "*shape"]) -> BFloat16[Array, "*shape"]:
    """Returns the nearest bfloat16 by operations on integers. A NaN must be quiet, as arithmetic makes it."""
    bits = lax.bitcast_convert_type(array, jnp.uint32)
    nearest = (bits + jnp.uint32(0x7FFF) + ((bits >> 16) & jnp.uint32(1))) >> 16
    return lax.bitcast_convert_type(nearest.astype(jnp.uint16), jnp.bfloat16)


@jax.custom_vjp
def product(inputs: Shaped[Array, "batch inputs"], kernel: Shaped[Array, "inputs outputs"]) -> Array:
    """Returns inputs @ kernel."""
    return inputs @ kernel


def _forward(inputs: Array, kernel: Array) -> tuple[Array, tuple[Array, Array]]:
    return inputs @ kernel, (inputs, kernel)


def _backward(saved: tuple[Array, Array], gradient: Array) -> tuple[Array, Array]:
    inputs, kernel = saved
    rows = lax.platform_dependent(inputs, cpu=transposed, default=jnp.transpose)
    return gradient @ kernel.T, rows @ gradient


product.defvjp(_forward, _backward)


def transposed(array: Shaped[Array, "batch features"]) -> Shaped[Array, "features batch"]:
    """Returns the transpose as an array in memory, in two passes that both read and write whole cache lines."""
    batch, features = array.shape
    if batch % ROWS:
        return lax.optimization_barrier(array.T)
    blocks = lax.optimization_barrier(array.reshape(batch // ROWS, ROWS, features).transpose(0, 2, 1))
    return lax.optimization_barrier(blocks.transpose(1, 0, 2).reshape(features, batch))
