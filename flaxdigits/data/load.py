"""`load`: digits from any source, recognized by type and content, not by name."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from flaxdigits.convention import CLASSES
from flaxdigits.data.archive import Part, read_archive
from flaxdigits.data.digits import Digits
from flaxdigits.data.idx import read_idx
from flaxdigits.data.kaggle_csv import read_blocks, read_frame
from flaxdigits.data.source import Source, readable
from flaxdigits.errors import DataError
from flaxdigits.pictures.reading import is_picture, picture_files, read_picture

if TYPE_CHECKING:
    import pandas as pd

    Loadable = str | os.PathLike[str] | Digits | np.ndarray | tuple[Any, Any] | pd.DataFrame

MNIST_TRAIN = "mnist-train"
MNIST_TEST = "mnist-test"
MNIST_TRAIN_SHA256 = "edc0d1098aa497be14ace79ddd5171e5a3dcf9c4d196c015389203eb3ba1f59b"  # as Digits.sha256
EMBEDDED = Path(__file__).with_name("mnist.npz")


def load(source: "Loadable" = MNIST_TRAIN, *, part: Part = "train") -> Digits:
    """Loads digits.

    Args:
        source: one of
            - "mnist-train" (60,000 digits with their writers) or "mnist-test" (10,000), both embedded;
            - a path to a Kaggle CSV (plain, .gz or .zip), an IDX file of images with its labels beside
              it, an .npz, or a folder of pictures with one sub-folder for each class, 0 to 9;
            - images, integers [n, 28, 28] or [n, 784] in 0..255, or a tuple (images, labels);
            - a pandas DataFrame in Kaggle's form;
            - Digits, which are returned unchanged.
        part: which file to take from a .zip with both train.csv and test.csv, as Kaggle's has;
            no effect on other sources.

    Raises:
        DataError: naming the file, and the row or the picture, with what was expected and found.
    """
    if isinstance(source, Digits):
        return source
    if isinstance(source, str | os.PathLike):
        return _load_named(source, part)
    if hasattr(source, "columns"):  # a DataFrame, without importing pandas
        return read_frame(cast("pd.DataFrame", source))
    return _from_arrays(source)


def _load_named(source: str | os.PathLike[str], part: Part) -> Digits:
    if source in (MNIST_TRAIN, MNIST_TEST):
        return _embedded(str(source))
    path = Path(source)
    if not os.path.exists(path):  # noqa: PTH110 - unlike Path.exists, it is False for a name that is too long
        raise DataError(f"{path}: no such file or folder; embedded are {MNIST_TRAIN} and {MNIST_TEST}")
    return read_folder(path) if path.is_dir() else read_source(Source.file(path), part)


def load_blocks(path: Path, *, part: Part = "train") -> Iterator[Digits]:
    """Loads digits from a file, those of a CSV in blocks of about a hundred, as they are read.

    Raises:
        DataError: as for `load`, when the block with the error is reached.
    """
    if os.path.isfile(path):  # noqa: PTH113 - as for `load`
        yield from read_source_blocks(Source.file(path), part)
    else:
        yield load(str(path), part=part)


def _embedded(name: str) -> Digits:
    part = name.removeprefix("mnist-")
    with np.load(EMBEDDED) as arrays:
        writers = arrays["train_writers"] if part == "train" else None
        return Digits(arrays[f"{part}_images"], arrays[f"{part}_labels"], writers, name)


def _from_arrays(source: Any) -> Digits:
    images, labels = source if isinstance(source, tuple) and len(source) == 2 else (source, None)
    if not hasattr(images, "__array__"):
        kind = type(source).__name__
        raise DataError(f"expected a name, a path, an array, (images, labels) or a DataFrame, got {kind}")
    return Digits.of_arrays(np.asarray(images), labels, name="array")


def read_source(source: Source, part: Part = "train") -> Digits:
    """Reads digits from a file or from bytes, recognized by their first bytes.

    Raises:
        DataError: if they are not a CSV, an IDX file, an .npz or a .zip of digits.
    """
    return Digits.joined(list(read_source_blocks(source, part)))


def read_source_blocks(source: Source, part: Part) -> Iterator[Digits]:
    """Reads digits as `read_source` does, those of a CSV in blocks."""
    form = source.form()
    if form == "idx":
        yield read_idx(source)
        return
    if form == "other" and is_picture(source.read()):
        raise DataError(f"{source.name}: a picture; a data set of pictures is a folder with sub-folders 0 to 9")
    with readable(source.name):
        yield from read_archive(source, part) if form == "zip" else read_blocks(source.open, source.name)


def read_folder(folder: Path) -> Digits:
    """Reads a folder of pictures with one sub-folder for each class, named 0 to 9.

    Raises:
        DataError: if there are no pictures, or one of them cannot be read.
    """
    files = [(label, file) for label in range(CLASSES) for file in picture_files(folder / str(label))]
    if not files:
        raise DataError(f"{folder}: no pictures found; expected sub-folders 0 to 9 with pictures in them")
    images = np.stack([read_picture(file) for _, file in files])
    return Digits(images, np.array([label for label, _ in files], np.uint8), name=str(folder))
