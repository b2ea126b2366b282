import re
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from broken import BROKEN
from fuzzing import seeds

from flaxdigits.errors import DataError, ModelError
from flaxdigits.inference import recognizer as recognizer_module
from flaxdigits.inference import shipped
from flaxdigits.inference.recognizer import BATCH, CPU, CUDA, Recognizer

PIXELS = "pixels tensor(uint8) [batch, 28, 28]"
PROBABILITIES = "probabilities tensor(float) [batch, 10]"


@pytest.fixture(scope="module")
def recognizer(tiny_model):
    return Recognizer(tiny_model)


def test_it_predicts_as_the_same_formula_in_numpy(recognizer, tiny_weights, few):
    powers = np.exp(few.images.reshape(-1, 784) / 255 @ tiny_weights.astype(np.float64))
    found = recognizer(few.images)
    assert np.allclose(found.probabilities, powers / powers.sum(axis=1, keepdims=True), atol=1e-5)
    assert np.array_equal(found.digits, powers.argmax(axis=1))


def test_predictions_have_the_dtypes_and_shapes_of_the_contract(recognizer, few):
    found = recognizer(few.images)
    assert (found.digits.dtype, found.digits.shape) == (np.int64, (20,))
    assert (found.probabilities.dtype, found.probabilities.shape) == (np.float32, (20, 10))
    assert np.allclose(found.probabilities.sum(axis=1), 1, atol=1e-6)


def test_confidences_are_the_probabilities_of_the_predicted_digits(recognizer, few):
    found = recognizer(few.images)
    assert np.array_equal(found.confidences, found.probabilities[np.arange(20), found.digits])
    other = found._replace(digits=(found.digits + 1) % 10)  # a model whose digit is not the most probable one
    assert (other.confidences < found.confidences).all()


def test_predictions_do_not_depend_on_the_batch(recognizer, mnist_test):
    images = mnist_test.images[: 2 * BATCH + 1]
    together, backwards = recognizer(images), recognizer(images[::-1])
    alone = [recognizer(image[None]) for image in images[:50]]
    assert len(together.digits) == 2 * BATCH + 1
    assert np.array_equal(together.digits, backwards.digits[::-1])
    assert np.allclose(together.probabilities, backwards.probabilities[::-1], atol=1e-6)
    assert np.allclose(together.probabilities[:50], np.concatenate([one.probabilities for one in alone]), atol=1e-6)


def test_no_digits_give_an_empty_prediction(recognizer):
    found = recognizer(np.empty((0, 28, 28), np.uint8))
    assert found.digits.shape == (0,)
    assert found.probabilities.shape == (0, 10)


@pytest.mark.parametrize(
    ("images", "found"),
    [
        (np.zeros((2, 28, 28), np.float32), "float32 [2, 28, 28]"),
        (np.zeros((2, 28, 28), np.int64), "int64 [2, 28, 28]"),
        (np.zeros((2, 784), np.uint8), "uint8 [2, 784]"),
        (np.zeros((28, 28), np.uint8), "uint8 [28, 28]"),
        (np.zeros((2, 28, 28, 1), np.uint8), "uint8 [2, 28, 28, 1]"),
    ],
)
def test_other_pixels_are_refused(recognizer, images, found):
    with pytest.raises(DataError) as caught:
        recognizer(images)
    assert str(caught.value) == f"expected pixels as uint8 [n, 28, 28], got {found}"


@pytest.mark.parametrize(
    ("change", "classes", "message"),
    [
        pytest.param(
            {"input_name": "image"}, 10, f"expected one input, {PIXELS}, got image tensor(uint8) [batch, 28, 28]",
            id="input of another name",
        ),
        pytest.param(
            {"input_type": "FLOAT"}, 10, f"expected {PIXELS}, got pixels tensor(float) [batch, 28, 28]",
            id="float input",
        ),
        pytest.param(
            {"input_shape": ("batch", 784)}, 10, f"expected {PIXELS}, got pixels tensor(uint8) [batch, 784]",
            id="flat input",
        ),
        pytest.param(
            {"outputs": ["probabilities"]}, 10, f"expected output digit tensor(int64) [batch], got {PROBABILITIES}",
            id="no digit",
        ),
        pytest.param(
            {"outputs": ["digit"]}, 10, f"expected output {PROBABILITIES}, got digit tensor(int64) [batch]",
            id="no probabilities",
        ),
        pytest.param(
            {}, 11, f"expected {PROBABILITIES}, got probabilities tensor(float) [batch, 11]",
            id="eleven classes",
        ),
        pytest.param(
            {"digit_type": "INT32"}, 10, "expected digit tensor(int64) [batch], got digit tensor(int32) [batch]",
            id="int32 digit",
        ),
    ],
)  # fmt: skip
def test_a_model_that_breaks_the_contract_is_refused_in_one_line(tmp_path, write_model, change, classes, message):
    path = write_model(tmp_path / "m.onnx", np.zeros((784, classes)), **change)
    with pytest.raises(ModelError) as caught:
        Recognizer(path)
    assert str(caught.value) == f"{path}: breaks the contract: {message}"


