"""Time to read Kaggle's test.csv, 28,000 rows of 784 pixels, relative to pandas."""

import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from flaxdigits import load
from flaxdigits.data.kaggle_csv import PIXEL_NAMES

ROWS = 28_000


def best_of(count: int, action) -> float:
    times = []
    for _ in range(count):
        began = time.perf_counter()
        action()
        times.append(time.perf_counter() - began)
    return min(times)


def main() -> None:
    pixels = load().images[:ROWS].reshape(ROWS, -1)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "test.csv"
        np.savetxt(path, pixels, fmt="%d", delimiter=",", header=",".join(PIXEL_NAMES), comments="")
        ours = best_of(5, lambda: load(path))
        theirs = best_of(5, lambda: pd.read_csv(path).to_numpy(np.uint8))
    print(f"{ROWS:,} rows: flaxdigits {ours:.3f} s, pandas {theirs:.3f} s, ratio {ours / theirs:.2f} (best of 5 each)")
