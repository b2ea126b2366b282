"""The product of a dense layer in bfloat16 on a CPU, with a faster gradient of the weights. The figures: docs/speed.md.

The gradient of the weights is a product of the inputs, transposed. oneDNN's and YNNPACK's kernels read rows: given
transposed inputs, the one takes up to twice as long, and the other leaves the product to a loop of XLA's own.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Shaped

ROWS = 16  # transposed at a time, so that what is read stays in the first-level cache
LARGE = 2**20  # weights; with fewer, transposing takes longer than it saves


def dot_general(inputs: Array, kernel: Array, *_: Any, **__: Any) -> Array:
    """Returns inputs @ kernel, in the signature of `lax.dot_general`, which `nnx.Linear` calls."""
    return product(inputs, kernel) if kernel.size >= LARGE else inputs @ kernel


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
