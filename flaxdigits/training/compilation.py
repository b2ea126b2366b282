"""The program of a step: its compilation, what is imported beside it, and the error where memory is too small."""

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

import jax

from flaxdigits.errors import TrainingError

LATER = ("scipy.optimize", "orbax.checkpoint", "flaxdigits.training.plots")  # imported during the first steps


def compile_step(lowered: jax.stages.Lowered) -> jax.stages.Compiled:
    """Returns the compiled program."""
    with warnings.catch_warnings():  # JAX 0.12 cannot store a program with oneDNN's products
        warnings.filterwarnings("ignore", "Error writing persistent compilation cache entry")
        return lowered.compile()


def import_later() -> None:
    """Begins to import what is needed after the first steps only."""
    for name in LATER:
        threading.Thread(target=import_module, args=(name,)).start()


@contextmanager
def memory_errors(name: Path) -> Iterator[None]:
    """Turns JAX's error where a device has too little memory into a TrainingError."""
    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        raise TrainingError(
            name, "the device has too little memory", "choose a smaller batch_size or a smaller network"
        ) from error
