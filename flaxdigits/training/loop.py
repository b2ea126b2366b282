"""The training loop: takes an epoch's steps in slices, between which it reports progress, stops and saves."""

import math
import threading
import time
import warnings
from collections.abc import Callable
from contextlib import closing
from functools import cached_property
from pathlib import Path

import jax
import jax.numpy as jnp
from flax import nnx
from jax.sharding import SingleDeviceSharding
from jaxtyping import Array, Bool

from flaxdigits.errors import TrainingError, TrainingInterrupted
from flaxdigits.runs import storage_errors
from flaxdigits.training.checkpoint import Checkpoint, restore_checkpoint, save_checkpoint, set_aside, sha256_of_state
from flaxdigits.training.compilation import compile_step, import_later
from flaxdigits.training.devices import replicated_sharding
from flaxdigits.training.feed import Chunk, Feed, make_feed
from flaxdigits.training.model import Params
from flaxdigits.training.processes import gathered, is_first, on_this_process, replicated
from flaxdigits.training.setup import OnProgress, Progress, Setup, ShouldStop
from flaxdigits.training.step import TrainState, epoch_order, init_state, make_advance

SLICE_SECONDS = 0.5  # of work on the device between two progress reports


class Loop:
    """Runs the epochs of a training run on its devices.

    Args:
        setup: of the training run.
        on_progress: called after each slice of work, about twice a second.
        should_stop: called before each slice; returning True saves the state and stops.
    """

    def __init__(self, setup: Setup, on_progress: OnProgress, should_stop: ShouldStop) -> None:
        self.setup, self.on_progress, self.should_stop = setup, on_progress, should_stop
        self.graph = nnx.graphdef(nnx.eval_shape(self.make_model))
        self.compiled: jax.stages.Compiled | None = None
        self.slice_steps = 1  # adapted to SLICE_SECONDS
        self.saved_at, self.saved_step = time.monotonic(), -1
        self.sharding = replicated_sharding(setup.mesh)
        self.files: dict[str, str] = {}  # of the run directory, for the checkpoints

    @cached_property
    def feed(self) -> Feed:
        """The feed of the training digits, created on first use: after pretraining, whose feed is as large."""
        setup = self.setup
        return make_feed(setup.examples, setup.examples.rows, setup.config, setup.mesh)

    def make_model(self) -> nnx.Module:
        """Returns the network with random initial weights."""
        return self.setup.make_model(self.setup.config, self.setup.keys)

    def init_state(self) -> TrainState:
        """Returns the state before the first step."""
        return init_state(self.make_model(), self.setup.config, self.setup.steps_per_epoch)

    def restore(self, initial_params: Callable[[], Params | None] = lambda: None) -> TrainState:
        """Returns the state of the latest checkpoint, or the initial one, on the devices of the mesh.

        Args:
            initial_params: called if there is no checkpoint; None stands for the network's random ones.
        """
        device = self.setup.mesh.local_devices[0]
        saved = restore_checkpoint(
            jax.eval_shape(self.init_state), self.setup.checkpoints, SingleDeviceSharding(device)
        )
        check_equal(saved, self.setup.name)
        if saved is not None:
            self.saved_step, self.files = int(saved.state.step), saved.files
            if is_first():
                with storage_errors(self.setup.name):
                    set_aside(self.setup.checkpoints, after=self.saved_step)
            return replicated(saved.state, self.sharding)
        params = initial_params()
        with jax.default_device(device):
            state = jax.jit(self.init_state)()
        if params is None:
            return replicated(state, self.sharding)
        state = replicated(state.with_params(params), self.sharding)
        self.save(state)  # so that a resumed run does not depend on their source
        return state

    def run_epoch(self, state: TrainState) -> tuple[TrainState, float, float]:
        """Returns the state at the end of the current epoch, the steps per second, and the seconds it took."""
        first = int(state.step)
        seconds = 0.0
        epoch, done = divmod(first, self.setup.steps_per_epoch)
        start = first - done
        end = start + self.setup.steps_per_epoch
        order = epoch_order(self.setup.keys.shuffle, epoch, len(self.setup.examples))
        with closing(self.feed.chunks(order, done)) as chunks:
            while int(state.step) < end:
                began = time.perf_counter()
                chunk = next(chunks)
                seconds += time.perf_counter() - began
                if self.compiled is None:  # not timed
                    self.compile(state, chunk)
                while int(state.step) < start + chunk.end:  # no stop between an epoch's last step and its report
                    self.slice_steps = self.save_or_stop(state)
                    state, took = self.take_slice(state, chunk, start + chunk.end)
                    seconds += took
                    self.report(state)
        return state, (end - first) / seconds, seconds

    def compile(self, state: TrainState, chunk: Chunk) -> None:
        """Compiles the step, and starts importing what is needed later."""
        setup = self.setup
        advance = make_advance(
            self.graph, setup.config, setup.steps_per_epoch, setup.keys.augmentation, setup.mesh, self.feed.take
        )
        self.compiled = compile_step(advance.lower(state, chunk.arrays, setup.steps))
        import_later()

    def take_slice(self, state: TrainState, chunk: Chunk, end: int) -> tuple[TrainState, float]:
        """Returns the state after a slice of steps, not past `end`, and the seconds that they took."""
        assert self.compiled
        step = int(state.step)
        last = min(step + self.slice_steps, end)
        began = time.perf_counter()
        state = jax.block_until_ready(self.compiled(state, chunk.arrays, last))
        took = time.perf_counter() - began
        self.slice_steps = max(1, min(2 * self.slice_steps, int((last - step) * SLICE_SECONDS / took)))
        return state, took

    def report(self, state: TrainState) -> None:
        """Calls `on_progress`.

        Raises:
            TrainingError: if the loss is not finite.
        """
        progress = self.progress(state)
        self.on_progress(progress)
        if not math.isfinite(progress.loss):
            raise self.failure(f"the loss became {progress.loss}", progress)

    def failure(self, problem: str, progress: Progress) -> TrainingError:
        """Returns the error for training that cannot continue."""
        where = f"by step {progress.step}, in epoch {progress.epoch}"
        return TrainingError(self.setup.name, f"{problem} {where}", "begin a new run with a lower learning_rate")

    def save_or_stop(self, state: TrainState) -> int:
        """Saves the state if a checkpoint is due; returns the number of steps in the next slice.

        All processes do the same: the first one measures, and any of them may request a stop.

        Raises:
            TrainingInterrupted: if `should_stop` returns True; the state is saved.
        """
        asked = gathered(self.should_stop(), self.is_due(), self.slice_steps)
        stop, due, steps = asked[:, 0].any(), asked[0, 1], int(asked[0, 2])
        if stop or due:
            self.save(state)
        if stop:
            done = f"stopped and saved at step {int(state.step)} of {self.setup.steps}"
            raise TrainingInterrupted(self.setup.name, done, f"resume with flaxdigits.resume({str(self.setup.name)!r})")
        return steps

    def progress(self, state: TrainState) -> Progress:
        """Returns the progress at a state beyond step 0."""
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

    def is_due(self) -> bool:
        """Returns whether the last checkpoint is at least `checkpoint_seconds` old."""
        return time.monotonic() - self.saved_at >= self.setup.config.checkpoint_seconds

    def save_if_due(self, state: TrainState) -> None:
        """Saves the state if a checkpoint is due by the first process's clock."""
        if gathered(self.is_due())[0, 0]:
            self.save(state)

    def save(self, state: TrainState) -> None:
        """Saves the state, unless it is saved already.

        Raises:
            TrainingError: if a number in it is not finite; the last checkpoint is kept.
            RunStorageError: if it cannot be written, or its directory was moved.
        """
        if int(state.step) == self.saved_step:
            return
        if not all_finite(on_this_process(state)):
            raise self.failure("a weight became infinite or NaN", self.progress(state))
        self.check_exists()
        try:
            with storage_errors(self.setup.name):
                save_checkpoint(Checkpoint(state, self.files), self.setup.checkpoints)
        finally:  # if the directory was moved meanwhile, Orbax has raised any of many errors, or created it anew
            self.check_exists()
        self.saved_at, self.saved_step = time.monotonic(), int(state.step)

    def check_exists(self) -> None:
        """Raises RunStorageError if the run directory has been moved or removed; in the first process."""
        if is_first():
            self.setup.run.check_exists(self.setup.name)

    def save_before_exit(self, state: TrainState) -> None:
        """Saves the state, or warns that it cannot: when the interpreter exits, Orbax can no longer start threads."""
        if threading.main_thread().is_alive():
            self.save(state)
        elif self.saved_step < int(state.step):
            lost = f"not closed before exit, so the steps after step {max(self.saved_step, 0)} are lost"
            warnings.warn(f"{self.setup.name}: {lost}; use: with flaxdigits.fit(...) as training", stacklevel=2)


def check_equal(saved: Checkpoint | None, name: Path) -> None:
    """Checks that all processes have restored the same checkpoint.

    Raises:
        TrainingError: if they have not, for example because they do not share a disk.
    """
    if jax.process_count() == 1:
        return
    step, word = (-1, 0) if saved is None else (int(saved.state.step), int(sha256_of_state(saved.state)[:7], 16))
    if (gathered(step, word) != (step, word)).any():
        problem = "the processes have restored different checkpoints"
        raise TrainingError(name, problem, "the run directory has to be on a disk that all of them see")


@jax.jit
def all_finite(state: TrainState) -> Bool[Array, ""]:
    """Returns whether every number in a state is finite: Adam's moments may overflow before the weights."""
    numbers = [leaf for leaf in jax.tree.leaves(state) if jnp.issubdtype(leaf.dtype, jnp.floating)]
    return jnp.array([jnp.isfinite(leaf).all() for leaf in numbers]).all()
