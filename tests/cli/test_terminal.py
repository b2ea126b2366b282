"""What is printed of names from outside: nothing that a terminal obeys."""

import csv
import io
import json
import os
import pty
import re
import shutil
import subprocess

import numpy as np
import pytest
from cli.conftest import PROGRAM
from PIL import Image

HOSTILE = "7\x1b[2J\n\x9b31m\u202e\x7f.png"
SHOWN = r"7\x1b[2J\n\x9b31m\u202e\x7f.png"
OBEYED = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e]")


@pytest.fixture
def hostile(tmp_path, monkeypatch, mnist_test):
    """A folder with a picture whose name holds what a terminal obeys, a text file of such a name, and a model."""
    monkeypatch.chdir(tmp_path)
    Image.fromarray(255 - mnist_test.images[0]).resize((200, 200)).save("7.png")
    os.rename("7.png", HOSTILE)  # noqa: PTH104
    (tmp_path / f"{HOSTILE}.txt").write_text("neither picture nor table")
    return tmp_path


def on_terminal(folder, *words):
    """Returns what the program prints on a terminal of its own."""
    main, side = pty.openpty()
    with subprocess.Popen(
        [*PROGRAM, *words], cwd=folder, stdin=side, stdout=side, stderr=side, close_fds=True
    ) as process:
        os.close(side)
        printed = b""
        while part := read_terminal(main):
            printed += part
        process.wait(timeout=300)
    os.close(main)
    return printed.decode().replace("\r\n", "\n")


def read_terminal(main):
    try:
        return os.read(main, 2**16)
    except OSError:  # how Linux says that the other side is closed
        return b""


@pytest.mark.parametrize("form", ["table", "csv", "json", "jsonl"])
def test_no_form_of_output_carries_control_characters_to_a_terminal(hostile, form):
    printed = on_terminal(hostile, "predict", "--single", "--format", form, HOSTILE)
    assert not OBEYED.search(printed)
    assert (SHOWN if form in ("table", "csv") else r"7\u001b[2J\n") in printed


def test_a_refusal_carries_none(hostile):
    printed = on_terminal(hostile, "predict", "--single", f"{HOSTILE}.txt")
    assert printed == f"flaxdigits: {SHOWN}.txt: not a picture that can be read\n"


def test_json_and_csv_are_exact_where_programs_read_them(hostile, run_program):
    def answer(form):
        return run_program(hostile, "predict", "--single", "--format", form, HOSTILE).stdout

    assert json.loads(answer("json"))[0]["file"] == HOSTILE
    assert json.loads(answer("jsonl"))["file"] == HOSTILE
    assert next(csv.DictReader(io.StringIO(answer("csv"), newline="")))["file"] == HOSTILE


@pytest.mark.parametrize("words", [("label", "--single", HOSTILE, "--out", "o\x1b[31mut\n"), ("explain", HOSTILE)])
def test_what_the_other_commands_say_of_a_file_carries_none(hostile, invoke, words):
    code, out, err = invoke(*words)
    assert code == 0, err
    assert not OBEYED.search(out + err)
    assert r"\x1b[" in out


def test_what_a_model_says_of_itself_carries_none_and_cannot_pass_for_a_line_of_ours(tmp_path, write_model, invoke):
    metadata = {"name": "a\x1b[31m", "config": "x = 1\ncontract  kept\x1b[2J", "a\nb": "c"}
    path = write_model(tmp_path / "m.onnx", np.zeros((784, 10)), metadata=metadata)
    code, out, _ = invoke("inspect", path)
    assert code == 0
    assert not OBEYED.search(out)
    assert "\n  contract  kept\\x1b[2J\n" in out
    assert len([line for line in out.splitlines() if line.startswith("contract")]) == 1
    shutil.copy(path, tmp_path / "n\x1b[31m.onnx")
    assert r"n\x1b[31m.onnx" in invoke("eval", tmp_path / "n\x1b[31m.onnx")[1]
