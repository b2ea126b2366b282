"""The training loop: an epoch's steps taken in slices, so that it can be watched, stopped and saved on the way."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jax.sharding import Mesh
from jaxtyping import Array, Bool

from flaxdigits.data.digits import Digits
from flaxdigits.errors import TrainingError, TrainingInterrupted
from flaxdigits.runs import Run
from flaxdigits.training.checkpoint import restore_state, save_state
from flaxdigits.training.config import TrainConfig
from flaxdigits.training.devices import replicated_sharding
from flaxdigits.training.model import Keys, Params
from flaxdigits.training.step import TrainState, epoch_order, init_state, make_advance

Stage = Literal["pretraining", "training"]

SLICE_SECONDS = 0.5  # of work on the device between two progress reports


class Progress(NamedTuple):
    """The progress of a training or of its pretraining, between two slices of work."""

    stage: Stage
    step: int  # steps taken
    steps: int  # in the whole stage
    epoch: int  # the present one, from 1
    loss: float  # mean over the present epoch so far, nats
    accuracy: float  # mean over the present epoch so far, 0..1
    ends_epoch: bool  # whether this is its last step


@dataclass(frozen=True)
class Setup:
    """All that is constant throughout a training, or throughout its pretraining."""

    stage: Stage
    config: TrainConfig
    run: Run
    checkpoints: Path
    make_model: Callable[[TrainConfig, Keys], nnx.Module]
    keys: Keys
    mesh: Mesh
    digits: Digits  # all of them
    training: Digits
    validation: Digits | None

    @cached_property
    def steps_per_epoch(self) -> int:
        """Enough steps that every digit is in every epoch."""
        return math.ceil(len(self.training) / self.config.batch_size)

    @property
    def steps(self) -> int:
        """Of the whole training."""
        return self.config.epochs * self.steps_per_epoch


class Loop:
    """Runs the epochs of one training on its devices.

    Args:
        setup: of the training.
        on_progress: called after each slice of work, about twice a second.
        should_stop: asked before each slice; True saves the state and stops.
    """

    def __init__(self, setup: Setup, on_progress: Callable[[Progress], None], should_stop: Callable[[], bool]) -> None:
        self.setup, self.on_progress, self.should_stop = setup, on_progress, should_stop
        self.graph = nnx.graphdef(nnx.eval_shape(self.make_model))
        self.advance = make_advance(
            self.graph, setup.config, setup.steps_per_epoch, setup.keys.augmentation, setup.mesh
        )
        self.slice_steps = 1  # adapted to SLICE_SECONDS
        self.saved_at = time.monotonic()
        arrays = setup.training.images, setup.training.known_labels()
        self.sharding = replicated_sharding(setup.mesh)
        self.images, self.labels = jax.device_put(arrays, self.sharding)

    def make_model(self) -> nnx.Module:
        """Returns the network with random initial weights."""
        return self.setup.make_model(self.setup.config, self.setup.keys)

    def init_state(self) -> TrainState:
        """Returns the state before the first step."""
        return init_state(self.make_model(), self.setup.config, self.setup.steps_per_epoch)

    def restore(self, initial_params: Callable[[], Params | None] = lambda: None) -> TrainState:
        """Returns the state of the latest checkpoint, or the initial one, on the devices of the mesh.

        Args:
            initial_params: called where there is no checkpoint; None stands for the network's random ones.
        """
        saved = restore_state(jax.eval_shape(self.init_state), self.setup.checkpoints, self.sharding)
        if saved is not None:
            return saved
        params = initial_params()
        with jax.default_device(self.setup.mesh.devices.flat[0]):
            state = jax.jit(self.init_state)()
        return jax.device_put(state if params is None else state.with_params(params), self.sharding)

    def run_epoch(self, state: TrainState) -> tuple[TrainState, float, float]:
        """Returns the state at the end of the present epoch, the steps per second, and the seconds it took."""
        first = step = int(state.step)
        seconds = 0.0
        epoch = step // self.setup.steps_per_epoch
        end = (epoch + 1) * self.setup.steps_per_epoch
        order = jax.device_put(epoch_order(self.setup.keys.shuffle, epoch, len(self.images)), self.sharding)
        while step < end:
            self.stop_if_asked(state)  # never between an epoch's last step and its report
            last = min(step + self.slice_steps, end)
            began = time.perf_counter()
            state = jax.block_until_ready(self.advance(state, self.images, self.labels, order, last))
            took = time.perf_counter() - began
            self.slice_steps = max(1, min(2 * self.slice_steps, int((last - step) * SLICE_SECONDS / took)))
            step, seconds = last, seconds + took
            self.report(state)
            if step < end:  # the state at an epoch's end is saved after its report
                self.save(state)
        return state, (end - first) / seconds, seconds

    def report(self, state: TrainState) -> None:
        """Calls `on_progress`.

        Raises:
            TrainingError: where the loss is not finite.
        """
        progress = self.progress(state)
        self.on_progress(progress)
        if not math.isfinite(progress.loss):
            raise self.failure(f"the loss became {progress.loss}", progress)

    def failure(self, problem: str, progress: Progress) -> TrainingError:
        """Returns the error for a training that cannot go on."""
        where = f"by step {progress.step}, in epoch {progress.epoch}"
        return TrainingError(self.setup.run.path, f"{problem} {where}", "begin a new run with a lower learning_rate")

    def stop_if_asked(self, state: TrainState) -> None:
        """Saves the state and raises TrainingInterrupted where `should_stop` returns True."""
        if self.should_stop():
            self.save(state, now=True)
            done = f"stopped and saved at step {int(state.step)} of {self.setup.steps}"
            raise TrainingInterrupted(self.setup.run.path, done, f"flaxdigits.resume({str(self.setup.run)!r}) goes on")

    def progress(self, state: TrainState) -> Progress:
        """Returns the progress at a state that is not at step 0."""
        step, per_epoch = int(state.step), self.setup.steps_per_epoch
        taken = (step - 1) % per_epoch + 1
        return Progress(
            stage=self.setup.stage,
            step=step,
            steps=self.setup.steps,
            epoch=(step - 1) // per_epoch + 1,
            loss=float(state.loss_sum) / taken,
            accuracy=int(state.correct) / (taken * self.setup.config.batch_size),
            ends_epoch=taken == per_epoch,
        )

    def save(self, state: TrainState, now: bool = False) -> None:
        """Saves the state, now or where the last checkpoint is `checkpoint_seconds` old.

        Raises:
            TrainingError: where a parameter is not finite; the last checkpoint stays.
        """
        if now or time.monotonic() - self.saved_at >= self.setup.config.checkpoint_seconds:
            if not all_finite(state.params):
                raise self.failure("a weight became infinite or NaN", self.progress(state))
            save_state(state, self.setup.checkpoints)
            self.saved_at = time.monotonic()


@jax.jit
def all_finite(params: Params) -> Bool[Array, ""]:
    """Returns whether every parameter is finite."""
    return jnp.array([jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(params)]).all()
