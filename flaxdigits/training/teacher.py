"""The teacher: trained runs whose mean answer a network learns in place of the labels."""

from dataclasses import replace

from flaxdigits.digits import Digits
from flaxdigits.errors import ConfigError
from flaxdigits.runs import Run
from flaxdigits.training.config import TrainConfig
from flaxdigits.training.network import Network, make_graph
from flaxdigits.training.provenance import Provenance
from flaxdigits.training.weights import committee_weights


def load_teacher(config: TrainConfig, digits: Digits, held_out: Digits | None) -> Network | None:
    """Returns the networks that a configuration names as its teachers, as one; None where it names none.

    Args:
        config: of the pupil.
        digits: all of the pupil's digits.
        held_out: those that the pupil is judged by.

    Raises:
        RunError: where there is no such run, or nothing was saved in it yet.
        ConfigError: where a teacher has learned from digits that the pupil is judged by.
    """
    if not config.teachers:
        return None
    runs = [Run.existing(name) for name in config.teachers]
    for run in runs:
        _refuse_unfit(run, digits, held_out)
    known, params = committee_weights(runs)
    return Network(make_graph(replace(known, precision=config.precision)), params)


def _refuse_unfit(run: Run, digits: Digits, held_out: Digits | None) -> None:
    begun_with = Provenance.read(run.data)
    if begun_with.sha256 != digits.sha256:
        raise ConfigError(f"teachers: expected runs trained on {digits.name}, got {run}, trained on {begun_with.name}")
    if held_out and begun_with.held_out_sha256 != held_out.sha256:
        raise ConfigError(
            f"teachers: expected runs that hold out the same digits, got {run}, which may have learned from some "
            "of them; train it with the validation and the seed of this configuration, or both with validation = 0"
        )
