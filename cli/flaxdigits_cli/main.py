"""The program: its table of commands, and its error handling.

Results go to standard output, everything else to standard error. Exit codes: 0 done, 1 a stated
failure in one line, 2 a usage error, 130 interrupted, 143 terminated, 129 hung up.
"""

import errno
import gc
import io
import os
import sys
import warnings
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup
from typer.exceptions import TyperException

import flaxdigits
from flaxdigits import errors
from flaxdigits.printable import printable
from flaxdigits_cli import interrupt
from flaxdigits_cli.show import note

COMMANDS = {
    "train": "Train a network, and export it as model.onnx.",
    "eval": "Evaluate a model on labelled digits.",
    "export": "Export a run's network as one ONNX file.",
    "predict": "Read digits from pictures, CSV or .npz files.",
    "label": "Sort the digits of pictures into folders, to train on.",
    "explain": "Show what was made of a picture, and why.",
    "submit": "Write Kaggle's submission file, and upload it.",
    "inspect": "Describe an .onnx file, and check its contract.",
    "verify": "Check a model against its golden vectors.",
    "doctor": "List versions and devices, and what is missing.",
}
FAILED, INTERRUPTED = 1, 130


class LazyGroup(TyperGroup):
    """Commands whose modules are imported when they are called; their help texts come from the table."""

    def __init__(self, **options: Any) -> None:
        stubs = {name: TyperCommand(name, help=text) for name, text in COMMANDS.items()}
        super().__init__(**(options | {"commands": stubs}))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Returns the command's name, the command itself, and its arguments."""
        name, _, rest = super().resolve_command(ctx, args)
        assert name  # or there was a usage error
        command = typer.Typer(add_completion=False)
        command.command(name, help=COMMANDS[name])(import_module(f"flaxdigits_cli.{name}").run)
        return name, typer.main.get_command(command), rest


# Each command's help uses rich's panels; this one is plain, as importing their renderer takes as long as Typer.
app = typer.Typer(
    cls=LazyGroup, rich_markup_mode=None, help="Train a network that reads handwritten digits, and use it."
)


def show_version(wanted: bool) -> None:
    """Prints the version and exits."""
    if wanted:
        print(f"flaxdigits {flaxdigits.__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Declares the options of the program itself."""


def main() -> None:
    """Runs the program and exits."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a file name may not fit the terminal's encoding
            stream.reconfigure(errors="backslashreplace")
    warnings.showwarning = show_warning
    gc.set_threshold(100_000)  # collecting garbage among freshly imported modules takes 7% of a cold prediction
    try:
        command = typer.main.get_command(app)
        code = command.main(sys.argv[1:] or ["--help"], prog_name="flaxdigits", standalone_mode=False)
    except TyperException as error:
        fail(usage(error), error.exit_code)
    except errors.TrainingInterrupted as error:
        fail(f"{error.message}; {advice(error)}", interrupt.exit_code())
    except errors.FlaxdigitsError as error:
        at_once = isinstance(error, errors.RunStorageError)  # Orbax's threads would print their tracebacks
        fail("; ".join(filter(None, [error.message, advice(error)])), FAILED, at_once)
    except OSError as error:
        of_stream = error.errno in (errno.ENOSPC, errno.EIO, errno.EBADF, errno.EPIPE)
        name = error.filename or ("standard output" if of_stream else "flaxdigits")
        fail(f"{name}: {error.strerror or error}", FAILED)
    if code == INTERRUPTED:
        interrupted()
    sys.exit(code or 0)


def show_warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, file: Any = None, line: Any = None
) -> None:
    """Prints a warning; one about a run in a single line, without its source location."""
    if issubclass(category, errors.RunWarning):
        note(f"warning: {message}")
    else:
        note(warnings.formatwarning(message, category, filename, lineno, line).rstrip())


def usage(error: TyperException) -> str:
    """Returns a usage error in one line."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "flaxdigits"
    return f"{' '.join(error.format_message().split()).rstrip('.')}; `{path} --help` lists the options"


def advice(error: errors.FlaxdigitsError) -> str:
    """Returns what to do next: the command line's own advice, or the library's hint."""
    match error:
        case errors.RunNotFoundError():
            return "create one with: flaxdigits train"
        case errors.RunExistsError():
            return f"resume it with: flaxdigits train --resume {error.run}, or choose another --out, or see --if-exists"
        case errors.RunUnfinishedError():
            exports = f", or export its last checkpoint with: flaxdigits export {error.run}"
            saved = (Path(error.run) / "checkpoints").exists()
            return f"finish it with: flaxdigits train --resume {error.run}{exports if saved else ''}"
        case errors.GoldenError() if "write_golden" in error.hint:
            return "`flaxdigits export --golden FOLDER` writes them"
        case errors.RunLockedError():
            return "wait for it to end"
        case errors.RunStorageError() if "config.toml" in error.message:
            return f"restore it and resume with: flaxdigits train --resume {error.run}, or start a new run"
        case errors.RunStorageError():
            return (
                f"the last checkpoint is kept; once this is fixed, resume with: flaxdigits train --resume {error.run}"
            )
        case errors.TrainingInterrupted():
            return f"resume with: flaxdigits train --resume {error.run}"
        case errors.TrainingError() if "number of processes" in error.hint:
            return f"resume with: flaxdigits train --resume {error.run}, in any number of processes"
        case errors.TrainingError() if "learning_rate" in error.hint:
            return "begin a new run with a lower --learning-rate"
        case errors.RunError() if "restores it" in error.hint:
            return f"`flaxdigits train --resume {error.run}` restores it from the checkpoint"
    return error.hint


def interrupted() -> NoReturn:
    """Ends the process at once: during an orderly shutdown of the interpreter, JAX's pending work would crash it."""
    print("flaxdigits: interrupted", file=sys.stderr, flush=True)
    with suppress(OSError):
        sys.stdout.flush()
    os._exit(INTERRUPTED)


def fail(message: str, code: int, at_once: bool = False) -> NoReturn:
    """Prints an error in one line and exits; at once without an orderly shutdown of the interpreter."""
    with suppress(OSError):  # standard error may be what has failed
        print(f"flaxdigits: {printable(message)}", file=sys.stderr, flush=True)
    processes = sys.modules.get("flaxdigits.training.processes")
    is_connected = processes and processes.connected  # an orderly exit would wait for the others, and they for this one
    if at_once or is_connected:
        with suppress(OSError):
            sys.stdout.flush()
        os._exit(code)
    sys.exit(code)


if __name__ == "__main__":
    main()
