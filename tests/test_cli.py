"""The program as a user runs it: real processes, real signals."""

import gc
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from broken import BROKEN
from flaxdigits_cli.main import main
from PIL import Image

import flaxdigits
from flaxdigits import contract, shipped
from flaxdigits.golden import write_golden
from flaxdigits.pictures import read_picture
from flaxdigits.recognizer import Recognizer

PROGRAM = [sys.executable, "-m", "flaxdigits_cli.main"]
CONFIG = """
data = "digits.npz"
hidden = [64, 32]
epochs = 30
batch_size = 64
validation = 0.2
checkpoint_seconds = 0.5
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory, mnist_test):
    """A folder to work in, with digits to train on and a run of them that nothing disturbed."""
    folder = tmp_path_factory.mktemp("work")
    train = flaxdigits.load()[:6000]
    np.savez(folder / "digits.npz", images=train.images, labels=train.labels)
    np.savez(folder / "unlabelled.npz", images=train.images[:30])
    (folder / "config.toml").write_text(CONFIG)
    Image.fromarray(255 - mnist_test.images[0]).resize((200, 200)).save(folder / "seven.png")
    done = flax(folder, "train", "--config", "config.toml", "--out", "runs/whole")
    assert done.returncode == 0, done.stderr
    return folder


def flax(folder, *words, **options):
    return subprocess.run([*PROGRAM, *words], cwd=folder, capture_output=True, text=True, timeout=300, **options)


def start_training(folder, *words):
    pipe = subprocess.PIPE
    return subprocess.Popen([*PROGRAM, "train", *words], cwd=folder, stdout=pipe, stderr=pipe, text=True)


def wait_for_epochs(process, count):
    """Reads standard error until so many epochs are done, or the process ends."""
    for line in process.stderr:
        count -= line.startswith("epoch")
        if count <= 0:
            return


def weights(folder, run):
    done = flax(folder, "export", run)
    assert done.returncode == 0, done.stderr
    return re.search(r"weights ([0-9a-f]{64})", done.stdout)[1]


def test_train_says_where_everything_is(folder):
    done = flax(folder, "train", "digits.npz", "--epochs", "1", "--hidden", "16", "--seed", "3")
    assert done.returncode == 0
    run, model, curves = (line.split()[1] for line in done.stdout.splitlines())
    assert all((folder / path).exists() for path in (run, model, curves))
    assert (folder / "runs/latest").resolve() == (folder / run).resolve()
    assert re.search(r"^epoch 1/1  loss \S+  accuracy \S+%  val_loss \S+  val_accuracy \S+%", done.stderr, re.MULTILINE)


def test_eval_writes_what_it_prints(folder):
    done = flax(folder, "eval", "runs/whole", "--json")
    printed = json.loads(done.stdout)
    assert json.loads((folder / "runs/whole/metrics.json").read_text()) == printed
    assert printed["digits"] == 10_000
    assert printed["errors"] == sum(map(sum, printed["confusion"])) - sum(
        printed["confusion"][digit][digit] for digit in range(10)
    )
    pictures = ("confusion.png", "mistakes.png", "reliability.png")
    assert all((folder / "runs/whole" / name).exists() for name in pictures)
    assert all(f"runs/whole/{name}" in done.stderr for name in pictures)


def test_eval_of_a_file_is_eval_of_its_run(folder):
    table = [flax(folder, "eval", model).stdout for model in ("runs/whole", "runs/whole/model.onnx")]
    assert table[0] == table[1]
    assert "accuracy           9" in table[0]


def test_eval_averages_views_as_a_file_with_views_does(folder):
    assert flax(folder, "export", "runs/whole", "--views", "5", "--out", "views.onnx").returncode == 0
    inside, outside, one = (
        json.loads(flax(folder, "eval", *words, "--json").stdout)
        for words in (["views.onnx"], ["runs/whole/model.onnx", "--views", "5"], ["runs/whole/model.onnx"])
    )
    assert inside["loss"] == pytest.approx(outside["loss"], rel=1e-3)
    assert abs(inside["errors"] - outside["errors"]) <= 2  # there the views are rounded to bytes
    assert inside["loss"] < 0.99 * one["loss"]
    assert outside["model"] == "runs/whole/model.onnx, 5 views"


def test_a_committee_is_taught_by_a_run(folder):
    words = ["digits.npz", "--config", "config.toml", "--epochs", "1", "--members", "2", "--teachers", "runs/whole"]
    done = flax(folder, "train", *words, "--out", "runs/pupil")
    assert done.returncode == 0, done.stderr
    metadata = Recognizer(folder / "runs/pupil").metadata
    assert metadata["members"] == "2"
    assert re.fullmatch("[0-9a-f]{64}", metadata["teacher_sha256"])
    done = flax(folder, "export", "runs/whole", "runs/pupil", "--out", "committee.onnx")
    assert done.returncode == 0, done.stderr
    committee = Recognizer(folder / "committee.onnx").metadata
    assert committee["members"] == "3"
    assert committee["teacher_sha256"] == f", {metadata['teacher_sha256']}"


@pytest.mark.parametrize("form", ["table", "csv", "json", "jsonl"])
def test_predict_reads_a_picture_in_every_format(form, folder):
    done = flax(folder, "predict", "seven.png", "--model", "runs/whole", "--format", form)
    assert done.returncode == 0
    read = {
        "table": lambda text: text.split()[1],
        "csv": lambda text: text.splitlines()[1].split(",")[1],
        "json": lambda text: json.loads(text)[0]["digit"],
        "jsonl": lambda text: json.loads(text)["digit"],
    }[form]
    assert int(read(done.stdout)) == 7


def test_predict_takes_standard_input(folder):
    picture = (folder / "seven.png").read_bytes()
    done = subprocess.run(
        [*PROGRAM, "predict", "-", "--model", "runs/whole"], cwd=folder, input=picture, capture_output=True
    )
    assert done.stdout.split()[-2:-1] == [b"7"]


def test_one_bad_picture_stops_nothing_and_shows_in_the_exit_code(folder):
    (folder / "bad.png").write_text("no picture")
    done = flax(folder, "predict", "bad.png", "seven.png", "--model", "runs/whole")
    assert done.returncode == 1
    assert done.stdout.split()[:2] == ["seven.png", "7"]
    assert done.stderr == "flaxdigits: bad.png: not a picture that can be read\n"


def test_eval_on_what_was_trained_on_says_so(folder):
    done = flax(folder, "eval", "runs/whole/model.onnx", "digits.npz")
    assert "warning: the model was trained on all of these digits, so this score is too good" in done.stderr


def test_a_finished_run_is_said_to_be_finished(folder):
    done = flax(folder, "train", "--resume", "runs/whole")
    assert done.returncode == 0
    assert "runs/whole: was finished already, nothing was left to train" in done.stderr


def test_a_run_that_was_begun_with_another_jax_says_so(folder):
    shutil.copytree(folder / "runs/whole", folder / "runs/older")
    begun_with = json.loads((folder / "runs/older/data.json").read_text())
    (folder / "runs/older/data.json").write_text(json.dumps(begun_with | {"jax": "0.0.1"}))
    done = flax(folder, "train", "--resume", "runs/older")
    assert f"note: begun with JAX 0.0.1, goes on with {begun_with['jax']}: " in done.stderr


def test_a_run_without_a_checkpoint_says_that_it_begins_again(folder):
    shutil.copytree(folder / "runs/whole", folder / "runs/emptied")
    shutil.rmtree(folder / "runs/emptied/checkpoints")
    done = flax(folder, "train", "--resume", "runs/emptied")
    assert "note: runs/emptied has no step saved yet, so this begins at its first" in done.stderr
    assert weights(folder, "runs/emptied") == weights(folder, "runs/whole")


def test_a_model_whose_probabilities_are_not_calibrated_says_so(folder):
    (folder / "everything.toml").write_text("validation = 0\nhidden = [16]\nepochs = 1\n")
    said = "note: temperature 1, so the probabilities are not calibrated"
    assert said in flax(folder, "train", "digits.npz", "--config", "everything.toml").stderr
    assert said not in flax(folder, "export", "runs/whole").stderr


def test_submit_writes_an_answer_a_row(folder, mnist_test):
    header = ",".join(f"pixel{i}" for i in range(784))
    rows = mnist_test.images[:30].reshape(30, 784)
    np.savetxt(folder / "test.csv", rows, fmt="%d", delimiter=",", header=header, comments="")
    done = flax(folder, "submit", "test.csv", "--model", "runs/whole")
    assert done.returncode == 0
    lines = (folder / "submission.csv").read_text().splitlines()
    assert lines[0] == "ImageId,Label"
    assert [line.split(",")[0] for line in lines[1:]] == [str(i) for i in range(1, 31)]
    right = np.mean([int(line[-1]) for line in lines[1:]] == mnist_test.labels[:30])
    assert right > 0.7


def test_submit_warns_where_the_model_has_seen_the_digits(folder, mnist_train, mnist_test):
    header = ",".join(f"pixel{i}" for i in range(784))
    rows = np.concatenate([mnist_train.images[:20], mnist_test.images[:10]]).reshape(30, 784)
    np.savetxt(folder / "seen.csv", rows, fmt="%d", delimiter=",", header=header, comments="")
    done = flax(folder, "submit", "seen.csv", "--out", "seen-answers.csv")
    assert done.returncode == 0
    assert done.stderr.startswith("warning: 20 of these digits are among MNIST's training digits")
    assert "warning" not in flax(folder, "submit", "seen.csv", "--model", "runs/whole", "--out", "s.csv").stderr


@pytest.mark.parametrize(("epochs", "kind", "step"), [(0, signal.SIGTERM, "0"), (3, signal.SIGINT, r"\d+")])
def test_interrupted_training_says_how_to_go_on_and_does(epochs, kind, step, folder):
    run = f"runs/stopped-after-{epochs}"
    process = start_training(folder, "--config", "config.toml", "--out", run)
    wait_for_epochs(process, epochs)
    process.send_signal(kind)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    said = rf"flaxdigits: stopped and saved at step {step} of 2250; go on with: flaxdigits train --resume {run}\n$"
    assert re.search(said, stderr)
    assert flax(folder, "train", "--resume", run).returncode == 0
    assert weights(folder, run) == weights(folder, "runs/whole")


def test_asked_twice_a_training_stops_at_once(folder):
    process = start_training(folder, "--config", "config.toml", "--out", "runs/twice")
    wait_for_epochs(process, 0)
    process.send_signal(signal.SIGINT)
    assert "once more stops at once" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=10)[1] == ""
    assert process.returncode == -signal.SIGINT


def test_killed_at_three_random_moments_and_resumed_the_weights_are_the_same(folder):
    words = ["--config", "config.toml", "--out", "runs/killed"]
    for _ in range(3):
        process = start_training(folder, *words)
        wait_for_epochs(process, random.randint(1, 2))
        time.sleep(0.7 * random.random())
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL  # a run that had ended would show nothing
        words = ["--resume", "runs/killed"]
    done = flax(folder, "train", *words)
    assert done.returncode == 0, done.stderr
    assert weights(folder, "runs/killed") == weights(folder, "runs/whole")


@pytest.mark.parametrize(
    ("words", "code", "line"),
    [
        (["train", "nothing.csv"], 1, "nothing.csv: no such file or folder; embedded are mnist-train and mnist-test"),
        (["train", "--epochs", "0"], 1, "epochs: expected 1 or more, got 0"),
        (["train", "--members", "0"], 1, "members: expected 1 or more, got 0"),
        (["train", "--teachers", "nowhere"], 1, "nowhere: not a run directory, there is no config.toml in it"),
        (["export", "runs/whole", "--views", "0"], 1, "views: expected 1 or more, got 0"),
        (["eval", "runs/whole", "--views", "0"], 1, "views: expected 1 or more, got 0"),
        (["train", "--device", "gpu"], 1, "--device gpu: JAX finds none here, only cpu; its support comes with: pip install 'flaxdigits[cuda]'"),
        (["train", "--config", "no.toml"], 1, "no.toml: No such file or directory"),
        (["train", "--resume", "runs/none"], 1, "runs/none: not a run directory, there is no config.toml in it"),
        (["train", "--out", "runs/whole"], 1, "runs/whole: holds a run already; continue it with: flaxdigits train --resume runs/whole, or choose another folder"),
        (["eval", "no.onnx"], 1, "no.onnx: no such model; expected an .onnx file or a run directory"),
        (["predict", "no.png", "--model", "runs/whole"], 1, "no.png: No such file or directory"),
        (["submit", "no.csv", "--model", "runs/whole"], 1, "no.csv: no such file or folder; embedded are mnist-train and mnist-test"),
        (["submit", "digits.npz", "--model", "runs/whole"], 1, "digits.npz: has labels, so it is not the competition's test.csv"),
        (["submit", "unlabelled.npz", "--model", "runs/whole", "--out", "/proc/x/s.csv"], 1, "/proc/x: No such file or directory"),
        (["train", "--epochs", "x"], 2, "argument --epochs: invalid int value: 'x'; `flaxdigits train --help` shows what it takes"),
        (["train", "--resume", "runs/whole", "--epochs", "9"], 2, "--resume continues a run with the configuration it has; leave the rest out; `flaxdigits train --help` shows what it takes"),
        (["train", "--epohcs", "2"], 2, "unrecognized arguments: --epohcs; `flaxdigits train --help` shows what it takes"),
        (["--nope", "train"], 2, "unrecognized arguments: --nope; `flaxdigits --help` shows what it takes"),
        (["predict"], 2, "the following arguments are required: FILE; `flaxdigits predict --help` shows what it takes"),
    ],
)  # fmt: skip
def test_what_a_user_can_mend_is_one_line(words, code, line, folder):
    done = flax(folder, *words)
    assert (done.returncode, done.stdout, done.stderr) == (code, "", f"flaxdigits: {line}\n")


@pytest.fixture
def said(monkeypatch, capsys, tmp_path):
    """Runs the program in this process, in an empty folder: exit code, standard output, standard error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(gc, "set_threshold", lambda *_: None)

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["flaxdigits", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        return (ended.value.code, *capsys.readouterr())

    return run


@pytest.mark.parametrize("command", ["eval", "export"])
def test_without_a_run_the_first_step_is_named(said, command):
    assert said(command) == (1, "", "flaxdigits: runs/latest: no run yet; `flaxdigits train` makes one\n")


def test_predict_without_a_model_reads_with_the_shipped_one(said, few, tmp_path):
    Image.fromarray(255 - few.images[0]).resize((200, 200)).save(tmp_path / "seven.png")
    code, out, err = said("predict", "seven.png", "--format", "jsonl")
    answer = Recognizer(shipped.MODEL)(read_picture(tmp_path / "seven.png")[None])
    assert (code, err) == (0, "")
    assert json.loads(out)["digit"] == answer.digits[0] == 7
    assert json.loads(out)["probabilities"] == answer.probabilities[0].tolist()


@pytest.mark.parametrize("kind", BROKEN)
def test_a_model_that_cannot_be_used_is_one_line(said, kind, few, tmp_path, write_model):
    np.savez(tmp_path / "digits.npz", images=few.images)
    line, write = BROKEN[kind]
    write(tmp_path / "m.onnx", write_model)
    code, out, err = said("predict", "digits.npz", "--model", "m.onnx")
    assert (code, out) == (1, "")
    assert re.fullmatch(f"flaxdigits: {line}\n", err.replace("m.onnx", "MODEL", 1))


@pytest.mark.parametrize("kind", sorted(BROKEN.keys() - {"a batch it cannot run"}))
def test_inspect_says_what_is_wrong_and_fails(said, kind, tmp_path, write_model):
    line, write = BROKEN[kind]
    write(tmp_path / "m.onnx", write_model)
    code, out, err = said("inspect", "m.onnx")
    assert code == 1
    if out:
        wrong = line.removeprefix("MODEL: ").removeprefix("breaks the contract: ")
        assert re.fullmatch(f"contract +broken: {wrong}.*", out.splitlines()[-1])
        assert err == ""
    else:
        assert re.fullmatch(f"flaxdigits: {line}\n", err.replace("m.onnx", "MODEL", 1))


def test_inspect_says_what_the_shipped_model_is(said):
    code, out, err = said("inspect")
    assert (code, err) == (0, "")
    rows = dict(re.split("  +", line, maxsplit=1) for line in out.splitlines() if not line.startswith(" "))
    assert rows["file"] == f"{shipped.MODEL}, {shipped.MODEL.stat().st_size:,} bytes"
    assert rows["format"] == "IR 8, opset ai.onnx 17"
    assert rows["in"] == "pixels tensor(uint8) [batch, 28, 28]"
    assert rows["contract"] == "kept"
    assert rows.keys() >= {*contract.Metadata._fields, *contract.IMAGE_METADATA}


def test_inspect_gives_the_same_as_json(said, forms):
    code, out, err = said("inspect", forms["int8"], "--json")
    found = json.loads(out)
    assert (code, err) == (0, "")
    assert (found["path"], found["bytes"]) == (str(forms["int8"]), forms["int8"].stat().st_size)
    assert found["operators"]["Gemm"] == 3
    assert found["metadata"]["precision"] == "int8"
    assert found["breaches"] == found["cautions"] == []


def test_inspect_cautions_against_an_opset_that_older_runtimes_do_not_know(said, tmp_path, write_model):
    BROKEN["opset too new"][1](tmp_path / "m.onnx", write_model)
    _, out, _ = said("inspect", "m.onnx")
    assert re.search("^caution +opset 99: the contract has 17, ", out, re.MULTILINE)


def test_verify_says_how_far_the_answers_are_from_those_at_home(said):
    code, out, err = said("verify")
    assert (code, err) == (0, "")
    assert re.fullmatch(
        rf"{shipped.MODEL}: all 40 golden vectors answered as at home, with onnxruntime \S+; "
        r"largest difference of a probability \d\.\de[-+]\d\d, where [12]e-0[25] is allowed\n",
        out,
    )


def test_verify_refuses_another_model_in_one_line(said, forms, tiny_model, tmp_path):
    write_golden(Recognizer(forms["float32"]), tmp_path / "golden")
    assert said("verify", forms["float32"], "golden")[0] == 0
    code, out, err = said("verify", tiny_model, "golden")
    assert (code, out) == (1, "")
    assert re.fullmatch(
        rf"flaxdigits: {tiny_model}: \d+ of 40 golden vectors of golden are answered otherwise \(.*\), probabilities "
        r"by up to \S+; they are not of this file \(another model or precision, or damaged\): name its own folder\n",
        err,
    )


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["inspect", "none.onnx"], "none.onnx: no such model; expected an .onnx file or a run directory"),
        (["inspect", "notes.txt"], "notes.txt: not an ONNX model, or cut off"),
        (["inspect", "folder"], "folder: not a run directory, there is no config.toml in it"),
        (["verify", "none.onnx"], "none.onnx: no such model; expected an .onnx file or a run directory"),
        (["verify", "notes.txt"], "notes.txt: not an ONNX model, or cut off"),
        (
            ["verify", str(shipped.MODEL), "none"],
            "none/golden.json: No such file or directory; `flaxdigits export --golden FOLDER` writes them",
        ),
        (
            ["verify", str(shipped.MODEL), "folder"],
            "folder/golden.json: No such file or directory; `flaxdigits export --golden FOLDER` writes them",
        ),
        (
            ["verify", str(shipped.MODEL), "notes.txt"],
            "notes.txt/golden.json: Not a directory; `flaxdigits export --golden FOLDER` writes them",
        ),
        (["eval", "notes.txt"], "notes.txt: not an ONNX model, or cut off"),
        (
            ["submit", "notes.txt", "--model", "none.onnx"],
            "none.onnx: no such model; expected an .onnx file or a run directory",
        ),
        (["predict", "notes.txt", "--model", "notes.txt"], "notes.txt: not an ONNX model, or cut off"),
        (["export", "runs/none"], "runs/none: not a run directory, there is no config.toml in it"),
        (["export", "notes.txt"], "notes.txt: not a run directory, there is no config.toml in it"),
    ],
)
def test_what_cannot_be_inspected_verified_or_exported_is_one_line(words, line, said, tmp_path):
    (tmp_path / "notes.txt").write_text("no model")
    (tmp_path / "folder").mkdir()
    assert said(*words) == (1, "", f"flaxdigits: {line}\n")


