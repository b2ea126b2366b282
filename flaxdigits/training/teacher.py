"""The teacher: a trained run whose answers a network learns in place of the labels."""

from dataclasses import replace

from flaxdigits.digits import Digits
from flaxdigits.errors import ConfigError
from flaxdigits.runs import Run
from flaxdigits.training.config import TrainConfig
from flaxdigits.training.network import Network, make_graph
from flaxdigits.training.provenance import Provenance
from flaxdigits.training.weights import trained_weights


def load_teacher(config: TrainConfig, digits: Digits) -> Network | None:
    """Returns the network that a configuration names as its teacher; None where it names none.

    Raises:
        RunError: where there is no such run, or nothing was saved in it yet.
        ConfigError: where the teacher has learned from digits that the pupil is judged by.
    """
    if not config.teacher:
        return None
    run = Run.existing(config.teacher)
    begun_with = Provenance.read(run.data)
    known, params = trained_weights(run)
    if begun_with.sha256 != digits.sha256:
        raise ConfigError(f"teacher: expected one trained on {digits.name}, got {run}, trained on {begun_with.name}")
    if config.validation and (known.validation, known.seed) != (config.validation, config.seed):
        raise ConfigError(
            f"teacher: expected one that holds out the same digits (validation {config.validation}, seed "
            f"{config.seed}), got {run} with validation {known.validation}, seed {known.seed}"
        )
    return Network(make_graph(replace(known, precision=config.precision)), params)
