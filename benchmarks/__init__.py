"""Benchmarks: the speed and accuracy that the documentation states, a module per command."""

import sys
from pathlib import Path

PROGRAM = str(Path(sys.executable).with_name("flaxdigits"))
