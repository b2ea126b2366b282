"""Help, usage errors, and errors that a user can mend."""

import os
import subprocess
import sys

import pytest
from flaxdigits_cli.main import COMMANDS, advice

from flaxdigits.errors import RunError
from flaxdigits.runs import Run
from flaxdigits.training.history import read_history

PROGRAM = [sys.executable, "-m", "flaxdigits_cli.main"]
HEAVY = {"jax", "flax", "optax", "orbax", "jax2onnx", "pandas", "matplotlib", "scipy"}


def imported(folder, *words):
    """Returns the modules that the program imports in a process of its own."""
    environment = os.environ | {"PYTHONPROFILEIMPORTTIME": "1"}
    done = subprocess.run([*PROGRAM, *words], cwd=folder, env=environment, capture_output=True, text=True, check=True)
    return {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}


@pytest.mark.parametrize(
    ("words", "heavy"),
    [
        (["--help"], {"onnx", "onnxruntime", "numpy"}),
        (["predict", "seven.png"], {"onnx", "rich"}),
        (["verify"], {"onnx"}),
        (["inspect"], set()),
    ],
)
def test_heavy_packages_are_not_imported(words, heavy, folder):
    found = imported(folder, *words)
    assert "typer" in found
    assert not found & (HEAVY | heavy)


def test_help_imports_no_command(folder):
    assert not imported(folder, "--help") & {f"flaxdigits_cli.{name}" for name in COMMANDS}


def test_help_lists_every_command(invoke):
    code, stdout, _ = invoke("--help")
    assert code == 0
    assert all(f" {name} " in stdout for name in COMMANDS)
    assert invoke() == invoke("--help")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command, invoke):
    code, stdout, stderr = invoke(command, "--help")
    assert (code, stderr) == (0, "")
    assert f"Usage: flaxdigits {command}" in stdout


