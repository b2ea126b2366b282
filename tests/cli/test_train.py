"""`train`, with real processes and real signals."""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from cli.conftest import storing
from flaxdigits_cli.show import print_pretraining

import flaxdigits
from flaxdigits.inference.recognizer import Recognizer
from flaxdigits.runs import Run
from flaxdigits.training.records import Provenance
from flaxdigits.training.setup import Progress

PROGRAM = [sys.executable, "-m", "flaxdigits_cli.main"]
# The program, as on a disk that has no more than a megabyte for a file.
LIMITED = """
import resource
from flaxdigits_cli.main import main
resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, 2**20))
main()
"""


@pytest.fixture
def start(folder):
    """Returns a function that begins a training; it has ended when the test has."""
    started = []

    def start(*words):
        pipe = subprocess.PIPE
        command = [*PROGRAM, "train", *words]
        started.append(subprocess.Popen(command, cwd=folder, stdout=pipe, stderr=pipe, text=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def wait_for_epochs(process, count):
    """Reads standard error until so many epochs are done, or the process ends."""
    for line in process.stderr:
        count -= line.startswith("epoch")
        if count <= 0:
            return


def test_train_ends_with_the_files_and_the_accuracy(folder):
    lines = (folder / "stdout").read_text().splitlines()
    rows = dict(re.split("  +", line, maxsplit=1) for line in lines[:4])
    assert rows["run"] == "runs/whole"
    assert rows["curves"] == "runs/whole/curves.png"
    assert rows["model"].startswith("runs/whole/model.onnx  (0.2 MB; the file predicts 10,000 digits")
    last = flaxdigits.Run(folder / "runs/whole").history_frame()["val_accuracy"].iloc[-1]
    assert rows["accuracy"] == f"{last:.2%} on the held-out digits (validation)"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="huge pages are asked for on Linux")
def test_the_program_trains_with_huge_pages_and_is_stopped_as_before(folder, tmp_path):
    program = Path(sys.executable).with_name("flaxdigits")
    words = [program, "train", "--config", "config.toml", "--epochs", "2000", "--out", tmp_path / "run"]
    environment = {name: value for name, value in os.environ.items() if name != "GLIBC_TUNABLES"}
    process = subprocess.Popen(words, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True)
    wait_for_epochs(process, 1)
    its_own = Path(f"/proc/{process.pid}/environ").read_text().split("\0")
    process.send_signal(signal.SIGINT)
    process.communicate()
    assert "GLIBC_TUNABLES=glibc.malloc.hugetlb=1" in its_own
    assert process.returncode == 130


@pytest.mark.slow
@pytest.mark.skipif(
    not hasattr(signal, "SIGHUP") or signal.getsignal(signal.SIGHUP) == signal.SIG_IGN, reason="no SIGHUP, or nohup"
)
def test_a_lost_terminal_stops_a_training_with_its_state_saved(start):
    process = start("--config", "config.toml", "--out", "runs/hung-up")
    wait_for_epochs(process, 0)
    process.send_signal(signal.SIGHUP)
    time.sleep(0.05)
    code, message = stop(process, signal.SIGHUP, 0)  # as a shell and the system both send it
    assert (code, message) == (129, stopped_at("runs/hung-up", 0))


@pytest.mark.slow
def test_a_second_train_finds_all_that_the_first_has_compiled(folder, run_program):
    def stored():
        return {path.name for path in (folder / "compiled").iterdir() if path.name.endswith("-cache")}

    before = stored()
    words = ["train", "--config", "config.toml", "--out", "runs/second"]
    done = run_program(folder, *words, env=storing(folder / "compiled"))
    assert done.returncode == 0, done.stderr
    assert len(before) > 10  # also those that take less than JAX's own limit of a second
    assert stored() == before


def test_train_prints_a_line_per_epoch(folder):
    stderr = (folder / "stderr").read_text()
    assert re.match(r"runs/whole: digits.npz, 52,683 parameters, 20 epochs, on 1 cpu in b?float(32|16)\n", stderr)
    pattern = r"^epoch \d+  loss \S+  accuracy \S+%  val_loss \S+  val_accuracy \S+%  \S+ images/s$"
    assert len(re.findall(pattern, stderr, re.MULTILINE)) == 20


def test_train_with_evaluate_evaluates_its_own_run(folder):
    stdout = (folder / "stdout").read_text()
    assert "model              runs/whole/model.onnx" in stdout
    held_out = Provenance.read(Run(folder / "runs/whole").data)
    count = held_out.digits - held_out.trained_on
    assert re.search(rf"^data +.*digits.npz, held out, {count:,} digits$", stdout, re.MULTILINE)
    assert json.loads((folder / "metrics.json").read_text())["digits"] == count


def test_the_command_stands_in_the_model(folder):
    command = Recognizer(folder / "runs/whole/model.onnx").metadata["command"]
    assert command == "flaxdigits train --config config.toml --out runs/whole --evaluate"


@pytest.mark.slow
def test_inverted_digits_none_held_out_and_no_calibration_are_noted(here, invoke, few):
    np.savez("inverted.npz", images=255 - few.images, labels=few.labels)
    Path("all.toml").write_text("validation = 0\nhidden = [8]\nepochs = 1\n")
    code, stdout, stderr = invoke("train", "inverted.npz", "--config", "all.toml", "--out", "runs/all", "--evaluate")
    assert code == 0
    assert stderr.startswith("warning: most pixels are ink")
    assert "not evaluated, since no digits were held out" in stderr
    assert "note: temperature 1, so the probabilities are not calibrated" in stderr
    assert "errors" not in stdout


@pytest.mark.slow
@pytest.mark.parametrize("pretrained", [False, True])
def test_a_run_without_any_checkpoint_is_noted_and_one_of_its_pretraining_counts(here, invoke, pretrained):
    run = shutil.copytree("runs/whole", f"runs/lost-{pretrained}")
    shutil.rmtree(f"{run}/checkpoints")
    if pretrained:
        Path(run, "pretraining").mkdir()
    code, _, stderr = invoke("train", "--resume", run)
    assert code == 0
    assert ("has no checkpoint yet" in stderr) != pretrained


def test_a_finished_run_is_not_trained_again(here, invoke):
    code, _, stderr = invoke("train", "--resume", "runs/whole")
    assert code == 0
    assert "runs/whole: already finished, nothing left to train" in stderr


def test_a_run_of_another_jax_is_noted(here, invoke):
    shutil.copytree("runs/whole", "runs/older")
    provenance = flaxdigits.Run("runs/older").data
    begun_with = json.loads(provenance.read_text())
    provenance.write_text(json.dumps(begun_with | {"jax": "0.0.1"}))
    assert (
        f"note: started with JAX 0.0.1, resumed with {begun_with['jax']}: "
        in invoke("train", "--resume", "runs/older")[2]
    )


@pytest.mark.slow
def test_what_is_repaired_is_said_in_one_line(folder, run_program, same_weights):
    shutil.copytree(folder / "runs/whole", folder / "runs/damaged")
    (folder / "runs/damaged/data.json").write_text("")
    done = run_program(folder, "train", "--resume", "runs/damaged")
    assert done.returncode == 0
    assert done.stderr.splitlines()[0] == (
        "warning: runs/damaged/data.json: damaged; restored from the checkpoint, the damaged one is data.json.damaged"
    )
    assert same_weights(folder / "runs/damaged", folder / "runs/whole")


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="the size of files is limited by POSIX")
def test_a_checkpoint_that_cannot_be_written_is_one_line(folder):
    environment = os.environ | {"JAX_ENABLE_COMPILATION_CACHE": "false"}
    words = ["train", "digits.npz", "--hidden", "512", "--epochs", "1", "--out", "runs/full"]
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, *words], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1] == (
        "flaxdigits: runs/full: cannot be written: File too large; "
        "the last checkpoint is kept; once this is fixed, resume with: flaxdigits train --resume runs/full"
    )


