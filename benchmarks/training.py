"""Training throughput, images a second: flaxdigits, a bare JAX loop, and PyTorch where it is installed.

The reference network in float32 with Adam and no augmentation: forward, backward and update. The peers share no
code with flaxdigits. They take turns in short rounds, and the ratio is the median of the rounds' ratios, so that
a drift of the machine's speed cancels out.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from itertools import pairwise
from statistics import median

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from flaxdigits import PRESETS, TrainConfig, load
from flaxdigits.convention import CLASSES, PIXELS
from flaxdigits.training.devices import make_mesh, replicated_sharding
from flaxdigits.training.model import make_keys, make_model
from flaxdigits.training.step import epoch_order, init_state, make_advance, take_rows

BATCH_SIZES = (32, 128, 512, 2048)
ROUNDS = 9
SECONDS = 1.0  # a round

Steps = Callable[[int], None]


def ours(config: TrainConfig) -> Steps:
    """Runs slices of an epoch, as `fit` does."""
    digits = load()
    steps = len(digits) // config.batch_size
    model = make_model(config, make_keys(config.seed))
    graph = nnx.graphdef(model)
    mesh = make_mesh("auto", config.batch_size)
    advance = make_advance(graph, config, steps, make_keys(0).augmentation, mesh, take_rows)
    arrays = digits.images, digits.known_labels(), epoch_order(make_keys(0).shuffle, 0, len(digits))
    arrays = jax.device_put(arrays)
    state = jax.device_put(init_state(model, config, steps), replicated_sharding(mesh))  # as `advance` returns it

    def run(count: int) -> None:
        nonlocal state
        state = jax.block_until_ready(advance(state, arrays, int(state.step) + count))

    return run


def bare_jax(config: TrainConfig) -> Steps:
    """A compiled loop of steps over plain arrays, written from scratch; always on the same batch.

    A call per step, as in most examples, is slower: 0.67 of this at batch 32, 0.95 at 2,048 (Zen 5).
    """
    rng = np.random.default_rng(0)
    widths = (784, *config.hidden, 10)
    params = [
        (jnp.asarray(rng.normal(0, (2 / i) ** 0.5, (i, o)), jnp.float32), jnp.zeros(o)) for i, o in pairwise(widths)
    ]
    adam = optax.adam(config.learning_rate)
    carry = params, adam.init(params)
    x = jnp.asarray(rng.uniform(0, 1, (config.batch_size, 784)), jnp.float32)
    y = jnp.asarray(rng.integers(0, 10, config.batch_size))

    def loss(params, x, y):
        *hidden, (kernel, bias) = params
        for weight, offset in hidden:
            x = jax.nn.relu(x @ weight + offset)
        return optax.softmax_cross_entropy_with_integer_labels(x @ kernel + bias, y).mean()

    def step(_, carry, x, y):
        params, state = carry
        updates, state = adam.update(jax.grad(loss)(params, x, y), state)
        return optax.apply_updates(params, updates), state

    @partial(jax.jit, donate_argnums=0)
    def steps(carry, x, y, count):
        return jax.lax.fori_loop(0, count, partial(step, x=x, y=y), carry)

    def run(count: int) -> None:
        nonlocal carry
        carry = jax.block_until_ready(steps(carry, x, y, count))

    return run


def pytorch(config: TrainConfig) -> Steps:
    """An eager loop with the fused Adam."""
    import torch
    from torch import nn

    widths = (784, *config.hidden, 10)
    layers = [module for i, o in pairwise(widths) for module in (nn.Linear(i, o), nn.ReLU())][:-1]
    model = nn.Sequential(*layers)
    adam = torch.optim.Adam(model.parameters(), lr=config.learning_rate, fused=True)
    x = torch.rand(config.batch_size, 784)
    y = torch.randint(0, 10, (config.batch_size,))

    def run(count: int) -> None:
        for _ in range(count):
            adam.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            adam.step()

    return run


def flops_an_image(config: TrainConfig) -> int:
    """Returns the multiplications and additions of a training step on one image, for the matrix products alone.

    Six for each weight: two forward, two for its gradient, two for the gradient of its input, which the first layer
    does not need.
    """
    weights = [i * o for i, o in pairwise((PIXELS, *config.hidden, CLASSES))]
    return 6 * sum(weights) - 2 * weights[0]


def steps_per_second(run: Steps, count: int) -> float:
    """Returns the speed of one round."""
    began = time.perf_counter()
    run(count)
    return count / (time.perf_counter() - began)


def measure(peers: list[Steps], rounds: int = ROUNDS, seconds: float = SECONDS) -> list[list[float]]:
    """Returns each peer's speeds, steps a second, over rounds in which they take turns."""
    counts = []
    for run in peers:
        for _ in range(3):
            run(1)  # compiles, for arrays as passed and as returned
        counts.append(max(1, int(seconds * steps_per_second(run, 3))))
    found = [[steps_per_second(*peer) for peer in zip(peers, counts, strict=True)] for _ in range(rounds)]
    return [list(speeds) for speeds in zip(*found, strict=True)]


def main() -> None:
    makers = {"flaxdigits": ours, "bare JAX": bare_jax}
    if find_spec("torch"):
        makers["PyTorch"] = pytorch
    print("batch   " + "".join(f"{name:>12}" for name in makers) + "   flaxdigits / " + ", / ".join(list(makers)[1:]))
    for batch_size in BATCH_SIZES:
        config = replace(PRESETS["reference"], batch_size=batch_size)
        speeds = measure([make(config) for make in makers.values()])
        images = "".join(f"{batch_size * median(rates):>12,.0f}" for rates in speeds)
        ratios = [median(a / b for a, b in zip(speeds[0], peer, strict=True)) for peer in speeds[1:]]
        print(f"{batch_size:<8}{images}   " + ", ".join(f"{ratio:.2f}" for ratio in ratios), flush=True)
