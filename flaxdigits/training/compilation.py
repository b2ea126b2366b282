"""Compilation of the training step, deferred imports, and the error for too little device memory."""

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
    """Starts importing, in threads, what is needed only after the first steps."""
    for name in LATER:
        threading.Thread(target=import_module, args=(name,)).start()


@contextmanager
def memory_errors(name: Path) -> Iterator[None]:
    """Turns JAX's out-of-memory error into a TrainingError."""
    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        raise TrainingError(
            name, "the device has too little memory", "choose a smaller batch_size or a smaller network"
        ) from error
