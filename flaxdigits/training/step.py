"""One training step, its state, and the steps of an epoch as one compiled loop."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jax import lax
from jax.sharding import Mesh
from jaxtyping import Array, Float, Int, Key, PyTree, UInt8

from flaxdigits.training.adam import scale_by_packed_adam
from flaxdigits.training.augmentation import annealed_strength, augment
from flaxdigits.training.config import TrainConfig
from flaxdigits.training.devices import batch_sharding, replicated_sharding
from flaxdigits.training.model import Params, Variables, logits_of, merge, split
from flaxdigits.training.precision import compiler_options

Batch = tuple[UInt8[Array, "batch 28 28"], UInt8[Array, " batch"]]  # images and labels
Take = Callable[[tuple[Array, ...], Int[Array, ""], int], Batch]  # arrays, the batch's index in its epoch, its size


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class TrainState:
    """The training state, which a checkpoint holds."""

    params: Params
    variables: Variables  # of the module, other than its parameters
    opt_state: PyTree
    ema: Params | None  # exponential moving average of params; None without averaging
    step: Int[Array, ""]  # steps taken
    loss_sum: Float[Array, ""]  # over the steps of the current epoch
    correct: Int[Array, ""]  # digits classified correctly in the current epoch

    @property
    def final_params(self) -> Params:
        """The parameters that are validated and exported: the average, if one is kept."""
        return self.params if self.ema is None else self.ema

    def with_params(self, params: Params) -> "TrainState":
        """Returns an initial state with these parameters instead."""
        return replace(self, params=params, ema=None if self.ema is None else jax.tree.map(jnp.copy, params))


def init_state(model: nnx.Module, config: TrainConfig, steps_per_epoch: int) -> TrainState:
    """Returns the state before the first step, with the model's parameters."""
    params, variables = split(model)
    return TrainState(
        params=params,
        variables=variables,
        opt_state=make_optimizer(config, steps_per_epoch).init(params),
        ema=jax.tree.map(jnp.copy, params) if config.ema_decay else None,
        step=jnp.int32(0),
        loss_sum=jnp.float32(0),
        correct=jnp.int32(0),
    )


