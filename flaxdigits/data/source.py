"""A source of bytes: a file or standard input, decompressed, and its form, detected from its first bytes."""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal, cast

import numpy as np

from flaxdigits.errors import DataError

GZIP_MAGIC = b"\x1f\x8b"
ZIP_MAGICS = (b"PK\x03\x04", b"PK\x05\x06")  # the second begins an empty archive
IDX_HEAD = re.compile(rb"\0\0[\x08\x09\x0b-\x0e][^\0]")  # two zeros, the type, the number of dimensions
# The first cell of a CSV of digits: a number, a short name or nothing, then a comma.
CSV_HEAD = re.compile(rb'(\xef\xbb\xbf)?\s*"?[\w .:-]*"?\s*,')
HEAD = 512  # bytes that `form` looks at
MOST_HELD = 2**30  # bytes of a picture, or of a pipe, that are read into memory
# A small file must not become a large array: digits compress to a tenth of their size, zeros to a thousandth.
EXPANSION, ALLOWANCE = 100, 2**26
BLOCK = 2**20  # bytes read at a time

Form = Literal["csv", "idx", "zip", "other"]


@dataclass(frozen=True)
class Source:
    """A file, or bytes in memory, that can be opened repeatedly.

    Attributes:
        data: the path of the file, or the bytes.
        name: the name used in messages.
    """

    data: Path | bytes
    name: str

    @classmethod
    def file(cls, path: Path) -> "Source":
        """Returns a file as a source, named by its path; a pipe is read into memory, since it can be opened only once.

        Raises:
            DataError: if there is no such file.
        """
        with readable(str(path)):
            return cls(path if path.is_file() else _read_pipe(path), str(path))

    @property
    def most(self) -> int:
        """The maximum size of the decompressed content, bytes."""
        packed = len(self.data) if isinstance(self.data, bytes) else self.data.stat().st_size
        return ALLOWANCE + EXPANSION * packed

    def open(self) -> BinaryIO:
        """Opens the content, decompressing gzip; reading more than `most` bytes of it raises a ValueError."""
        if not self.is_gzip():
            return self._open_packed()
        from flaxdigits.data.gzipped import LimitedGzipFile  # here, since reading one picture does not need it

        return cast(BinaryIO, LimitedGzipFile(self._open_packed(), self.most))

    def open_archive(self) -> BinaryIO:
        """Opens the content for random access, for which gzip is decompressed as a whole."""
        return io.BytesIO(self.read()) if self.is_gzip() else self._open_packed()

    def is_gzip(self) -> bool:
        """Returns whether the content is compressed with gzip, whatever its name."""
        with self._open_packed() as file:
            return file.read(len(GZIP_MAGIC)) == GZIP_MAGIC

    def read(self) -> bytes:
        """Returns the decompressed content.

        Raises:
            DataError: if it cannot be read, or is too large.
        """
        with readable(self.name), self.open() as file:
            return read_all(file, self.most if self.is_gzip() else MOST_HELD)

    def array(self) -> np.ndarray:
        """Returns the decompressed content, uint8 [n]; a file that is not compressed is memory-mapped, not read.

        Raises:
            DataError: if it cannot be read.
        """
        if isinstance(self.data, bytes) or self.is_gzip():
            return np.frombuffer(self.read(), np.uint8)
        with readable(self.name):
            return np.memmap(self.data, np.uint8, mode="r")

    def form(self) -> Form:
        """Returns the form that the first bytes indicate; "other" for pictures and for anything unknown.

        Raises:
            DataError: if the source is empty or cannot be read.
        """
        with readable(self.name), self.open() as file:
            head = file.read(HEAD)
        if not head:
            raise DataError(f"{self.name}: empty")
        if head.startswith(ZIP_MAGICS):
            return "zip"
        if IDX_HEAD.match(head):
            return "idx"
        # "RIFF," may begin a WebP picture, but then zero bytes follow, which text does not have.
        return "csv" if CSV_HEAD.match(head) and b"\0" not in head else "other"

    def _open_packed(self) -> BinaryIO:
        return io.BytesIO(self.data) if isinstance(self.data, bytes) else self.data.open("rb")


def read_all(file: BinaryIO, most: int = MOST_HELD) -> bytes:
    """Reads an open file to its end.

    Raises:
        ValueError: if it has more bytes than `most`, or never ends.
    """
    parts, size = [], 0
    while part := file.read(BLOCK):
        size += len(part)
        if size > most:
            raise ValueError(f"more than {most:,} bytes, which are not read into memory")
        parts.append(part)
    return b"".join(parts)


def _read_pipe(path: Path) -> bytes:
    with path.open("rb") as file:
        return read_all(file)


@contextmanager
def readable(name: str) -> Iterator[None]:
    """Turns the errors of opening, decompressing and parsing damaged content into a DataError.

    Raises:
        DataError: with `name` and the reason, in one line.
    """
    try:
        yield
    except _errors_of_damage() as error:
        raise DataError(f"{name}: {_reason(error)}") from error


def _errors_of_damage() -> tuple[type[Exception], ...]:
    """Returns what gzip, zipfile and numpy raise for damaged files; they have no common base but Exception."""
    from tokenize import TokenError

    built_in = (OSError, ValueError, RuntimeError, MemoryError, LookupError, ArithmeticError, SyntaxError, TypeError)
    return (*_compression_errors(), TokenError, *built_in)


def _compression_errors() -> tuple[type[Exception], ...]:
    import gzip
    import lzma
    import struct
    import zipfile
    import zlib

    return EOFError, zlib.error, gzip.BadGzipFile, lzma.LZMAError, zipfile.BadZipFile, struct.error


def _reason(error: Exception) -> str:
    if isinstance(error, _compression_errors()):
        return "the compressed data is truncated or damaged"
    if isinstance(error, UnicodeDecodeError):
        return "not text, so not a CSV of digits"
    reason = error.strerror if isinstance(error, OSError) else None
    return reason or " ".join(str(error).split()) or type(error).__name__
