"""What is constant throughout training, and the progress that it reports."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, NamedTuple

from flax import nnx
from jax.sharding import Mesh

from flaxdigits.data.digits import Digits
from flaxdigits.runs import Run
from flaxdigits.training.config import TrainConfig
from flaxdigits.training.examples import Examples
from flaxdigits.training.model import Keys

Stage = Literal["pretraining", "training"]


class Progress(NamedTuple):
    """The progress of training or pretraining, between two slices of work."""

    stage: Stage
    step: int  # steps taken
    steps: int  # in the whole stage
    epoch: int  # the current one, from 1
    loss: float  # mean over the current epoch so far, nats
    accuracy: float  # mean over the current epoch so far, 0..1
    ends_epoch: bool  # whether this is its last step


OnProgress = Callable[[Progress], None]
ShouldStop = Callable[[], bool]


@dataclass(frozen=True)
class Setup:
    """Everything that is constant throughout training, or throughout pretraining."""

    stage: Stage
    config: TrainConfig
    name: Path  # of the run, in messages
    run: Run  # absolute, like `latest`: the working directory may change between two epochs
    latest: Path
    checkpoints: Path
    make_model: Callable[[TrainConfig, Keys], nnx.Module]
    keys: Keys
    mesh: Mesh
    examples: Examples
    validation: Digits | None

    @cached_property
    def steps_per_epoch(self) -> int:
        """The number of steps that covers every example in an epoch."""
        return math.ceil(len(self.examples) / self.config.batch_size)

    @property
    def steps(self) -> int:
        """The number of steps in all epochs."""
        return self.config.epochs * self.steps_per_epoch
