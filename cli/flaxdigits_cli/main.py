"""The program: its commands, and what becomes of an error.

Results go to standard output, everything else to standard error. Exit codes: 0 done, 1 a stated
failure in one line, 2 a usage error, 130 interrupted.

The parser is argparse's, and a command's module is imported when it is called: CONTRIBUTING.md says why.
"""

import argparse
import gc
import io
import os
import sys
from contextlib import suppress
from importlib import import_module
from typing import NoReturn

import flaxdigits
from flaxdigits.errors import FlaxdigitsError, TrainingInterrupted

COMMANDS = {
    "train": "train a network, and write its run directory with the curves and model.onnx in it",
    "eval": "evaluate a model: accuracy, errors, loss, calibration, confusion, the worst mistakes",
    "export": "write a run's network as one ONNX file, after checking that it answers as the network does",
    "predict": "read digits; a picture holds one, of any size, dark on light or light on dark",
    "submit": "write Kaggle's submission file for Digit Recognizer, and hand it in if asked to",
    "inspect": "say what an .onnx file is, and in what it breaks the contract",
    "verify": "show that a model answers here as it did at home, with its golden vectors",
    "doctor": "say which versions and devices are here, what is missing, and how to get it",
}
FAILED, INTERRUPTED = 1, 130


class Parser(argparse.ArgumentParser):
    """An ArgumentParser that states a usage error in one line."""

    def error(self, message: str) -> NoReturn:
        """Says what is wrong, and where help is; exits with 2."""
        self.exit(2, f"flaxdigits: {message}; `{self.prog} --help` shows what it takes\n")


def make_parser(called: str) -> Parser:
    """Returns the parser of the whole command line, with the options of the command that is called."""
    parser = Parser(prog="flaxdigits", description="Train a network that reads handwritten digits, and use it.")
    parser.add_argument("--version", action="version", version=f"flaxdigits {flaxdigits.__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, text in COMMANDS.items():
        command = commands.add_parser(name, help=text, description=text)
        if name == called:
            module = import_module(f"flaxdigits_cli.{name}")
            module.add_arguments(command)
            command.set_defaults(run=module.run, parser=command)
    return parser


def main() -> None:
    """Runs the program and exits."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a file's name need not be in the encoding of the terminal
            stream.reconfigure(errors="backslashreplace")
    words = sys.argv[1:] or ["--help"]
    gc.set_threshold(100_000)  # looking for garbage among freshly imported modules takes 7% of a cold prediction
    try:
        parser = make_parser(words[0])
        arguments, unknown = parser.parse_known_args(words)
        if unknown:  # said by the command's own parser, whose help lists its options
            getattr(arguments, "parser", parser).error(f"unrecognized arguments: {' '.join(unknown)}")
        sys.exit(arguments.run(arguments) or 0)
    except TrainingInterrupted as error:
        _fail(str(error), INTERRUPTED)
    except KeyboardInterrupt:
        print("flaxdigits: interrupted", file=sys.stderr, flush=True)
        with suppress(OSError):
            sys.stdout.flush()
        os._exit(INTERRUPTED)  # what JAX has in work would crash while the interpreter ends in order
    except FlaxdigitsError as error:
        _fail(str(error), FAILED)
    except BrokenPipeError:  # whoever read the output has had enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(FAILED)
    except OSError as error:
        _fail(f"{error.filename or 'flaxdigits'}: {error.strerror or error}", FAILED)


def _fail(message: str, code: int) -> NoReturn:
    print(f"flaxdigits: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    main()
