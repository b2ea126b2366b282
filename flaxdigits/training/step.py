"""One training step, and a run of steps as one compiled loop."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jax import lax
from jax.sharding import Mesh
from jaxtyping import Array, Bool, Float, Int, Key, UInt8

from flaxdigits.training.config import TrainConfig
from flaxdigits.training.deform import annealed_strength, deform
from flaxdigits.training.devices import divided
from flaxdigits.training.model import Params, as_pixels
from flaxdigits.training.network import Network, forward, make_graph
from flaxdigits.training.optimizer import forget_moments, make_optimizer, make_schedule
from flaxdigits.training.sharing import share_gradients
from flaxdigits.training.state import TrainState
from flaxdigits.training.targets import ask, ask_once, label_targets

EMA_RAMP = 10  # the average forgets its first, random weights: decay at most (1 + step) / (10 + step)


class TrainingSet(NamedTuple):
    """What is learned, on the device."""

    images: UInt8[Array, "n 28 28"]
    labels: UInt8[Array, " n"]
    teacher: Network | None = None  # whose answers are learned in place of the labels


def make_advance(config: TrainConfig, steps_per_epoch: int, mesh: Mesh) -> Callable[..., TrainState]:
    """Returns a compiled function that takes steps `first` to `last` of one epoch.

    It is `advance(state, training_set, first, last) -> state`, with the old state donated: shuffle,
    deform, step, all in one loop on the device. The bounds are data, not constants, so a whole
    epoch and a part of it run the same machine code and give the same bits.
    """
    graph = make_graph(config)
    optimizer = make_optimizer(config, make_schedule(config, steps_per_epoch))
    shared_steps = config.shared_epochs * steps_per_epoch
    key = jax.random.key(config.seed)
    shuffle_key, deform_key = jax.random.split(key)

    def lesson(step: Int[Array, ""]) -> Int[Array, ""]:
        return step % (config.lesson_epochs * steps_per_epoch) if config.lesson_epochs else step

    @partial(jax.jit, donate_argnums=0)
    def advance(state: TrainState, digits: TrainingSet, first: Int[Array, ""], last: Int[Array, ""]) -> TrainState:
        epoch = lesson(first) // steps_per_epoch
        order = jax.random.permutation(jax.random.fold_in(shuffle_key, epoch), len(digits.images))
        if config.shared_epochs:
            fresh = optimizer.init(state.params)
            state = replace(state, opt_state=forget_moments(state.opt_state, fresh, first == shared_steps))
        begins = first % steps_per_epoch == 0
        state = replace(
            state, loss_sum=jnp.where(begins, 0, state.loss_sum), correct=jnp.where(begins, 0, state.correct)
        )

        def body(step: Int[Array, ""], state: TrainState) -> TrainState:
            rows = batch_rows(order, step % steps_per_epoch, config.batch_size)
            images = lax.with_sharding_constraint(digits.images[rows], divided(mesh))
            labels = lax.with_sharding_constraint(digits.labels[rows], divided(mesh))
            strength = annealed_strength(step, config.epochs * steps_per_epoch, config.deformation.anneal)
            pixels = make_pixels(images, jax.random.fold_in(deform_key, lesson(step)), config, strength)
            targets, state = make_targets(state, pixels, labels, digits.teacher, config)
            sharing = step < shared_steps
            return train_step(state, pixels, labels, targets, sharing, graph=graph, optimizer=optimizer, config=config)

        return lax.fori_loop(first, last, body, state)

    return advance


def batch_rows(order: Int[Array, " n"], batch: Int[Array, ""], size: int) -> Int[Array, " size"]:
    """Picks the rows of one batch of a shuffled epoch; the last one is filled up from the epoch's beginning."""
    return order[(batch * size + jnp.arange(size)) % len(order)]


def make_pixels(
    images: UInt8[Array, "batch 28 28"], key: Key[Array, ""], config: TrainConfig, strength: Float[Array, ""] | None
) -> Float[Array, "batch 28 28"]:
    """Returns what the network is trained on: the images, bent as the configuration says."""
    return as_pixels(images) if config.deformation.is_none else deform(images, key, config.deformation, strength)


def make_targets(
    state: TrainState,
    pixels: Float[Array, "batch 28 28"],
    labels: UInt8[Array, " batch"],
    teacher: Network | None,
    config: TrainConfig,
) -> tuple[Float[Array, "batch 10"], TrainState]:
    """Returns the probabilities to be learned, and the state that remembers a teacher's answers."""
    if teacher is None:
        return label_targets(labels, config.label_smoothing), state
    if state.answers is None:
        return ask(teacher, pixels, config.teacher_temperature), state
    targets, answers = ask_once(teacher, pixels, state.answers, state.step, config.teacher_temperature)
    return targets, replace(state, answers=answers)


def train_step(
    state: TrainState,
    pixels: Float[Array, "batch 28 28"],
    labels: UInt8[Array, " batch"],
    targets: Float[Array, "batch 10"],
    sharing: Bool[Array, ""],
    *,
    graph: nnx.GraphDef,
    optimizer: optax.GradientTransformation,
    config: TrainConfig,
) -> TrainState:
    """Takes one step of the optimiser on one batch."""
    loss = partial(members_loss, graph=graph, temperature=config.teacher_temperature)
    (value, logits), gradients = jax.value_and_grad(loss, has_aux=True)(state.params, pixels, targets)
    if config.shared_epochs:
        share = jax.vmap(partial(share_gradients, config=config))
        gradients = lax.cond(sharing, share, lambda same: same, gradients)
    updates, opt_state = optimizer.update(gradients, state.opt_state, state.params)
    params = optax.apply_updates(state.params, updates)
    return replace(
        state,
        params=params,
        opt_state=opt_state,
        ema=update_ema(state.ema, params, state.step, config.ema_decay),
        step=state.step + 1,
        loss_sum=state.loss_sum + value / config.members,
        correct=state.correct + (logits.mean(axis=0).argmax(axis=1) == labels).sum(),
    )


def members_loss(
    params: Params,
    pixels: Float[Array, "batch 28 28"],
    targets: Float[Array, "batch 10"],
    *,
    graph: nnx.GraphDef,
    temperature: float = 1.0,
) -> tuple[Float[Array, ""], Float[Array, "members batch 10"]]:
    """Returns the mean cross-entropy against the targets, summed over the members, and their logits.

    Each member's gradient is its own loss's, whatever the others say. The factor of the temperature's
    square keeps the gradient's size (Hinton et al. 2015, section 2).
    """
    logits = forward(graph, params, pixels)
    losses = optax.softmax_cross_entropy(logits / temperature, targets) * temperature**2
    return losses.mean(axis=1).sum(), logits


def update_ema(ema: Params | None, params: Params, step: Int[Array, ""], decay: float) -> Params | None:
    """Moves the average a little toward the new weights; None stays None."""
    if ema is None:
        return None
    keep = jnp.minimum(decay, (1 + step) / (EMA_RAMP + step))
    return jax.tree.map(lambda average, new: new + keep * (average - new), ema, params)
