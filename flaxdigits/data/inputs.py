"""Inputs of `predict`: files of any supported form, folders of pictures and standard input."""

import os
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np

from flaxdigits.data.source import Source, read_all, readable
from flaxdigits.errors import DataError
from flaxdigits.pictures.reading import picture_files

STANDARD_INPUT = "-"


class Named(NamedTuple):
    """Images of digits from a data file, with a name for each.

    Attributes:
        names: path:row, rows from 1.
        images: uint8 [n, 28, 28].
    """

    names: list[str]
    images: np.ndarray


class PictureFile(NamedTuple):
    """The content of a picture."""

    name: str
    content: bytes


def expand(source: str) -> list[str]:
    """Lists the pictures of a folder; returns anything else unchanged.

    Raises:
        DataError: if there are no pictures in the folder.
    """
    if source == STANDARD_INPUT or not os.path.isdir(source):  # noqa: PTH112 - False for a name that is too long
        return [source]
    files = picture_files(Path(source))
    if not files:
        raise DataError(f"{source}: no pictures in this folder")
    return [str(file) for file in files]


def standard_input() -> Source:
    """Reads standard input.

    Raises:
        DataError: if it is too large, or never ends.
    """
    with readable("standard input"):
        return Source(read_all(sys.stdin.buffer), "standard input")


def read_input(name: str) -> Named | PictureFile:
    """Reads a file: a picture, or a Kaggle CSV, .npz or IDX file; or one of these from standard input, named "-".

    Raises:
        DataError: if it cannot be read.
    """
    source = standard_input() if name == STANDARD_INPUT else Source.file(Path(name))
    if source.form() == "other":
        return PictureFile(source.name, source.read())
    from flaxdigits.data.load import read_source  # not needed for pictures, and slower to import

    images = read_source(source).images
    return Named([f"{source.name}:{row}" for row in range(1, len(images) + 1)], images)
