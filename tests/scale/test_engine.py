"""Ray itself: clusters of real processes, of which some are killed."""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from pyarrow import parquet

from flaxdigits import Recognizer
from flaxdigits.scale.job import MANIFEST

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="finds the workers in /proc"),
]

FILES = 10 * (os.cpu_count() or 1)  # each is a part: more than the workers read at once
ROWS = 60_000 // FILES
CLUSTER = """
import sys
from ray.cluster_utils import Cluster

cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
second = cluster.add_node(num_cpus=1)
print(cluster.address, flush=True)
sys.stdin.readline()
cluster.remove_node(second, allow_graceful=False)
print("removed", flush=True)
sys.stdin.readline()
cluster.shutdown()
"""


@pytest.fixture(scope="module")
def inputs(tmp_path_factory, mnist_train, write_digits):
    folder = tmp_path_factory.mktemp("inputs")
    for file in range(FILES):
        first = file * ROWS
        write_digits(folder / f"{file:02}.parquet", mnist_train[first : first + ROWS], ROWS, first_id=first)
    return folder


@pytest.fixture
def start(inputs, tmp_path):
    """Returns a function that starts the program; it has ended, whatever the test did, when the test has."""
    started = []

    def start(**environment):
        command = [sys.executable, "-m", "flaxdigits_cli.main", "predict", inputs, "--engine", "ray", "--out", "out"]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        started.append(subprocess.Popen(command, cwd=tmp_path, env=os.environ | environment, **pipes))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


@dataclass
class TwoNodes:
    """A cluster of two nodes with one CPU each."""

    process: subprocess.Popen
    address: str

    def remove_second(self):
        """Kills the second node."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        assert "removed" in self.process.stdout.readline()


@contextmanager
def two_nodes():
    """Starts a cluster of two nodes, and shuts it down."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
    environment = os.environ | {"RAY_USAGE_STATS_ENABLED": "0"}
    with subprocess.Popen([sys.executable, "-c", CLUSTER], env=environment, **pipes) as process:
        address = next(line.strip() for line in process.stdout if line.strip().count(":") == 1)
        try:
            yield TwoNodes(process, address)
        finally:
            process.communicate("\n", timeout=60)


def finish(process):
    """Waits for the program; returns its exit code and what it printed."""
    stdout, stderr = process.communicate(timeout=300)
    return process.returncode, stdout, stderr


def wait_for_work(process, out, owner, count):
    """Waits until there are new parts, and some actors of a process's cluster that read others; returns these."""
    before, deadline = len(times(out)), time.monotonic() + 120
    while time.monotonic() < deadline:
        parts, actors = len(times(out)), workers(owner.pid)
        if parts > before and len(actors) >= count:
            assert parts < FILES
            return actors
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    raise TimeoutError("Ray does nothing")


def wait_until_idle(owner):
    """Waits until a process's cluster has no actors, as after the end of the command that they worked for."""
    deadline = time.monotonic() + 120
    while workers(owner.pid):
        if time.monotonic() > deadline:
            raise TimeoutError("the actors of a killed command go on")
        time.sleep(0.1)


def times(out):
    """Returns the time of change of each part."""
    return {path.name: path.stat().st_mtime_ns for path in out.glob("part-*")}


def descendants(pid):
    """Returns the processes that a process has started, and those that these have."""
    parents = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            name_and_rest = status.read_text().rpartition(")")
        except OSError:  # it has ended
            continue
        parents[int(status.parent.name)] = int(name_and_rest[2].split()[1])
    found = [pid]
    for parent in found:
        found += [child for child, its_parent in parents.items() if its_parent == parent]
    return found[1:]


def workers(pid):
    """Returns the actors of a cluster that a process has started."""
    return [each for each in descendants(pid) if b"ray::MapWorker" in command_of(each)]


def command_of(pid):
    """Returns the command line of a process; nothing if it has ended, even if nobody has waited for it."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def check_rows(out, digits):
    """Checks that the parts together have each row of the input once, with the digit that is read without Ray."""
    table = parquet.read_table(out)
    assert len(table) == FILES * ROWS
    order = np.argsort(table["id"])
    np.testing.assert_array_equal(table["id"].to_numpy()[order], np.arange(FILES * ROWS))
    few = order[::100]
    expected = Recognizer()(digits.images[: FILES * ROWS : 100])
    np.testing.assert_array_equal(table["digit"].to_numpy()[few], expected.digits)
    np.testing.assert_array_equal(table["label"].to_numpy()[order], digits.labels[: FILES * ROWS])
    assert {path.name for path in out.iterdir()} - set(times(out)) <= {MANIFEST, ".lock"}


def test_a_command_that_is_asked_to_end_says_how_to_resume_and_does(start, tmp_path, mnist_train):
    process = start()
    wait_for_work(process, tmp_path / "out", process, 1)
    process.terminate()
    code, stdout, stderr = finish(process)
    assert (code, stdout) == (143, "")
    assert stderr.splitlines()[-1] == "stopped; finished parts are kept: run the same command again to resume"
    code, _, stderr = finish(start())
    assert code == 0, stderr
    check_rows(tmp_path / "out", mnist_train)


def test_command_worker_and_node_may_be_killed_and_no_part_is_lost_or_repeated(start, tmp_path, mnist_train):
    out = tmp_path / "out"
    with two_nodes() as cluster:
        first = start(RAY_ADDRESS=cluster.address)
        wait_for_work(first, out, cluster.process, 1)
        first.kill()
        finish(first)
        wait_until_idle(cluster.process)
        before = times(out)
        assert 0 < len(before) < FILES

        second = start(RAY_ADDRESS=cluster.address)
        wait_for_work(second, out, cluster.process, 2)
        cluster.remove_second()
        os.kill(wait_for_work(second, out, cluster.process, 1)[0], signal.SIGKILL)
        code, stdout, stderr = finish(second)
    assert code == 0, stderr
    read = (FILES - len(before)) * ROWS
    assert f"out: {FILES * ROWS:,} rows in {FILES} parts; {read:,} digits read now" in stdout
    assert stdout.count("\n") == 1
    assert all(line.endswith(f" of {FILES * ROWS:,} digits") for line in stderr.splitlines())
    assert before.items() <= times(out).items()
    check_rows(out, mnist_train)
