"""Idle time of `gpu`: what the training loop loses between its slices, against one call of many steps."""

import time
from dataclasses import replace
from functools import partial
from statistics import median
from typing import NamedTuple

import jax

from benchmarks.gpu.plan import NO_TIME, Plan
from benchmarks.tables import print_header, print_row
from flaxdigits import TrainConfig, load
from flaxdigits.runs import Run
from flaxdigits.training.epochs import report_epoch
from flaxdigits.training.fit import prepare
from flaxdigits.training.loop import Loop
from flaxdigits.training.step import TrainState, epoch_order


class Rates(NamedTuple):
    """Steps a second of one training run, in three ways."""

    whole: float  # two epochs in one call
    sliced: float  # two epochs as the loop slices them
    validated: float  # and with validation after each of them


def slices(plan: Plan) -> None:
    """Prints the share of the time that is lost between slices, a row per network."""
    print("\n## Idle between slices\n")
    print(
        "Two epochs in one call of the compiled loop, against two as `training/loop.py` slices them. Lost is the\n"
        "share of the time outside the steps: Python, reading the progress, and the order of each epoch. The last\n"
        f"column adds the validation after each epoch. {plan.rounds} rounds, in turns; medians.\n"
    )
    print_header("network", "precision", "batch", "images/s in one call", "in slices", "lost", "lost, with validation")
    for name, config in plan.networks.items():
        print_row(name, *slices_cells(plan, config))


def slices_cells(plan: Plan, config: TrainConfig) -> list[str]:
    """Returns precision, batch, images a second in one call and in slices, and the shares lost."""
    if not plan.has_time:
        return ["", f"{config.batch_size}", NO_TIME, "", "", ""]
    loop = make_loop(config, plan.digits)
    rounds = slice_rounds(loop, plan.rounds)
    images = [config.batch_size * median(rates) for rates in list(zip(*rounds, strict=True))[:2]]
    losses = [median(1 - getattr(rates, name) / rates.whole for rates in rounds) for name in ("sliced", "validated")]
    return [
        loop.setup.config.precision,
        f"{config.batch_size}",
        *(f"{value:,.0f}" for value in images),
        *(f"{loss:.1%}" for loss in losses),
    ]


def make_loop(config: TrainConfig, digits: int) -> Loop:
    """Returns the loop of a training run that writes nothing."""
    never_saved = replace(config, checkpoint_seconds=1e9)
    setup = prepare(load()[:digits], never_saved, Run("no run"))
    return Loop(setup, lambda _: None, lambda: False)


def slice_rounds(loop: Loop, rounds: int) -> list[Rates]:
    """Runs two epochs in each of the three ways, in turns."""
    state, steps = loop.restore(), 2 * loop.setup.steps_per_epoch
    order = epoch_order(loop.setup.keys.shuffle, 0, len(loop.setup.examples))
    [chunk] = loop.feed.chunks(order, 0)

    def whole(state: TrainState) -> TrainState:
        assert loop.compiled
        last = int(state.step) + steps
        return jax.block_until_ready(loop.compiled(state, chunk.arrays, last))

    ways = whole, partial(two_epochs, loop), partial(two_epochs, loop, validates=True)
    found = []
    state = ways[2](ways[1](state))  # compiles, and finds the length of a slice
    for _ in range(rounds):
        rates = []
        for way in ways:
            began = time.perf_counter()
            state = way(state)
            rates.append(steps / (time.perf_counter() - began))
        found.append(Rates(*rates))
    return found


def two_epochs(loop: Loop, state: TrainState, validates: bool = False) -> TrainState:
    """Runs two epochs in slices."""
    for _ in range(2):
        state, rate, seconds = loop.run_epoch(state)
        if validates:
            report_epoch(loop, state, rate, seconds)
    return state