def test_the_help_of_train_shows_the_defaults(invoke, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    stdout = invoke("train", "--help")[1]
    assert all(f"(default preset: {value})" in stdout for value in ("1024,512,256", "50", "512", "0.002", "auto"))


@pytest.mark.parametrize(("words", "expected"), [("flaxdigits ", "predict"), ("flaxdigits train --preset ", "record")])
def test_the_shell_completes(words, expected, folder):
    environment = os.environ | {
        "_FLAXDIGITS_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))
    }  # fmt: skip
    code = "import sys; sys.argv[0] = 'flaxdigits'; from flaxdigits_cli.main import main; main()"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert expected in done.stdout.split()


@pytest.mark.parametrize(
    ("words", "problem", "command"),
    [
        (["train", "--epochs", "x"], "Invalid value for '--epochs'", "train"),
        (["train", "--resume", "runs/whole", "--epochs", "9"], "Invalid value for --resume", "train"),
        (["train", "--preset", "default", "--config", "config.toml"], "Invalid value for --config", "train"),
        (["train", "--out", ""], "expected a directory of its own, got the working directory", "train"),
        (["train", "--hidden", "1,x"], "expected widths such as 1024,512,256, got '1,x'", "train"),
        (["train", "--epohcs", "2"], "No such option: --epohcs", "train"),
        (["train", "--preset", "best"], "'best' is not one of 'default', ", "train"),
        (["--nope", "train"], "No such option: --nope", None),
        (["trian"], "Did you mean 'train'", None),
        (["predict"], "Missing argument 'FILE...'", "predict"),
        (["predict", "a.parquet", "--engine", "ray"], "--engine ray and --out DIR go together", "predict"),
        (["predict", "a.png", "--out", "read"], "--engine ray and --out DIR go together", "predict"),
        (["predict", "a", "--engine", "ray", "--out", "read", "--format", "csv"], "writes Parquet", "predict"),
        (["predict", "-", "--engine", "ray", "--out", "read"], "not standard input", "predict"),
        (["export", "--precision", "int4"], "'int4' is not one of 'float32', 'float16', 'int8'", "export"),
        (["eval", "m.onnx", "--validation"], "Invalid value for --validation", "eval"),
    ],
)
def test_a_usage_error_is_one_line(words, problem, command, here, invoke):
    code, stdout, stderr = invoke(*words)
    assert (code, stdout) == (2, "")
    assert stderr.startswith("flaxdigits: ")
    assert problem in stderr
    help_command = f"flaxdigits {command} --help" if command else "flaxdigits --help"
    assert stderr.endswith(f"; `{help_command}` lists the options\n")
    assert stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "subject", "advice"),
    [
        (["train", "nothing.csv"], "nothing.csv", ""),
        (["train", "--epochs", "0"], "epochs: expected 1 or more, got 0", ""),
        (["train", "--device", "gpu"], "no device of kind 'gpu'", "[cuda]'"),
        (["train", "--config", "no.toml"], "no.toml", ""),
        (["train", "--resume", "runs/none"], "runs/none", "create one with: flaxdigits train"),
        (
            ["train", "--out", "runs/whole"],
            "runs/whole",
            "flaxdigits train --resume runs/whole, or choose another --out",
        ),
        (["eval", "no.onnx"], "no.onnx", ""),
        (["eval", "runs/unfinished"], "runs/unfinished", "finish it with: flaxdigits train --resume runs/unfinished"),
        (
            ["eval", "runs/stopped"],
            "runs/stopped",
            "or export its last checkpoint with: flaxdigits export runs/stopped",
        ),
        (["export", "runs/unfinished"], "runs/unfinished", "finish it with: flaxdigits train --resume runs/unfinished"),
        (["export", "runs/none"], "runs/none", "create one with: flaxdigits train"),
        (["predict", "no.png", "--model", "runs/whole"], "no.png", ""),
        (["predict", "digits.parquet"], "digits.parquet: not a picture", "flaxdigits predict --engine ray"),
        (["predict", "seven.png", "--model", "notes.txt"], "notes.txt", ""),
        (["predict", "seven.png", "--model", "none.onnx"], "none.onnx", ""),
        (["predict", "no.parquet", "--engine", "ray", "--out", "read"], "/", "no such file"),
        (["predict", "nothing", "--engine", "ray", "--out", "read"], "nothing: no pictures in this folder", ""),
        (["submit", "no.csv", "--model", "runs/whole"], "no.csv", ""),
        (["submit", "digits.npz", "--model", "runs/whole"], "digits.npz", ""),
        (["submit", "unlabelled.npz", "--model", "runs/whole", "--out", "/proc/x/s.csv"], "/proc/x", ""),
        (["inspect", "none.onnx"], "none.onnx", ""),
        (["inspect", "notes.txt"], "notes.txt", ""),
        (["inspect", "nothing"], "nothing", "create one with: flaxdigits train"),
        (["verify", "notes.txt"], "notes.txt", ""),
        (
            ["verify", "runs/whole", "nothing"],
            "nothing/golden.json",
            "`flaxdigits export --golden FOLDER` writes them",
        ),
    ],
)
def test_an_error_that_a_user_can_mend_is_one_line_with_what_to_do(words, subject, advice, here, invoke):
    (here / "notes.txt").write_text("no model")
    (here / "digits.parquet").write_text("PAR1")
    (here / "nothing").mkdir(exist_ok=True)
    (here / "runs/unfinished").mkdir(exist_ok=True)
    (here / "runs/unfinished/config.toml").write_text("")
    (here / "runs/stopped/checkpoints").mkdir(parents=True, exist_ok=True)
    (here / "runs/stopped/config.toml").write_text("")
    code, stdout, stderr = invoke(*words)
    assert (code, stdout) == (1, "")
    assert stderr.startswith(f"flaxdigits: {subject}")
    assert advice in stderr
    assert stderr.count("\n") == 1


def test_of_a_history_that_cannot_be_read_the_command_that_restores_it_is_named(tmp_path):
    with pytest.raises(RunError) as raised:
        read_history(Run(tmp_path))
    assert advice(raised.value) == f"`flaxdigits train --resume {tmp_path}` restores it from the checkpoint"


@pytest.mark.parametrize("command", ["eval", "export"])
def test_without_a_run_the_first_step_is_named(invoke, command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert invoke(command) == (1, "", "flaxdigits: runs/latest: no run yet; create one with: flaxdigits train\n")
