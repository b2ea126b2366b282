"""Every way to read digits: the embedded MNIST, Kaggle's CSV, IDX, NPZ, a folder of pictures.

`load` finds out by the content, not by the name, which of them a source is.
"""

import gzip
import io
import os
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from flaxdigits import kaggle_csv, pictures
from flaxdigits.contract import CLASSES, PIXELS, SIDE
from flaxdigits.digits import Digits
from flaxdigits.errors import DataError

MNIST_TRAIN = "mnist-train"
MNIST_TEST = "mnist-test"
EMBEDDED = Path(__file__).with_name("mnist.npz")

GZIP_MAGIC, ZIP_MAGIC, IDX_MAGIC = b"\x1f\x8b", b"PK\x03\x04", b"\x00\x00\x08"
PICTURE_MAGICS = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"BM")
UNPACKED_BY_NUMPY = frozenset({".gz", ".bz2", ".xz", ".lzma"})  # by their names, not by their content
# Which arrays of an .npz are images and labels: ours, Keras's mnist.npz, and the field's x and y.
NPZ_KEYS = (("images", "labels"), ("x_train", "y_train"), ("x", "y"))


def load(source: Any = MNIST_TRAIN) -> Digits:
    """Reads digits from any source that is known.

    Args:
        source: "mnist-train" (60,000 digits with their writers) or "mnist-test" (10,000), both
            embedded; or a path to a Kaggle CSV (plain, .gz or .zip), an IDX file of images with
            its labels beside it, an .npz, or a folder of pictures in one sub-folder a class;
            or a pandas DataFrame in Kaggle's form.

    Raises:
        DataError: naming the file, and the row or the picture, with what was expected and found.
    """
    if hasattr(source, "columns"):
        return kaggle_csv.read_frame(source)
    if not isinstance(source, str | Path):
        raise DataError(f"expected a name, a path or a DataFrame, got {type(source).__name__}")
    if source in (MNIST_TRAIN, MNIST_TEST):
        return _embedded(str(source))
    path = Path(source)
    if not os.path.exists(path):  # noqa: PTH110 - unlike Path.exists, it is False for a name that is too long
        raise DataError(f"{path}: no such file or folder; embedded are {MNIST_TRAIN} and {MNIST_TEST}")
    return read_folder(path) if path.is_dir() else _read_file(path)


def _embedded(name: str) -> Digits:
    part = name.removeprefix("mnist-")
    with np.load(EMBEDDED) as arrays:
        writers = arrays["train_writers"] if part == "train" else None
        return Digits(arrays[f"{part}_images"], arrays[f"{part}_labels"], writers, name)


def _read_file(path: Path) -> Digits:
    try:
        with unpacking(path):
            return _read_known(path)
    except (RuntimeError, NotImplementedError, UnicodeDecodeError) as error:  # zipfile, of what it cannot unpack
        raise DataError(f"{path}: {error}") from error
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from error


def _read_known(path: Path) -> Digits:
    """Reads a file by what it begins with."""
    with open_unpacked(path) as file:
        head = file.read(4)
    if head.startswith(ZIP_MAGIC):
        return _read_zip(path)
    if head.startswith(IDX_MAGIC):
        return read_idx(path)
    if head.startswith(PICTURE_MAGICS):
        raise DataError(f"{path}: a single picture; `flaxdigits predict` reads those, a data set is a folder")
    is_plain = not is_gzip(path) and path.suffix not in UNPACKED_BY_NUMPY
    return kaggle_csv.read_csv(lambda: _as_text(open_unpacked(path)), str(path), path if is_plain else None)


@contextmanager
def unpacking(path: Path) -> Iterator[None]:
    """Says of compressed data that cannot be unpacked which file it is in."""
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: the compressed data is cut off or damaged; fetch it again") from error


def read_csv_bytes(content: bytes, name: str) -> Digits:
    """Reads Kaggle's CSV from memory, as it comes through a pipe."""
    return kaggle_csv.read_csv(lambda: _as_text(io.BytesIO(content)), name)


