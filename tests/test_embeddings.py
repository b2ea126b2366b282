"""The examples in exports/, run as a stranger runs them: other runtimes, nothing of flaxdigits."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from flaxdigits import shipped

EXPORTS = Path(__file__).parent.parent / "exports"
OLD_RUNTIME = {(3, 11): "1.15.0", (3, 12): "1.17.0", (3, 13): "1.20.0"}.get(sys.version_info[:2])
OLD_NUMPY = "numpy<2" if sys.version_info < (3, 13) else "numpy"


def run(*words, **options):
    return subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=300, **options)


@pytest.fixture(scope="module")
def node(need, install):
    """Node, with the packages of the example installed."""
    found, npm = (need("Node.js 20 or newer: nodejs.org", name) for name in ("node", "npm"))
    install(npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", cwd=EXPORTS / "node")
    return found


@pytest.fixture(scope="module")
def old_python(tmp_path_factory, need, install):
    """A Python whose onnxruntime is at least two years old."""
    if OLD_RUNTIME is None:
        pytest.skip("no onnxruntime of two years ago was made for this Python")
    uv, place = need("pip install uv", "uv"), tmp_path_factory.mktemp("old")
    install(uv, "venv", "--python", sys.executable, place)
    python = place / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    install(uv, "pip", "install", "--python", python, f"onnxruntime=={OLD_RUNTIME}", OLD_NUMPY)
    return python


@pytest.fixture
def bent(tmp_path):
    """Golden vectors of which the third expects another digit."""
    shutil.copy(shipped.GOLDEN / "pixels.bin", tmp_path)
    golden = json.loads((shipped.GOLDEN / "golden.json").read_text())
    golden["cases"][2]["digit"] = (golden["cases"][2]["digit"] + 1) % 10
    (tmp_path / "golden.json").write_text(json.dumps(golden))
    return tmp_path


def check(verify, bent):
    """The checker passes the shipped vectors, and fails and names the bent one."""
    passed = verify(shipped.GOLDEN)
    assert passed.returncode == 0, passed.stderr
    assert passed.stdout.startswith("40 of 40 golden vectors passed")
    failed = verify(bent)
    assert failed.returncode == 1
    assert failed.stdout.startswith("39 of 40 golden vectors passed")
    assert failed.stderr.startswith("answered otherwise: ")
    return passed.stdout


def test_node_passes_the_golden_vectors(node, bent):
    said = check(lambda folder: run(node, EXPORTS / "node/verify.mjs", shipped.MODEL, folder), bent)
    assert "onnxruntime-node" in said


def test_node_reads_digits_from_raw_pixels(node, few, tmp_path):
    (tmp_path / "pixels.bin").write_bytes(few.images.tobytes())
    done = run(node, EXPORTS / "node/read.mjs", shipped.MODEL, tmp_path / "pixels.bin")
    assert [int(line.split()[0]) for line in done.stdout.splitlines()] == few.labels.tolist()


def test_plain_python_passes_the_golden_vectors(bent):
    python = [sys.executable, "-I", EXPORTS / "python/verify.py", shipped.MODEL]
    check(lambda folder: run(*python, folder), bent)


def test_plain_python_reads_digits_from_raw_pixels(few, tmp_path):
    (tmp_path / "pixels.bin").write_bytes(few.images.tobytes())
    done = run(sys.executable, "-I", EXPORTS / "python/read.py", shipped.MODEL, tmp_path / "pixels.bin")
    assert [int(line.split()[0]) for line in done.stdout.splitlines()] == few.labels.tolist()


def test_an_onnxruntime_of_two_years_ago_passes_the_golden_vectors(old_python, bent):
    verify = EXPORTS / "python/verify.py"
    said = check(lambda folder: run(old_python, "-I", verify, shipped.MODEL, folder), bent)
    assert f"onnxruntime {OLD_RUNTIME}," in said


def test_the_examples_are_a_dozen_lines_and_know_nothing_of_flaxdigits():
    for file in ("python/read.py", "node/read.mjs"):
        code = (EXPORTS / file).read_text().splitlines()
        assert len([line for line in code if line and not line.startswith(("//", "/**", '"""'))]) <= 14
        assert not any("flaxdigits" in line for line in code if "import" in line)


@pytest.mark.parametrize("precision", ["float16", "int8"])
def test_a_quantised_form_passes_in_node_and_on_an_old_runtime(precision, node, old_python, tmp_path, tiny_run):
    model, golden = tmp_path / "model.onnx", tmp_path / "golden"
    words = ("export", tiny_run.path, "--precision", precision, "--out", model, "--golden", golden)
    done = run(sys.executable, "-m", "flaxdigits_cli.main", *words)
    assert done.returncode == 0, done.stderr
    for verify in ([node, EXPORTS / "node/verify.mjs"], [old_python, "-I", EXPORTS / "python/verify.py"]):
        found = run(*verify, model, golden)
        assert found.returncode == 0, found.stderr
        assert found.stdout.startswith("40 of 40 golden vectors passed"), np.asarray(found.stdout)