def test_a_precision_that_is_none_is_a_usage_error(said):
    code, out, err = said("export", "--precision", "int4")
    assert (code, out) == (2, "")
    assert re.fullmatch("flaxdigits: argument --precision: invalid choice: 'int4' .*float32.*float16.*int8.*\n", err)


def test_export_writes_a_quantised_form_its_golden_vectors_and_a_triton_repository(folder):
    done = flax(
        folder, "export", "runs/whole", "--precision", "float16", "--golden", "made/golden", "--triton", "made/models"
    )
    assert (done.returncode, done.stderr) == (0, "")
    form = folder / "runs/whole/model-float16.onnx"
    first, gate, golden, triton = done.stdout.splitlines()
    assert re.fullmatch(
        r"runs/whole/model-float16.onnx: float16, 0.1 MB, opset 17, IR 8, temperature [0-9.]+, weights [0-9a-f]{64}",
        first,
    )
    assert re.match(
        r"gate: 10,000 digits in batches of 1, 7 and 1,000; \d+ read otherwise than by the network, [-+]", gate
    )
    assert golden.endswith("check with: flaxdigits verify runs/whole/model-float16.onnx made/golden")
    assert triton == "made/models/digits: config.pbtxt and 1/model.onnx for Triton or KServe"
    assert (folder / "made/models/digits/1/model.onnx").read_bytes() == form.read_bytes()
    command = golden.partition("flaxdigits ")[2].split()
    assert flax(folder, *command).stdout.startswith("runs/whole/model-float16.onnx: all 40 golden vectors answered")
    assert Recognizer(form).metadata["command"].startswith("flaxdigits export runs/whole --precision float16 --golden")


