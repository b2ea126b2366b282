"""Zip archives: an .npz of arrays, CSV files as Kaggle packs them, or pictures in folders 0 to 9."""

import re
import warnings
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
from flaxdigits.pictures.reading import USUAL_SUFFIXES, read_picture

Part = Literal["train", "test"]

PICTURE = re.compile(rf"(^|/)[0-9]/[^/.][^/]*({'|'.join(map(re.escape, sorted(USUAL_SUFFIXES)))})$", re.IGNORECASE)
# The names of images and labels in an .npz: ours, those of Keras's mnist.npz, and the common x and y.
NPZ_KEYS = (("images", "labels"), ("x_train", "y_train"), ("x", "y"))


def read_archive(source: Source, part: Part) -> Iterator[Digits]:
    """Reads an .npz, or a .zip with pictures in folders 0 to 9 or with CSV files, of which `part` names one.

    Yields the digits of a CSV in blocks, as they are read.

    Raises:
        DataError: if the archive is damaged, or holds no such file.
    """
    with readable(source.name), source.open_archive() as file, zipfile.ZipFile(file) as archive:
        check_sizes(archive, source)
        names = [name for name in archive.namelist() if not name.endswith("/")]
        if any(name.endswith(".npy") for name in names):
            yield read_npz(file, source.name)
            return
        pictures = [name for name in names if PICTURE.search(name) and not name.startswith("__MACOSX/")]
        if pictures:
            yield _read_pictures(archive, pictures, source.name)
            return
        chosen = _choose_csv(names, part, source.name)
        for digits in read_blocks(lambda: cast(BinaryIO, archive.open(chosen)), f"{source.name}/{chosen}"):
            yield replace(digits, name=source.name)  # which `load` accepts when a run is resumed


def check_sizes(archive: zipfile.ZipFile, source: Source) -> None:
    """Checks the sizes that an archive declares for its files; zipfile never reads more than that.

    Raises:
        DataError: if their sum is larger than that of digits can be.
    """
    total = sum(entry.file_size for entry in archive.infolist())
    if total > source.most:
        raise DataError(f"{source.name}: decompresses to {total:,} bytes, too many for a file of this size")


def _read_pictures(archive: zipfile.ZipFile, names: list[str], name: str) -> Digits:
    """Reads pictures, each in a folder named after its label."""
    images = [read_picture(archive.read(picture), f"{name}/{picture}") for picture in names]
    labels = [int(PurePosixPath(picture).parent.name) for picture in names]
    return Digits(np.stack(images), np.array(labels, np.uint8), name=name)


def _choose_csv(names: list[str], part: Part, archive: str) -> str:
    """Returns the name of the file to read."""
    # The Finder adds a file of its own under __MACOSX for each file that it packs.
    tables = [name for name in names if name.lower().endswith(".csv") and not name.startswith("__MACOSX/")]
    chosen = tables if len(tables) == 1 else [name for name in tables if PurePosixPath(name).name == f"{part}.csv"]
    if len(chosen) != 1:
        found = ", ".join(names[:5]) or "nothing"
        raise DataError(f"{archive}: expected one .csv file or {part}.csv in it, got {found}")
    return chosen[0]


def read_npz(file: BinaryIO, name: str) -> Digits:
    """Reads images and labels from an .npz: images + labels (+ writers), Keras's x_train + y_train, or x + y.

    Raises:
        DataError: if it holds no images under these names, or the arrays are not digits.
    """
    # numpy warns about odd headers; only their shape and type matter here.
    with warnings.catch_warnings(action="ignore"), np.load(file) as arrays:
        for images, labels in NPZ_KEYS:
            if images in arrays:
                found = np.asarray(arrays[images])
                return Digits.of_arrays(found, arrays.get(labels), arrays.get("writers"), name)
        held = ", ".join(arrays.files) or "nothing"
    raise DataError(f"{name}: expected an array called images, x_train or x, got {held}")
