"""fit and resume: from digits and a configuration to a run directory with a trained network in it."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax

from flaxdigits.data.digits import Digits
from flaxdigits.data.load import load
from flaxdigits.errors import ConfigError, RunError
from flaxdigits.runs import LATEST, IfExists, Run, check_latest, follow, point_latest
from flaxdigits.training.checkpoint import saved_steps
from flaxdigits.training.config import TrainConfig
from flaxdigits.training.devices import make_mesh
from flaxdigits.training.examples import Examples
from flaxdigits.training.existing import refuse_another, refuse_existing
from flaxdigits.training.finetuning import initial_weights
from flaxdigits.training.model import make_keys, make_model
from flaxdigits.training.precision import fastest_precision
from flaxdigits.training.processes import gathered, is_first, wait_for_all
from flaxdigits.training.records import Provenance, load_again
from flaxdigits.training.repair import repair, restore_data
from flaxdigits.training.setup import OnProgress, Setup, ShouldStop
from flaxdigits.training.training import Training

MAX_STEPS = 2**31 - 1  # the step is an int32


def fit(
    digits: Any,
    config: TrainConfig | None = None,
    out: Run | Path | str | None = None,
    *,
    if_exists: IfExists = "error",
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> Training:
    """Trains a network on labelled digits, into a run directory.

    Nothing is trained or written until the returned iterator is consumed.

    Args:
        digits: labelled `Digits`, or any source that `flaxdigits.load` takes.
        config: the `default` preset by default.
        out: the run directory; runs/<date>-<time> by default.
        if_exists: what to do if `out` holds a run: raise an error, delete it and start over, or resume it.
        on_progress: called after each slice of work, about twice a second.
        should_stop: called before each slice; returning True saves the state and stops.

    Returns:
        An iterator that trains as it is consumed and yields an `EpochReport` per epoch.

    Raises:
        ConfigError, DataError, DeviceError, ModelError: before anything is written.
        RunExistsError: if `out` already holds a run, or holds one with another configuration that was to be resumed.
        RunError: if `out` is not a run, but holds files that training would replace.
        TrainingError: from the iterator, if the loss is not finite; the last checkpoint is kept.
        RunStorageError: from the iterator, if the run directory cannot be written; the last checkpoint is kept.
        TrainingInterrupted: from the iterator, after Ctrl-C or if `should_stop` returned True; the state is saved.
    """
    if out is None and jax.process_count() > 1:
        raise ConfigError("out: expected the name of the run directory, the same in all processes, got none")
    run = Run(follow(Path(out))) if isinstance(out, Path | str) else out or Run.new()
    if if_exists == "resume" and gathered(run.is_begun())[0, 0]:  # as the first process sees it
        repair_first(run)
        refuse_another(run, config)
        return resume(run, digits, on_progress=on_progress, should_stop=should_stop)
    refuse_existing(run, if_exists)
    wait_for_all("checked")  # before the first process begins the run
    setup = prepare(load(digits), config or TrainConfig(), run)
    check_sources(setup.config)
    return Training(run, setup, lambda: begin(setup, if_exists), lambda: 0, on_progress, should_stop)


def resume(
    run: Run | Path | str | None = None,
    digits: Any = None,
    *,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> Training:
    """Resumes a run from its latest checkpoint. The final weights are bit-identical to those of an uninterrupted run.

    Args:
        run: the run directory; runs/latest by default.
        digits: the digits that the run began with; loaded from the configured source by default.
        on_progress: as for `fit`.
        should_stop: as for `fit`.

    Returns:
        An iterator like that of `fit`, over the epochs that were not finished at the checkpoint.

    Raises:
        RunError: if there is no such run, or its digits, its held-out digits or its configuration have changed.
        RunStorageError: from the iterator, if the run directory cannot be written; the last checkpoint is kept.
        TrainingError, TrainingInterrupted: as for `fit`.
    """
    run = Run.existing(run)
    repair_first(run)
    config = TrainConfig.from_toml(run.config)
    setup = prepare(load_again(run, config) if digits is None else load(digits), config, run)
    provenance = checked_provenance(run, setup)
    latest = lambda: max(saved_steps(setup.checkpoints), default=0)  # noqa: E731
    return Training(run, setup, lambda: go_on(setup, provenance), latest, on_progress, should_stop)


def repair_first(run: Run) -> None:
    """Repairs a run in the first process, while the others wait."""
    if is_first():
        repair(run)
    wait_for_all("repaired")


def checked_provenance(run: Run, setup: Setup) -> Provenance:
    """Returns the provenance of a run, checked against the present data and configuration.

    Raises:
        RunError: if they have changed, or if data.json is damaged beyond repair.
    """
    checked = run, setup.examples.digits, setup.validation, setup.config
    provenance = Provenance.read(run.data)
    try:
        provenance.check(*checked)
    except RunError:
        if not (is_first() and restore_data(run)):
            raise
        provenance = Provenance.read(run.data)
        provenance.check(*checked)
    return provenance


def prepare(digits: Digits, config: TrainConfig, run: Run) -> Setup:
    """Splits the digits and finds the devices; writes nothing."""
    digits.known_labels()
    check_latest()
    mesh = make_mesh(config.device, config.batch_size)
    if config.precision == "auto":
        config = replace(config, precision=fastest_precision(mesh))
    held_out = digits.held_out(config.validation, config.seed)
    absolute = Run(run.path.absolute())
    setup = Setup(
        stage="training",
        config=config.changed(data=digits.name),
        name=run.path,
        latest=LATEST.absolute(),
        run=absolute,
        checkpoints=absolute.checkpoints,
        make_model=make_model,
        keys=make_keys(config.seed),
        mesh=mesh,
        examples=Examples.of(digits, held_out, config),
        validation=digits[held_out] if held_out.any() else None,
    )
    for name in ("epochs", "pretraining_epochs"):
        epochs, most = getattr(config, name), MAX_STEPS // setup.steps_per_epoch
        if epochs > most:
            raise ConfigError(f"{name}: expected at most {most:,} of {len(setup.examples):,} pictures, got {epochs:,}")
    return setup


def check_sources(config: TrainConfig) -> None:
    """Raises DataError or ModelError if the initial weights or the replayed digits cannot be loaded."""
    initial_weights(config)
    if config.replay:
        load(config.replay_data).known_labels()


def go_on(setup: Setup, provenance: Provenance) -> None:
    """Checks what the checkpoint does not contain, and points runs/latest at the run if there is a runs/ here."""
    provenance.check_added(setup.run, setup.examples)
    if not saved_steps(setup.run.checkpoints):
        provenance.check_initial(setup.run, sha256_of(setup.config))
    if setup.latest.parent.is_dir():
        point_latest(setup.run, setup.latest)


def sha256_of(config: TrainConfig) -> str:
    """Returns the SHA-256 of the model that training starts from; empty without one."""
    weights = initial_weights(config)
    return weights.sha256 if weights else ""


def begin(setup: Setup, if_exists: IfExists) -> None:
    """Makes the directory a run. The configuration, which marks it as one, is written last."""
    run = setup.run
    refuse_existing(run, if_exists)
    if run.checkpoints.exists():  # at once: an interrupted deletion would leave checkpoints that can be resumed
        away = run.path / f"{run.checkpoints.name}.damaged"
        shutil.rmtree(away, ignore_errors=True)
        run.checkpoints.rename(away)
    for path in run.results():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    run.config.unlink(missing_ok=True)
    Provenance.of(setup.examples, setup.validation, setup.config, sha256_of(setup.config)).save(run.data)
    setup.config.save(run.config)
    point_latest(run, setup.latest)
