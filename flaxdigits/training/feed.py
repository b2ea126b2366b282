"""The feed of an epoch's digits to the devices: all at once, or in chunks that are read while the devices train.

A step takes its batch from arrays on the devices. These hold all digits in their own order where they fit there, and
otherwise the digits of the next steps, in the epoch's order: the batches are the same.
"""

import math
import mmap
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import NamedTuple, Protocol

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jaxtyping import Array, Int, UInt8

from flaxdigits.convention import PIXELS
from flaxdigits.training.config import TrainConfig
from flaxdigits.training.devices import memory_for_digits, replicated_sharding
from flaxdigits.training.examples import Examples

CHUNK = 2**16  # digits, 51 MB: about a second of work on a CPU
READERS = 128  # threads; each waits for one page at a time, and a network disk serves one thread 270 a second


class Chunk(NamedTuple):
    """Digits on the devices, and the steps that take them.

    Attributes:
        images: uint8 [n, 28, 28].
        labels: uint8 [n].
        order: the rows in which batches are taken, int32 [n].
        end: the first step of the epoch, from 0, whose digits are not among them.
    """

    images: UInt8[Array, "n 28 28"]
    labels: UInt8[Array, " n"]
    order: Int[Array, " n"]
    end: int

    @property
    def arrays(self) -> tuple[Array, Array, Array]:
        """Those that a step takes."""
        return self.images, self.labels, self.order


class Feed(Protocol):
    """The training digits on their way to the devices."""

    def chunks(self, order: Int[np.ndarray, " n"], step: int) -> Generator[Chunk, None, None]:
        """Yields an epoch's chunks.

        Args:
            order: the rows of the training digits, int32 [n].
            step: the first to be taken, from 0 in each epoch.
        """


def make_feed(examples: Examples, rows: Int[np.ndarray, " n"], config: TrainConfig, mesh: Mesh) -> Feed:
    """Returns the feed of a training: in chunks where the digits do not fit on the devices.

    Args:
        examples: all of them.
        rows: of those to be trained on.
        config: of the training.
        mesh: the devices.
    """
    streams = len(rows) * PIXELS > memory_for_digits(mesh) if config.streaming == "auto" else config.streaming == "on"
    kind = StreamedFeed if streams else ResidentFeed
    return kind(examples, rows, config.batch_size, replicated_sharding(mesh))


class ResidentFeed:
    """All training digits on the devices."""

    def __init__(
        self, examples: Examples, rows: Int[np.ndarray, " n"], batch_size: int, sharding: NamedSharding
    ) -> None:
        self.images, self.labels = jax.device_put((examples.images(rows), examples.labels(rows)), sharding)
        self.steps, self.sharding = math.ceil(len(rows) / batch_size), sharding

    def chunks(self, order: Int[np.ndarray, " n"], step: int) -> Generator[Chunk, None, None]:
        """Yields the one chunk of the whole epoch."""
        yield Chunk(self.images, self.labels, jax.device_put(order, self.sharding), self.steps)


class StreamedFeed:
    """Training digits that stay where they are, such as in a memory-mapped file, but for a chunk or two."""

    def __init__(
        self, examples: Examples, rows: Int[np.ndarray, " n"], batch_size: int, sharding: NamedSharding
    ) -> None:
        self.examples, self.rows, self.sharding = examples, rows, sharding
        self.steps = math.ceil(len(rows) / batch_size)
        self.chunk_steps = min(max(1, CHUNK // batch_size), self.steps)
        self.order = jax.device_put(np.arange(self.chunk_steps * batch_size, dtype=np.int32), sharding)

    def chunks(self, order: Int[np.ndarray, " n"], step: int) -> Generator[Chunk, None, None]:
        """Yields chunks of equal length, each read while the one before is in use."""
        starts = range(step - step % self.chunk_steps, self.steps, self.chunk_steps)
        with (
            single_pages(self.examples.digits.images),
            ThreadPoolExecutor(READERS) as readers,
            ThreadPoolExecutor(1) as ahead,
        ):
            try:
                chunk = ahead.submit(self.read, order, starts[0], readers)
                for start in starts[1:]:
                    ready, chunk = chunk.result(), ahead.submit(self.read, order, start, readers)
                    yield ready
                yield chunk.result()
            finally:
                readers.shutdown(wait=False, cancel_futures=True)

    def read(self, order: Int[np.ndarray, " n"], start: int, readers: ThreadPoolExecutor) -> Chunk:
        """Returns the chunk that begins with a step; after the epoch's end it is filled up from its beginning."""
        count = len(self.order)
        positions = np.arange(count, dtype=np.int64) + start // self.chunk_steps * count
        rows = self.rows[order[positions % len(order)]]
        labels = self.examples.labels(rows)
        images = np.concatenate(list(readers.map(self.examples.images, np.array_split(rows, READERS))))
        images, labels = jax.device_put((images, labels), self.sharding)
        return Chunk(images, labels, self.order, end=min(start + self.chunk_steps, self.steps))


@contextmanager
def single_pages(array: np.ndarray) -> Iterator[None]:
    """Has the system read single pages of the file that an array is mapped from, if it is, as suits shuffled rows."""
    base: object = array
    while isinstance(base, np.ndarray):
        base = base.base
    mapped = base if isinstance(base, mmap.mmap) and hasattr(mmap, "MADV_RANDOM") else None  # not on Windows
    if mapped:
        mapped.madvise(mmap.MADV_RANDOM)
    try:
        yield
    finally:
        if mapped:
            mapped.madvise(mmap.MADV_NORMAL)
