"""Reads many files, one after the other or in parallel, with a model in each process."""

import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from flaxdigits.data.inputs import STANDARD_INPUT, Named, PictureFile, read_input
from flaxdigits.errors import DataError
from flaxdigits.inference.recognizer import Recognizer
from flaxdigits.pages import Crop, Mode, Reading, find_crop, is_single, read_as, read_crops, read_images, refuse
from flaxdigits.pictures.reading import read_grey

PARALLEL_FROM = 100  # files; a process takes as long to start as reading these
MOST_PROCESSES = 61  # on Windows, Python cannot wait for more
BATCH = 16  # files handed to a process at a time


class Options(NamedTuple):
    """How files are read.

    Attributes:
        model: an .onnx file; None for the shipped one.
        mode: as for `read_digits`.
        threshold: as for `read_digits`.
    """

    model: Path | None = None
    mode: Mode = "auto"
    threshold: float | None = None


class Result(NamedTuple):
    """What was read in a picture, or in a row of a data file.

    Attributes:
        name: the path, or path:row.
        readings: its digits; empty if nothing stands out from the paper.
    """

    name: str
    readings: list[Reading]


class Single(NamedTuple):
    """A picture of one digit that has yet to be read."""

    name: str
    crop: Crop


def read_files(names: list[str], options: Options) -> Iterator[list[Result] | DataError]:
    """Reads files, and yields the results or the error of each, in the order of the names.

    Raises:
        ModelError: if the model cannot be used.
        DataError: if a process is killed from outside.
    """
    processes = min(os.cpu_count() or 1, len(names) // PARALLEL_FROM, MOST_PROCESSES)
    if processes < 2 or STANDARD_INPUT in names:  # which other processes do not have
        recognizer, size = Recognizer(options.model), BATCH if len(names) >= PARALLEL_FROM else 1
        for batch in batches(names, size):
            yield from read_batch(batch, recognizer, options)
        return
    Recognizer(options.model)  # raises its errors here, not in a process
    import multiprocessing

    context = multiprocessing.get_context("spawn")  # a fork would inherit onnxruntime's threads, and hang
    with ProcessPoolExecutor(processes, context, initialize, (options,)) as pool:
        try:
            for found in pool.map(read_in_process, batches(names, BATCH)):
                yield from found
        except BrokenProcessPool as error:
            raise DataError("a reading process was ended from outside, perhaps for lack of memory") from error
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def batches(names: list[str], size: int) -> Iterator[list[str]]:
    """Yields names in runs of at most `size`."""
    yield from (names[start : start + size] for start in range(0, len(names), size))


def read_file(name: str, recognizer: Recognizer, options: Options) -> list[Result] | DataError:
    """Reads a file."""
    return read_batch([name], recognizer, options)[0]


def read_batch(names: list[str], recognizer: Recognizer, options: Options) -> list[list[Result] | DataError]:
    """Reads files: pages one at a time, all pictures of one digit in one batch, which takes half as long."""
    prepared = [prepare(name, recognizer, options) for name in names]
    crops = [one.crop for one in prepared if isinstance(one, Single)]
    readings = iter(refuse(read_crops(crops, recognizer), options.threshold) if crops else [])
    return [[Result(one.name, [next(readings)])] if isinstance(one, Single) else one for one in prepared]


def prepare(name: str, recognizer: Recognizer, options: Options) -> Single | list[Result] | DataError:
    """Reads a file, except that a picture of one digit is only normalized."""
    try:
        source = read_input(name)
        if not isinstance(source, PictureFile):
            return read_rows(source, recognizer, options)
        grey = read_grey(source.content, source.name)
    except DataError as error:
        return error
    if is_single(grey, recognizer, options.mode):
        crop = find_crop(grey)
        return Single(source.name, crop) if crop else [Result(source.name, [])]
    return [Result(source.name, refuse(read_as(grey, recognizer, options.mode), options.threshold))]


def read_rows(source: Named, recognizer: Recognizer, options: Options) -> list[Result]:
    """Reads the rows of a data file."""
    readings = refuse(read_images(source.images, [None] * len(source.images), recognizer), options.threshold)
    return [Result(name, [reading]) for name, reading in zip(source.names, readings, strict=True)]


_process: tuple[Recognizer, Options] | None = None


def initialize(options: Options) -> None:
    """Loads the model in a new process, which leaves Ctrl-C to its parent."""
    import signal

    global _process
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if find_spec("cv2"):
        import cv2

        cv2.setNumThreads(1)
    _process = Recognizer(options.model, threads=1), options


def read_in_process(names: list[str]) -> list[list[Result] | DataError]:
    """Reads files in a process that `initialize` has prepared."""
    assert _process
    return read_batch(names, *_process)
