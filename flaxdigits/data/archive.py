"""Zip archives: an .npz of arrays, or CSV files as Kaggle packs them."""

import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import PurePosixPath
from typing import BinaryIO, Literal, cast

import numpy as np

from flaxdigits.data.digits import Digits
from flaxdigits.data.kaggle_csv import read_blocks
from flaxdigits.data.source import Source, readable
from flaxdigits.errors import DataError

Part = Literal["train", "test"]

# The names of images and labels in an .npz: ours, those of Keras's mnist.npz, and the common x and y.
NPZ_KEYS = (("images", "labels"), ("x_train", "y_train"), ("x", "y"))


def read_archive(source: Source, part: Part) -> Iterator[Digits]:
    """Reads an .npz, or one CSV file of a .zip: its only one, otherwise train.csv or test.csv as `part` says.

    Yields the digits of a CSV in blocks, as they are read.

    Raises:
        DataError: if the archive is damaged, or holds no such file.
    """
    with readable(source.name), source.open() as file, zipfile.ZipFile(file) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/")]
        if any(name.endswith(".npy") for name in names):
            yield read_npz(source)
            return
        chosen = _choose_csv(names, part, source.name)
        for digits in read_blocks(lambda: cast(BinaryIO, archive.open(chosen)), f"{source.name}/{chosen}"):
            yield replace(digits, name=source.name)  # which `load` takes, when a run is resumed


def _choose_csv(names: list[str], part: Part, archive: str) -> str:
    """Returns the name of the file to read."""
    # The Finder adds a file of its own below __MACOSX for each that it packs.
    tables = [name for name in names if name.lower().endswith(".csv") and not name.startswith("__MACOSX/")]
    chosen = tables if len(tables) == 1 else [name for name in tables if PurePosixPath(name).name == f"{part}.csv"]
    if len(chosen) != 1:
        found = ", ".join(names[:5]) or "nothing"
        raise DataError(f"{archive}: expected one .csv file or {part}.csv in it, got {found}")
    return chosen[0]


def read_npz(source: Source) -> Digits:
    """Reads images and labels from an .npz: images + labels (+ writers), Keras's x_train + y_train, or x + y.

    Raises:
        DataError: if it holds no images under these names, or the arrays are not digits.
    """
    with readable(source.name), source.open() as file, np.load(file) as arrays:
        for images, labels in NPZ_KEYS:
            if images in arrays:
                found = np.asarray(arrays[images])
                return Digits.of_arrays(found, arrays.get(labels), arrays.get("writers"), source.name)
        held = ", ".join(arrays.files) or "nothing"
    raise DataError(f"{source.name}: expected an array called images, x_train or x, got {held}")
