import logging
from contextlib import contextmanager

import jax
import jax.numpy as jnp
import numpy as np
import onnx
import pytest
from flax import nnx

from flaxdigits.convention import CLASSES
from flaxdigits.export.conversion import DigitClassifier, to_onnx
from flaxdigits.inference import contract
from flaxdigits.inference.inspection import signatures
from flaxdigits.inference.recognizer import CPU, Recognizer
from flaxdigits.training.model import DenseStack


class ResidualNetwork(nnx.Module):
    """A network that shares nothing with DenseStack but its inputs and outputs."""

    def __init__(self, rngs):
        self.first = nnx.Linear(784, 32, rngs=rngs)
        self.layer_norm = nnx.LayerNorm(32, rngs=rngs)
        self.inner = nnx.Linear(32, 32, use_bias=False, rngs=rngs)
        self.batch_norm = nnx.BatchNorm(32, rngs=rngs)
        self.dropout = nnx.Dropout(0.5, rngs=rngs)
        self.last = nnx.Linear(32, 10, rngs=rngs)

    def __call__(self, pixels):
        x = nnx.gelu(self.layer_norm(self.first(jnp.reshape(pixels / 255, (-1, 784)))))
        x = x + self.dropout(nnx.relu(self.batch_norm(self.inner(x))))
        return self.last(x)


@pytest.fixture(scope="module")
def residual_network(mnist_train):
    """Left in training mode, with running averages that are not the initial ones."""
    network = ResidualNetwork(nnx.Rngs(0))
    network.train()
    network(mnist_train.images[:100].astype(np.float32))
    return network


@pytest.fixture(scope="module")
def networks(tiny_network, residual_network):
    return {"DenseStack": tiny_network, "ResidualNetwork": residual_network}


@pytest.fixture(scope="module")
def models(networks):
    return {name: to_onnx(network, 1.3, metadata={"name": name}) for name, network in networks.items()}


@pytest.mark.parametrize("batch", [1, 7, 1000])
@pytest.mark.parametrize("name", ["DenseStack", "ResidualNetwork"])
def test_the_file_equals_the_network_on_digits_and_random_and_extreme_pixels(
    networks, models, mnist_test, extremes, name, batch
):
    images = np.concatenate([mnist_test.images[:948], extremes])
    predict = jax.jit(DigitClassifier(networks[name], 1.3).__call__)
    digits, probabilities = map(np.asarray, predict(images))
    found = Recognizer(models[name].SerializeToString(), CPU)(images, batch=batch)
    np.testing.assert_allclose(found.probabilities, probabilities, atol=contract.PROBABILITY_TOLERANCE, rtol=0)
    np.testing.assert_array_equal(found.digits, digits)
    assert len(np.unique(digits)) > 5


def test_the_check_above_can_fail(networks, models, extremes):
    other = jax.jit(DigitClassifier(networks["DenseStack"], 1.31).__call__)(extremes)[1]
    found = Recognizer(models["DenseStack"].SerializeToString(), CPU)(extremes)
    assert np.abs(found.probabilities - other).max() > contract.PROBABILITY_TOLERANCE


def test_the_temperature_divides_the_logits(tiny_network, models, few):
    logits = np.asarray(tiny_network(few.images.astype(np.float32)), np.float64) / 1.3
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    found = Recognizer(models["DenseStack"].SerializeToString(), CPU)(few.images)
    np.testing.assert_allclose(found.probabilities, powers / powers.sum(axis=1, keepdims=True), atol=1e-6)


def outlier_network():
    """A DenseStack with an eleventh logit, of "no digit"."""
    return DenseStack((16,), CLASSES + 1, rngs=nnx.Rngs(0))


@pytest.mark.parametrize("threshold", [0.5, 0.69, 0.05])
def test_the_threshold_of_the_network_becomes_that_of_the_contract(threshold, mnist_test):
    network, images = outlier_network(), mnist_test.images[:200]
    logits = np.asarray(network(images.astype(np.float32)), np.float64)
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    digitness = powers[:, :CLASSES].sum(axis=1) / powers.sum(axis=1)
    odds = digitness / (1 - digitness) * (1 - threshold) / threshold
    recognizer = Recognizer(to_onnx(network, threshold=threshold).SerializeToString(), CPU)
    found = recognizer(images)
    assert recognizer.threshold == contract.THRESHOLD == 0.5
    np.testing.assert_allclose(found.digitness, odds / (1 + odds), atol=1e-5)
    np.testing.assert_array_equal(found.digitness < 0.5, digitness < threshold)
    tens = np.exp(logits[:, :CLASSES] - logits[:, :CLASSES].max(axis=1, keepdims=True))
    np.testing.assert_allclose(found.probabilities, tens / tens.sum(axis=1, keepdims=True), atol=1e-5)


