"""`just bench pages` in small, as a process: the same pages each time, and each with ink on it."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[1]


def bench_pages(folder):
    command = [sys.executable, "-m", "benchmarks", "pages", "3"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True).stdout


@pytest.mark.slow
def test_the_pages_are_the_same_each_time_and_are_read(tmp_path):
    (tmp_path / "again").mkdir()
    first, again = bench_pages(tmp_path), bench_pages(tmp_path / "again")
    assert "| 3 pages | digits | numbers | whole pages |" in first
    assert "| flaxdigits | " in first
    tables = [[line for line in text.splitlines() if line.startswith("|")] for text in (first, again)]
    assert tables[0] == tables[1]
    for number in range(3):
        name = f"runs/pages/{number}.png"
        page = np.asarray(Image.open(tmp_path / name), int)
        np.testing.assert_array_equal(page, np.asarray(Image.open(tmp_path / "again" / name)))
        assert np.ptp(page) > 40
    assert not (tmp_path / "runs/pages/3.png").exists()
