"""The entry point: runs training with huge pages, a setting that the C library reads only when a process starts.

Training reads and writes all weights and moments at each step; with pages of 2 MB instead of 4 kB it takes an
eighth less time (docs/speed.md).
"""

import os
import sys

TUNABLES, HUGE_PAGES = "GLIBC_TUNABLES", "glibc.malloc.hugetlb=1"


def main() -> None:
    """Runs the program, `train` with huge pages."""
    if sys.argv[1:2] == ["train"]:
        use_huge_pages()
    from flaxdigits_cli.main import main as run  # imported only after a possible restart

    run()


def use_huge_pages() -> None:
    """Restarts this process with huge pages, on Linux, unless the user has set the C library's variable."""
    if sys.platform == "linux" and TUNABLES not in os.environ:
        os.environ[TUNABLES] = HUGE_PAGES
        os.execv(sys.executable, sys.orig_argv)
