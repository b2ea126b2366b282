"""DenseStack: the network, pixels in, logits out."""

from itertools import pairwise

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, UInt8

from flaxdigits.contract import CLASSES, PIXELS

WHITE = 255.0


class DenseStack(nnx.Module):
    """A stack of dense layers with ReLU between them.

    Args:
        hidden: the widths of the hidden layers.
        dtype: of the arithmetic; parameters are float32 always.
        rngs: where the initial weights come from.
    """

    def __init__(self, hidden: tuple[int, ...], *, dtype: jnp.dtype = jnp.float32, rngs: nnx.Rngs) -> None:
        widths = (PIXELS, *hidden, CLASSES)
        he_normal = nnx.initializers.he_normal()  # keeps the signal's size through ReLU (He et al. 2015)
        self.layers = nnx.List(
            nnx.Linear(fan_in, fan_out, kernel_init=he_normal, dtype=dtype, param_dtype=jnp.float32, rngs=rngs)
            for fan_in, fan_out in pairwise(widths)
        )

    def __call__(self, pixels: Float[Array, "batch 28 28"]) -> Float[Array, "batch 10"]:
        """Returns logits, float32, of pixels in 0..255."""
        x = (pixels / WHITE).reshape(len(pixels), -1)
        for layer in self.layers[:-1]:
            x = nnx.relu(layer(x))
        return self.layers[-1](x).astype(jnp.float32)


def count_parameters(hidden: tuple[int, ...]) -> int:
    """Counts weights and biases of a stack; 11,000,464 for the original's widths."""
    widths = (PIXELS, *hidden, CLASSES)
    return sum((fan_in + 1) * fan_out for fan_in, fan_out in pairwise(widths))


def as_pixels(images: UInt8[Array, "batch 28 28"]) -> Float[Array, "batch 28 28"]:
    """Returns the bytes as float32, for a model or a deformation to take."""
    return images.astype(jnp.float32)


def probabilities(logits: Float[Array, "batch 10"]) -> Float[Array, "batch 10"]:
    """Returns what the logits say, each row summing to 1."""
    return jax.nn.softmax(logits)
