"""Inputs of `predict`: files of any known form and standard input, with a name for each digit in them."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from flaxdigits.data.source import Source
from flaxdigits.errors import DataError
from flaxdigits.pictures.reading import picture_files, read_picture

STANDARD_INPUT = "-"


class Named(NamedTuple):
    """Images of digits, with a name for each.

    Attributes:
        names: a file's path for a picture, path:row for other files, rows from 1.
        images: uint8 [n, 28, 28].
    """

    names: list[str]
    images: np.ndarray


def read_inputs(sources: list[str]) -> Iterator[Named | DataError]:
    """Reads files and folders one after the other.

    Args:
        sources: pictures, Kaggle CSVs, .npz and IDX files, folders of pictures, or "-" for standard input.

    Yields:
        The digits of each file, or the error for a file that cannot be read, so that one bad
        picture does not stop the others.
    """
    for source in sources:
        try:
            names = _expand(source)
        except DataError as error:
            yield error
            continue
        yield from map(_read_or_error, names)


def _expand(source: str) -> list[str]:
    """Lists the pictures of a folder; returns anything else as it is."""
    if source == STANDARD_INPUT or not os.path.isdir(source):  # noqa: PTH112 - False for a name that is too long
        return [source]
    files = picture_files(Path(source))
    if not files:
        raise DataError(f"{source}: no pictures in this folder")
    return [str(file) for file in files]


def _read_or_error(name: str) -> Named | DataError:
    try:
        return _read(_open(name))
    except DataError as error:
        return error


def _open(name: str) -> Source:
    if name == STANDARD_INPUT:
        return Source(sys.stdin.buffer.read(), "standard input")
    return Source.file(Path(name))


def _read(source: Source) -> Named:
    if source.form() == "other":
        return Named([source.name], read_picture(source.read(), source.name)[None])
    from flaxdigits.data.load import read_source  # not needed for pictures, and slower to import

    images = read_source(source).images
    return Named([f"{source.name}:{row}" for row in range(1, len(images) + 1)], images)