def test_a_model_for_one_size_of_batch_is_refused(tmp_path, write_model):
    # onnxruntime would accept it here and fail at the first other batch.
    path = write_model(tmp_path / "m.onnx", np.zeros((784, 10)), input_shape=(1, 28, 28), batch=1)
    with pytest.raises(ModelError, match=rf"^{path}: breaks the contract: expected pixels [^\n]*1, 28, 28\]"):
        Recognizer(path)


@pytest.mark.parametrize(
    "kind",
    ["not ONNX", "empty", "cut off", "unknown operator", "opset too new", "custom operator", "external data",
     "external data without its file", "a directory", "missing",
     "input without a shape", "metadata that is no UTF-8"],
)  # fmt: skip
def test_a_model_that_cannot_be_used_is_refused_in_one_line(tmp_path, write_model, kind):
    line, write = BROKEN[kind]
    write(tmp_path / "m.onnx", write_model)
    with pytest.raises(ModelError) as caught:
        Recognizer(tmp_path / "m.onnx")
    assert re.fullmatch(line, str(caught.value).replace(str(tmp_path / "m.onnx"), "MODEL"))


def test_a_refusal_is_an_exception_and_nothing_printed(tmp_path, write_model, capfd):
    for kind in ("opset too new", "unknown operator", "metadata that is no UTF-8"):
        BROKEN[kind][1](tmp_path / "m.onnx", write_model)
        with pytest.raises(ModelError):
            Recognizer(tmp_path / "m.onnx")
    path = write_model(tmp_path / "m.onnx", np.zeros((784, 10)))
    path.write_bytes(path.read_bytes().replace(b"weights", b"w\xe9ights", 1))  # its complaint is no UTF-8 either
    with pytest.raises(ModelError, match="onnxruntime can load: [^\n]+$"):
        Recognizer(path)
    assert capfd.readouterr() == ("", "")


def test_a_model_that_fails_when_it_is_run_is_a_model_error(tmp_path, write_model, few):
    line, write = BROKEN["a batch it cannot run"]
    write(tmp_path / "m.onnx", write_model)
    found = Recognizer(tmp_path / "m.onnx")
    assert found(few.images, batch=1).digits.shape == (20,)
    with pytest.raises(ModelError) as caught:
        found(few.images)
    assert re.fullmatch(line, str(caught.value).replace(found.name, "MODEL"))


def test_weights_are_never_read_from_a_second_file(tmp_path, write_model, tiny_weights, few, monkeypatch):
    whole = write_model(tmp_path / "whole.onnx", tiny_weights)
    path = BROKEN["external data"][1](tmp_path / "m.onnx", lambda path, _: write_model(path, tiny_weights))
    monkeypatch.chdir(tmp_path)  # where onnxruntime by itself looks for the external data of bytes
    session = onnxruntime.InferenceSession(path.read_bytes(), providers=CPU)
    expected = Recognizer(whole)(few.images).digits
    assert np.array_equal(session.run(["digit"], {"pixels": few.images})[0], expected)  # so what follows can fail
    for model in (path, "m.onnx", path.read_bytes()):
        with pytest.raises(
            ModelError, match=r"^[^\n]*: not an ONNX model that onnxruntime can load: [^\n]*weights.bin"
        ):
            Recognizer(model)


def test_a_model_is_read_from_bytes_as_from_its_path(tiny_model, recognizer, few):
    from_bytes = Recognizer(tiny_model.read_bytes())
    assert np.array_equal(from_bytes(few.images).probabilities, recognizer(few.images).probabilities)
    assert (from_bytes.name, recognizer.name, Recognizer(str(tiny_model)).name) == ("model", *[str(tiny_model)] * 2)
    assert from_bytes.content == recognizer.content == tiny_model.read_bytes()


