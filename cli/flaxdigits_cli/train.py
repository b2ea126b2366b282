"""`flaxdigits train`."""

from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flaxdigits.extras import require
from flaxdigits.runs import IfExists, Run
from flaxdigits.training.config import Device, Moments, Precision, Streaming, TrainConfig
from flaxdigits.training.presets import PRESETS, Preset
from flaxdigits_cli.compilation_cache import use_compilation_cache
from flaxdigits_cli.distributed import check_distributed, is_connected, meet, results_only
from flaxdigits_cli.interrupt import Interrupt
from flaxdigits_cli.outcome import compare, evaluate_finished, finish
from flaxdigits_cli.show import note, training_bar

if TYPE_CHECKING:
    from flaxdigits.data.digits import Digits
    from flaxdigits.training.training import Training

    Start = Callable[..., Training]

DEFAULTS = PRESETS["default"]
INVERSION_SAMPLE = 10_000  # digits
SLOW_TO_READ = 1_000_000  # digits


def widths(text: str) -> tuple[int, ...]:
    """Parses widths such as 1024,512,256."""
    try:
        return tuple(int(width) for width in text.split(","))
    except ValueError:
        raise typer.BadParameter(f"expected widths such as 1024,512,256, got {text!r}") from None


def option(name: str, text: str, **options: Any) -> Any:
    """Declares an option for a field of the configuration; its help shows the value of the default preset."""
    value = getattr(DEFAULTS, name)
    shown = ",".join(map(str, value)) if isinstance(value, tuple) else value
    return typer.Option(f"--{name.replace('_', '-')}", help=f"{text} (default preset: {shown})", **options)


def run(
    data: Annotated[
        str | None, typer.Argument(metavar="DATA", help=f"Labelled digits; {DEFAULTS.data} by default.")
    ] = None,
    preset: Annotated[Preset | None, typer.Option(help="A named configuration.")] = None,
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A configuration, such as a run's config.toml.")
    ] = None,
    resume: Annotated[Path | None, typer.Option(metavar="RUN", help="Resume this run.")] = None,
    source: Annotated[
        str | None,
        typer.Option("--from", metavar="MODEL", help="Fine-tune this model: an .onnx file, a run, or shipped."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="RUN", help="The run directory; runs/<date>-<time> by default.")
    ] = None,
    if_exists: Annotated[IfExists, typer.Option(help="What to do with a run that --out names already.")] = "error",
    epochs: Annotated[int | None, option("epochs", "Passes over the digits.", metavar="N")] = None,
    batch_size: Annotated[int | None, option("batch_size", "Digits per step.", metavar="N")] = None,
    learning_rate: Annotated[float | None, option("learning_rate", "Peak learning rate.", metavar="X")] = None,
    hidden: Annotated[Any, option("hidden", "Widths of the hidden layers.", metavar="N,N,...", parser=widths)] = None,
    precision: Annotated[Precision | None, option("precision", "Precision of the arithmetic.")] = None,
    adam_moments: Annotated[Moments | None, option("adam_moments", "Precision of Adam's moments.")] = None,
    streaming: Annotated[Streaming | None, option("streaming", "Read digits while training, not before.")] = None,
    device: Annotated[Device | None, option("device", "Device to train on.")] = None,
    seed: Annotated[int | None, option("seed", "The same seed gives the same weights.", metavar="N")] = None,
    distributed: Annotated[
        bool, typer.Option("--distributed", help="Train in several processes, which JAX finds in a cluster.")
    ] = False,
    coordinator: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Elsewhere: address of the first process.")
    ] = None,
    processes: Annotated[int | None, typer.Option(metavar="N", min=1, help="Elsewhere: number of processes.")] = None,
    process_id: Annotated[
        int | None, typer.Option(metavar="I", min=0, help="Elsewhere: index of this process, from 0.")
    ] = None,
    evaluate: Annotated[
        bool,
        typer.Option(
            "--evaluate", help="Evaluate the run: on MNIST's test digits, or on held-out digits of other data."
        ),
    ] = False,
) -> None:
    """Trains, then exports the network."""
    changes = {
        "data": data, "epochs": epochs, "batch_size": batch_size, "learning_rate": learning_rate, "hidden": hidden,
        "precision": precision, "adam_moments": adam_moments, "streaming": streaming, "device": device, "seed": seed,
    }  # fmt: skip
    check_exclusive(preset, config, resume, out, source, changes)
    if out == Path():  # also of an empty variable: --out "$RUN"
        raise typer.BadParameter("expected a directory of its own, got the working directory", param_hint="--out")
    if if_exists != "error" and not out:
        raise typer.BadParameter("name the run by --out", param_hint="--if-exists")
    check_distributed(distributed, out or resume, coordinator, processes, process_id)
    require("train", "training")
    if distributed:
        meet(coordinator, processes, process_id)
    use_compilation_cache()
    if resume:
        recipe, start = resumed(resume)
    elif source:
        recipe, start = finetuned(source, changes, out, if_exists)
    else:
        base = PRESETS[preset or "default"]
        recipe = TrainConfig.from_toml(config, **changes) if config else base.changed(**changes)
        start = begun(read_data(recipe.data), recipe, out, if_exists)
    training = watch(recipe, start)
    if not training.is_first:
        return
    try:
        finish(training)
    except KeyboardInterrupt:
        note(f"trained, but not exported; export it with: flaxdigits export {training.run}")
        raise
    if recipe.initial_weights:
        compare(training)
    if evaluate:
        evaluate_finished(training)


