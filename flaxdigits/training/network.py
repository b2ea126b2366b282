"""Networks as structure and weights apart, with one weight array for all members of a committee."""

from dataclasses import dataclass, field
from functools import partial

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax
from jaxtyping import Array, Float, Key

from flaxdigits.training.config import TrainConfig
from flaxdigits.training.model import DenseStack, Params
from flaxdigits.training.sharing import draw_shared


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Network:
    """Trained weights and what they are the weights of."""

    graph: nnx.GraphDef = field(metadata={"static": True})
    params: Params


def make_model(config: TrainConfig, key: Key[Array, ""]) -> DenseStack:
    """Returns one network with its initial weights, which the key decides."""
    dtype = jnp.dtype(config.precision)
    return DenseStack(config.hidden, initializer=config.initializer, dtype=dtype, rngs=nnx.Rngs(key))


def make_graph(config: TrainConfig) -> nnx.GraphDef:
    """Returns the structure of one network without computing any weights."""
    return nnx.graphdef(nnx.eval_shape(partial(make_model, config, jax.random.key(0))))


def init_params(config: TrainConfig) -> Params:
    """Returns the initial weights of all members; the first member's are those of a single network of this seed."""

    def draw(key: Key[Array, ""]) -> Params:
        return draw_shared(nnx.to_pure_dict(nnx.state(make_model(config, key), nnx.Param)), config, key)

    key = jax.random.key(config.seed)
    others = [jax.random.fold_in(key, member) for member in range(1, config.members)]
    return jax.vmap(draw)(jnp.stack([key, *others]))


def forward(
    graph: nnx.GraphDef, params: Params, pixels: Float[Array, "batch 28 28"]
) -> Float[Array, "members batch 10"]:
    """Returns the logits of each member, of networks given as their structure and their weights.

    The barrier keeps reductions, such as softmax's, out of the last layer's kernel: compiled into one, jaxlib 0.12.0
    gives wrong ones on a CPU in bfloat16.
    """
    logits = jax.vmap(lambda member: nnx.merge(graph, nnx.State(member))(pixels))(params)
    return lax.optimization_barrier(logits)
