"""`just bench gpu` without a GPU: every part runs in small, and no file of results is written."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
PARTS = {
    "Seconds to an accuracy": "default",
    "The original's 2 epochs": "1 cpu",
    "Idle between slices": "default",
    "Relative to PyTorch": None,  # not installed, or without CUDA
    "Training throughput": "default",
}

pytestmark = pytest.mark.slow


def bench(*words):
    environment = os.environ | {"JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-m", *words]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)


def written():
    return sorted(RESULTS.glob("*"))


def test_every_part_runs_in_small_on_a_cpu():
    before = written()
    done = bench("benchmarks", "gpu", "--smoke")
    assert done.returncode == 0, done.stderr
    sections = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", done.stdout, re.MULTILINE | re.DOTALL))
    assert list(sections) == list(PARTS)
    for title, first in PARTS.items():
        expected = "Not measured: PyTorch" if first is None else f"| {first}"
        assert expected in sections[title], title
    assert "not reached" in sections["Seconds to an accuracy"]
    assert written() == before


def test_without_a_gpu_it_says_how_to_install_one_and_writes_nothing():
    before = written()
    done = bench("benchmarks", "gpu")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "JAX finds no GPU" in done.stderr
    assert "[cuda]" in done.stderr
    assert written() == before