def test_what_to_do_with_a_run_needs_its_name(here, invoke):
    code, _, stderr = invoke("train", "--if-exists", "resume")
    assert code == 2
    assert "name the run by --out" in stderr


@pytest.mark.slow
def test_a_second_signal_ends_the_process_at_once(start):
    process = start("--config", "config.toml", "--out", "runs/twice")
    wait_for_epochs(process, 0)
    process.send_signal(signal.SIGINT)
    assert any("Ctrl-C again stops at once" in line for line in process.stderr)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=10)[1] == ""
    assert process.returncode == -signal.SIGINT


@pytest.mark.slow
def test_a_run_that_is_stopped_and_killed_ends_with_the_same_bits(start, folder, run_program, same_weights):
    run, seed = "runs/stopped-and-killed", random.randrange(2**32)
    begin = ["--config", "config.toml", "--out", run, "--if-exists", "resume"]
    assert stop(start(*begin), signal.SIGTERM, 0) == (143, stopped_at(run, 0))
    code, message = stop(start(*begin), signal.SIGINT, 2)
    assert code == 130
    assert re.fullmatch(stopped_at(run, r"\d+"), message)
    moment = random.Random(seed)
    killed = stop(start(*begin), signal.SIGKILL, moment.randint(1, 2), 0.5 * moment.random())[0]
    assert killed == -signal.SIGKILL, f"seed {seed}"  # a run that had ended would show nothing
    done = run_program(folder, "train", "--resume", run)
    assert done.returncode == 0, f"seed {seed}: {done.stderr}"
    assert "no checkpoint" not in done.stderr
    assert same_weights(folder / run, folder / "runs/whole"), f"seed {seed}"


def stop(process, kind, epochs, seconds=0):
    """Sends a signal some time after some epochs; returns the exit code and the last line of standard error."""
    wait_for_epochs(process, epochs)
    time.sleep(seconds)
    process.send_signal(kind)
    _, stderr = process.communicate(timeout=60)
    return process.returncode, (stderr.splitlines() or [""])[-1]


def stopped_at(run, step):
    """Returns what is said of a run that was stopped."""
    return f"flaxdigits: {run}: stopped and saved at step {step} of 2400; resume with: flaxdigits train --resume {run}"


def test_a_second_training_of_the_same_run_is_refused(here, invoke):
    with flaxdigits.Run("runs/locked").locked():
        code, _, stderr = invoke("train", "--config", "config.toml", "--out", "runs/locked")
    assert code == 1
    assert stderr.splitlines()[-1] == "flaxdigits: runs/locked: this run is already being trained; wait for it to end"


@pytest.mark.slow
def test_a_run_s_name_may_look_like_markup_or_like_a_pattern(here, invoke, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich then draws its bar
    code, _, errors = invoke("train", "--config", "config.toml", "--out", "runs/[bold]x[/bold]")
    assert code == 0, errors
    assert "runs/[bold]x[/bold]: " in errors
    assert Path("runs/[bold]x[/bold]/model.onnx").exists()  # made from the checkpoint, as Orbax found it


def test_pretraining_has_a_line_per_epoch_and_training_has_none_from_here():
    lines = []
    for stage, ends_epoch in (("pretraining", False), ("pretraining", True), ("training", True)):
        print_pretraining(lines.append, Progress(stage, 13, 26, 1, 0.5, 0.75, ends_epoch))
    assert lines == ["pretraining epoch 1  loss 0.5000  accuracy 75.00%"]
