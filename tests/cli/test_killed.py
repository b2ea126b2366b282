"""SIGKILL at random moments: what a command writes is the old file or the new one, whole."""

import os
import random
import signal
import subprocess
import sys
import time

import pytest
from cli.conftest import PROGRAM

from flaxdigits.inference.golden import check_golden
from flaxdigits.inference.recognizer import CPU, Recognizer

pytestmark = pytest.mark.skipif(os.name != "posix", reason="there is no SIGKILL")
KILLS = 12

# Writes one of two contents after the other until it is killed, through what the commands call to write.
WRITERS = {
    "submission.csv": """
from flaxdigits.submission import write_submission
def write(path, turn): write_submission(np.full(28_000, turn), path)
""",
    "model.onnx": """
from flaxdigits import atomic
def write(path, turn): atomic.write_bytes(path, bytes([turn]) * 10_000_000)
""",
    "annotated.png": """
from flaxdigits import atomic
from PIL import Image
def write(path, turn):
    with atomic.replacing(path) as beside:
        Image.fromarray(np.full((1500, 1500), turn, np.uint8)).save(beside, "PNG")
""",
}
LOOP = """
import sys
from pathlib import Path
import numpy as np
{writer}
path = Path(sys.argv[1])
for turn in (1, 2):
    write(path, turn)
    path.rename(path.with_name(f"whole-{{turn}}"))
write(path, 1)
print("begun", flush=True)
while True:
    for turn in (2, 1):
        write(path, turn)
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", WRITERS)
def test_a_file_is_the_old_one_or_the_new_one_whenever_its_writer_is_killed(name, tmp_path):
    rng, littered = random.Random(0), 0
    for _ in range(KILLS):
        with subprocess.Popen(
            [sys.executable, "-c", LOOP.format(writer=WRITERS[name]), str(tmp_path / name)], stdout=subprocess.PIPE
        ) as process:
            assert process.stdout.readline() == b"begun\n"
            time.sleep(rng.uniform(0, 0.1))
            process.kill()
        assert (tmp_path / name).read_bytes() in [(tmp_path / f"whole-{turn}").read_bytes() for turn in (1, 2)]
        littered += len([path.unlink() for path in tmp_path.glob(".*")])
    assert littered  # so some were killed while they wrote


def kill_at_random(command, folder, seconds, times, check):
    """Runs a command again and again, kills it at a random moment of its time, and checks what is left."""
    rng, killed = random.Random(0), 0
    for _ in range(times):
        began = time.monotonic()
        with subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            try:
                process.wait(rng.uniform(0.3, 1.1) * seconds)
            except subprocess.TimeoutExpired:
                process.kill()
        if process.returncode == 0:  # faster than before
            seconds = time.monotonic() - began
        killed += process.returncode == -signal.SIGKILL
        check()
    assert killed


@pytest.mark.slow
def test_submit_leaves_the_old_file_or_the_new_one_whenever_it_is_killed(here, mnist_test, to_csv):
    rows = [line.split(",", 1)[1] for line in to_csv(mnist_test[:2000]).splitlines()]
    (here / "test.csv").write_text("\n".join(rows) + "\n")
    command = [*PROGRAM, "submit", "test.csv", "--model", "runs/whole", "--out", "killed.csv"]
    seconds = timed(command, here)
    new = (here / "killed.csv").read_bytes()
    old = new[: new.index(b"\n2,") + 1]
    (here / "killed.csv").write_bytes(old)
    kill_at_random(command, here, seconds, 8, lambda: assert_one_of(here / "killed.csv", (old, new)))


@pytest.mark.slow
def test_export_leaves_the_old_files_or_the_new_ones_whenever_it_is_killed(here):
    path, golden = here / "killed.onnx", here / "killed-golden"
    command = [*PROGRAM, "export", "runs/whole", "--out", path, "--golden", golden]
    seconds = timed(command, here)
    model = Recognizer(path, CPU)

    def check():
        assert_one_of(path, (model.content, b"old"))
        check_golden(model, golden)

    path.write_bytes(b"old")
    kill_at_random(command, here, seconds, 3, check)


def timed(command, folder):
    """Runs a command to its end, and returns how many seconds it took."""
    start = time.monotonic()
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return time.monotonic() - start


def assert_one_of(path, contents):
    assert path.read_bytes() in contents
