"""A dense layer in bfloat16, faster on a CPU than XLA's own. The figures are in docs/speed.md.

The gradient of the weights is a product of the inputs, transposed. oneDNN's and YNNPACK's kernels read rows: given
transposed inputs, the one takes up to twice as long, and the other leaves the product to a loop of XLA's own.

The gradient of the biases is a sum over the batch, for which XLA writes a copy in float32; a product needs none.

XLA rounds a kernel to bfloat16 at 27 GB/s; the same by integer operations runs at 40 GB/s, the memory's speed.
"""

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax
from jaxtyping import Array, BFloat16, Float, Float32, Shaped

ROWS = 16  # of a tile; as many are transposed at a time, so that what is read stays in the first-level cache
LARGE = 2**20  # weights; with fewer, this takes longer than it saves


class BFloat16Linear(nnx.Linear):
    """`nnx.Linear` with its arithmetic in bfloat16, and a bias."""

    def __call__(
        self, inputs: Shaped[Array, "batch inputs"], out_sharding: Any = None
    ) -> BFloat16[Array, "batch outputs"]:
        """Returns inputs @ kernel + bias."""
        assert self.bias is not None
        arrays = inputs.astype(jnp.bfloat16), as_bfloat16(self.kernel[...]), self.bias[...].astype(jnp.bfloat16)
        return dense(*arrays)


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


def dense(
    inputs: Shaped[Array, "batch inputs"], kernel: Shaped[Array, "inputs outputs"], bias: Shaped[Array, " outputs"]
) -> Array:
    """Returns inputs @ kernel + bias."""
    return large_dense(inputs, kernel, bias) if kernel.size >= LARGE else inputs @ kernel + bias


@jax.custom_vjp
def large_dense(inputs: Array, kernel: Array, bias: Array) -> Array:
    """Returns inputs @ kernel + bias, with gradients that are fast where the kernel is large."""
    return inputs @ kernel + bias


def _forward(inputs: Array, kernel: Array, bias: Array) -> tuple[Array, tuple[Array, Array]]:
    return inputs @ kernel + bias, (inputs, kernel)


def _backward(saved: tuple[Array, Array], gradient: Array) -> tuple[Array, Array, Array]:
    inputs, kernel = saved
    rows = lax.platform_dependent(inputs, cpu=transposed, default=jnp.transpose)
    bias = lax.platform_dependent(gradient, cpu=summed, default=lambda gradient: gradient.sum(axis=0))
    return gradient @ kernel.T, rows @ gradient, bias


large_dense.defvjp(_forward, _backward)


def summed(array: Shaped[Array, "batch features"]) -> Shaped[Array, " features"]:
    """Returns the sums over the batch, by a product with as many rows of ones as a tile of AMX has."""
    return (jnp.ones((ROWS, len(array)), array.dtype) @ array)[0]


def transposed(array: Shaped[Array, "batch features"]) -> Shaped[Array, "features batch"]:
    """Returns the transpose as an array in memory, in two passes that both read and write whole cache lines."""
    batch, features = array.shape
    if batch % ROWS:
        return lax.optimization_barrier(array.T)
    blocks = lax.optimization_barrier(array.reshape(batch // ROWS, ROWS, features).transpose(0, 2, 1))
    return lax.optimization_barrier(blocks.transpose(1, 0, 2).reshape(features, batch))
