"""The entry point: gives a training huge pages, which the C library takes only from the environment of a new process.

A training reads and writes all weights and moments at each step; with pages of 2 MB in place of 4 kB it takes an
eighth less time (docs/speed.md).
"""

import os
import sys

TUNABLES, HUGE_PAGES = "GLIBC_TUNABLES", "glibc.malloc.hugetlb=1"


def main() -> None:
    """Runs the program, `train` with huge pages."""
    if sys.argv[1:2] == ["train"]:
        use_huge_pages()
    from flaxdigits_cli.main import main as run  # after the start that may have been in vain

    run()


def use_huge_pages() -> None:
    """Starts this process anew with huge pages, on Linux, unless the user has set the C library's variable."""
    if sys.platform == "linux" and TUNABLES not in os.environ:
        os.environ[TUNABLES] = HUGE_PAGES
        os.execv(sys.executable, sys.orig_argv)
