"""The epochs of a training run: each is trained, validated, recorded and saved."""

from collections.abc import Callable, Generator
from contextlib import nullcontext

from flaxdigits import atomic
from flaxdigits.errors import RunError
from flaxdigits.runs import Run, storage_errors
from flaxdigits.training.compilation import memory_errors
from flaxdigits.training.history import EpochReport, history_text, saved_history
from flaxdigits.training.loop import Loop
from flaxdigits.training.model import Params, merge
from flaxdigits.training.processes import is_first, lost_processes, on_this_process, wait_for_all
from flaxdigits.training.records import Provenance
from flaxdigits.training.setup import OnProgress, Setup, ShouldStop
from flaxdigits.training.step import TrainState, make_schedule
from flaxdigits.training.validation import validate


def train(
    setup: Setup,
    begin: Callable[[], None],
    initial_params: Callable[[], Params | None],
    on_progress: OnProgress,
    should_stop: ShouldStop,
) -> Generator[EpochReport, None, None]:
    """Trains from the latest checkpoint, or from the start, and yields a report per epoch.

    Args:
        setup: of the training run.
        begin: called by the first process once the run is locked, before anything else.
        initial_params: as for `Loop.restore`.
        on_progress: as for `Loop`.
        should_stop: as for `Loop`.
    """
    run = setup.run
    with lost_processes(setup.name), run.locked(setup.name) if is_first() else nullcontext():
        if is_first():
            with storage_errors(setup.name):
                begin()
        wait_for_all("begun")
        if not is_first():
            check_same(setup)
        loop = Loop(setup, on_progress, should_stop)
        loop.files = {run.data.name: run.data.read_text(encoding="utf-8")}
        state = loop.restore(initial_params)
        reports = saved_history(run, loop.files)
        record(loop, reports)
        try:
            while int(state.step) < setup.steps:
                with memory_errors(setup.name):
                    state, rate, seconds = loop.run_epoch(state)
                reports.append(report_epoch(loop, state, rate, seconds))
                record(loop, reports)
                if int(state.step) < setup.steps:
                    loop.save_if_due(state)
                else:
                    loop.save(state)
                yield reports[-1]
        except GeneratorExit:  # the caller stopped iterating early
            loop.save_before_exit(state)
            raise
        finally:
            with storage_errors(setup.name):
                plot(reports, run)


def check_same(setup: Setup) -> None:
    """Checks that this process trains with the same data and configuration as the first one.

    Raises:
        RunError: naming the difference: the processes would train different networks, or deadlock.
    """
    begun = Provenance.read(setup.run.data)
    try:
        begun.check(setup.run, setup.examples.digits, setup.validation, setup.config)
        begun.check_added(setup.run, setup.examples)
    except RunError as error:
        hint = "start all processes with the same options, data and versions"
        raise RunError(setup.name, f"this process differs from the first one: {error.message}", hint) from error


def record(loop: Loop, reports: list[EpochReport]) -> None:
    """Writes history.csv, and includes it in the next checkpoints."""
    path, text = loop.setup.run.history, history_text(reports)
    loop.files |= {path.name: text}
    if is_first():
        loop.check_exists()
        with storage_errors(loop.setup.name):
            atomic.write_text(path, text)


def plot(reports: list[EpochReport], run: Run) -> None:
    """Draws the learning curves."""
    if reports and is_first() and run.config.exists():
        from flaxdigits.training.plots import plot_curves

        plot_curves(reports, run.curves)


def report_epoch(loop: Loop, state: TrainState, steps_per_second: float, seconds: float) -> EpochReport:
    """Returns the figures of an epoch, after validating the weights at its end."""
    config, steps = loop.setup.config, loop.setup.steps_per_epoch
    model = merge(loop.graph, *on_this_process((state.final_params, state.variables)))
    figures = validate(model, loop.setup.validation)
    return EpochReport(
        epoch=int(state.step) // steps,
        step=int(state.step),
        learning_rate=float(make_schedule(config, steps)(state.step)),
        train_loss=float(state.loss_sum) / steps,
        train_accuracy=float(state.correct) / (steps * config.batch_size),
        val_loss=figures.loss,
        val_accuracy=figures.accuracy,
        temperature=figures.temperature,
        digitness_threshold=figures.digitness_threshold,
        seconds=seconds,
        images_per_second=steps_per_second * config.batch_size,
    )
