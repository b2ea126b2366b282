"""fit: from digits and a configuration to a run directory with trained weights in it."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp

from flaxdigits.digits import Digits
from flaxdigits.errors import DataError, RunError
from flaxdigits.runs import Run
from flaxdigits.training.checkpoint import restore_state
from flaxdigits.training.config import TrainConfig
from flaxdigits.training.devices import make_mesh, replicated
from flaxdigits.training.history import EpochReport, is_best, read_history, stale_epochs, write_history
from flaxdigits.training.loop import Loop, Progress, Rate, Setup
from flaxdigits.training.network import Network
from flaxdigits.training.optimizer import make_schedule
from flaxdigits.training.plots import plot_curves
from flaxdigits.training.provenance import Provenance
from flaxdigits.training.state import TrainState, init_state
from flaxdigits.training.targets import no_answers
from flaxdigits.training.teacher import load_teacher
from flaxdigits.training.weights import evaluate, weights_sha256


def fit(
    digits: Digits,
    config: TrainConfig | None = None,
    out: Path | str | None = None,
    *,
    on_progress: Callable[[Progress], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> Iterator[EpochReport]:
    """Trains a network on labelled digits, into a new run directory.

    Args:
        digits: the digits, with labels.
        config: the defaults where left out.
        out: the run directory to make; runs/<date>-<time> where left out.
        on_progress: called after each slice of work, about twice a second.
        should_stop: asked after each slice; once it says yes, the state is saved and training ends.

    Returns:
        An iterator that trains as it is read, and yields a report after each epoch.

    Raises:
        ConfigError, DataError, DeviceError: before anything is written.
        RunError: where `out` holds a run already.
        TrainingError: where the loss is no longer finite; the last good checkpoint stays.
        TrainingInterrupted: after `should_stop` said yes.
    """
    run = Run(out) if out else Run.new()
    setup = prepare(digits, config or TrainConfig(), run)
    config = setup.config
    run.claim()
    Provenance.of(digits, config, setup.validation, sha256_of(setup.teacher)).save(run.data)
    config.save(run.config)
    run.point_latest()
    return train(setup, on_progress, should_stop)


def resume(
    digits: Digits,
    run: Run | Path | str,
    *,
    on_progress: Callable[[Progress], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> Iterator[EpochReport]:
    """Continues a run from its last checkpoint to its configured end, as if nothing had happened.

    Args:
        digits: the digits that the run was begun with.
        run: the run, or its directory.
        on_progress: as for `fit`.
        should_stop: as for `fit`.

    Returns:
        An iterator as `fit` returns it, over the epochs that were not yet finished at the checkpoint.

    Raises:
        RunError: where there is no such run, or the digits are not those that it was begun with.
        TrainingError, TrainingInterrupted: as for `fit`.
    """
    run = Run.existing(run)
    begun_with = Provenance.read(run.data)
    config = TrainConfig.from_toml(run.config)
    if digits.sha256 != begun_with.sha256:
        raise RunError(f"{run}: was begun with other digits than {digits.name} now holds; it cannot go on with these")
    if config.sha256 != begun_with.config_sha256:
        again = f"begin a new one with: flaxdigits train --config {run.config}"
        raise RunError(f"{run}: config.toml was changed after the run was begun; {again}")
    setup = prepare(digits, config, run)
    if sha256_of(setup.teacher) != begun_with.teacher_sha256:
        raise RunError(f"{run}: the weights of its teachers are others than when it was begun; begin a new run")
    run.point_latest()
    return train(setup, on_progress, should_stop)


def prepare(digits: Digits, config: TrainConfig, run: Run) -> Setup:
    """Divides the digits and finds the devices; writes nothing."""
    if not isinstance(digits, Digits):
        raise DataError(f"expected Digits, which flaxdigits.load makes of a source, got {type(digits).__name__}")
    digits.known_labels()
    mesh = make_mesh(config.device, config.batch_size)
    training, validation = digits.split(config.validation, config.seed)
    teacher = load_teacher(config, digits, validation)
    return Setup(config.changed(data=digits.name), run, mesh, training, validation, teacher)


def sha256_of(teacher: Network | None) -> str:
    """Names a teacher's weights; empty where there is none."""
    return weights_sha256(teacher.params) if teacher else ""


def train(
    setup: Setup, on_progress: Callable[[Progress], None] | None, should_stop: Callable[[], bool] | None
) -> Iterator[EpochReport]:
    """Trains from the last checkpoint, or from the start, and yields a report an epoch."""
    state = restore(setup)
    reports = [report for report in read_history(setup.run.history) if report.step <= int(state.step)]
    loop = Loop(setup, on_progress or (lambda _: None), should_stop or (lambda: False))
    try:
        while not is_over(setup, state, reports):
            state, rate = loop.run_epoch(state)
            reports.append(report_epoch(setup, state, rate))
            if setup.config.patience and is_best(reports):
                state = replace(state, best=jax.tree.map(jnp.copy, state.judged))
            write_history(reports, setup.run.history)
            loop.save(state, now=is_over(setup, state, reports))
            yield reports[-1]
    except GeneratorExit:  # whoever reads the reports has had enough
        loop.save(state, now=True)
        raise
    finally:
        if reports:
            plot_curves(reports, setup.run.curves)


def is_over(setup: Setup, state: TrainState, reports: list[EpochReport]) -> bool:
    """Whether the last step is taken, or the validation loss has stopped getting better."""
    return int(state.step) >= setup.steps or 0 < setup.config.patience <= stale_epochs(reports)


def restore(setup: Setup) -> TrainState:
    """Returns the state of the last checkpoint, or the initial one, on the devices of the mesh."""
    begin = partial(init_state, setup.config, setup.steps_per_epoch)
    sharding = replicated(setup.mesh)
    saved = restore_state(replace(jax.eval_shape(begin), answers=None), setup.run.checkpoints, sharding)
    with jax.default_device(setup.mesh.devices.flat[0]):
        if saved is None:
            return jax.device_put(begin(), sharding)
        answers = no_answers(setup.config, setup.steps_per_epoch)
        return replace(saved, answers=jax.device_put(answers, sharding))


def report_epoch(setup: Setup, state: TrainState, rate: Rate) -> EpochReport:
    """Judges the weights after an epoch and says what happened in it."""
    config, steps = setup.config, setup.steps_per_epoch
    judgement = evaluate(config, state.judged, setup.validation)
    rows = steps * config.batch_size
    return EpochReport(
        epoch=int(state.step) // steps,
        step=int(state.step),
        learning_rate=float(make_schedule(config, steps)(state.step)),
        train_loss=float(state.loss_sum) / steps,
        train_accuracy=float(state.correct) / rows,
        val_loss=judgement.loss,
        val_accuracy=judgement.accuracy,
        temperature=judgement.temperature,
        seconds=rate.seconds,
        images_per_second=rate.steps * config.batch_size / rate.seconds,
    )
