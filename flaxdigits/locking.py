"""A lock on a folder."""

from contextlib import AbstractContextManager
from pathlib import Path


def lock(folder: Path, error: Exception) -> AbstractContextManager[object]:
    """Locks a folder at once, until the returned context ends; creates the folder if it does not exist.

    The system releases the lock when the process ends, however it ends.

    Args:
        folder: the folder.
        error: raised if the folder is locked already, in this process or another.

    Raises:
        OSError: if the folder cannot be written.
    """
    from filelock import FileLock, Timeout

    folder.mkdir(parents=True, exist_ok=True)
    try:
        return FileLock(folder / ".lock").acquire(timeout=0)
    except Timeout:
        raise error from None
