"""The peers: what a user would pick instead, measured on the same work in one run.

just bench peers             all sections, some 45 minutes, written to benchmarks/results/
just bench peers throughput  one section (throughput, accuracy, prediction, startup), printed only
just bench peers --quick     a little of each, to see that all of it works: its figures mean nothing

Each peer is a script of its own in scripts/, which shares no code with flaxdigits and whose header says what its
environment holds; uv makes it, some 10 GB in all. The peers of a row run at the same time and take turns in rounds of
about a second, so that a drift of the machine's speed meets all of them; figures are medians, and ratios medians of
rounds' ratios.
"""

from benchmarks.peers.main import main

__all__ = ["main"]