def test_a_model_without_digitness_takes_everything_for_a_digit(models, extremes):
    recognizer = Recognizer(models["DenseStack"].SerializeToString(), CPU)
    assert recognizer.threshold == 0
    assert (recognizer(extremes).digitness == 1).all()


def test_a_dense_stack_becomes_a_gemm_and_a_relu_for_each_layer(models):
    operators = [node.op_type for node in models["DenseStack"].graph.node]
    layers = ["Gemm", "Relu", "Gemm", "Relu", "Gemm"]
    assert operators == ["Cast", "Div", "Reshape", *layers, "Div", "Softmax", "ArgMax"]


@pytest.mark.parametrize("name", ["DenseStack", "ResidualNetwork"])
def test_names_types_and_versions_are_those_of_the_contract(models, name):
    model = models[name]
    onnx.checker.check_model(model, full_check=True)
    assert (model.ir_version, [(o.domain, o.version) for o in model.opset_import]) == (8, [("", 17)])
    assert (contract.IR_VERSION, contract.OPSET) == (8, 17)
    assert {node.domain for node in model.graph.node} == {""}
    assert (model.producer_name, list(model.functions)) == ("flaxdigits", [])
    assert model.graph.input[0].type.denotation == "IMAGE"
    assert {entry.key: entry.value for entry in model.metadata_props} == {"name": name}
    assert signatures(model.graph.input) == {"pixels": "tensor(uint8) [batch, 28, 28]"}
    assert signatures(model.graph.output) == {
        "digit": "tensor(int64) [batch]",
        "probabilities": "tensor(float) [batch, 10]",
    }


def test_no_digits_give_an_empty_prediction(models):
    found = Recognizer(models["DenseStack"].SerializeToString(), CPU)(np.empty((0, 28, 28), np.uint8))
    assert (found.digits.shape, found.probabilities.shape) == ((0,), (0, 10))


@pytest.mark.usefixtures("models")
def test_the_network_is_left_in_training_mode(residual_network, extremes):
    assert (residual_network.dropout.deterministic, residual_network.batch_norm.use_running_average) == (False, False)
    pixels = extremes.astype(np.float32)
    assert not np.array_equal(residual_network(pixels), residual_network(pixels))


class Reshaping(nnx.Module):
    """A network whose conversion by jax2onnx 0.17.1 logs, because of a reshape of the symbolic batch."""

    def __init__(self, network):
        self.network = network

    def __call__(self, pixels):
        return self.network(pixels.reshape(-1, 784).reshape(-1, 28, 28))


@contextmanager
def unconfigured_logging():
    """Takes pytest's handlers away, as in a program that configures no logging; yields the root logger."""
    root = logging.getLogger()
    before, root.handlers[:] = root.handlers[:], []
    try:
        yield root
    finally:
        root.handlers[:] = before


def test_conversion_prints_nothing_and_leaves_logging_and_the_folder_as_they_are(
    tiny_network, tmp_path, monkeypatch, capfd
):
    monkeypatch.chdir(tmp_path)
    with unconfigured_logging() as root:
        before = (root.level, root.manager.disable)
        to_onnx(Reshaping(tiny_network))
        assert (root.level, root.manager.disable, root.handlers) == (*before, [])
    assert capfd.readouterr() == ("", "")
    assert list(tmp_path.iterdir()) == []


def test_jax2onnx_alone_prints(tiny_network, capfd):
    """So the test above can fail; when this one does, `quiet` can leave the code."""
    import jax2onnx

    pixels = jax.ShapeDtypeStruct((*jax.export.symbolic_shape("batch"), 28, 28), "uint8")
    with unconfigured_logging() as root:
        with pytest.warns(DeprecationWarning, match="value"):
            jax2onnx.to_onnx(DigitClassifier(Reshaping(tiny_network)), [pixels], opset=17)
        assert root.handlers
    assert "onnx_ir" in capfd.readouterr().err


def test_a_module_without_parameters_of_its_own_converts_too():
    class Brightness(nnx.Module):
        def __call__(self, pixels):
            return jnp.stack([pixels.mean(axis=(1, 2)) * digit for digit in range(10)], axis=1)

    found = Recognizer(to_onnx(Brightness()).SerializeToString(), CPU)
    assert found(np.full((2, 28, 28), 9, np.uint8)).digits.tolist() == [9, 9]


def test_weights_are_stored_once(models, tiny_network):
    count = sum(leaf.size for leaf in jax.tree.leaves(nnx.state(tiny_network, nnx.Param)))
    size = models["DenseStack"].ByteSize()
    assert 4 * count < size < 4 * count + 3000
