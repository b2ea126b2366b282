"""gzip, without the bombs: little that becomes much."""

import gzip
from typing import BinaryIO


class LimitedGzipFile(gzip.GzipFile):
    """Decompresses gzip, and stops where there is more than there may be.

    Args:
        packed: the compressed file, which is closed with this one.
        most: bytes that it may have when it is decompressed.

    Raises:
        ValueError: when more are read.
    """

    def __init__(self, packed: BinaryIO, most: int) -> None:
        super().__init__(fileobj=packed, mode="rb")
        self.packed, self.most = packed, most

    def read(self, size: int | None = -1) -> bytes:
        """Reads some bytes, all of them by default."""
        return self._checked(super().read(size))

    def readline(self, size: int | None = -1) -> bytes:
        """Reads a line, of so many bytes at most."""
        return self._checked(super().readline(size))

    def close(self) -> None:
        """Closes both files."""
        super().close()
        self.packed.close()

    def _checked(self, content: bytes) -> bytes:
        if self.tell() > self.most:
            raise ValueError(f"more than {self.most:,} bytes when it is decompressed, for which it is too small a file")
        return content
