"""What `gpu` measures and for how long: in full on a GPU, at a small scale anywhere."""

import time
from dataclasses import dataclass, field, replace

from benchmarks.held_out import HELD_OUT
from flaxdigits import PRESETS, TrainConfig
from flaxdigits.training.config import NO_AUGMENTATION

ROW_SECONDS = 25  # that a row of a table may take, most of them for compilation
NO_TIME = "not measured, the time was up"


@dataclass(frozen=True)
class Plan:
    """The sizes of all measurements, and the seconds that they may take together."""

    seconds: float
    networks: dict[str, TrainConfig]  # of throughput and slices; the first is compared with PyTorch
    batches: tuple[int, ...]
    product: int  # rows and columns of the matrices that measure the ceiling
    rounds: int
    round_seconds: float
    digits: int  # of the training set, the first ones
    trainings: dict[str, TrainConfig]  # timed to the levels
    levels: tuple[float, ...]  # of accuracy on held-out writers
    original: TrainConfig
    training_seconds: dict[str, float]  # after which a training run is stopped
    began: float = field(default_factory=time.monotonic)

    @property
    def left(self) -> float:
        """The seconds that are left."""
        return self.began + self.seconds - time.monotonic()

    @property
    def has_time(self) -> bool:
        """Whether there is time for another row."""
        return self.left > ROW_SECONDS


def full() -> Plan:
    """Returns the plan for a GPU."""
    return Plan(
        seconds=460,  # the last row may take longer, and eight minutes are the limit
        networks={name: PRESETS[name] for name in ("reference", "default")},
        batches=(512, 1024, 2048, 4096, 8192, 16384),
        product=8192,
        rounds=7,
        round_seconds=0.4,
        digits=60_000,
        trainings={name: replace(PRESETS[name], validation=HELD_OUT) for name in ("default", "record")},
        levels=(0.990, 0.995, 0.996),
        original=PRESETS["reference"],
        training_seconds={"default": 50, "record": 100, "reference": 160},
    )


def smoke() -> Plan:
    """Returns a plan that runs every part within a minute on one core; its figures mean nothing."""
    small = {"hidden": (32, 16), "epochs": 2, "batch_size": 64, "pretraining_epochs": 0}
    recipes = {name: replace(config, **small, augmentation=NO_AUGMENTATION) for name, config in PRESETS.items()}
    return Plan(
        seconds=300,
        networks={"default": recipes["default"]},
        batches=(64,),
        product=64,
        rounds=2,
        round_seconds=0.02,
        digits=600,
        trainings={"default": replace(recipes["default"], validation=HELD_OUT)},
        levels=(0.01, 0.996),
        original=recipes["reference"],
        training_seconds=dict.fromkeys(recipes, 60),
    )
