"""Multi-process training, on one machine or many: how the processes connect, and what they agree on.

All of them run the same steps on the same state; each reads its own part of every batch. Decisions that depend on a
clock, a signal or a measurement are made once for all of them, and only the first process writes the run directory.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import jax
import numpy as np
from jax.sharding import NamedSharding

from flaxdigits.errors import DeviceError, FlaxdigitsError, TrainingError

T = TypeVar("T")

connected = False  # whether this process is one of several
SIGNS_OF_LOSS = ("Gloo", "NCCL", "UNAVAILABLE", "DEADLINE_EXCEEDED", "ABORTED", "coordination")  # in JAX's errors
LOOPBACK = ("127.", "localhost:", "[::1]:")
LOST_AFTER = 30  # seconds without a sign of life, after which a process counts as lost


def connect(coordinator: str | None = None, processes: int | None = None, process_id: int | None = None) -> None:
    """Connects this process to the others of a training run; must come before any other use of JAX.

    Args:
        coordinator: address and port of the first process, such as 10.0.0.1:1234. JAX finds this and the others by
            itself under SLURM, Open MPI, Kubernetes (with its `jobset` or indexed jobs) and on TPU pods.
        processes: the number of processes.
        process_id: the index of this process, from 0.

    Raises:
        DeviceError: if they cannot be found or reached.
    """
    global connected
    jax.config.update("jax_enable_recoverability", True)  # otherwise JAX aborts this process when another one is lost
    bind = coordinator if coordinator and coordinator.startswith(LOOPBACK) else None  # JAX's default is all addresses
    try:
        jax.distributed.initialize(
            coordinator, processes, process_id, heartbeat_timeout_seconds=LOST_AFTER, coordinator_bind_address=bind
        )
        jax.devices()  # now, since it waits for the others too
    except (ValueError, RuntimeError) as error:
        problem, hint = " ".join(str(error).split()), ""
        if "coordinator_address" in problem:
            problem = "JAX finds no cluster (SLURM, Open MPI, Kubernetes, TPU)"
            hint = "name the coordinator, the number of processes and the number of this process"
        raise DeviceError(f"the processes cannot connect to each other: {problem}", hint) from error
    connected = True


def is_first() -> bool:
    """Returns whether this is the process that writes."""
    return jax.process_index() == 0


def gathered(*values: int) -> np.ndarray:
    """Returns the values of all processes, int [processes, values]."""
    if jax.process_count() == 1:
        return np.array([values])
    from jax.experimental import multihost_utils

    return np.asarray(multihost_utils.process_allgather(np.array(values, np.int32))).reshape(-1, len(values))


def wait_for_all(name: str) -> None:
    """Returns when all processes have reached this point.

    Args:
        name: of the point, the same in all of them.
    """
    if jax.process_count() > 1:
        from jax.experimental import multihost_utils

        multihost_utils.sync_global_devices(name)


def replicated(tree: T, sharding: NamedSharding) -> T:
    """Returns arrays that are the same in all processes, with a copy on each device of the sharding."""
    if jax.process_count() == 1:
        return jax.device_put(tree, sharding)
    # jax.device_put would make arrays whose shards cannot be read (JAX 0.10.2).
    return jax.tree.map(
        lambda leaf: jax.make_array_from_callback(leaf.shape, sharding, np.asarray(leaf).__getitem__), tree
    )


def on_this_process(tree: T) -> T:
    """Returns replicated arrays as arrays on one of this process's devices."""
    return jax.tree.map(lambda leaf: leaf.addressable_data(0), tree)


@contextmanager
def lost_processes(name: Path) -> Iterator[None]:
    """Turns JAX's error after another process has ended into a TrainingError.

    Args:
        name: of the run, in the message.
    """
    try:
        yield
    except FlaxdigitsError:
        raise
    except Exception as error:  # JAX's own, or one of Orbax's that quotes it
        reason = str(error).partition("\n")[0]
        if jax.process_count() == 1 or not any(sign in reason for sign in SIGNS_OF_LOSS):
            raise
        problem = f"another process of this training has ended, or cannot be reached: {reason}"
        hint = f"resume with flaxdigits.resume({str(name)!r}), with any number of processes"
        raise TrainingError(name, problem, hint) from error
