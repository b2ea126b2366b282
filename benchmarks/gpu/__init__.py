"""Figures of a GPU, by a script that fetches nothing."""

from benchmarks.gpu.main import main

__all__ = ["main"]
