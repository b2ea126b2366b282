"""`flaxdigits train`."""

import argparse
import os
import signal
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, get_args

from flaxdigits.extras import require
from flaxdigits.training.config import Device, Precision, TrainConfig
from flaxdigits.training.presets import PRESETS
from flaxdigits_cli.show import command_line, epoch_line, note, note_temperature, training_bar

if TYPE_CHECKING:
    from flaxdigits.runs import Run
    from flaxdigits.training.export import ExportReport
    from flaxdigits.training.history import EpochReport

DEFAULTS = PRESETS["default"]
STOPS = (signal.SIGINT, signal.SIGTERM)
CHANGES = (
    "data",
    "epochs",
    "batch_size",
    "learning_rate",
    "hidden",
    "members",
    "teachers",
    "precision",
    "device",
    "seed",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Says what the command takes; what is left out comes from the preset or the configuration file."""
    parser.add_argument("data", nargs="?", metavar="DATA", help=f"what to train on (default: {DEFAULTS.data})")
    recipe = parser.add_mutually_exclusive_group()
    recipe.add_argument("--preset", choices=PRESETS, help="a whole configuration (default: default)")
    recipe.add_argument("--config", type=Path, metavar="FILE", help="a configuration, as runs keep it in config.toml")
    recipe.add_argument("--resume", type=Path, metavar="RUN", help="continue this run to its configured end")
    parser.add_argument("--out", type=Path, metavar="RUN", help="the run directory (default: runs/<date>-<time>)")
    _add(parser, "epochs", "times each digit is seen", type=int, metavar="N")
    _add(parser, "batch_size", "digits a step", type=int, metavar="N")
    _add(parser, "learning_rate", "the peak of the learning rate", type=float, metavar="X")
    _add(parser, "hidden", "widths of the hidden layers", type=widths, metavar="N,N,...")
    _add(parser, "members", "networks trained side by side and read as one, a committee", type=int, metavar="N")
    _add(
        parser,
        "teachers",
        "runs whose answers are learned in place of the labels",
        type=run_names,
        metavar="RUN,RUN,...",
    )
    _add(parser, "precision", "of the arithmetic", choices=get_args(Precision))
    _add(parser, "device", "what to train on", choices=get_args(Device))
    _add(parser, "seed", "the same seed gives the same weights", type=int, metavar="N")


def _add(parser: argparse.ArgumentParser, name: str, text: str, **options: Any) -> None:
    """Adds an option that changes one value of the configuration; help shows what the default preset has."""
    value = getattr(DEFAULTS, name)
    shown = ",".join(map(str, value)) or "none" if isinstance(value, tuple) else value
    parser.add_argument(f"--{name.replace('_', '-')}", help=f"{text} (default preset: {shown})", **options)


def run_names(text: str) -> tuple[str, ...]:
    """Reads runs with commas between them; runs/latest becomes the run it points at, before it points elsewhere."""
    return tuple(os.path.relpath(Path(name.strip()).resolve()) if name.strip() else "" for name in text.split(","))


def widths(text: str) -> tuple[int, ...]:
    """Reads widths such as 1024,512,256."""
    try:
        return tuple(int(width) for width in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected widths such as 1024,512,256, got {text!r}") from None


def run(arguments: argparse.Namespace) -> None:
    """Trains, then exports what the training gave."""
    changes = {name: getattr(arguments, name) for name in CHANGES}
    if arguments.resume and any(value is not None for value in (arguments.out, *changes.values())):
        arguments.parser.error("--resume continues a run with the configuration it has; leave the rest out")
    require("train", "training")
    if arguments.resume:
        _resume(arguments.resume)
    else:
        preset = PRESETS[arguments.preset or "default"]
        config = TrainConfig.from_toml(arguments.config, **changes) if arguments.config else preset.changed(**changes)
        _begin(config, arguments.out)


def _begin(config: TrainConfig, out: Path | None) -> None:
    from flaxdigits.data import load
    from flaxdigits.runs import Run
    from flaxdigits.training.fit import fit

    source = Path(config.data)
    digits = load(source.resolve() if source.exists() else config.data)  # whole, so that it resumes from anywhere
    run = Run(out) if out else Run.new()
    _watch(run, config, lambda **hooks: fit(digits, config, run.path, **hooks))


def _resume(path: Path) -> None:
    from flaxdigits.data import load
    from flaxdigits.runs import Run
    from flaxdigits.training.checkpoint import saved_step
    from flaxdigits.training.fit import resume
    from flaxdigits.training.provenance import Provenance

    run = Run.existing(path)
    begun_with, here = Provenance.read(run.data).jax, version("jax")
    if begun_with not in ("", here):
        note(f"note: begun with JAX {begun_with}, goes on with {here}: the weights will be others than without a stop")
    if not saved_step(run.checkpoints):
        note(f"note: {run} has no step saved yet, so this begins at its first")
    config = TrainConfig.from_toml(run.config)
    digits = load(config.data)
    _watch(run, config, lambda **hooks: resume(digits, run, **hooks))


def _watch(run: "Run", config: TrainConfig, start: "Callable[..., Iterator[EpochReport]]") -> None:
    """Draws the training as it goes, then exports what it gave."""
    from flaxdigits.training.devices import describe, make_mesh
    from flaxdigits.training.export import export
    from flaxdigits.training.provenance import Provenance

    device = describe(make_mesh(config.device, config.batch_size))
    with Interrupt() as interrupt, training_bar(config.batch_size) as (move, line):
        reports = start(on_progress=move, should_stop=interrupt.asked)
        line(f"{run}: {config.data}, {config.parameters:,} parameters, {config.epochs} epochs, on {device}")
        done = [line(epoch_line(report, config.epochs)) for report in reports]
    if not done:
        note(f"{run}: was finished already, nothing was left to train")
    _show(run, export(run, command=command_line()))
    shared = Provenance.read(run.data).rows_in_mnist_test
    if shared:
        note(f"note: {shared} of MNIST's test digits are in the training data, so do not judge the model by them")


class Interrupt:
    """Ctrl-C as a request: the first lets the step finish and the state be saved.

    A second, once the first is answered, ends the process at once. It is left to the system: raised as an exception
    while JAX compiles or computes, it would be lost, or crash.
    """

    def __enter__(self) -> Self:
        self._asked = False
        self._before = {kind: signal.signal(kind, self._ask) for kind in STOPS}
        return self

    def __exit__(self, *_: object) -> None:
        for kind, handler in self._before.items():
            signal.signal(kind, handler)

    def asked(self) -> bool:
        """Whether somebody has asked to stop."""
        return self._asked

    def _ask(self, *_: object) -> None:
        self._asked = True
        for kind in STOPS:
            signal.signal(kind, signal.SIG_DFL)
        note("stopping after this step, and saving; once more stops at once")


def _show(run: "Run", exported: "ExportReport") -> None:
    """Says where everything is."""
    compared = f"{exported.gate.digits:,} digits read alike by the model and the file"
    note_temperature(exported.temperature)
    print(f"run     {run}")
    print(f"model   {exported.path}  ({exported.bytes / 1e6:.1f} MB; {compared})")
    print(f"curves  {run.curves}")
