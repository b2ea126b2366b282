"""The teacher: trained runs whose mean answer a network learns in place of the labels."""

from dataclasses import replace

from flaxdigits.digits import Digits
from flaxdigits.errors import ConfigError
from flaxdigits.runs import Run
from flaxdigits.training.config import TrainConfig
from flaxdigits.training.network import Network, make_graph
from flaxdigits.training.provenance import Provenance
from flaxdigits.training.weights import committee_weights


def load_teacher(config: TrainConfig, digits: Digits) -> Network | None:
    """Returns the networks that a configuration names as its teachers, as one; None where it names none.

    Raises:
        RunError: where there is no such run, or nothing was saved in it yet.
        ConfigError: where the teacher has learned from digits that the pupil is judged by.
    """
    if not config.teachers:
        return None
    runs = [Run.existing(name) for name in config.teachers]
    for run in runs:
        _refuse_unfit(run, config, digits)
    known, params = committee_weights(runs)
    return Network(make_graph(replace(known, precision=config.precision)), params)


def _refuse_unfit(run: Run, config: TrainConfig, digits: Digits) -> None:
    begun_with, known = Provenance.read(run.data), TrainConfig.from_toml(run.config)
    if begun_with.sha256 != digits.sha256:
        raise ConfigError(f"teachers: expected runs trained on {digits.name}, got {run}, trained on {begun_with.name}")
    if config.validation and (known.validation, known.seed) != (config.validation, config.seed):
        raise ConfigError(
            f"teachers: expected runs that hold out the same digits (validation {config.validation}, seed "
            f"{config.seed}), got {run} with validation {known.validation}, seed {known.seed}"
        )
