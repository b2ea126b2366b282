"""The engine: sends units through Ray Data to a pool of actors, each with a model in memory.

Ray restarts an actor that dies, and retries its unit. A part has the name of its unit and replaces an existing one
atomically, so a unit that is read twice leaves one part.
"""

import os
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flaxdigits.bulk import Options
from flaxdigits.errors import PartsError
from flaxdigits.inference.recognizer import CPU, Recognizer
from flaxdigits.scale.job import Job, Unit, locked
from flaxdigits.scale.parts import Part, finished_part, read_unit

if TYPE_CHECKING:
    import pyarrow as pa

CPUS = 1  # per actor, and threads of its model: Parquet and pages are read by one thread too, so none is idle
AGAIN = "start it again: the parts that are there are not read again"


class Reader:
    """An actor: reads one unit after another with one model.

    Args:
        model: a reference to the content of the .onnx file.
        out: the folder of parts.
        options: how units are read.
    """

    def __init__(self, model: Any, out: Path, options: Options) -> None:
        import ray

        if find_spec("cv2"):
            import cv2

            cv2.setNumThreads(CPUS)
        self._out, self._options = out, options
        self._recognizer = Recognizer(ray.get(model), CPU, threads=CPUS)

    def __call__(self, units: "pa.Table") -> "pa.Table":
        """Reads units, one in each row; returns their parts."""
        import pyarrow as pa

        read = [read_unit(Unit(**row), self._out, self._recognizer, self._options) for row in units.to_pylist()]
        counts = {"inputs": pa.int64(), "rows": pa.int64()}
        schema = pa.schema({"name": pa.string()} | counts | {"errors": pa.list_(pa.string())})
        return pa.Table.from_pylist([part._asdict() for part in read], schema=schema)


def read_parts(job: Job) -> Iterator[Part]:
    """Reads the units whose parts do not exist yet, on the cluster at RAY_ADDRESS, or on the cores of this machine.

    Args:
        job: as planned. All machines have its inputs and its folder at the same paths, and flaxdigits installed.

    Yields:
        A part for each unit: first those of earlier runs, in order, then each as it is finished.

    Raises:
        PartsError: if the cluster cannot be reached, reading ends early, or another process writes the same parts.
    """
    with locked(job.out):
        yield from read_missing(job)


def read_missing(job: Job) -> Iterator[Part]:
    """Yields the existing parts, then the missing ones, each as it is finished."""
    remove_unfinished(job.out)
    units = []
    for unit in job.units:
        part = finished_part(unit, job.out)
        if part:
            yield part
        else:
            units.append(unit)
    if units:
        with cluster():
            yield from read_units(job, units)
        remove_unfinished(job.out)


def remove_unfinished(out: Path) -> None:
    """Removes the parts that killed workers have left unfinished."""
    for leftover in out.glob(".part-*"):
        leftover.unlink(missing_ok=True)


@contextmanager
def cluster() -> Iterator[None]:
    """Connects to Ray unless the caller already has: to the cluster at RAY_ADDRESS, or to a new one on this machine."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # or a new cluster sends usage statistics to Ray's makers
    import ray

    if ray.is_initialized():
        yield
        return
    address = os.environ.get("RAY_ADDRESS") or "local"
    # In the main thread, Ray would replace the handler of SIGTERM; its processes end with the thread that starts them.
    with ThreadPoolExecutor(1) as starter:
        try:
            start(address, starter)
            yield
        finally:
            ray.shutdown()


def start(address: str, starter: Executor) -> None:
    """Starts or joins a cluster, in a thread of this executor.

    Raises:
        PartsError: if that fails.
    """
    import ray

    try:
        check_reachable(address)
        new = {"include_dashboard": False} if address == "local" else {}
        starter.submit(ray.init, address, log_to_driver=False, logging_level="ERROR", **new).result()
    except Exception as error:  # ConnectionError, RuntimeError or ValueError, depending on the address
        raise PartsError(f"Ray cannot be used at {address}: {one_line(error)}") from error


def check_reachable(address: str) -> None:
    """Raises an OSError if nothing answers at host:port, where Ray would retry for minutes."""
    import socket

    host, _, port = address.removeprefix("ray://").rpartition(":")
    if port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()


def read_units(job: Job, units: list[Unit]) -> Iterator[Part]:
    """Reads units with as many actors as the cluster has cores for; yields each part as it is finished."""
    import logging

    import pyarrow as pa
    import ray
    from ray.data import ActorPoolStrategy, DataContext

    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    DataContext.get_current().enable_progress_bars = False
    actors = max(1, min(len(units), int(ray.cluster_resources().get("CPU", 1)) // CPUS))
    pool = ActorPoolStrategy(size=actors, max_tasks_in_flight_per_actor=1)  # another actor may be free sooner
    missing = {unit.part for unit in units}
    try:
        blocks = [pa.Table.from_pylist([unit._asdict()]) for unit in units]
        arguments = (ray.put(job.model), job.out, job.options)
        read = ray.data.from_arrow(blocks).map_batches(
            Reader, fn_constructor_args=arguments, compute=pool, num_cpus=CPUS, batch_format="pyarrow"
        )
        for table in read.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
            parts = [Part(**row) for row in table.to_pylist()]
            missing -= {part.name for part in parts}
            yield from parts
    except ray.exceptions.RayError as error:
        raise PartsError(f"{job.out}: the reading ended early: {one_line(error)}", AGAIN) from error
    if missing:
        raise PartsError(f"{job.out}: Ray returned without {len(missing)} parts, such as {min(missing)}", AGAIN)


def one_line(error: BaseException) -> str:
    """Returns the reason for a Ray error: its last line, without the tracebacks of other processes."""
    lines = str(getattr(error, "cause", None) or error).strip().splitlines()
    return lines[-1].strip() if lines else type(error).__name__
