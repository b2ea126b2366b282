"""The program as a user runs it: in a process of its own, or, where no signal is involved, in this one."""

import gc
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from flaxdigits_cli.main import main
from PIL import Image

import flaxdigits

PROGRAM = [sys.executable, "-m", "flaxdigits_cli.main"]
CONFIG = """
data = "digits.npz"
hidden = [64, 32]
epochs = 20
batch_size = 64
validation = 0.2
checkpoint_seconds = 0.5
"""


@pytest.fixture(scope="session")
def run_program():
    """Returns a function that runs the program in a folder, in a process of its own."""

    def run(folder, *words, **options):
        command = [*PROGRAM, *map(str, words)]
        return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, **options)

    return run


def storing(compiled):
    """Returns the environment of a program that stores all that it compiles in this folder, by its own defaults."""
    environment = os.environ | {"JAX_COMPILATION_CACHE_DIR": str(compiled)}
    for name in ("JAX_COMPILATION_CACHE_MAX_SIZE", "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"):
        del environment[name]
    return environment


def share(compiled):
    """Gives all tests the programs that are stored in this folder; each appears whole."""
    shared = Path(os.environ["JAX_COMPILATION_CACHE_DIR"])
    shared.mkdir(parents=True, exist_ok=True)
    for path in compiled.glob("*-cache"):
        beside = Path(shutil.copy(path, shared / f".{path.name}"))
        beside.replace(shared / path.name)


@pytest.fixture(scope="session")
def folder(tmp_path_factory, worker_id, fill):
    """A folder to work in, with digits to train on and an undisturbed run of them, runs/whole.

    The first worker trains that run, the others copy it.
    """
    if worker_id == "master":
        return fill(tmp_path_factory.mktemp("work"))
    first = tmp_path_factory.getbasetemp().parent / "work"
    with FileLock(first.with_suffix(".lock")):
        if not first.exists():
            first.mkdir()
            fill(first)
    return Path(shutil.copytree(first, tmp_path_factory.mktemp("work"), symlinks=True, dirs_exist_ok=True))


@pytest.fixture(scope="session")
def fill(mnist_train, mnist_test, run_program):
    """Returns a function that fills such a folder."""

    def fill(folder):
        train = mnist_train[:6000]
        np.savez(folder / "digits.npz", images=train.images, labels=train.labels)
        np.savez(folder / "unlabelled.npz", images=train.images[:30])
        (folder / "config.toml").write_text(CONFIG)
        Image.fromarray(255 - mnist_test.images[0]).resize((200, 200)).save(folder / "seven.png")
        words = ["train", "--config", "config.toml", "--out", "runs/whole", "--evaluate"]
        done = run_program(folder, *words, env=storing(folder / "compiled"))
        assert done.returncode == 0, done.stderr
        (folder / "stdout").write_text(done.stdout)
        (folder / "stderr").write_text(done.stderr)
        shutil.copy(folder / "runs/whole/metrics.json", folder)  # before an `eval` writes its own
        share(folder / "compiled")
        return folder

    return fill


@pytest.fixture
def here(folder, monkeypatch):
    """The same folder, as the working directory of this process."""
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def invoke(monkeypatch, capsys):
    """Returns a function that runs the program in this process: exit code, standard output, standard error."""
    monkeypatch.setattr(gc, "set_threshold", lambda *_: None)

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["flaxdigits", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        return (ended.value.code, *capsys.readouterr())

    return run


@pytest.fixture(scope="session")
def same_weights():
    """Returns a function that compares the trained networks of two runs, bit for bit."""

    def same(one, other):
        import jax
        from flax import nnx

        from flaxdigits.training.trained import trained_model

        leaves = [jax.tree.leaves(nnx.state(trained_model(flaxdigits.Run(run))[1])) for run in (one, other)]
        return all(np.array_equal(a, b) for a, b in zip(*leaves, strict=True))

    return same
