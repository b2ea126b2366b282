"""A dense layer in bfloat16, faster on a CPU than XLA's own. The figures are in docs/speed.md.

The weight gradient is a product with the transposed inputs. oneDNN's and YNNPACK's kernels read rows: given transposed
inputs, oneDNN takes up to twice as long, and YNNPACK leaves the product to a loop of XLA's own.

The bias gradient is a sum over the batch, for which XLA writes a copy in float32; oneDNN's product needs none.

XLA rounds a kernel to bfloat16 at 27 GB/s; integer operations do the same at 40 GB/s, the memory bandwidth.
"""

from typing import Any, cast

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax
from jaxtyping import Array, BFloat16, Float32, Shaped

BLOCK_ROWS = 16  # transposed at a time, so that what is read stays in the L1 cache
TILE_ROWS = 16  # of an AMX tile
LARGE_KERNEL = 2**20  # weights; for fewer, transposing the inputs costs more time than it saves
LARGE_GRADIENT = 2**19  # elements; for fewer, XLA computes the product for the sums itself, from a float32 copy


class BFloat16Linear(nnx.Linear):
    """`nnx.Linear` in bfloat16, with a bias; its options other than `kernel_init` and `rngs` have no effect."""

    def __call__(
        self, inputs: Shaped[Array, "batch inputs"], out_sharding: Any = None
    ) -> BFloat16[Array, "batch outputs"]:
        """Returns inputs @ kernel + bias."""
        kernel, bias = as_bfloat16(self.kernel[...]), cast("nnx.Param[Array]", self.bias)[...]
        return dense(inputs.astype(jnp.bfloat16), kernel, bias.astype(jnp.bfloat16))


@jax.custom_vjp
def as_bfloat16(array: Float32[Array, "*shape"]) -> BFloat16[Array, "*shape"]:
    """Returns the nearest bfloat16, ties to even."""
    return lax.platform_dependent(array, cpu=rounded, default=lambda array: array.astype(jnp.bfloat16))


as_bfloat16.defvjp(lambda array: (as_bfloat16(array), None), lambda _, gradient: (gradient.astype(jnp.float32),))


def rounded(array: Float32[Array, "*shape"]) -> BFloat16[Array, "*shape"]:
    """Returns the nearest bfloat16, using integer operations.

    A NaN must have 0 in its lower 16 bits, as those from arithmetic have: rounding may turn others into numbers.
    """
    bits = lax.bitcast_convert_type(array, jnp.uint32)
    nearest = (bits + jnp.uint32(0x7FFF) + ((bits >> 16) & jnp.uint32(1))) >> 16
    return lax.bitcast_convert_type(nearest.astype(jnp.uint16), jnp.bfloat16)


def dense(
    inputs: Shaped[Array, "batch inputs"], kernel: Shaped[Array, "inputs outputs"], bias: Shaped[Array, " outputs"]
) -> Array:
    """Returns inputs @ kernel + bias."""
    return large_dense(inputs, kernel, bias) if kernel.size >= LARGE_KERNEL else inputs @ kernel + bias


@jax.custom_vjp
def large_dense(inputs: Array, kernel: Array, bias: Array) -> Array:
    """Returns inputs @ kernel + bias, with gradients that are fast where the kernel is large."""
    return inputs @ kernel + bias


def _forward(inputs: Array, kernel: Array, bias: Array) -> tuple[Array, tuple[Array, Array]]:
    return inputs @ kernel + bias, (inputs, kernel)


def _backward(saved: tuple[Array, Array], gradient: Array) -> tuple[Array, Array, Array]:
    inputs, kernel = saved
    rows = lax.platform_dependent(inputs, cpu=transposed, default=jnp.transpose)
    return gradient @ kernel.T, rows @ gradient, summed(gradient)


large_dense.defvjp(_forward, _backward)


def summed(array: Shaped[Array, "batch features"]) -> Shaped[Array, " features"]:
    """Returns the sums over the batch; for large arrays on a CPU, by a product with rows of ones."""
    if array.size < LARGE_GRADIENT:
        return array.sum(axis=0)
    ones = jnp.ones((TILE_ROWS, len(array)), array.dtype)
    return lax.platform_dependent(array, cpu=lambda array: (ones @ array)[0], default=lambda array: array.sum(axis=0))


def transposed(array: Shaped[Array, "batch features"]) -> Shaped[Array, "features batch"]:
    """Returns the transpose, materialized in two passes that both read and write whole cache lines."""
    batch, features = array.shape
    if batch % BLOCK_ROWS:
        return lax.optimization_barrier(array.T)
    blocks = lax.optimization_barrier(array.reshape(batch // BLOCK_ROWS, BLOCK_ROWS, features).transpose(0, 2, 1))
    return lax.optimization_barrier(blocks.transpose(1, 0, 2).reshape(features, batch))