@pytest.mark.parametrize(
    ("available", "providers", "expected"),
    [
        (["CPUExecutionProvider"], None, (*CPU,)),
        (["CUDAExecutionProvider", "CPUExecutionProvider"], None, (CUDA, *CPU)),
        (["CUDAExecutionProvider", "CPUExecutionProvider"], CPU, (*CPU,)),
    ],
)
def test_cuda_is_asked_for_where_it_is_there_without_tf32_and_not_where_the_cpu_is_asked_for(
    tiny_model, monkeypatch, available, providers, expected
):
    asked, session = [], onnxruntime.InferenceSession(tiny_model)
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: available)
    monkeypatch.setattr(onnxruntime, "InferenceSession", lambda *words, **_: asked.append(words[2]) or session)
    Recognizer(tiny_model, providers)
    assert asked == [expected]
    assert CUDA[1] == {"use_tf32": "0"}


def running_threads():
    return sum(1 for _ in Path("/proc/self/task").iterdir())


@pytest.mark.skipif(sys.platform != "linux", reason="counts threads in /proc")
def test_the_number_of_threads_can_be_chosen(mnist_test):
    alone = Recognizer(threads=1)
    before = running_threads()
    several = Recognizer(threads=3)
    assert running_threads() == before + 2  # the caller's own is the third
    np.testing.assert_array_equal(alone(mnist_test.images[:50]).digits, several(mnist_test.images[:50]).digits)


def test_the_shipped_model_is_the_default():
    assert Recognizer().name == str(shipped.MODEL)


def test_a_directory_is_refused_as_a_missing_file_is(tmp_path):
    for path in (tmp_path, tmp_path / "none.onnx", Path("none.onnx")):
        with pytest.raises(ModelError, match="expected an .onnx file$"):
            Recognizer(path)


def test_metadata_are_those_of_the_file(recognizer):
    assert recognizer.metadata == {"name": "tiny"}


LIARS = {
    "two rows for each digit": "probabilities tensor(float) [batch, 10] with a batch of 3, got [6, 10]",
    "one row for all": "probabilities tensor(float) [batch, 10] with a batch of 3, got [1, 10]",
    "digits of two for each": "digit tensor(int64) [batch] with a batch of 3, got [6]",
    "nine columns": "probabilities tensor(float) [batch, 10] with a batch of 3, got [3, 9]",
    "one digitness for all": "digitness tensor(float) [batch] with a batch of 3, got [1]",
    "digit 10 and more": "digits from 0 to 9, got 10 to 10",
    "negative digits": "digits from 0 to 9, got -10 to -10",
    "NaN": "probabilities of 0 and more that sum to 1, got nan and sums of nan to nan",
    "rows that sum to 10": "probabilities of 0 and more that sum to 1, got 1.0 and sums of 10.0 to 10.0",
    "negative probabilities": "probabilities of 0 and more that sum to 1, got -0.8 and sums of 1.0 to 1.0",
    "digitness of 10": "a digitness from 0 to 1, got 10.0 to 10.0",
    "digitness of NaN": "a digitness from 0 to 1, got nan to nan",
}


@pytest.mark.parametrize("kind", seeds.liars())
def test_an_answer_that_is_not_as_declared_is_a_model_error(kind, few):
    lying = Recognizer(seeds.liars()[kind])  # what it declares keeps the contract
    with pytest.raises(ModelError) as caught:
        lying(few.images[:3])
    found = re.sub(r"\d+\.\d+", lambda number: str(round(float(number[0]), 3)), str(caught.value))
    assert found == f"model: breaks the contract when it is run: expected {LIARS[kind]}"


def test_a_model_with_an_endless_loop_is_ended(monkeypatch, few):
    monkeypatch.setattr(recognizer_module, "DEADLINE", 0.2)
    endless = Recognizer(seeds.endless())
    with pytest.raises(
        ModelError, match=r"^model: onnxruntime cannot run it: ended after 0 s; a smaller batch takes less$"
    ):
        endless(few.images)
    assert Recognizer()(few.images).digits.shape == (20,)  # another model is not


@pytest.mark.parametrize("kind", ["ConstantOfShape", "Expand", "Tile", "Range", "Pad"])
def test_a_model_that_asks_for_more_memory_than_there_may_be_is_a_model_error(kind, few):
    asking = Recognizer(seeds.scaled(kind, 2**31))  # floats: 8 GiB, which many a machine would give
    with pytest.raises(ModelError, match=r"^model: onnxruntime cannot run it: [^\n]*([Mm]emory|bytes)[^\n]*$"):
        asking(few.images[:1])
    assert len(Recognizer(seeds.scaled(kind, 1000))(few.images[:1]).digits) == 1


def test_a_file_without_an_end_is_refused(monkeypatch):
    monkeypatch.setattr(recognizer_module, "MOST_BYTES", 2**22)
    with pytest.raises(ModelError, match=r"^/dev/zero: more than 4,194,304 bytes[^\n]*; expected an .onnx file$"):
        Recognizer("/dev/zero")
