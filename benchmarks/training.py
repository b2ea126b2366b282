"""How many images a second are trained on: our epoch loop, a bare jitted JAX loop, and PyTorch if it is installed.

The reference stack in float32 with Adam and no deformation, forward, backward and update. All of
them run in this process, one after the other for each batch size.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from itertools import pairwise

import jax
import numpy as np
import optax

from flaxdigits import load
from flaxdigits.training.config import TrainConfig
from flaxdigits.training.devices import make_mesh
from flaxdigits.training.network import forward, make_graph
from flaxdigits.training.presets import PRESETS
from flaxdigits.training.state import init_state
from flaxdigits.training.step import TrainingSet, make_advance

SECONDS = 4.0


def ours(config: TrainConfig) -> Callable[[int], None]:
    digits = load()
    steps = len(digits) // config.batch_size
    advance = make_advance(config, steps, make_mesh("auto", config.batch_size))
    arrays = TrainingSet(*jax.device_put((digits.images, digits.known_labels())))
    holder = [init_state(config, steps)]

    def run(count: int) -> None:
        holder[0] = jax.block_until_ready(advance(holder[0], arrays, 0, count))

    return run


def bare_jax(config: TrainConfig) -> Callable[[int], None]:
    digits, graph, optimizer = load(), make_graph(config), optax.adam(config.learning_rate)
    params = init_state(config, 1).params
    holder = [(params, optimizer.init(params))]
    x = digits.images[: config.batch_size].astype(np.float32)
    y = digits.labels[: config.batch_size].astype(np.int32)

    @partial(jax.jit, donate_argnums=(0, 1))
    def step(params, state, x, y):
        def loss(params):
            return optax.softmax_cross_entropy_with_integer_labels(forward(graph, params, x)[0], y).mean()

        updates, state = optimizer.update(jax.grad(loss)(params), state)
        return optax.apply_updates(params, updates), state

    def run(count: int) -> None:
        for _ in range(count):
            holder[0] = step(*holder[0], x, y)
        jax.block_until_ready(holder[0])

    return run


def torch_loop(config: TrainConfig) -> Callable[[int], None]:
    import torch
    from torch import nn

    widths = (784, *config.hidden, 10)
    layers = [m for i, o in pairwise(widths) for m in (nn.Linear(i, o), nn.ReLU())][:-1]
    model = nn.Sequential(*layers)
    optimizer = torch.optim.Adam(model.parameters(), lr=config.learning_rate, fused=True)
    digits = load()[: config.batch_size]
    x = torch.from_numpy(digits.images.reshape(len(digits), -1).astype(np.float32) / 255)
    y = torch.from_numpy(digits.labels.astype(np.int64))

    def run(count: int) -> None:
        for _ in range(count):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()

    return run


def images_per_second(run: Callable[[int], None], batch_size: int) -> float:
    run(1)
    run(1)
    count, began = 0, time.perf_counter()
    while time.perf_counter() - began < SECONDS:
        run(5)
        count += 5
    return count * batch_size / (time.perf_counter() - began)


def main() -> None:
    peers = {"flaxdigits": ours, "bare JAX": bare_jax}
    if find_spec("torch"):
        peers["PyTorch"] = torch_loop
    print("batch   " + "".join(f"{name:>12}" for name in peers))
    for batch_size in (32, 128, 512, 2048):
        config = replace(PRESETS["reference"], batch_size=batch_size)
        rates = [images_per_second(make(config), batch_size) for make in peers.values()]
        print(f"{batch_size:<8}" + "".join(f"{rate:>12,.0f}" for rate in rates), flush=True)
