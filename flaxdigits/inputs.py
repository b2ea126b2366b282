"""What somebody wants read: files of any known kind, each digit in them with a name of its own."""

import codecs
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from flaxdigits import pictures
from flaxdigits.errors import DataError

STANDARD_INPUT = "-"


class Named(NamedTuple):
    """Digits to read, and what to call each of them.

    Attributes:
        names: a file's path, or path:row with rows from 1 where a file holds many.
        images: uint8 [n, 28, 28].
    """

    names: list[str]
    images: np.ndarray


def read_inputs(sources: list[str]) -> Iterator[Named | DataError]:
    """Reads pictures, tables and folders, one after the other.

    Args:
        sources: pictures, Kaggle CSVs, .npz and IDX files, folders of pictures, or "-" for standard input.

    Yields:
        The digits of a file, or, where a file cannot be read, the error that says why: one bad
        picture among many stops nothing.
    """
    for source in sources:
        for name in _expand(source):
            try:
                yield _read(name)
            except DataError as error:
                yield error


def _expand(source: str) -> list[str]:
    """Lists the pictures of a folder; anything else stands for itself."""
    files = [str(file) for file in pictures.picture_files(Path(source))] if source != STANDARD_INPUT else []
    return files or [source]


def _read(source: str) -> Named:
    if source == STANDARD_INPUT:
        return _read_bytes(sys.stdin.buffer.read())
    path = Path(source)
    if path.is_dir():
        raise DataError(f"{path}: no pictures in this folder; expected {', '.join(sorted(pictures.SUFFIXES))}")
    if path.suffix.lower() in pictures.SUFFIXES:
        return Named([source], pictures.read_picture(path)[None])
    from flaxdigits.data import load  # a picture is read sooner without the readers of data sets

    return _rows(source, load(path).images)


def _read_bytes(content: bytes) -> Named:
    """Reads what came through a pipe: a CSV where it begins as text does, a picture otherwise."""
    name = "standard input"
    if not content:
        raise DataError(f"{name}: nothing came in")
    start = content.removeprefix(codecs.BOM_UTF8)[:5].strip(b'"')
    if start[:1].isdigit() or (start.isalpha() and not start.startswith(b"RIFF")):  # RIFF begins a WebP picture
        from flaxdigits.data import read_csv_bytes

        return _rows(name, read_csv_bytes(content, name).images)
    return Named([name], pictures.read_picture(content, name)[None])


def _rows(source: str, images: np.ndarray) -> Named:
    return Named([f"{source}:{row}" for row in range(1, len(images) + 1)], images)
