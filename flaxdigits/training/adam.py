"""Adam with both moments of a parameter packed into one 32-bit word, as stochastically rounded bfloat16 numbers.

Adam is memory-bound, and its moments are half of what it reads and writes. The figures are in docs/speed.md.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import lax
from jaxtyping import Array, Float, Int, PyTree, UInt32

WORD = jnp.uint32
UPPER = 0xFFFF0000  # the half of a word with the first moment: float32's sign, exponent and first 7 mantissa bits
MULTIPLIER = 0x9E3779B1  # 2^32 divided by the golden ratio: D. Knuth, The Art of Computer Programming 3, 6.4


class PackedAdamState(NamedTuple):
    """The state of `scale_by_packed_adam`."""

    step: Int[Array, ""]  # steps taken
    moments: PyTree  # uint32, one word per parameter


def scale_by_packed_adam(b1: float = 0.9, b2: float = 0.999, eps: float = 1e-8) -> optax.GradientTransformation:
    """Returns `optax.scale_by_adam` with moments in bfloat16.

    With rounding to nearest, the second moment would never change: a step changes it by a thousandth, and neighbouring
    bfloat16 numbers differ by 1/128. Stochastic rounding, up or down in proportion to the distance, is unbiased.

    Args:
        b1: decay of the first moment.
        b2: decay of the second moment.
        eps: added to the square root of the second moment.

    References:
        D. Kingma, J. Ba, "Adam: A Method for Stochastic Optimization", 2014; the order of operations used here is at
        the end of section 2.
    """

    def init(params: optax.Params) -> PackedAdamState:
        return PackedAdamState(jnp.int32(0), jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, WORD), params))

    def update(
        gradients: optax.Updates, state: PackedAdamState, params: optax.Params | None = None
    ) -> tuple[optax.Updates, PackedAdamState]:
        step = optax.safe_increment(state.step)

        def moved(gradient: Array, word: Array) -> Array:
            first, second = unpack(word)
            return pack(b1 * first + (1 - b1) * gradient, b2 * second + (1 - b2) * gradient**2, step)

        root = jnp.sqrt(1 - b2**step)

        def scaled(word: Array) -> Array:
            first, second = unpack(word)
            return root / (1 - b1**step) * (first / (jnp.sqrt(second) + eps * root))

        # Without the barrier XLA computes the words twice, from the gradients and the old words.
        moments = lax.optimization_barrier(jax.tree.map(moved, gradients, state.moments))
        return jax.tree.map(scaled, moments), PackedAdamState(step, moments)

    return optax.GradientTransformation(init, update)


def unpack(word: UInt32[Array, "*shape"]) -> tuple[Float[Array, "*shape"], Float[Array, "*shape"]]:
    """Returns the two moments."""
    return as_float(word & WORD(UPPER)), as_float(word << 16)


def pack(
    first: Float[Array, "*shape"], second: Float[Array, "*shape"], step: Int[Array, ""]
) -> UInt32[Array, "*shape"]:
    """Returns both moments in one word, stochastically rounded with a hash of their bits and the step.

    A NaN must have 0 in its lower 16 bits, as for `products.rounded`.
    """
    a, b = as_word(first), as_word(second)
    noise = (a ^ b ^ step.astype(WORD)) * WORD(MULTIPLIER)
    return ((a + (noise >> 16)) & WORD(UPPER)) | ((b + (noise & WORD(0xFFFF))) >> 16)


def as_word(values: Float[Array, "*shape"]) -> UInt32[Array, "*shape"]:
    """Returns the bits of float32 values."""
    return lax.bitcast_convert_type(values, WORD)


def as_float(words: UInt32[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Returns the float32 values of bits."""
    return lax.bitcast_convert_type(words, jnp.float32)
