"""gzip with a size limit, as protection against decompression bombs."""

import gzip
from typing import BinaryIO


class LimitedGzipFile(gzip.GzipFile):
    """Decompresses gzip up to a maximum size.

    Args:
        packed: the compressed file, which is closed with this one.
        most: the maximum number of decompressed bytes.

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
        """Reads a line, of at most `size` bytes."""
        return self._checked(super().readline(size))

    def close(self) -> None:
        """Closes both files."""
        super().close()
        self.packed.close()

    def _checked(self, content: bytes) -> bytes:
        if self.tell() > self.most:
            raise ValueError(f"decompresses to more than {self.most:,} bytes, too many for a file of this size")
        return content
