"""Weight sharing: dense layers that begin as convolutions, and are set free later.

A convolution is a dense layer most of whose weights are 0 and whose others are shared by all positions
(Y. LeCun et al. 1989). S. d'Ascoli et al. trained networks so for a while and freely after, and found better ones than
those dense from the start ("Finding the Needle in the Haystack with Convolutions", 2019: on CIFAR-10). While weights
are shared nothing but the initial weights and the gradients differ: equal weights with equal gradients stay equal under
any optimiser that looks at each weight by itself. As they are set free, the learning rate and Adam's averages begin
anew.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Bool, Float, Int, Key

from flaxdigits.contract import SIDE
from flaxdigits.training.config import TrainConfig
from flaxdigits.training.model import Params

WINDOW = 5  # pixels or units along each side of what one unit sees
STRIDE = 2  # from one unit's window to the next one's


@dataclass(frozen=True)
class Convolution:
    """How the units of one square map see the map before it."""

    side_in: int
    side_out: int
    channels_in: int
    channels_out: int

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the dense kernel: rows, columns and channels of what is seen, then of what sees it."""
        return self.side_in, self.side_in, self.channels_in, self.side_out, self.side_out, self.channels_out

    @property
    def sources(self) -> Int[np.ndarray, "side_out window"]:
        """Row, or column, that each tap of each unit's window lies on; the windows are centred, to half a pixel."""
        span = STRIDE * (self.side_out - 1) + WINDOW
        return int((self.side_in - span) / 2) + STRIDE * np.arange(self.side_out)[:, None] + np.arange(WINDOW)[None, :]

    @property
    def inside(self) -> Bool[np.ndarray, "side_out side_out window window"]:
        """Which taps lie on the map."""
        inside = (self.sources >= 0) & (self.sources < self.side_in)
        return inside[:, None, :, None] & inside[None, :, None, :]

    @property
    def taps(self) -> tuple[object, ...]:
        """Index of all units' windows in a kernel of that shape."""
        sources = np.clip(self.sources, 0, self.side_in - 1)
        unit = np.arange(self.side_out)
        rows, columns = sources[:, None, :, None], sources[None, :, None, :]
        return rows, columns, slice(None), unit[:, None, None, None], unit[None, :, None, None], slice(None)

    def spread(self, shared: Float[Array, "window window channels_in channels_out"]) -> Float[Array, "inputs units"]:
        """Writes the shared weights into the kernel of a dense layer, at every unit's window."""
        kernel = jnp.zeros(self.shape).at[self.taps].add(shared * self.inside[..., None, None])
        return kernel.reshape(self.side_in**2 * self.channels_in, -1)

    def share(self, kernel: Float[Array, "inputs units"]) -> Float[Array, "inputs units"]:
        """Replaces what stands at a place of the windows by its sum over all of them, and the rest by 0.

        Of a gradient this is the gradient under shared weights: `spread` is linear, and this is its transpose,
        then itself.
        """
        shared = jax.ShapeDtypeStruct((WINDOW, WINDOW, self.channels_in, self.channels_out), kernel.dtype)
        return self.spread(*jax.linear_transpose(self.spread, shared)(kernel))

    def share_bias(self, bias: Float[Array, " units"]) -> Float[Array, " units"]:
        """The same for the biases, one for each channel."""
        sums = bias.reshape(-1, self.channels_out).sum(0)
        return jnp.tile(sums, self.side_out**2)

    def draw(self, initializer: str, key: Key[Array, ""]) -> Float[Array, "inputs units"]:
        """Returns an initial kernel of shared weights; a unit's inputs are those in its window."""
        shape = WINDOW, WINDOW, self.channels_in, self.channels_out
        return self.spread(getattr(nnx.initializers, initializer)()(key, shape, jnp.float32))


def make_convolutions(config: TrainConfig) -> list[Convolution]:
    """Returns what the first layers of a network begin as; none where a network is dense from the start."""
    sides = (SIDE, *config.map_sides)
    channels = (1, *(width // side**2 for width, side in zip(config.hidden, config.map_sides, strict=False)))
    return [Convolution(*shape) for shape in zip(sides[:-1], sides[1:], channels[:-1], channels[1:], strict=True)]


def draw_shared(params: Params, config: TrainConfig, key: Key[Array, ""]) -> Params:
    """Returns one network's initial weights with those of its first layers drawn as convolutions."""
    layers = dict(params["layers"])
    for index, convolution in enumerate(make_convolutions(config)):
        kernel = convolution.draw(config.initializer, jax.random.fold_in(key, index))
        layers[index] = {**layers[index], "kernel": kernel}
    return {"layers": layers}


def share_gradients(gradients: Params, config: TrainConfig) -> Params:
    """Returns one network's gradients with the first layers' weights shared."""
    layers = dict(gradients["layers"])
    for index, convolution in enumerate(make_convolutions(config)):
        layer = layers[index]
        layers[index] = {
            "kernel": convolution.share(layer["kernel"]),
            "bias": convolution.share_bias(layer["bias"]),
        }
    return {"layers": layers}
