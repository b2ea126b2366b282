"""The peers: what a user would pick instead, measured on the same work in one run.

Each peer is a script of its own in scripts/, which shares no code with flaxdigits and whose header says what its
environment holds; uv makes it. The peers of a row run at the same time and take turns in rounds of about a second,
so that a drift of the machine's speed meets all of them; figures are medians, and ratios medians of rounds' ratios.
"""

from benchmarks.peers.main import main

__all__ = ["main"]
