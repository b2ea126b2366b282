import re

import jax
import numpy as np
import onnx
import pytest
from flax import nnx
from onnx import helper, numpy_helper

from flaxdigits.data.digits import Digits
from flaxdigits.errors import ExportError, ModelError
from flaxdigits.export.conversion import to_onnx
from flaxdigits.export.gate import check_gate
from flaxdigits.inference import contract
from flaxdigits.inference.recognizer import Recognizer


@pytest.fixture(scope="module")
def digits(mnist_test):
    return mnist_test[:1000]


@pytest.fixture(scope="module")
def expected(forms, digits):
    """The network's predictions; test_conversion.py shows that its float32 form has the same."""
    return Recognizer(forms["float32"])(digits.images)


def shifted(prediction, amount):
    """Returns a prediction with other probabilities."""
    return prediction._replace(probabilities=prediction.probabilities + np.float32(amount))


def add_by_batch(form, when, amount):
    """Returns a form that adds an amount to its probabilities in batches of one size."""
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
    return model


def part(prediction, rows):
    """Returns a prediction for some of its digits."""
    return type(prediction)(*(array[rows] for array in prediction))


def refusal(model, expected, digits, precision="float32"):
    with pytest.raises(ExportError) as caught:
        check_gate(model.SerializeToString(), expected, digits, precision)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_file_that_reproduces_the_network_passes_and_is_measured(forms, expected, digits):
    report = check_gate(forms["float32"].read_bytes(), shifted(expected, 5e-6), digits)
    assert (report.digits, report.mismatches, report.added_errors) == (1000, 0, 0)
    assert report.largest_difference == pytest.approx(5e-6, rel=0.2)
    assert report.largest_difference_between_batches <= 1e-6


def test_other_weights_are_refused(tiny_network, expected, digits):
    graph, params = nnx.split(tiny_network)
    scaled = nnx.merge(graph, jax.tree.map(lambda leaf: leaf * 1.001, params))
    found = refusal(to_onnx(scaled), expected, digits)
    assert found.startswith("the file does not reproduce the network: ")
    assert found.endswith("; 1e-05 is allowed")


def test_another_temperature_is_refused(tiny_network, expected, digits):
    found = refusal(to_onnx(tiny_network, 1.001), expected, digits)
    assert found.startswith("the file does not reproduce the network: 0 of 1000 predictions differ, 0 errors more, ")


def test_the_digits_are_compared_and_not_the_probabilities_alone(forms, expected, digits):
    model = onnx.load(forms["float32"])
    next(node for node in model.graph.node if node.op_type == "ArgMax").op_type = "ArgMin"
    found = refusal(model, expected, digits)
    assert found.startswith("the file does not reproduce the network: 1000 of 1000 predictions differ")
    assert "probabilities differ by up to 0.0e+00" in found


@pytest.mark.parametrize("precision", ["float32", "float16", "int8"])
def test_nan_is_refused_in_every_precision(forms, expected, digits, precision):
    model = onnx.load(forms[precision])
    held = next(t for t in model.graph.initializer if list(t.dims) == [10] and t.data_type == t.FLOAT)
    held.CopyFrom(numpy_helper.from_array(np.full(10, np.nan, np.float32), held.name))
    with pytest.raises(ModelError, match="sums of nan"):
        check_gate(model.SerializeToString(), expected, digits, precision)


def test_a_network_that_predicts_nan_is_refused(forms, expected, digits):
    found = refusal(onnx.load(forms["float32"]), shifted(expected, np.nan), digits)
    assert found.startswith("NaN among the probabilities")


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_nan_in_one_size_of_batch_is_enough(forms, expected, digits, size):
    model = add_by_batch(forms["int8"], size, np.nan)
    with pytest.raises(ModelError, match="sums of nan"):
        check_gate(model.SerializeToString(), expected, digits, "int8")


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize("precision", ["float32", "float16", "int8"])
def test_a_file_that_depends_on_the_batch_is_refused_in_every_precision(forms, expected, digits, size, precision):
    found = refusal(add_by_batch(forms[precision], size, 2e-5), expected, digits, precision)
    assert (
        found == "the file depends on the batch size: 0 predictions, probabilities by up to 2.0e-05; 1e-05 is allowed"
    )


def test_a_quantised_digit_that_depends_on_the_batch_is_refused(forms, expected, digits):
    model = add_by_batch(forms["int8"], 7, 2.0)
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
    found = refusal(model, expected, digits, "int8")
    assert re.fullmatch(
        r"the file depends on the batch size: \d{3} predictions, probabilities by up to 0.0e\+00; .*", found
    )


def test_float32_must_reproduce_the_network_and_a_quantised_form_need_not(forms, expected, digits):
    assert "does not reproduce the network" in refusal(onnx.load(forms["int8"]), expected, digits)
    predicted = Recognizer(forms["int8"])(digits.images).digits
    differing = (predicted != expected.digits).sum()
    labelled = Digits(digits.images, predicted)  # labels of which the file misclassifies none
    report = check_gate(forms["int8"].read_bytes(), expected, labelled, "int8")
    assert (report.mismatches, report.added_errors) == (differing, -differing)
    assert report.largest_difference > contract.PROBABILITY_TOLERANCE


def test_int8_may_lose_two_digits_and_not_three(forms, mnist_test):
    network = Recognizer(forms["float32"])(mnist_test.images)
    labels = network.digits
    differing = np.flatnonzero(Recognizer(forms["int8"])(mnist_test.images).digits != labels)
    equal = np.setdiff1d(np.arange(100), differing)
    two, three = (np.concatenate([equal, differing[:lost]]) for lost in (2, 3))
    labelled = Digits(mnist_test.images, labels)  # labels of which the network misclassifies none
    assert check_gate(forms["int8"].read_bytes(), part(network, two), labelled[two], "int8").added_errors == 2
    found = refusal(onnx.load(forms["int8"]), part(network, three), labelled[three], "int8")
    assert found.startswith(f"int8 loses too much accuracy: 3 of {len(three)} predictions differ, 3 errors more, ")
    assert "; 2 more are allowed; train longer, " in found


def test_a_file_of_another_contract_is_refused_before_the_comparison(tmp_path, write_model, expected, digits):
    path = write_model(tmp_path / "m.onnx", np.zeros((784, 11)))
    with pytest.raises(ModelError, match="breaks the contract"):
        check_gate(path.read_bytes(), expected, digits)
