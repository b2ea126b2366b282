"""The loop: a training's steps taken slice by slice, so that it can be watched, stopped and saved on the way."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, NoReturn

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from jaxtyping import Array, Bool

from flaxdigits.digits import Digits
from flaxdigits.errors import TrainingError, TrainingInterrupted
from flaxdigits.runs import Run
from flaxdigits.training.checkpoint import save_state
from flaxdigits.training.config import TrainConfig
from flaxdigits.training.devices import replicated
from flaxdigits.training.network import Network, Params
from flaxdigits.training.state import TrainState
from flaxdigits.training.step import TrainingSet, make_advance

SLICE_SECONDS = 0.5  # how long the device works between two looks at the clock and at Ctrl-C


class Progress(NamedTuple):
    """How far a training is, between two slices of work."""

    step: int  # of steps
    steps: int  # in the whole training
    epoch: int  # the present one, from 1
    loss: float  # mean over the present epoch so far
    accuracy: float  # mean over the present epoch so far


class Rate(NamedTuple):
    """How much work was done in how much time."""

    steps: int
    seconds: float  # with the compilation, where it fell into this time


@dataclass(frozen=True)
class Setup:
    """What stays the same throughout a training."""

    config: TrainConfig
    run: Run
    mesh: Mesh
    training: Digits
    validation: Digits | None
    teacher: Network | None = None

    @cached_property
    def steps_per_epoch(self) -> int:
        """Enough steps that every digit is met in every epoch."""
        return math.ceil(len(self.training) / self.config.batch_size)

    @property
    def steps(self) -> int:
        """Of the whole training."""
        return self.config.epochs * self.steps_per_epoch


class Loop:
    """Runs one training's epochs on its devices."""

    def __init__(self, setup: Setup, on_progress: Callable[[Progress], None], should_stop: Callable[[], bool]) -> None:
        self.setup = setup
        self.advance = make_advance(setup.config, setup.steps_per_epoch, setup.mesh)
        self.on_progress = on_progress
        self.should_stop = should_stop
        self.size = 1  # steps in the next slice, adapted to SLICE_SECONDS
        self.saved_at = time.monotonic()
        arrays = setup.training.images, setup.training.known_labels(), setup.teacher
        self.digits = TrainingSet(*jax.device_put(arrays, replicated(setup.mesh)))

    def run_epoch(self, state: TrainState) -> tuple[TrainState, Rate]:
        """Goes on to the end of the present epoch; returns the state, and what it took to get there."""
        first = step = int(state.step)
        seconds = 0.0
        end = (step // self.setup.steps_per_epoch + 1) * self.setup.steps_per_epoch
        while step < end:
            self.stop_if_asked(state)  # never between an epoch's last step and its report
            last = min(step + self.size, end)
            began = time.perf_counter()
            state = jax.block_until_ready(self.advance(state, self.digits, step, last))
            took = time.perf_counter() - began
            self.size = max(1, min(2 * self.size, int((last - step) * SLICE_SECONDS / took)))
            step, seconds = last, seconds + took
            self.look(state)
            if step < end:  # an epoch's last state is saved after its report
                self.save(state)
        return state, Rate(end - first, seconds)

    def look(self, state: TrainState) -> None:
        """Shows the progress, and stops where the loss is lost."""
        progress = self.progress(state)
        self.on_progress(progress)
        if not math.isfinite(progress.loss):
            self.give_up(f"the loss became {progress.loss}", progress)

    def give_up(self, what: str, progress: Progress) -> NoReturn:
        """Says where the training was lost."""
        raise TrainingError(
            f"{self.setup.run}: {what} by step {progress.step}, in epoch {progress.epoch}; "
            "begin a new run with a lower --learning-rate"
        )

    def stop_if_asked(self, state: TrainState) -> None:
        """Saves the state and stops, where somebody asked for it."""
        if self.should_stop():
            self.save(state, now=True)
            raise TrainingInterrupted(
                f"stopped and saved at step {int(state.step)} of {self.setup.steps}; "
                f"go on with: flaxdigits train --resume {self.setup.run}"
            )

    def progress(self, state: TrainState) -> Progress:
        """Reads how far the training is from its state."""
        step, per_epoch = int(state.step), self.setup.steps_per_epoch
        taken = (step - 1) % per_epoch + 1
        accuracy = int(state.correct) / (taken * self.setup.config.batch_size)
        loss = float(state.loss_sum) / taken
        return Progress(step, self.setup.steps, (step - 1) // per_epoch + 1, loss, accuracy)

    def save(self, state: TrainState, now: bool = False) -> None:
        """Saves the state, now or where the last save is long enough ago."""
        if now or time.monotonic() - self.saved_at >= self.setup.config.checkpoint_seconds:
            if not all_finite(state.params):
                self.give_up("a weight became infinite or NaN", self.progress(state))
            save_state(state, self.setup.run.checkpoints)
            self.saved_at = time.monotonic()


@jax.jit
def all_finite(params: Params) -> Bool[Array, ""]:
    """Whether no weight is infinite or NaN."""
    return jnp.array([jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(params)]).all()
