"""IDX, the format that MNIST is published in: a magic number, the big-endian sizes, the data (Y. LeCun, 1998)."""

import math
from pathlib import Path

import numpy as np

from flaxdigits.data.digits import Digits, check_labels
from flaxdigits.data.source import Source
from flaxdigits.errors import DataError

UNSIGNED_BYTES = 0x08  # the type in MNIST's files, third byte of the magic number


def read_idx(source: Source) -> Digits:
    """Reads images, and the labels from the file beside them if there is one.

    The labels' name is the images' with "labels" for "images" and "idx1" for "idx3".

    Raises:
        DataError: if either file is not IDX of the right shape, or they differ in length.
    """
    images = read_idx_array(source, dimensions=3)
    labels = _find_labels(source)
    if labels is None:
        return Digits(images, name=source.name)
    values = check_labels(read_idx_array(labels, dimensions=1), len(images), labels.name)
    return Digits(images, values, name=source.name)


def _find_labels(source: Source) -> Source | None:
    if not isinstance(source.data, Path):
        return None
    path = source.data.with_name(source.data.name.replace("images", "labels").replace("idx3", "idx1"))
    return Source.file(path) if path != source.data and path.exists() else None


def read_idx_array(source: Source, dimensions: int) -> np.ndarray:
    """Reads an array of uint8 with this number of dimensions.

    Raises:
        DataError: if the type, the number of dimensions or the length of the file is wrong.
    """
    content = source.array()
    start = 4 + 4 * dimensions
    if len(content) < start:
        raise DataError(f"{source.name}: expected at least {start} bytes of IDX header, got {len(content)}")
    kind, found = content[2:4].tolist()
    if kind != UNSIGNED_BYTES:
        raise DataError(f"{source.name}: expected IDX of unsigned bytes (type 0x08), got type {kind:#04x}")
    if found != dimensions:
        raise DataError(f"{source.name}: expected IDX of {dimensions} dimensions, got {found}")
    shape = content[4:start].view(">u4").tolist()
    expected = start + math.prod(shape)  # in Python's integers, which do not overflow
    if len(content) != expected:
        raise DataError(f"{source.name}: expected {expected} bytes for IDX of shape {shape}, got {len(content)}")
    return content[start:].reshape(shape)
