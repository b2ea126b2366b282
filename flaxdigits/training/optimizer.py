"""The optimiser and its learning rate over time, from optax."""

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, PyTree

from flaxdigits.training.config import TrainConfig


def make_schedule(config: TrainConfig, steps_per_epoch: int) -> optax.Schedule:
    """Returns the learning rate as a function of the step: a linear warm-up, then constant or a cosine to 0.

    Where weights are shared at first, they have a schedule of their own, and the free ones begin another.
    The warm-up takes at most half of a schedule, so that short tries have a decay too.
    """
    shared = config.shared_epochs * steps_per_epoch
    free = make_phase(config, config.epochs * steps_per_epoch - shared, steps_per_epoch)
    return optax.join_schedules([make_phase(config, shared, steps_per_epoch), free], [shared]) if shared else free


def make_phase(config: TrainConfig, total: int, steps_per_epoch: int) -> optax.Schedule:
    """Returns the learning rate over one schedule of `total` steps."""
    warmup = min(round(config.warmup_epochs * steps_per_epoch), total // 2)
    if config.schedule == "constant":
        return optax.warmup_constant_schedule(0.0 if warmup else config.learning_rate, config.learning_rate, warmup)
    start = 0.0 if warmup else config.learning_rate
    return optax.warmup_cosine_decay_schedule(start, config.learning_rate, warmup, total)


def make_optimizer(config: TrainConfig, schedule: optax.Schedule) -> optax.GradientTransformation:
    """Returns Adam (D. Kingma, J. Ba, 2014) or AdamW (I. Loshchilov, F. Hutter, 2017) at their papers' betas."""
    if config.optimizer == "adam":
        return optax.adam(schedule, eps=config.adam_epsilon)
    return optax.adamw(schedule, eps=config.adam_epsilon, weight_decay=config.weight_decay)


def forget_moments(opt_state: PyTree, fresh: PyTree, when: Bool[Array, ""]) -> PyTree:
    """Begins the optimiser's averages anew, but not its place in the schedule, as weights are set free.

    Until then the gradients of most weights were 0; with such averages the first free steps are far too long.
    """

    def is_place(part: object) -> bool:
        return isinstance(part, optax.ScaleByScheduleState)

    def forget(old: PyTree, new: PyTree) -> PyTree:
        return old if is_place(old) else jnp.where(when, new, old)

    return jax.tree.map(forget, opt_state, fresh, is_leaf=is_place)
