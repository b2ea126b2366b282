import hashlib
import json
import re

import numpy as np
import pytest

from flaxdigits.errors import GoldenError
from flaxdigits.inference import contract, shipped
from flaxdigits.inference.golden import check_golden, golden_images, write_golden
from flaxdigits.inference.recognizer import CPU, Recognizer


@pytest.fixture(scope="module")
def recognizer(forms):
    return Recognizer(forms["float32"], CPU)


@pytest.fixture
def folder(tmp_path, recognizer):
    write_golden(recognizer, tmp_path / "golden")
    return tmp_path / "golden"


def rewrite(folder, **changes):
    """Writes golden.json again, with some entries changed, or left out where None."""
    path = folder / "golden.json"
    whole = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({name: value for name, value in whole.items() if value is not None}))


def complaint(recognizer, folder):
    with pytest.raises(GoldenError) as caught:
        check_golden(recognizer, folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_model_that_wrote_them_passes_exactly_one_by_one(recognizer, folder):
    report = check_golden(recognizer, folder)
    assert (report.cases, report.tolerance) == (40, contract.PROBABILITY_TOLERANCE)
    assert 0 <= report.largest_difference < 1e-6


def test_there_are_forty_cases_and_two_of_them_of_each_class(mnist_test):
    images = golden_images()
    digits = [name for name in images if name.startswith("MNIST test row ")]
    assert (len(images), len(digits)) == (40, 20)
    assert {image.dtype.name for image in images.values()} == {"uint8"}
    assert {image.shape for image in images.values()} == {(28, 28)}
    for name in digits:
        row, label = (int(word.rstrip(",")) for word in (name.split()[3], name.split()[5]))
        assert mnist_test.labels[row] == label
        assert np.array_equal(images[name], mnist_test.images[row])
    assert sorted(name[-1] for name in digits) == sorted("0123456789" * 2)


def test_the_extremes_are_among_them():
    images = golden_images()
    assert (images["empty"].max(), images["full"].min()) == (0, 255)
    assert images["first pixel"].nonzero() == ([0], [0])
    assert images["last pixel"].nonzero() == ([27], [27])
    assert images["top row"].sum(axis=1).nonzero()[0] == [0]
    assert np.array_equal(images["left column"], images["top row"].T)
    assert set(np.unique(images["bytes counted up"])) == set(range(256))
    assert set(np.unique(images["checkerboard"])) == {0, 255}


def test_all_cases_differ():
    assert len({image.tobytes() for image in golden_images().values()}) == 40


def test_the_files_hold_inputs_and_reference_outputs(recognizer, folder):
    written = json.loads((folder / "golden.json").read_text())
    images = golden_images()
    pixels = np.fromfile(folder / "pixels.bin", np.uint8).reshape(written["shape"])
    assert np.array_equal(pixels, np.stack(list(images.values())))
    assert [case["name"] for case in written["cases"]] == list(images)
    assert written["model"] == {
        "name": "tiny float32",
        "sha256": hashlib.sha256(recognizer.content).hexdigest(),
        "weights_sha256": "of the tiny network",
    }
    reference = recognizer(pixels, batch=1)
    assert [case["digit"] for case in written["cases"]] == reference.digits.tolist()
    np.testing.assert_array_equal([case["probabilities"] for case in written["cases"]], reference.probabilities)


def test_another_model_is_refused_and_the_vectors_named(folder, tiny_model):
    found = complaint(Recognizer(tiny_model), folder)
    assert found.startswith(f"{tiny_model}: ")
    assert re.search(
        rf": does not match its reference outputs: \d+ of 40 golden vectors of {folder} \(MNIST test ", found
    )
    assert "; they are of another model: " in found


@pytest.mark.parametrize("precision", ["float16", "int8"])
def test_another_form_of_the_same_network_is_refused_by_float32_vectors(folder, forms, precision):
    assert "does not match its reference outputs" in complaint(Recognizer(forms[precision]), folder)


def test_int8_vectors_allow_for_rounding(forms, tmp_path):
    int8 = Recognizer(forms["int8"], CPU)
    write_golden(int8, tmp_path)
    assert check_golden(int8, tmp_path).tolerance == contract.INT8_TOLERANCE
    written = json.loads((tmp_path / "golden.json").read_text())
    for off, passes in ((0.019, True), (0.021, False)):
        cases = json.loads(json.dumps(written["cases"]))
        cases[0]["probabilities"][int(cases[0]["digit"])] -= off
        rewrite(tmp_path, cases=cases)
        if passes:
            assert check_golden(int8, tmp_path).largest_difference == pytest.approx(off, abs=1e-6)
        else:
            assert "1 of 40 golden vectors" in complaint(int8, tmp_path)


def test_the_digits_are_compared_and_not_the_probabilities_alone(recognizer, folder):
    cases = json.loads((folder / "golden.json").read_text())["cases"]
    cases[3]["digit"] = (cases[3]["digit"] + 1) % 10
    rewrite(folder, cases=cases)
    found = complaint(recognizer, folder)
    assert f"1 of 40 golden vectors of {folder} ({cases[3]['name']}), " in found
    assert "they are of another file" not in found


def test_probabilities_that_are_nan_are_refused(recognizer, folder):
    cases = json.loads((folder / "golden.json").read_text())["cases"]
    cases[3]["probabilities"][0] = float("nan")
    rewrite(folder, cases=cases)
    assert "1 of 40 golden vectors" in complaint(recognizer, folder)


def test_a_flipped_byte_of_the_pixels_shows(recognizer, folder):
    pixels = bytearray((folder / "pixels.bin").read_bytes())
    pixels[5 * 784 + 14 * 28 + 14] ^= 255
    (folder / "pixels.bin").write_bytes(pixels)
    name = list(golden_images())[5]
    assert f"1 of 40 golden vectors of {folder} ({name}), " in complaint(recognizer, folder)


@pytest.mark.parametrize("name", ["golden.json", "pixels.bin"])
def test_a_missing_file_is_named_with_the_function_that_writes_it(recognizer, folder, name):
    (folder / name).unlink()
    hint = "inference.golden.write_golden writes them"
    assert complaint(recognizer, folder) == f"{folder / name}: No such file or directory; {hint}"


def test_a_description_cut_off_anywhere_is_named(recognizer, folder):
    whole = (folder / "golden.json").read_bytes()
    for cut in np.linspace(0, len(whole) - 2, 50).astype(int):
        (folder / "golden.json").write_bytes(whole[:cut])
        found = complaint(recognizer, folder)
        assert found.startswith(f"{folder}/golden.json: not golden vectors, or truncated: ")


@pytest.mark.parametrize("size", [0, 783, 784 * 39, 784 * 40 - 1, 784 * 41])
def test_another_number_of_pixels_is_named(recognizer, folder, size):
    (folder / "pixels.bin").write_bytes(bytes(size))
    assert complaint(recognizer, folder).startswith(f"{folder}/golden.json: not golden vectors, or truncated: ")


@pytest.mark.parametrize("name", ["cases", "pixels", "tolerance", "model"])
def test_a_missing_entry_is_named(recognizer, folder, name):
    rewrite(folder, **{name: None})
    assert complaint(recognizer, folder) == f"{folder}/golden.json: not golden vectors: '{name}' is missing"


CASE = {"name": "a", "digit": 1, "probabilities": [0.1] * 10}


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"cases": []}, id="no cases"),
        pytest.param({"cases": [CASE] * 39}, id="a case too few"),
        pytest.param({"cases": {"a": CASE}}, id="cases by name"),
        pytest.param({"cases": 40}, id="a count for cases"),
        pytest.param({"cases": [CASE | {"probabilities": [0.1] * 9}] * 40}, id="nine probabilities"),
        pytest.param({"cases": [CASE] * 39 + [CASE | {"probabilities": [0.1]}]}, id="one probability"),
        pytest.param({"cases": [CASE | {"probabilities": ["a"] * 10}] * 40}, id="letters for probabilities"),
        pytest.param({"cases": [CASE | {"digit": "seven"}] * 40}, id="a word for a digit"),
        pytest.param({"cases": [CASE | {"digit": [1]}] * 39 + [CASE]}, id="a list for a digit"),
        pytest.param({"cases": [CASE | {"digit": 2**70}] * 40}, id="a digit of 70 bits"),
        pytest.param({"tolerance": "much"}, id="a word for the tolerance"),
        pytest.param({"tolerance": []}, id="a list for the tolerance"),
        pytest.param({"tolerance": float("inf")}, id="a tolerance that all models keep"),
        pytest.param({"tolerance": 0.5}, id="a wide tolerance"),
        pytest.param({"tolerance": -1}, id="a negative tolerance"),
        pytest.param({"tolerance": float("nan")}, id="no number for the tolerance"),
        pytest.param({"cases": [CASE | {"digit": 1.7, "digitness": 1}] * 40}, id="a part of a digit"),
        pytest.param({"cases": [CASE | {"digit": True, "digitness": 1}] * 40}, id="true for a digit"),
        pytest.param({"pixels": 3}, id="a number for a file"),
        pytest.param({"pixels": "../pixels.bin"}, id="a file elsewhere"),
        pytest.param({"pixels": "/dev/zero"}, id="a file without an end"),
        pytest.param({"pixels": "a\n\x1b[31m/b"}, id="a file with control characters"),
        pytest.param({"pixels": "a\0b"}, id="a file that cannot be"),
        pytest.param({"model": "mine"}, id="a word for the model"),
    ],
)
def test_impossible_values_are_refused_in_one_line(recognizer, folder, changes):
    rewrite(folder, **changes)
    if changes.get("cases") == []:
        (folder / "pixels.bin").write_bytes(b"")
    assert complaint(recognizer, folder).startswith(f"{folder}/golden.json: not golden vectors")


@pytest.mark.parametrize("text", ["[]", "null", "3", '"golden"', "[" * 100_000, "\xff"])
def test_other_json_is_refused(recognizer, folder, text):
    (folder / "golden.json").write_bytes(text.encode("latin-1"))
    assert complaint(recognizer, folder).startswith(f"{folder}/golden.json: not golden vectors, or truncated: ")


@pytest.mark.parametrize(("model", "golden"), [("digits.onnx", "golden"), ("digits-tiny.onnx", "golden-tiny")])
def test_a_shipped_model_matches_its_reference_outputs(model, golden):
    recognizer, folder = Recognizer(shipped.FOLDER / model, CPU), shipped.FOLDER / golden
    report = check_golden(recognizer, folder)
    assert report.cases == 40
    assert report.largest_difference <= report.tolerance
    written = json.loads((folder / "golden.json").read_text())
    assert written["model"]["sha256"] == hashlib.sha256(recognizer.content).hexdigest()
    pixels = np.fromfile(folder / "pixels.bin", np.uint8).reshape(written["shape"])
    assert np.array_equal(pixels, np.stack(list(golden_images().values())))
