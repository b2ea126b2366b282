"""Benchmarks: the speed and accuracy that the documentation states, a module per command."""
