"""DenseStack: the network, pixels in, logits out."""

from itertools import pairwise

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Shaped

from flaxdigits.contract import CLASSES, PIXELS

WHITE = 255.0

# {"layers": {0: {"kernel": [in, out], "bias": [out]}, ..}}; of a committee, each with a leading axis of members
Params = dict[str, dict[int, dict[str, Array]]]


class DenseStack(nnx.Module):
    """A stack of dense layers with ReLU between them.

    Args:
        hidden: the widths of the hidden layers.
        initializer: of the weights, by its name in `nnx.initializers`; biases begin at 0.
        dtype: of the arithmetic; parameters are float32 always.
        rngs: where the initial weights come from.
    """

    def __init__(
        self,
        hidden: tuple[int, ...],
        *,
        initializer: str = "he_normal",
        dtype: jnp.dtype = jnp.float32,
        rngs: nnx.Rngs,
    ) -> None:
        widths = (PIXELS, *hidden, CLASSES)
        options = {"kernel_init": getattr(nnx.initializers, initializer)(), "dtype": dtype, "param_dtype": jnp.float32}
        self.layers = nnx.List(nnx.Linear(*shape, rngs=rngs, **options) for shape in pairwise(widths))

    def __call__(self, pixels: Float[Array, "batch 28 28"]) -> Float[Array, "batch 10"]:
        """Returns logits, float32, of pixels in 0..255."""
        x = (pixels / WHITE).reshape(len(pixels), -1)
        for layer in self.layers[:-1]:
            x = nnx.relu(layer(x))
        return self.layers[-1](x).astype(jnp.float32)


def as_pixels(images: Shaped[Array, "batch 28 28"]) -> Float[Array, "batch 28 28"]:
    """Returns the bytes as float32, for a model or a deformation to take."""
    return images.astype(jnp.float32)
