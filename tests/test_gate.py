import re

import jax
import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from flaxdigits import contract
from flaxdigits.digits import Digits
from flaxdigits.errors import ExportError, ModelError
from flaxdigits.recognizer import Recognizer
from flaxdigits.training.gate import check_gate
from flaxdigits.training.graph import make_model_proto


@pytest.fixture(scope="module")
def digits(mnist_test):
    return mnist_test[:1000]


@pytest.fixture(scope="module")
def expected(forms, digits):
    """What the network says; test_export.py shows that its float32 form says the same."""
    return Recognizer(forms["float32"])(digits.images).probabilities


def add_by_batch(form, path, when, amount):
    """Writes a form that adds something to its probabilities, where the batch is of that size."""
    model = onnx.load(form)
    next(node for node in model.graph.node if node.op_type == "Softmax").output[0] = "plain"
    next(node for node in model.graph.node if node.op_type == "ArgMax").input[0] = "plain"
    held = {"first": np.int64(0), "size": np.int64(when), "amount": np.float32(amount), "none": np.float32(0)}
    model.graph.initializer.extend(numpy_helper.from_array(np.asarray(v), name) for name, v in held.items())
    model.graph.node.extend(
        [
            helper.make_node("Shape", ["pixels"], ["shape"]),
            helper.make_node("Gather", ["shape", "first"], ["batch_size"]),
            helper.make_node("Equal", ["batch_size", "size"], ["is_it"]),
            helper.make_node("Where", ["is_it", "amount", "none"], ["added"]),
            helper.make_node("Add", ["plain", "added"], ["probabilities"]),
        ]
    )
    onnx.save(model, path)
    return path


def refusal(path, expected, digits, precision="float32"):
    with pytest.raises(ExportError) as caught:
        check_gate(path, expected, digits, precision)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_answers_as_the_network_passes_and_is_measured(forms, expected, digits):
    report = check_gate(forms["float32"], expected + np.float32(5e-6), digits)
    assert (report.digits, report.differing, report.errors_lost) == (1000, 0, 0)
    assert report.largest_difference == pytest.approx(5e-6, rel=0.2)
    assert report.largest_difference_between_batches <= 1e-6


def test_other_weights_are_refused(tiny_params, expected, digits, tmp_path):
    bent = jax.tree.map(lambda leaf: leaf * 1.001, tiny_params)
    (tmp_path / "bent.onnx").write_bytes(make_model_proto(bent, {}).SerializeToString())
    found = refusal(tmp_path / "bent.onnx", expected, digits)
    assert found.startswith("the file does not answer as the model does: ")
    assert found.endswith("where 1e-05 is allowed")


def test_the_digits_are_compared_and_not_the_probabilities_alone(forms, expected, digits, tmp_path):
    model = onnx.load(forms["float32"])
    next(node for node in model.graph.node if node.op_type == "ArgMax").op_type = "ArgMin"
    onnx.save(model, tmp_path / "least.onnx")
    found = refusal(tmp_path / "least.onnx", expected, digits)
    assert found.startswith("the file does not answer as the model does: 1000 of 1000 digits differ")
    assert "probabilities differ by up to 0.0e+00" in found


@pytest.mark.parametrize("precision", ["float32", "float16", "int8"])
def test_nan_is_refused_in_every_precision(forms, expected, digits, tmp_path, precision):
    model = onnx.load(forms[precision])
    held = next(t for t in model.graph.initializer if t.name in ("bias2", "kernel2_steps"))
    held.CopyFrom(numpy_helper.from_array(np.full(10, np.nan, np.float32), held.name))
    onnx.save(model, tmp_path / "nan.onnx")
    found = refusal(tmp_path / "nan.onnx", expected, digits, precision)
    assert found.startswith("NaN is among the probabilities, of the file or of the network: ")


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_nan_in_one_size_of_batch_is_enough(forms, expected, digits, tmp_path, size):
    path = add_by_batch(forms["int8"], tmp_path / "nan.onnx", size, np.nan)
    assert refusal(path, expected, digits, "int8").startswith("NaN is among the probabilities")


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize("precision", ["float32", "float16", "int8"])
def test_an_answer_that_depends_on_the_batch_is_refused_in_every_precision(
    forms, expected, digits, tmp_path, size, precision
):
    path = add_by_batch(forms[precision], tmp_path / "batch.onnx", size, 2e-5)
    found = refusal(path, expected, digits, precision)
    assert (
        found
        == "the file's answers depend on the batch: 0 digits and probabilities by up to 2.0e-05, where 1e-05 is allowed"
    )


def test_a_quantised_digit_that_depends_on_the_batch_is_refused(forms, expected, digits, tmp_path):
    model = onnx.load(add_by_batch(forms["int8"], tmp_path / "batch.onnx", 7, 2.0))
    judge = next(node for node in model.graph.node if node.op_type == "ArgMax")
    add = model.graph.node[-1]  # in batches of 7, digit 0 gets 2 more, but only where the digit is chosen
    add.output[0] = judge.input[0] = "judged"
    next(node for node in model.graph.node if node.op_type == "Softmax").output[0] = add.input[0] = "probabilities"
    where = next(node for node in model.graph.node if node.op_type == "Where")
    where.input[1] = "for_zero"
    model.graph.initializer.append(numpy_helper.from_array(2 * np.eye(1, 10, dtype=np.float32), "for_zero"))
    nodes = [node for node in model.graph.node if node is not judge]
    model.graph.ClearField("node")
    model.graph.node.extend([*nodes, judge])
    onnx.save(model, tmp_path / "batch.onnx")
    found = refusal(tmp_path / "batch.onnx", expected, digits, "int8")
    assert re.fullmatch(
        r"the file's answers depend on the batch: \d{3} digits and probabilities by up to 0.0e\+00, where .*", found
    )


def test_a_float32_form_must_answer_closely_and_a_quantised_one_need_not(forms, expected, digits):
    assert "does not answer as the model does" in refusal(forms["int8"], expected, digits)
    answers = Recognizer(forms["int8"])(digits.images).digits
    differing = (answers != expected.argmax(axis=1)).sum()
    judged = Digits(digits.images, answers)  # labels by which the file errs nowhere
    report = check_gate(forms["int8"], expected, judged, "int8")
    assert (report.differing, report.errors_lost) == (differing, -differing)
    assert report.largest_difference > contract.PROBABILITY_TOLERANCE


def test_int8_may_lose_two_digits_and_not_three(forms, mnist_test):
    network = Recognizer(forms["float32"])(mnist_test.images).probabilities
    answers = network.argmax(axis=1)
    differing = np.flatnonzero(Recognizer(forms["int8"])(mnist_test.images).digits != answers)
    alike = np.setdiff1d(np.arange(100), differing)
    two, three = (np.concatenate([alike, differing[:lost]]) for lost in (2, 3))
    judged = Digits(mnist_test.images, answers)  # labels by which the network errs nowhere
    assert check_gate(forms["int8"], network[two], judged[two], "int8").errors_lost == 2
    found = refusal(forms["int8"], network[three], judged[three], "int8")
    assert found.startswith(f"int8 loses too much: 3 of {len(three)} digits differ, 3 more are wrong, and probabil")
    assert found.endswith("where 2 more are allowed; choose another precision")


def test_a_file_of_another_contract_never_comes_to_the_comparison(tmp_path, write_model, expected, digits):
    path = write_model(tmp_path / "m.onnx", np.zeros((784, 11)))
    with pytest.raises(ModelError, match="breaks the contract"):
        check_gate(path, expected, digits)
