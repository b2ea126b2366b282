"""One training in several processes, which are real ones and meet over loopback."""

import re
import shutil
import signal
import socket
import subprocess
import sys

import numpy as np
import pytest

from flaxdigits.runs import Run
from flaxdigits.training.config import TrainConfig
from flaxdigits.training.fit import fit

CONFIG = """
data = "digits.npz"
hidden = [16]
epochs = 3
batch_size = 64
precision = "float32"
checkpoint_seconds = 0
"""
TRAIN = [sys.executable, "-m", "flaxdigits_cli.main", "train"]


@pytest.fixture(scope="module")
def folder(mnist_train, tmp_path_factory):
    """A folder with digits, a configuration, and a run of one process: of this one."""
    folder = tmp_path_factory.mktemp("work")
    digits = mnist_train[:1000]
    np.savez(folder / "digits.npz", images=digits.images, labels=digits.labels)
    (folder / "config.toml").write_text(CONFIG)
    (folder / "long.toml").write_text(CONFIG.replace("epochs = 3", "epochs = 3000"))
    list(fit(folder / "digits.npz", TrainConfig.from_toml(folder / "config.toml"), folder / "alone"))
    return folder


@pytest.fixture
def start(folder):
    """Returns a function that begins the processes of one training; they have ended when the test has."""
    started = []

    def start(count, *words):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            address = "{}:{}".format(*free.getsockname())
        options = ["--distributed", "--coordinator", address, "--processes", str(count)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        commands = [[*TRAIN, *options, "--process-id", str(number), *words] for number in range(count)]
        begun = [subprocess.Popen(command, cwd=folder, **pipes) for command in commands]
        started.extend(begun)
        return begun

    yield start
    for process in started:
        process.kill()
        process.communicate()


def figures(run):
    return run.history_frame().drop(columns=["seconds", "images_per_second"])


def answers(address, process):
    """Returns whether a coordinator can be reached at an address of this machine."""
    port = int(process.args[process.args.index("--coordinator") + 1].rpartition(":")[2])
    try:
        socket.create_connection((address, port), timeout=5).close()
    except OSError:
        return False
    return True


def own_address():
    """Returns an address of this machine that is not a loopback one, if it has one; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has no address but loopback ones")
        return probe.getsockname()[0]


@pytest.mark.slow
def test_two_processes_train_as_one_does(start, folder):
    processes = start(2, "--config", "config.toml", "--out", "two")
    (first, errors), (second, _) = (process.communicate(timeout=300) for process in processes)
    assert [process.returncode for process in processes] == [0, 0], errors
    assert "on 2 cpu of 2 processes" in errors
    assert first.startswith("run       two")
    assert second == ""
    np.testing.assert_allclose(figures(Run(folder / "two")), figures(Run(folder / "alone")), rtol=1e-3)


@pytest.mark.slow
def test_a_process_that_is_killed_ends_the_others_and_one_alone_goes_on(start, folder):
    processes = start(2, "--config", "long.toml", "--out", "killed")
    assert any(line.startswith("epoch 2 ") for line in processes[0].stderr)
    processes[1].kill()
    processes[1].communicate()
    assert processes[1].returncode == -signal.SIGKILL
    _, errors = processes[0].communicate(timeout=60)
    assert processes[0].returncode == 1
    assert re.search(
        r"^flaxdigits: killed: another process of this training has ended, or .*; resume with: ", errors, re.M
    )
    shutil.copytree(folder / "killed", folder / "copy")
    with subprocess.Popen([*TRAIN, "--resume", "copy"], cwd=folder, stderr=subprocess.PIPE, text=True) as alone:
        epoch = next(int(line.split()[1]) for line in alone.stderr if line.startswith("epoch"))
        alone.terminate()
        alone.communicate(timeout=60)
    assert epoch > 1
    assert alone.returncode == 143


@pytest.mark.slow
def test_the_first_process_killed_ends_the_others_too(start):
    processes = start(2, "--config", "long.toml", "--out", "first-killed")
    assert any(line.startswith("epoch 2 ") for line in processes[0].stderr)
    assert answers("127.0.0.1", processes[0])
    assert not answers(own_address(), processes[0])  # unlike JAX by default
    processes[0].kill()
    processes[0].communicate()
    _, errors = processes[1].communicate(timeout=60)
    assert processes[1].returncode in (1, -signal.SIGABRT)  # JAX may be faster than the message
    assert "another process of this training has ended" in errors or "another task died" in errors


@pytest.mark.slow
def test_a_signal_to_one_process_stops_all_of_them_with_the_state_saved(start):
    processes = start(2, "--config", "long.toml", "--out", "stopped")
    assert any(line.startswith("epoch 2 ") for line in processes[0].stderr)
    processes[1].send_signal(signal.SIGTERM)
    errors = [process.communicate(timeout=60)[1] for process in processes]
    assert all("stopped: stopped and saved at step" in text for text in errors), errors


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--processes", "2"], "only together with --distributed"),
        (["--distributed"], "name the run by --out or --resume"),
        (
            ["--distributed", "--out", "x", "--processes", "2"],
            "--coordinator, --processes and --process-id go together",
        ),
    ],
)
def test_options_of_several_processes_that_do_not_go_together_are_a_usage_error(words, message, folder):
    done = subprocess.run([*TRAIN, *words], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 2
    assert message in done.stderr
