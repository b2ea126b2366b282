"""Time to read Kaggle's test.csv, 28,000 rows of 784 pixels, beside pandas, and Polars and PyArrow where installed."""

import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from statistics import median

import numpy as np

from flaxdigits import load
from flaxdigits.data.kaggle_csv import PIXEL_NAMES

ROWS = 28_000
ROUNDS = 7

Read = Callable[[Path], np.ndarray]


def ours(path: Path) -> np.ndarray:
    return load(path).images


def numpy(path: Path) -> np.ndarray:
    return np.loadtxt(path, np.uint8, delimiter=",", skiprows=1, comments=None)


def pandas(path: Path) -> np.ndarray:
    import pandas as pd

    return pd.read_csv(path, dtype=np.uint8).to_numpy()


def polars(path: Path) -> np.ndarray:
    import polars as pl

    return pl.read_csv(path, schema=dict.fromkeys(PIXEL_NAMES, pl.UInt8)).to_numpy(order="c")


def pyarrow(path: Path) -> np.ndarray:
    import pyarrow as pa
    from pyarrow import csv

    options = csv.ConvertOptions(column_types=dict.fromkeys(PIXEL_NAMES, pa.uint8()))
    return np.stack([column.to_numpy() for column in csv.read_csv(path, convert_options=options).columns], axis=1)


def seconds(read: Read, path: Path) -> float:
    """Returns the seconds that one reading takes."""
    began = time.perf_counter()
    read(path)
    return time.perf_counter() - began


def main() -> None:
    readers = [ours, numpy, *(peer for peer in (pandas, polars, pyarrow) if find_spec(peer.__name__))]
    pixels = load().images[:ROWS].reshape(ROWS, -1)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "test.csv"
        np.savetxt(path, pixels, fmt="%d", delimiter=",", header=",".join(PIXEL_NAMES), comments="")
        rounds = [[seconds(read, path) for read in readers] for _ in range(ROUNDS + 1)][1:]  # the first imports
    print(f"{ROWS:,} rows, medians of {ROUNDS} rounds")
    for place, read in enumerate(readers):
        ratio = median(times[0] / times[place] for times in rounds)
        took = median(times[place] for times in rounds)
        print(f"{read.__name__:<8} {took:.3f} s; flaxdigits takes {ratio:.2f} of that")