def is_gzip(path: Path) -> bool:
    """Whether a file is compressed with gzip, whatever it is called."""
    with path.open("rb") as file:
        return file.read(len(GZIP_MAGIC)) == GZIP_MAGIC


def open_unpacked(path: Path) -> io.BufferedIOBase:
    """Opens a file for reading, through gzip where it is compressed so."""
    return gzip.open(path) if is_gzip(path) else path.open("rb")


def _as_text(binary: Any) -> TextIO:
    return io.TextIOWrapper(binary, encoding="utf-8-sig")


def _read_zip(path: Path) -> Digits:
    """Reads an .npz, or the one CSV file in a .zip as Kaggle hands it out."""
    with zipfile.ZipFile(path) as archive:
        members = [member for member in archive.namelist() if not member.endswith("/")]
        if any(member.endswith(".npy") for member in members):
            return read_npz(path)
        tables = [member for member in members if member.endswith(".csv") and not member.startswith("__MACOSX/")]
        if len(tables) != 1:
            held = ", ".join(members[:5]) or "nothing"
            raise DataError(f"{path}: expected one .csv file in it, got {held}; unpack it and name the one to read")
        return kaggle_csv.read_csv(lambda: _as_text(archive.open(tables[0])), str(path))


def read_npz(path: Path) -> Digits:
    """Reads images and labels from an .npz: images + labels (+ writers), Keras's x_train + y_train, or x + y."""
    try:
        with np.load(path) as arrays:
            for images, labels in NPZ_KEYS:
                if images in arrays:
                    return Digits(
                        _squared(np.asarray(arrays[images])), arrays.get(labels), arrays.get("writers"), str(path)
                    )
            held = ", ".join(arrays.files) or "nothing"
    except ValueError as error:  # pickled objects, which are not read
        raise DataError(f"{path}: {error}") from error
    raise DataError(f"{path}: expected an array called images, x_train or x, got {held}")


def _squared(images: np.ndarray) -> np.ndarray:
    return images.reshape(-1, SIDE, SIDE) if images.ndim == 2 and images.shape[1] == PIXELS else images


def read_idx(path: Path) -> Digits:
    """Reads an IDX file of images, with or without gzip, and the labels that lie beside it.

    The labels' name is the images' with "labels" for "images" and "idx1" for "idx3".
    """
    images = read_idx_array(path)
    if images.ndim != 3:
        raise DataError(f"{path}: expected an IDX file of images (3 dimensions), got {images.ndim}")
    labels = path.with_name(path.name.replace("images", "labels").replace("idx3", "idx1"))
    found = labels != path and labels.exists()
    return Digits(images, read_idx_array(labels) if found else None, name=str(path))


def read_idx_array(path: Path) -> np.ndarray:
    """Reads one array of bytes in IDX form (LeCun 1998): a magic number, the big-endian sizes, the data."""
    with unpacking(path), open_unpacked(path) as file:
        content = file.read()
    dimensions = content[3] if len(content) > 3 else 0
    start = 4 + 4 * dimensions
    if len(content) < start:
        raise DataError(f"{path}: expected at least {start} bytes for an IDX header, got {len(content)}")
    shape = tuple(np.frombuffer(content[4:start], ">u4").tolist())
    expected = start + int(np.prod(shape, dtype=np.int64))
    if len(content) != expected:
        raise DataError(f"{path}: expected {expected} bytes for IDX data of shape {list(shape)}, got {len(content)}")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def read_folder(folder: Path) -> Digits:
    """Reads a folder of pictures, in one sub-folder for each class, named 0 to 9."""
    files = [(label, file) for label in range(CLASSES) for file in pictures.picture_files(folder / str(label))]
    if not files:
        raise DataError(f"{folder}: no pictures found; expected sub-folders 0 to 9 with pictures in them")
    images = np.stack([pictures.read_picture(file) for _, file in files])
    return Digits(images, np.array([label for label, _ in files], np.uint8), name=str(folder))
