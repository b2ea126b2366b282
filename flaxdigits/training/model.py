"""DenseStack, the network: pixels in, logits out. Its parameters are passed around as a pytree."""

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import lax
from jaxtyping import Array, Float, Key, Shaped

from flaxdigits.convention import CLASSES, INK, PIXELS
from flaxdigits.training.config import TrainConfig
from flaxdigits.training.products import BFloat16Linear

Params = dict[str, Any]  # nested as the module is: {"layers": {0: {"kernel": [in, out], "bias": [out]}, ..}}
Variables = dict[str, Any]  # everything else that a module holds, such as dropout's keys

BATCH = 2000  # digits per call of `in_batches`; the reference network's largest activation then takes 24 MB


class Keys(NamedTuple):
    """Random keys, one for each purpose."""

    params: Key[Array, ""]
    dropout: Key[Array, ""]
    shuffle: Key[Array, ""]
    augmentation: Key[Array, ""]


def make_keys(seed: int, stage: int = 0) -> Keys:
    """Returns the keys for a stage of training; those of different stages, 1 being pretraining, are independent."""
    return Keys(*jax.random.split(jax.random.fold_in(jax.random.key(seed), stage), len(Keys._fields)))


class DenseStack(nnx.Module):
    """A stack of dense layers with ReLU between them.

    Args:
        hidden: the widths of the hidden layers.
        outputs: the number of logits.
        initializer: of the kernels, by its name in `nnx.initializers`; biases start at 0.
        dtype: the dtype of the computation; parameters are always float32.
        rngs: the source of the initial weights.
    """

    def __init__(
        self,
        hidden: tuple[int, ...],
        outputs: int = CLASSES,
        *,
        initializer: str = "he_normal",
        dtype: jnp.dtype = jnp.float32,
        rngs: nnx.Rngs,
    ) -> None:
        widths = (PIXELS, *hidden, outputs)
        linear = partial(
            BFloat16Linear if dtype == jnp.bfloat16 else nnx.Linear,
            kernel_init=getattr(nnx.initializers, initializer)(),
            dtype=dtype,
            param_dtype=jnp.float32,
            rngs=rngs,
        )
        self.layers = nnx.List(linear(*shape) for shape in pairwise(widths))

    def __call__(self, pixels: Float[Array, "batch 28 28"]) -> Float[Array, "batch outputs"]:
        """Returns the logits, float32, of pixels in 0..255."""
        x = jnp.reshape(pixels / INK, (-1, PIXELS))  # for the method `reshape`, jax2onnx adds five shape operators
        for layer in self.layers[:-1]:
            x = nnx.relu(layer(x))
        return self.layers[-1](x).astype(jnp.float32)


def make_model(config: TrainConfig, keys: Keys) -> DenseStack:
    """Returns the network of a configuration, with random initial weights."""
    rngs = nnx.Rngs(params=keys.params, dropout=keys.dropout)
    return DenseStack(config.hidden, config.outputs, initializer=config.initializer, dtype=dtype_of(config), rngs=rngs)


def dtype_of(config: TrainConfig) -> jnp.dtype:
    """Returns the dtype of a network's computation, float32 while the precision is "auto"."""
    return jnp.dtype("float32" if config.precision == "auto" else config.precision)


def make_graph(config: TrainConfig) -> nnx.GraphDef:
    """Returns the structure of the network, without computing its weights."""
    return nnx.graphdef(nnx.eval_shape(lambda: make_model(config, make_keys(config.seed))))


def split(model: nnx.Module) -> tuple[Params, Variables]:
    """Returns a module's parameters and its other variables, as nested dictionaries of arrays."""
    params, variables = nnx.state(model, nnx.Param, ...)
    return nnx.to_pure_dict(params), nnx.to_pure_dict(variables)


def merge(graph: nnx.GraphDef, params: Params, variables: Variables) -> nnx.Module:
    """Returns the module of that structure with these parameters and variables."""
    return nnx.merge(graph, nnx.State(params), nnx.State(variables))


def logits_of(model: nnx.Module, pixels: Float[Array, "batch 28 28"]) -> Float[Array, "batch outputs"]:
    """Returns the model's logits, behind an optimization barrier.

    The barrier keeps reductions, such as softmax's, from being fused with the last layer, where jaxlib
    0.12.0 computes them wrongly in bfloat16 on a CPU.
    """
    return lax.optimization_barrier(model(pixels))


def predict_logits(model: nnx.Module, images: Shaped[np.ndarray, "n 28 28"]) -> Float[np.ndarray, "n outputs"]:
    """Returns the logits of images in 0..255, uint8 or float, with the model in evaluation mode, in batches."""
    graph, state = nnx.split(model)
    return in_batches(lambda batch: _predict(graph, state, batch), images)


def in_batches(predict: Callable[[np.ndarray], Array], images: Shaped[np.ndarray, "n 28 28"]) -> np.ndarray:
    """Returns a function's results for all images; it is called with at most BATCH of them at a time."""
    return np.concatenate([predict(images[start : start + BATCH]) for start in range(0, len(images), BATCH)])


@partial(jax.jit, static_argnums=0)
def _predict(
    graph: nnx.GraphDef, state: nnx.State, images: Shaped[Array, "batch 28 28"]
) -> Float[Array, "batch outputs"]:
    model = nnx.merge(graph, state)
    model.eval()
    return logits_of(model, images.astype(jnp.float32))
