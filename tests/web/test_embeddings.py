"""The examples in exports/, run as a stranger runs them: other runtimes, nothing of flaxdigits."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from flaxdigits.inference import shipped

EXPORTS = Path(__file__).parents[2] / "exports"
OLD_RUNTIME = {(3, 11): "1.15.0", (3, 12): "1.17.0", (3, 13): "1.20.0"}.get(sys.version_info[:2])
OLD_NUMPY = "numpy<2" if sys.version_info < (3, 13) else "numpy"


def run(*words, **options):
    return subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=300, **options)


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


@pytest.fixture(params=[("digits.onnx", "golden"), ("digits-tiny.onnx", "golden-tiny")], ids=["digits", "tiny"])
def handed_out(request):
    """A shipped model, and its golden vectors."""
    model, golden = request.param
    return EXPORTS / model, EXPORTS / golden


@pytest.fixture
def corrupted(handed_out, tmp_path):
    """Golden vectors of which the third expects another digit."""
    shutil.copy(handed_out[1] / "pixels.bin", tmp_path)
    golden = json.loads((handed_out[1] / "golden.json").read_text())
    golden["cases"][2]["digit"] = (golden["cases"][2]["digit"] + 1) % 10
    (tmp_path / "golden.json").write_text(json.dumps(golden))
    return tmp_path


def check(verify, handed_out, corrupted):
    """The checker passes a shipped model's vectors, and fails and names the corrupted one."""
    model, golden = handed_out
    passed = run(*verify, model, golden)
    assert passed.returncode == 0, passed.stderr
    assert passed.stdout.startswith("40 of 40 golden vectors passed")
    failed = run(*verify, model, corrupted)
    assert failed.returncode == 1
    assert failed.stdout.startswith("39 of 40 golden vectors passed")
    assert failed.stderr.startswith("does not match its reference output: ")
    return passed.stdout


def test_node_passes_the_golden_vectors(node, handed_out, corrupted):
    assert "onnxruntime-node" in check([node, EXPORTS / "node/verify.mjs"], handed_out, corrupted)


def test_node_reads_digits_from_raw_pixels(node, few, tmp_path):
    (tmp_path / "pixels.bin").write_bytes(few.images.tobytes())
    done = run(node, EXPORTS / "node/read.mjs", shipped.MODEL, tmp_path / "pixels.bin")
    assert [int(line.split()[0]) for line in done.stdout.splitlines()] == few.labels.tolist()


def test_node_reads_the_numbers_of_pages_and_pictures_of_one_digit(node):
    golden = json.loads((EXPORTS / "golden" / "pages.json").read_text())
    for page in golden["pages"]:
        done = run(node, EXPORTS / "node/pages.mjs", EXPORTS / "golden" / page["file"])
        numbers = {}
        for reading in page["readings"]:
            place = reading["line"], reading["number"]
            numbers[place] = numbers.get(place, "") + str(reading["digit"])
        assert done.stdout.split() == list(numbers.values())
        assert done.stdout.count("\n") == max(line for line, _ in numbers)
    assert run(node, EXPORTS / "node/pages.mjs", EXPORTS / "golden/pictures/photo-lamp.png").stdout == "1\n"


def test_node_says_in_one_line_what_it_cannot_read(node, tmp_path):
    (tmp_path / "notes.png").write_text("no picture")
    for picture, said in (
        (tmp_path / "notes.png", "notes.png: "),
        (tmp_path / "missing.png", "missing.png: "),
        (EXPORTS / "golden/pictures/blank.png", "no digit stands out from the paper"),
    ):
        done = run(node, EXPORTS / "node/pages.mjs", picture)
        assert done.returncode == 1
        assert said in done.stderr
        assert done.stderr.count("\n") == 1


def test_plain_python_passes_the_golden_vectors(handed_out, corrupted):
    check([sys.executable, "-I", EXPORTS / "python/verify.py"], handed_out, corrupted)


def test_plain_python_reads_digits_from_raw_pixels(few, tmp_path):
    (tmp_path / "pixels.bin").write_bytes(few.images.tobytes())
    done = run(sys.executable, "-I", EXPORTS / "python/read.py", shipped.MODEL, tmp_path / "pixels.bin")
    assert [int(line.split()[0]) for line in done.stdout.splitlines()] == few.labels.tolist()


def test_an_onnxruntime_of_two_years_ago_passes_the_golden_vectors(old_python, handed_out, corrupted):
    output = check([old_python, "-I", EXPORTS / "python/verify.py"], handed_out, corrupted)
    assert f"onnxruntime {OLD_RUNTIME}," in output


def test_the_examples_are_a_dozen_lines_and_know_nothing_of_flaxdigits():
    for file in ("python/read.py", "node/read.mjs"):
        code = (EXPORTS / file).read_text().splitlines()
        assert len([line for line in code if line and not line.startswith(("//", "/**", '"""'))]) <= 14
        assert not any("flaxdigits" in line for line in code if "import" in line)


def test_a_float16_form_passes_in_node_and_on_an_old_runtime(node, old_python, tmp_path, tiny_run):
    model, golden = tmp_path / "model.onnx", tmp_path / "golden"
    words = ("export", tiny_run.path, "--precision", "float16", "--out", model, "--golden", golden)
    done = run(sys.executable, "-m", "flaxdigits_cli.main", *words)
    assert done.returncode == 0, done.stderr
    for verify in ([node, EXPORTS / "node/verify.mjs"], [old_python, "-I", EXPORTS / "python/verify.py"]):
        found = run(*verify, model, golden)
        assert found.returncode == 0, found.stderr
        assert found.stdout.startswith("40 of 40 golden vectors passed"), np.asarray(found.stdout)