def make_schedule(config: TrainConfig, steps_per_epoch: int) -> optax.Schedule:
    """Returns the learning rate as a function of the step: linear warm-up, then constant or a cosine to 0.

    The warm-up takes at most half of the steps, so that short runs have a decay too.
    """
    steps = config.epochs * steps_per_epoch
    warmup = min(round(config.warmup_epochs * steps_per_epoch), steps // 2)
    start = 0.0 if warmup else config.learning_rate
    if config.schedule == "constant":
        return optax.warmup_constant_schedule(start, config.learning_rate, warmup)
    return optax.warmup_cosine_decay_schedule(start, config.learning_rate, warmup, steps)


def make_optimizer(config: TrainConfig, steps_per_epoch: int) -> optax.GradientTransformation:
    """Returns Adam (D. Kingma, J. Ba, 2014) or AdamW (I. Loshchilov, F. Hutter, 2017), with their papers' betas."""
    scale_by_adam = scale_by_packed_adam if config.adam_moments == "bfloat16" else optax.scale_by_adam
    decay = [optax.add_decayed_weights(config.weight_decay)] if config.optimizer == "adamw" else []
    rate = optax.scale_by_learning_rate(make_schedule(config, steps_per_epoch))
    return optax.chain(scale_by_adam(eps=config.adam_epsilon), *decay, rate)


def make_advance(
    graph: nnx.GraphDef, config: TrainConfig, steps_per_epoch: int, key: Key[Array, ""], mesh: Mesh, take: Take
) -> jax.stages.Wrapped:
    """Returns a jitted function that takes the steps from `state.step` to `last`, all in one epoch.

    It gathers, augments and steps in one loop on the device, with the old state donated. `last` is traced, not
    static, so a whole epoch and a part of one run the same machine code and give the same bits.

    Args:
        graph: the structure of the network.
        config: the training configuration.
        steps_per_epoch: the number of steps, including a short last batch.
        key: the random key of the augmentation.
        mesh: the devices over which each batch is divided.
        take: takes a batch from the arrays on the devices.
    """
    optimizer = make_optimizer(config, steps_per_epoch)

    options = compiler_options(config.precision, mesh)

    @partial(jax.jit, donate_argnums=0, out_shardings=replicated_sharding(mesh), compiler_options=options)
    def advance(state: TrainState, arrays: tuple[Array, ...], last: Int[Array, ""]) -> TrainState:
        def body(step: Int[Array, ""], state: TrainState) -> TrainState:
            taken = take(arrays, step % steps_per_epoch, config.batch_size)
            batch, truth = (lax.with_sharding_constraint(array, batch_sharding(mesh)) for array in taken)
            pixels = batch.astype(jnp.float32)
            if not config.augmentation.is_identity:
                strength = annealed_strength(step, config.epochs * steps_per_epoch, config.augmentation.anneal)
                pixels = augment(batch, jax.random.fold_in(key, step), config.augmentation, strength)
            return train_step(state, pixels, truth, graph=graph, optimizer=optimizer, config=config)

        return lax.fori_loop(state.step, last, body, begin_epoch(state, state.step % steps_per_epoch == 0))

    return advance


def epoch_order(key: Key[Array, ""], epoch: int, count: int) -> Int[np.ndarray, " count"]:
    """Returns the order of the digits in an epoch, counted from 0, int32.

    Uses NumPy, whose RandomState is frozen (NEP 19); for 10 million, `jax.random.permutation` takes 4.3 s on a CPU.
    """
    random = np.random.RandomState([*jax.random.key_data(key).tolist(), epoch])
    return random.permutation(np.arange(count, dtype=np.int32))


def begin_epoch(state: TrainState, begins: Array) -> TrainState:
    """Returns the state, with the epoch's sums reset to 0 if an epoch begins."""
    return replace(state, loss_sum=jnp.where(begins, 0, state.loss_sum), correct=jnp.where(begins, 0, state.correct))


def take_rows(arrays: tuple[Array, ...], batch: Int[Array, ""], size: int) -> Batch:
    """Returns one batch from all digits, given as images, labels, and the order of rows in the epoch."""
    images, labels, order = arrays
    rows = batch_rows(order, batch, size)
    return images[rows], labels[rows]


def take_batch(arrays: tuple[Array, ...], batch: Int[Array, ""], _: int) -> Batch:
    """Returns one batch from a chunk, given as images [batches, size, 28, 28] and labels [batches, size]."""
    images, labels = arrays
    return images[batch % len(images)], labels[batch % len(labels)]


def batch_rows(order: Int[Array, " n"], batch: Int[Array, ""], size: int) -> Int[Array, " size"]:
    """Returns the rows of one batch of a shuffled epoch; the last batch is filled up from the epoch's beginning."""
    return order[(batch * size + jnp.arange(size)) % len(order)]


def train_step(
    state: TrainState,
    pixels: Float[Array, "batch 28 28"],
    labels: UInt8[Array, " batch"],
    *,
    graph: nnx.GraphDef,
    optimizer: optax.GradientTransformation,
    config: TrainConfig,
) -> TrainState:
    """Returns the state after one step of the optimizer on one batch."""
    targets = optax.smooth_labels(jax.nn.one_hot(labels, config.outputs), config.label_smoothing)
    loss = partial(loss_fn, variables=state.variables, pixels=pixels, targets=targets, graph=graph)
    (value, (logits, variables)), gradients = jax.value_and_grad(loss, has_aux=True)(state.params)
    updates, opt_state = optimizer.update(gradients, state.opt_state, state.params)
    params = optax.apply_updates(state.params, updates)
    # A float sum, like the gradients, to share one all-reduce: two at once may be reordered on a CPU (gloo).
    right = (logits.argmax(axis=1) == labels).sum(dtype=jnp.float32)
    return TrainState(
        params=params,
        variables=variables,
        opt_state=opt_state,
        ema=update_ema(state.ema, params, state.step, config.ema_decay, config.ema_ramp),
        step=state.step + 1,
        loss_sum=state.loss_sum + value,
        correct=state.correct + right.astype(jnp.int32),
    )


def loss_fn(
    params: Params,
    *,
    variables: Variables,
    pixels: Float[Array, "batch 28 28"],
    targets: Float[Array, "batch outputs"],
    graph: nnx.GraphDef,
) -> tuple[Float[Array, ""], tuple[Float[Array, "batch outputs"], Variables]]:
    """Returns the mean cross-entropy in nats, the logits, and the module's other variables after the call."""
    model = merge(graph, params, variables)
    model.train()
    logits = logits_of(model, pixels)
    return optax.softmax_cross_entropy(logits, targets).mean(), (logits, split(model)[1])


def update_ema(ema: Params | None, params: Params, step: Int[Array, ""], decay: float, ramp: int) -> Params | None:
    """Returns the average moved toward the new parameters; None stays None. A ramp of 1 has no effect."""
    if ema is None:
        return None
    return optax.incremental_update(params, ema, 1 - jnp.minimum(decay, (1 + step) / (ramp + step)))
