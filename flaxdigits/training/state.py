"""TrainState: all that a training carries from step to step."""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PyTree

from flaxdigits.training.config import TrainConfig
from flaxdigits.training.model import Params
from flaxdigits.training.network import init_params
from flaxdigits.training.optimizer import make_optimizer, make_schedule
from flaxdigits.training.targets import Answers, no_answers


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class TrainState:
    """All that a training carries from step to step, and so all that a checkpoint holds."""

    params: Params
    opt_state: PyTree
    ema: Params | None  # running average of params; None where there is none
    best: Params | None  # the exported weights of the best epoch; None without early stopping
    answers: Answers | None  # of the teacher, by lesson; None where lessons do not come again
    step: Int[Array, ""]
    loss_sum: Float[Array, ""]  # over the steps of the present epoch
    correct: Int[Array, ""]  # digits read rightly in the present epoch

    @property
    def judged(self) -> Params:
        """The weights that are validated: the average where there is one."""
        return self.params if self.ema is None else self.ema


@partial(jax.jit, static_argnums=(0, 1))  # one compilation in place of one for each operation
def init_state(config: TrainConfig, steps_per_epoch: int) -> TrainState:
    """Returns the state before the first step."""
    params = init_params(config)
    optimizer = make_optimizer(config, make_schedule(config, steps_per_epoch))
    return TrainState(
        params=params,
        opt_state=optimizer.init(params),
        ema=jax.tree.map(jnp.copy, params) if config.ema_decay else None,
        best=jax.tree.map(jnp.copy, params) if config.patience else None,
        answers=no_answers(config, steps_per_epoch),
        step=jnp.int32(0),
        loss_sum=jnp.float32(0),
        correct=jnp.int32(0),
    )
