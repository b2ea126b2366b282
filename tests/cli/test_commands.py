"""All commands but `train`."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest
from broken import BROKEN
from PIL import Image, ImageDraw

from flaxdigits.inference import contract, shipped
from flaxdigits.inference.golden import write_golden
from flaxdigits.inference.recognizer import Recognizer
from flaxdigits.pictures.reading import read_picture

PROGRAM = [sys.executable, "-m", "flaxdigits_cli.main"]


@pytest.fixture
def empty(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_eval_writes_what_it_prints(here, invoke):
    code, stdout, stderr = invoke("eval", "runs/whole", "--json")
    printed = json.loads(stdout)
    assert code == 0
    assert json.loads((here / "runs/whole/metrics.json").read_text()) == printed
    assert printed["digits"] == 10_000
    assert printed["errors"] == np.sum(printed["confusion"]) - np.trace(printed["confusion"])
    plots = ("confusion.png", "mistakes.png", "reliability.png")
    assert all((here / "runs/whole" / name).exists() for name in plots)
    assert all(f"runs/whole/{name}" in stderr for name in plots)


@pytest.mark.slow
def test_eval_of_a_file_is_eval_of_its_run(here, invoke):
    tables = [invoke("eval", model)[1] for model in ("runs/whole", "runs/whole/model.onnx")]
    assert tables[0] == tables[1]
    assert "accuracy           9" in tables[0]


@pytest.mark.slow
def test_an_exported_file_holds_no_path_of_this_machine(here, invoke):
    assert invoke("export", here / "runs/whole", "--out", here / "elsewhere.onnx")[0] == 0
    metadata = Recognizer(here / "elsewhere.onnx").metadata
    assert metadata["training_data"] == "digits.npz"
    assert 'data = "digits.npz"' in metadata["config"]
    assert metadata["command"] == "flaxdigits export whole --out elsewhere.onnx"
    assert str(here) not in "".join(metadata.values())


def test_eval_on_validation_is_of_the_digits_that_the_run_held_out(here, invoke):
    from flaxdigits import Run

    code, stdout, _ = invoke("eval", "runs/whole", "--validation", "--json", "--out", "validation")
    figures = json.loads(stdout)
    assert code == 0
    assert figures["digits"] == 1200
    assert figures["accuracy"] == pytest.approx(Run("runs/whole").history_frame()["val_accuracy"].iloc[-1])
    assert (here / "validation/mistakes.png").exists()


def test_eval_on_training_digits_warns(here, invoke):
    warning = "warning: the model was trained on all of these digits, so the score is optimistic"
    assert warning in invoke("eval", "runs/whole/model.onnx", "digits.npz")[2]


@pytest.mark.parametrize("form", ["table", "csv", "json", "jsonl"])
def test_predict_prints_a_digit_in_every_format(form, here, invoke):
    code, stdout, _ = invoke("predict", "seven.png", "--model", "runs/whole", "--format", form)
    parse = {
        "table": lambda text: text.split()[1],
        "csv": lambda text: text.splitlines()[1].split(",")[3],
        "json": lambda text: json.loads(text)[0]["digit"],
        "jsonl": lambda text: json.loads(text)["digit"],
    }[form]
    assert code == 0
    assert int(parse(stdout)) == 7


def test_predict_takes_standard_input(folder):
    picture = (folder / "seven.png").read_bytes()
    command = [*PROGRAM, "predict", "-", "--model", "runs/whole"]
    done = subprocess.run(command, cwd=folder, input=picture, capture_output=True)
    assert done.stdout.split()[-2:-1] == [b"7"]


def test_a_bad_picture_stops_nothing_and_shows_in_the_exit_code(here, invoke):
    (here / "bad.png").write_text("no picture")
    code, stdout, stderr = invoke("predict", "bad.png", "seven.png", "--model", "runs/whole")
    assert code == 1
    assert stdout.split()[:2] == ["seven.png", "7"]
    assert stderr.startswith("flaxdigits: bad.png")
    assert stderr.count("\n") == 1


def test_predict_uses_the_shipped_model_by_default(invoke, few, empty):
    Image.fromarray(255 - few.images[0]).resize((200, 200)).save("seven.png")
    code, stdout, stderr = invoke("predict", "seven.png", "--format", "jsonl")
    prediction = Recognizer(shipped.MODEL)(read_picture(empty / "seven.png")[None])
    record = json.loads(stdout)
    assert (code, stderr) == (0, "")
    assert list(record) == ["file", "line", "number", "digit", "probability", "digitness", "refused", "box"]
    assert record["digit"] == prediction.digits[0] == 7
    assert record["probability"] == pytest.approx(prediction.confidences[0], abs=1e-6)
    assert record["digitness"] == pytest.approx(prediction.digitness[0], abs=1e-6)


def write_page(path, mnist_test):
    """A page of two lines, 72 104 and 14, drawn with digits of the test set."""
    ink = np.zeros((360, 600), np.uint8)
    for row, (line, left) in enumerate([(0, 40), (0, 85), (0, 250), (0, 300), (0, 345), (1, 60), (1, 110)]):
        big = np.asarray(Image.fromarray(mnist_test.images[row]).resize((70, 70), Image.Resampling.BICUBIC))
        area = ink[60 + 140 * line : 130 + 140 * line, left : left + 70]
        np.maximum(area, big, out=area)
    Image.fromarray(230 - (0.8 * ink).astype(np.uint8)).save(path)


def test_a_page_is_a_row_for_each_line_and_a_record_for_each_digit(empty, invoke, mnist_test):
    write_page("page.png", mnist_test)
    rows = [row.split()[:-1] for row in invoke("predict", "page.png")[1].splitlines()]
    assert rows == [["page.png:1", "72", "104"], ["page.png:2", "14"]]
    records = json.loads(invoke("predict", "page.png", "--format", "json")[1])
    places = [(record["line"], record["number"], record["digit"]) for record in records]
    assert places == [(1, 1, 7), (1, 1, 2), (1, 2, 1), (1, 2, 0), (1, 2, 4), (2, 1, 1), (2, 1, 4)]
    assert len(invoke("predict", "page.png", "--single", "--format", "jsonl")[1].splitlines()) == 1


def test_a_page_is_annotated_and_explained(empty, invoke, mnist_test):
    write_page("page.png", mnist_test)
    Image.fromarray(255 - mnist_test.images[0]).resize((200, 200)).save("seven.png")
    assert invoke("predict", "page.png", "--annotate", "drawn.png")[0] == 0
    code, stdout, _ = invoke("explain", "page.png")
    assert code == 0
    assert "in lines of writing: 2" in stdout
    assert stdout.splitlines()[-1] == "page-explained.png"
    assert "read as one digit" not in stdout
    assert "read as a single digit" in invoke("explain", "seven.png")[1]
    for name in ("drawn.png", "page-explained.png", "seven-explained.png"):
        with Image.open(empty / name) as picture:
            assert picture.mode == "RGB"


def test_an_empty_picture_gives_a_note_and_no_object(empty, invoke):
    Image.new("L", (200, 200), 230).save("blank.png")
    note = "note: blank.png: no digit stands out from the paper\n"
    assert invoke("predict", "blank.png", "--format", "jsonl") == (0, "", note)


def test_a_letter_is_no_digit_until_the_least_confidence_is_lowered(empty, invoke):
    picture = Image.new("L", (150, 150), 255)
    ImageDraw.Draw(picture).text((75, 75), "K", fill=0, font_size=100, anchor="mm")
    picture.save("letter.png")
    assert "letter.png  no digit" in invoke("predict", "letter.png", "--single")[1]
    (record,) = json.loads(invoke("predict", "letter.png", "--min-confidence", "0", "--format", "json", "--single")[1])
    assert record["refused"] is False


@pytest.mark.parametrize(
    "words",
    [
        ("--single", "--page"),
        ("--min-confidence", "2"),
        ("--min-confidence", "nan"),
        ("seven.png", "--annotate", "a.png"),
        ("--annotate", "seven.png"),
    ],
)
def test_what_excludes_each_other_is_a_usage_error(words, here, invoke):
    assert invoke("predict", "seven.png", *words)[0] == 2


def test_output_that_is_not_read_to_its_end_is_no_error(folder):
    reader = f"{' '.join(PROGRAM)} predict digits.npz --model runs/whole | head -1"
    done = subprocess.run(["bash", "-c", reader], cwd=folder, capture_output=True, text=True)
    assert done.stdout.startswith("digits.npz:1 ")
    assert done.stderr == ""


def save_csv(path, images):
    header = ",".join(f"pixel{i}" for i in range(784))
    np.savetxt(path, images.reshape(-1, 784), fmt="%d", delimiter=",", header=header, comments="")


def test_submit_writes_a_prediction_per_row(here, invoke, mnist_test):
    save_csv("test.csv", mnist_test.images[:30])
    assert invoke("submit", "test.csv", "--model", "runs/whole")[0] == 0
    lines = (here / "submission.csv").read_text().splitlines()
    assert lines[0] == "ImageId,Label"
    assert [line.split(",")[0] for line in lines[1:]] == [str(i) for i in range(1, 31)]
    assert np.mean([int(line[-1]) for line in lines[1:]] == mnist_test.labels[:30]) > 0.7


def test_submit_warns_of_digits_that_the_model_was_trained_on(here, invoke, mnist_train, mnist_test):
    save_csv("seen.csv", np.concatenate([mnist_train.images[:20], mnist_test.images[:10]]))
    code, _, stderr = invoke("submit", "seen.csv", "--out", "seen-predictions.csv")
    assert code == 0
    assert stderr.startswith("warning: the model was trained on 20 of these digits")
    assert "warning" not in invoke("submit", "seen.csv", "--model", "runs/whole", "--out", "s.csv")[2]


@pytest.mark.slow
def test_export_writes_float16_golden_vectors_and_a_triton_repository(here, invoke):
    made = ["--golden", "made/golden", "--triton", "made/models"]
    code, stdout, stderr = invoke("export", "runs/whole", "--precision", "float16", *made)
    assert (code, stderr) == (0, "")
    form = here / "runs/whole/model-float16.onnx"
    first, gate, golden, triton = stdout.splitlines()
    pattern = (
        r"runs/whole/model-float16.onnx: float16, 0.1 MB, opset 17, IR \d, temperature [0-9.]+, weights [0-9a-f]{64}"
    )
    assert re.fullmatch(pattern, first)
    assert gate.startswith("gate: 10,000 digits in batches of 1, 7 and 1,000; ")
    assert golden.endswith("check with: flaxdigits verify runs/whole/model-float16.onnx made/golden")
    assert triton == "made/models/digits: config.pbtxt and 1/model.onnx for Triton or KServe"
    assert (here / "made/models/digits/1/model.onnx").read_bytes() == form.read_bytes()
    assert invoke(*golden.partition("flaxdigits ")[2].split())[0] == 0


@pytest.mark.parametrize("kind", BROKEN)
def test_a_model_that_breaks_the_contract_is_one_line(invoke, kind, few, empty, write_model):
    np.savez("digits.npz", images=few.images)
    write = BROKEN[kind][1]
    write(empty / "m.onnx", write_model)
    code, stdout, stderr = invoke("predict", "digits.npz", "--model", "m.onnx")
    assert (code, stdout) == (1, "")
    assert stderr.startswith("flaxdigits: m.onnx: ")
    assert stderr.count("\n") == 1


def test_inspect_describes_the_shipped_model(invoke):
    code, stdout, stderr = invoke("inspect")
    assert (code, stderr) == (0, "")
    rows = dict(re.split("  +", line, maxsplit=1) for line in stdout.splitlines() if not line.startswith(" "))
    assert rows["file"] == f"{shipped.MODEL}, {shipped.MODEL.stat().st_size:,} bytes"
    assert rows["in"] == "pixels tensor(uint8) [batch, 28, 28]"
    assert rows["contract"] == "kept"
    newer = {"initial_weights_sha256"}  # than the shipped model
    assert rows.keys() >= {*contract.Metadata._fields, *contract.IMAGE_METADATA} - newer


def test_inspect_prints_json(invoke):
    code, stdout, stderr = invoke("inspect", "--json")
    found = json.loads(stdout)
    assert (code, stderr) == (0, "")
    assert (found["path"], found["bytes"]) == (str(shipped.MODEL), shipped.MODEL.stat().st_size)
    assert found["violations"] == found["warnings"] == []


def test_inspect_of_a_broken_model_fails(invoke, empty, write_model):
    BROKEN["opset too new"][1](empty / "m.onnx", write_model)
    code, stdout, _ = invoke("inspect", "m.onnx")
    assert code == 1
    assert re.search("^warning +opset 99", stdout, re.MULTILINE)
    assert re.search("^contract +broken: ", stdout, re.MULTILINE)


def test_verify_prints_the_largest_difference(invoke):
    code, stdout, stderr = invoke("verify")
    assert (code, stderr) == (0, "")
    assert stdout.startswith(f"{shipped.MODEL}: all 40 golden vectors match, with onnxruntime ")


def test_verify_refuses_another_model_in_one_line(invoke, tiny_model, empty):
    write_golden(Recognizer(), empty / "golden")
    assert invoke("verify", shipped.MODEL, "golden")[0] == 0
    code, stdout, stderr = invoke("verify", tiny_model, "golden")
    assert (code, stdout) == (1, "")
    assert re.match(rf"flaxdigits: {tiny_model}: does not match its reference outputs: \d+ of 40 ", stderr)
    assert stderr.count("\n") == 1


def test_doctor_lists_what_is_installed(invoke):
    report = json.loads(invoke("doctor", "--json")[1])
    assert report["packages"]["numpy"] == np.__version__
    assert "CPUExecutionProvider" in report["onnxruntime_providers"]
    assert report["jax_devices"] == ["1 cpu"]
    assert report["training_precision"] in ("float32", "bfloat16")
    assert "trains on" in invoke("doctor")[1]


def test_a_picture_that_is_not_there_is_one_line_beside_an_output_that_is(here, invoke):
    (here / "drawn.png").write_text("of before")
    for words in (("predict", "gone.png", "--annotate", "drawn.png"), ("explain", "gone.png", "--out", "drawn.png")):
        code, _, stderr = invoke(*words)
        assert (code, stderr.count("\n")) == (1, 1)
    assert (here / "drawn.png").read_text() == "of before"
    assert invoke("explain", "seven.png", "--out", "seven.png")[0] == 2


@pytest.mark.slow
def test_label_sorts_the_digits_of_pictures_and_train_learns_them(here, invoke, tmp_path, mnist_test):
    for row in range(60):
        Image.fromarray(255 - mnist_test.images[row]).resize((90, 90)).save(tmp_path / f"{row:02}.png")
    mine = here / "my-digits"
    code, out, err = invoke("label", tmp_path, "--out", mine)
    assert (code, out) == (0, f"{mine}: 60 digits in sub-folders 0 to 9, 0 refused in none/\n")
    assert f"then: flaxdigits train {mine} --from shipped" in err
    model = here / "runs/whole/model.onnx"
    code, out, err = invoke("train", mine, "--from", model, "--epochs", 1, "--out", here / "runs/mine")
    assert code == 0, err
    new, old = out.splitlines()[-2:]
    assert re.fullmatch(r"new       \S+% -> \S+% misread \(\d+ -> \d+ of \d+ held-out digits\)", new)
    assert re.fullmatch(r"old       \S+% -> \S+% misread \(\d+ -> \d+ of 10,000 test digits of MNIST\)", old)
    metadata = Recognizer(here / "runs/mine/model.onnx").metadata
    assert 'initial_weights = "model.onnx"' in metadata["config"]
    assert str(here) not in str(metadata)


def test_what_was_labelled_already_is_left_as_it_is(here, invoke, tmp_path):
    invoke("label", "seven.png", "--out", tmp_path)
    code, out, err = invoke("label", "seven.png", "--out", tmp_path)
    assert (code, out) == (0, f"{tmp_path}: 1 digits in sub-folders 0 to 9, 0 refused in none/\n")
    assert "1 of 1 already existed" in err


def test_label_without_a_digit_or_a_folder_says_so(here, invoke, tmp_path):
    Image.new("L", (50, 50), 255).save(tmp_path / "blank.png")
    assert invoke("label", tmp_path / "blank.png", "--out", tmp_path / "out")[0] == 1
    assert not (tmp_path / "out").exists()
    code, _, err = invoke("label", tmp_path / "none.png", "--out", tmp_path / "out")
    assert (code, err.count("\n")) == (1, 1)
    assert invoke("label", "seven.png")[0] == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--from", "shipped"), "name the digits to learn"),
        (("digits.npz", "--from", "shipped", "--hidden", "8"), "not together with --preset, --config or --hidden"),
        (("digits.npz", "--from", "shipped", "--preset", "record"), "not together with --preset"),
        (("digits.npz", "--from", "none.onnx"), "none.onnx: no such file or folder; expected an .onnx file, a run"),
        (("digits.npz", "--from", "seven.png"), "seven.png: not an ONNX model"),
    ],
)
def test_what_cannot_be_fine_tuned_is_one_line(here, invoke, words, said):
    code, _, err = invoke("train", *words)
    assert code in (1, 2)
    assert said in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "words", [("predict", "seven.png", "--annotate", "a.jpg"), ("explain", "seven.png", "--out", "a")]
)
def test_what_is_drawn_is_a_png_and_nothing_else(here, invoke, words):
    code, _, err = invoke(*words)
    assert (code, err.count("\n")) == (2, 1)
    assert "writes a PNG; name a file that ends in .png" in err