def test_output_that_nobody_reads_to_its_end_is_no_error(folder):
    reader = f"{' '.join(PROGRAM)} predict digits.npz --model runs/whole | head -1"
    done = subprocess.run(["bash", "-c", reader], cwd=folder, capture_output=True, text=True)
    assert done.stdout.startswith("digits.npz:1 ")
    assert done.stderr == ""


def test_doctor_knows_what_is_installed(folder):
    report = json.loads(flax(folder, "doctor", "--json").stdout)
    assert report["packages"]["numpy"] == np.__version__
    assert "CPUExecutionProvider" in report["onnxruntime_providers"]
    assert any(device.startswith("cpu") for device in report["jax_devices"])


@pytest.mark.parametrize(
    "words",
    [["--help"], ["predict", "seven.png", "--model", "runs/whole"], ["predict", "seven.png"], ["inspect"], ["verify"]],
)
def test_no_heavy_package_is_imported_to_help_to_predict_or_to_look_at_a_model(words, folder):
    environment = os.environ | {"PYTHONPROFILEIMPORTTIME": "1"}
    done = flax(folder, *words, env=environment)
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "flaxdigits_cli.main" in imported or "argparse" in imported
    assert not imported & {"jax", "flax", "pandas", "matplotlib", "onnx", "rich"}