def check_exclusive(
    preset: str | None,
    config: Path | None,
    resume: Path | None,
    out: Path | None,
    source: str | None,
    changes: dict[str, Any],
) -> None:
    """Raises a usage error for options that exclude each other."""
    if preset and config:
        raise typer.BadParameter("not together with --preset", param_hint="--config")
    if source and (preset or config or changes["hidden"]):
        raise typer.BadParameter("not together with --preset, --config or --hidden", param_hint="--from")
    if source and not changes["data"]:
        raise typer.BadParameter(
            "name the digits to learn, such as a folder that `label` has made", param_hint="--from"
        )
    if resume and any(value is not None for value in (preset, config, out, source, *changes.values())):
        raise typer.BadParameter(
            "a run resumes with its own configuration; omit the other options", param_hint="--resume"
        )


def begun(digits: "Digits", config: TrainConfig, out: Path | None, if_exists: IfExists) -> "Start":
    """Returns a function that starts a new training run, or resumes the existing one."""
    from flaxdigits.training.fit import fit

    if out and if_exists == "resume" and Run(out).is_begun() and not is_connected():
        note_resumed(Run.existing(out))
    return partial(fit, digits, config, out, if_exists=if_exists)


def finetuned(
    source: str, changes: dict[str, Any], out: Path | None, if_exists: IfExists
) -> tuple[TrainConfig, "Start"]:
    """Returns the configuration for fine-tuning a model, and a function that starts the training."""
    from flaxdigits.inference.shipped import SHIPPED, find_model
    from flaxdigits.training.finetuning import finetuning_config

    digits = read_data(changes["data"])
    path = source if source == SHIPPED else find_model(source).resolve()
    config = finetuning_config(path, len(digits), **changes)
    if not config.validation:
        note(f"note: {len(digits)} digits are too few to hold any out; all are used for training")
    return config, begun(digits, config, out, if_exists)


def read_data(data: str) -> "Digits":
    """Reads labelled digits, and notes what may be wrong with them."""
    from flaxdigits.convention import INK
    from flaxdigits.data.load import load

    source = Path(data)
    digits = load(source.resolve() if source.exists() else data)  # the full path, so that it resumes from anywhere
    if (digits.images[:: 1 + len(digits) // INVERSION_SAMPLE] > INK // 2).mean() > 0.5:
        note("warning: most pixels are ink (0 is paper, 255 is ink), so the images may have to be inverted")
    if len(digits) > SLOW_TO_READ:
        note(f"reading {len(digits):,} digits, for their SHA-256 and for test digits of MNIST among them")
    return digits


def resumed(path: Path) -> tuple[TrainConfig, "Start"]:
    """Returns the configuration of a run, and a function that resumes its training."""
    from flaxdigits.training.fit import resume

    run = Run.existing(path)
    note_resumed(run)
    return TrainConfig.from_toml(run.config), partial(resume, run)


def note_resumed(run: Run) -> None:
    """Repairs a run, and prints what a user should know before it resumes; one of several processes prints nothing."""
    from flaxdigits.training.checkpoint import saved_steps
    from flaxdigits.training.fit import repair_first
    from flaxdigits.training.records import Provenance

    repair_first(run)
    if is_connected():
        return
    begun_with, here = Provenance.read(run.data).jax, version("jax")
    if begun_with != here:
        other = "the weights may differ from those of an uninterrupted run"
        note(f"note: started with JAX {begun_with}, resumed with {here}: {other}")
    if not saved_steps(run.checkpoints) and not run.pretraining.exists():
        note(f"note: {run} has no checkpoint yet, so it begins at its first step")


def watch(config: TrainConfig, start: "Start") -> "Training":
    """Trains with a progress bar and a line per epoch."""
    from flaxdigits.training.processes import is_first

    bar = training_bar(config.batch_size) if is_first() else nullcontext((None, lambda _: None))
    with Interrupt() as interrupt, results_only(), bar as (move, line):
        training = start(on_progress=move, should_stop=interrupt.asked)
        epochs = "1 epoch" if config.epochs == 1 else f"{config.epochs} epochs"
        before = f"{config.pretraining_epochs} of pretraining and " if config.pretraining_epochs else ""
        size = f"{config.parameters:,} parameters, {before}{epochs}"
        line(f"{training.run}: {config.data}, {size}, on {training.devices} in {training.config.precision}")
        if training.advice and not training.step:
            line(f"note: {training.advice}; in a clone: UV_PYTHON=3.12 just train")
        if not len(training):
            line(f"{training.run}: already finished, nothing left to train")
        with training:  # saved even if a line cannot be printed
            for report in training:
                line(str(report))
    return training
