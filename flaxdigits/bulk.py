"""Many files read one after the other, or in parallel, with a model in each process."""

import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from flaxdigits.data.inputs import STANDARD_INPUT, PictureFile, read_input
from flaxdigits.errors import DataError
from flaxdigits.inference.recognizer import Recognizer
from flaxdigits.pages import Mode, Reading, read_digits

PARALLEL_FROM = 100  # files; a process takes as long to start as reading these
MOST_PROCESSES = 61  # on Windows, Python can wait for no more
CHUNK = 16  # files handed to a process at a time


class Options(NamedTuple):
    """How files are read.

    Attributes:
        model: an .onnx file; the shipped one for None.
        mode: as for `read_digits`.
        threshold: as for `read_digits`.
    """

    model: Path | None = None
    mode: Mode = "auto"
    threshold: float | None = None


class Result(NamedTuple):
    """What was read of a picture, or of a row of a data file.

    Attributes:
        name: the path, or path:row.
        readings: its digits; none if nothing stands out from the paper.
    """

    name: str
    readings: list[Reading]


def read_files(names: list[str], options: Options) -> Iterator[list[Result] | DataError]:
    """Reads files, and yields for each its results or the error, in the order of the names.

    Raises:
        ModelError: if the model cannot be used.
        DataError: if a process is ended from outside.
    """
    processes = min(os.cpu_count() or 1, len(names) // PARALLEL_FROM, MOST_PROCESSES)
    if processes < 2 or STANDARD_INPUT in names:  # which other processes do not have
        recognizer = Recognizer(options.model)
        yield from (read_file(name, recognizer, options) for name in names)
        return
    Recognizer(options.model)  # its errors come from here
    import multiprocessing

    context = multiprocessing.get_context("spawn")  # a fork would inherit onnxruntime's threads, and hang
    with ProcessPoolExecutor(processes, context, initialize, (options,)) as pool:
        try:
            yield from pool.map(read_in_process, names, chunksize=CHUNK)
        except BrokenProcessPool as error:
            raise DataError("a reading process was ended from outside, perhaps for lack of memory") from error
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def read_file(name: str, recognizer: Recognizer, options: Options) -> list[Result] | DataError:
    """Reads a file."""
    try:
        source = read_input(name)
        if isinstance(source, PictureFile):
            found = read_digits(source.content, recognizer, options.mode, options.threshold, source.name)
            return [Result(source.name, found)]
    except DataError as error:
        return error
    threshold = recognizer.threshold if options.threshold is None else options.threshold
    prediction = recognizer(source.images)
    figures = (prediction.digits, prediction.confidences, prediction.digitness, prediction.digitness < threshold)
    values = zip(*(array.tolist() for array in figures), strict=True)
    readings = [
        Reading(1, 1, digit, probability, digitness, refused, None, pixels)
        for (digit, probability, digitness, refused), pixels in zip(values, source.images, strict=True)
    ]
    return [Result(name, [reading]) for name, reading in zip(source.names, readings, strict=True)]


_process: tuple[Recognizer, Options] | None = None


def initialize(options: Options) -> None:
    """Loads the model in a new process, which leaves Ctrl-C to the one that started it."""
    import signal

    global _process
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if find_spec("cv2"):
        import cv2

        cv2.setNumThreads(1)
    _process = Recognizer(options.model, threads=1), options


def read_in_process(name: str) -> list[Result] | DataError:
    """Reads a file in such a process."""
    assert _process
    return read_file(name, *_process)
