"""Atomic file writes: a file is written completely or not at all, even if the power fails."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields a path next to `path`; it is synced to disk and renamed into place when the block succeeds.

    The yielded path keeps the suffix of `path`, since image writers choose their format by it.
    If the block fails, the file at `path` is unchanged and the new one is removed.

    Raises:
        IsADirectoryError: if `path` is a folder; before the block.
    """
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not named by process ID: processes on two machines may have the same ID and share a folder.
    beside = path.with_name(f".{path.stem}.{os.urandom(6).hex()}{path.suffix}")
    try:
        yield beside
        sync(beside)
        os.replace(beside, path)
        if os.name == "posix":  # Windows cannot open a folder
            sync(path.parent)
    except OSError as error:
        if error.filename in (None, str(beside)):  # None for a write to an open file
            error.filename = str(path)
        raise
    finally:
        with suppress(OSError):  # of a disk that has become read-only
            beside.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Waits until a file, or a folder's entries, are on the disk."""
    handle = os.open(path, os.O_RDONLY if os.name == "posix" else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_text(path: Path, text: str) -> None:
    """Writes `text` to `path` as UTF-8, atomically."""
    with replacing(path) as beside:
        beside.write_text(text, encoding="utf-8", newline="\n")


def write_bytes(path: Path, content: bytes) -> None:
    """Writes `content` to `path`, atomically."""
    with replacing(path) as beside:
        beside.write_bytes(content)
