"""Feeds an epoch's digits to the devices: all at once, or in chunks that are read while the devices train.

A step takes its batch from arrays on the devices. These hold all digits in their own order if they fit there, otherwise
the batches of the next steps, each split over the devices. Both give the same batches.
"""

import math
import mmap
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple, Protocol

import jax
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Int, UInt8

from flaxdigits.convention import PIXELS, SIDE
from flaxdigits.training.config import TrainConfig
from flaxdigits.training.devices import batches_sharding, memory_for_digits, replicated_sharding
from flaxdigits.training.examples import Examples
from flaxdigits.training.step import Take, take_batch, take_rows

CHUNK = 2**16  # digits, 51 MB: about a second of work on a CPU
READERS = 128  # threads; each waits for one page at a time, and a network disk serves a single thread 270 a second


class Chunk(NamedTuple):
    """Digits on the devices.

    Attributes:
        arrays: what the feed's `take` takes a batch from.
        end: the first step of the epoch, from 0, whose digits are not in the chunk.
    """

    arrays: tuple[Array, ...]
    end: int


class Feed(Protocol):
    """Feeds the training digits to the devices.

    Attributes:
        take: takes a batch from the arrays of a chunk, within a compiled step.
    """

    @property
    def take(self) -> Take:
        """Takes a batch from the arrays of a chunk, within a compiled step."""

    def chunks(self, order: Int[np.ndarray, " n"], step: int) -> Generator[Chunk, None, None]:
        """Yields an epoch's chunks.

        Args:
            order: the rows of the training digits, int32 [n].
            step: the first step to take, counted from 0 in each epoch.
        """


def make_feed(examples: Examples, rows: Int[np.ndarray, " n"], config: TrainConfig, mesh: Mesh) -> Feed:
    """Returns the feed for training: in chunks if the digits do not fit on the devices.

    With several processes it is also in chunks: each process reads its own part of every batch.

    Args:
        examples: all examples.
        rows: the rows of those to train on.
        config: the training configuration.
        mesh: the devices.
    """
    too_many = len(rows) * PIXELS > memory_for_digits(mesh)
    streams = too_many if config.streaming == "auto" else config.streaming == "on"
    kind = StreamedFeed if streams or jax.process_count() > 1 else ResidentFeed
    return kind(examples, rows, config.batch_size, mesh)


class ResidentFeed:
    """All training digits on each device."""

    take = staticmethod(take_rows)

    def __init__(self, examples: Examples, rows: Int[np.ndarray, " n"], batch_size: int, mesh: Mesh) -> None:
        self.sharding = replicated_sharding(mesh)
        self.images, self.labels = jax.device_put((examples.images(rows), examples.labels(rows)), self.sharding)
        self.steps = math.ceil(len(rows) / batch_size)

    def chunks(self, order: Int[np.ndarray, " n"], step: int) -> Generator[Chunk, None, None]:
        """Yields the whole epoch as one chunk."""
        yield Chunk((self.images, self.labels, jax.device_put(order, self.sharding)), self.steps)


class StreamedFeed:
    """Training digits that stay where they are, such as in a memory-mapped file, except for a chunk or two.

    Each device has its own part of every batch.
    """

    take = staticmethod(take_batch)

    def __init__(self, examples: Examples, rows: Int[np.ndarray, " n"], batch_size: int, mesh: Mesh) -> None:
        self.examples, self.rows, self.batch_size, self.sharding = examples, rows, batch_size, batches_sharding(mesh)
        self.steps = math.ceil(len(rows) / batch_size)
        self.chunk_steps = min(max(1, CHUNK // batch_size), self.steps)

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
        """Returns the chunk that starts at a step; past the epoch's end it wraps around to the epoch's beginning."""
        shape = (self.chunk_steps, self.batch_size)
        positions = np.arange(math.prod(shape), dtype=np.int64) + start * self.batch_size
        rows = self.rows[order[positions % len(order)]].reshape(shape)
        images = partial(self.images, rows, readers)
        arrays = (
            jax.make_array_from_callback((*shape, SIDE, SIDE), self.sharding, images),
            jax.make_array_from_callback(shape, self.sharding, lambda part: self.labels(rows[part])),
        )
        return Chunk(arrays, end=min(start + self.chunk_steps, self.steps))

    def images(
        self, rows: Int[np.ndarray, "batches size"], readers: ThreadPoolExecutor, part: tuple[slice, ...]
    ) -> UInt8[np.ndarray, "batches part 28 28"]:
        """Returns the pictures of a device's part of the batches."""
        own = rows[part[:2]]
        pictures = readers.map(self.examples.images, np.array_split(own.ravel(), READERS))
        return np.concatenate(list(pictures)).reshape(*own.shape, SIDE, SIDE)

    def labels(self, rows: Int[np.ndarray, "batches part"]) -> UInt8[np.ndarray, "batches part"]:
        """Returns the labels of a device's part of the batches."""
        return self.examples.labels(rows.ravel()).reshape(rows.shape)


@contextmanager
def single_pages(array: np.ndarray) -> Iterator[None]:
    """Disables read-ahead for the file that an array is mapped from, if any, as suits shuffled rows."""
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
