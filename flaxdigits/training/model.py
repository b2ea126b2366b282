"""The networks, pixels in, logits out: DenseStack, and ConvStack that teaches it."""

from itertools import pairwise

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, UInt8

from flaxdigits.contract import CLASSES, PIXELS, SIDE

WHITE = 255.0


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


class ConvStack(nnx.Module):
    """A stack of 3x3 convolutions, the image halved after all but the last, and one dense layer on top.

    It reads better than a dense network and is slower to run; it serves as a teacher, and is not exported.

    Args:
        hidden: the channels of the convolutions, then the width of the dense layer.
        initializer, dtype, rngs: as for DenseStack.
    """

    def __init__(
        self,
        hidden: tuple[int, ...],
        *,
        initializer: str = "he_normal",
        dtype: jnp.dtype = jnp.float32,
        rngs: nnx.Rngs,
    ) -> None:
        *channels, width = hidden
        options = {"kernel_init": getattr(nnx.initializers, initializer)(), "dtype": dtype, "param_dtype": jnp.float32}
        shapes = [(9 * fan_in, fan_out) for fan_in, fan_out in pairwise((1, *channels))]
        self.convolutions = nnx.List(nnx.Linear(*shape, rngs=rngs, **options) for shape in shapes)
        flat = channels[-1] * (SIDE >> len(channels) - 1) ** 2
        self.layers = nnx.List(nnx.Linear(*shape, rngs=rngs, **options) for shape in pairwise((flat, width, CLASSES)))

    def __call__(self, pixels: Float[Array, "batch 28 28"]) -> Float[Array, "batch 10"]:
        """Returns logits, float32, of pixels in 0..255."""
        x = (pixels / WHITE)[..., None]
        for convolution in self.convolutions[:-1]:
            x = halved(nnx.relu(convolution(neighbourhoods(x))))
        x = nnx.relu(self.convolutions[-1](neighbourhoods(x))).reshape(len(x), -1)
        return self.layers[1](nnx.relu(self.layers[0](x))).astype(jnp.float32)


def neighbourhoods(x: Float[Array, "batch side side channels"]) -> Float[Array, "batch side side nine_channels"]:
    """Lays the 3x3 pixels about each pixel side by side, zeros beyond the edge: a dense layer of it is a convolution.

    XLA's own convolution is ten times slower on the CPU inside a compiled loop, and slower still over members.
    """
    side = x.shape[1]
    padded = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    return jnp.concatenate([padded[:, i : i + side, j : j + side] for i in range(3) for j in range(3)], axis=-1)


def halved(x: Float[Array, "batch side side channels"]) -> Float[Array, "batch half half channels"]:
    """Keeps the largest of each 2x2 pixels; an odd last row and column are dropped."""
    count, side, _, channels = x.shape
    half = side // 2
    return x[:, : 2 * half, : 2 * half].reshape(count, half, 2, half, 2, channels).max(axis=(2, 4))


def as_pixels(images: UInt8[Array, "batch 28 28"]) -> Float[Array, "batch 28 28"]:
    """Returns the bytes as float32, for a model or a deformation to take."""
    return images.astype(jnp.float32)
