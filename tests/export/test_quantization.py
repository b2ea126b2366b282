import logging
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
import onnx
import onnxruntime
import pytest
from flax import nnx
from onnx import TensorProto, helper, numpy_helper

from flaxdigits.export.conversion import quiet, to_onnx
from flaxdigits.export.quantization import to_float16, to_int8
from flaxdigits.inference import contract
from flaxdigits.inference.recognizer import CPU, Recognizer
from flaxdigits.training.model import DenseStack

PRECISIONS = ["float32", "float16", "int8"]
SIZES = (1, 7, 1000)


class Int8Layer(NamedTuple):
    """A Gemm's integers, scales and zero points, each a NumPy array."""

    kernel: np.ndarray
    kernel_scales: np.ndarray
    kernel_zero_points: np.ndarray
    bias: np.ndarray
    bias_scales: np.ndarray
    scale: np.ndarray  # of its input
    zero_point: np.ndarray


def int8_layers(path):
    """The dense layers of an int8 file, found from the inputs of its Gemm nodes."""
    graph = onnx.load(path).graph
    held = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    producers = {node.output[0]: node for node in graph.node}
    gemms = [node for node in graph.node if node.op_type == "Gemm"]
    parts = [[producers[name] for name in gemm.input] for gemm in gemms]
    assert {node.op_type for nodes in parts for node in nodes} == {"DequantizeLinear"}
    return [
        Int8Layer(*(held[n] for n in kernel.input), *(held[n] for n in bias.input[:2]), *(held[n] for n in x.input[1:]))
        for x, kernel, bias in parts
    ]


def logits_name(model):
    return next(node for node in reversed(model.graph.node) if node.op_type == "Gemm").output[0]


def in_batches(path, images, output="probabilities"):
    """An output for the same images, for each size of batch."""
    model = onnx.load(path)
    if output not in {found.name for found in model.graph.output}:
        model.graph.output.append(helper.make_tensor_value_info(output, TensorProto.FLOAT, ["batch", 10]))
    session = onnxruntime.InferenceSession(model.SerializeToString())
    starts = {size: range(0, len(images), size) for size in SIZES}
    return [
        np.concatenate([session.run([output], {"pixels": images[start : start + size]})[0] for start in starts[size]])
        for size in SIZES
    ]


def softmax(logits):
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def weights_of(network):
    return [(np.asarray(layer.kernel[...]), np.asarray(layer.bias[...])) for layer in network.layers]


def predict(layers, images):
    """Probabilities in float64."""
    x = images.reshape(len(images), 784) / 255
    for kernel, bias in layers[:-1]:
        x = np.maximum(x @ kernel.astype(np.float64) + bias, 0)
    return softmax(x @ layers[-1][0].astype(np.float64) + layers[-1][1])


def integer_logits(layers, images):
    """The logits of an int8 file, in integers but for one rounded multiplication between layers."""
    x = images.reshape(len(images), 784).astype(np.int64)
    for index, layer in enumerate(layers):
        total = x @ layer.kernel.astype(np.int64) + layer.bias
        if index < len(layers) - 1:
            rescale = layer.scale * layer.kernel_scales / layers[index + 1].scale
            x = np.clip(np.rint(total.astype(np.float32) * rescale), 0, 255).astype(np.int64)
    return total.astype(np.float32) * (layers[-1].scale * layers[-1].kernel_scales)


@pytest.fixture(scope="module")
def layers(tiny_network):
    return weights_of(tiny_network)


@pytest.fixture(scope="module")
def images(extremes, mnist_test):
    return np.concatenate([extremes, mnist_test.images[:948]])


@pytest.mark.parametrize("precision", PRECISIONS)
def test_every_form_is_one_file_of_the_versions_and_metadata_of_the_first(forms, precision):
    model = onnx.load(forms[precision], load_external_data=False)
    assert [(o.domain, o.version) for o in model.opset_import] == [("", contract.OPSET)]
    assert (model.ir_version, model.producer_name) == (contract.IR_VERSION, "flaxdigits")
    assert {node.domain for node in model.graph.node} == {""}
    assert not any(tensor.external_data for tensor in model.graph.initializer)
    assert not model.functions
    assert model.graph.input[0].type.denotation == "IMAGE"
    assert {entry.key for entry in model.metadata_props} == {"name", "precision", "weights_sha256"}


@pytest.mark.parametrize(("precision", "allowed"), [("float32", 1e-5), ("float16", 2e-3), ("int8", 0.2)])
def test_every_form_predicts_nearly_as_the_network(forms, layers, mnist_test, precision, allowed):
    images = mnist_test.images[:1000]
    found = Recognizer(forms[precision], CPU)(images).probabilities
    assert np.abs(found - predict(layers, images)).max() <= allowed


def test_smaller_forms_are_smaller(forms):
    float32, float16, int8 = (forms[precision].stat().st_size for precision in PRECISIONS)
    assert float16 < 0.52 * float32
    assert int8 < 0.3 * float32


def test_float16_stores_kernels_in_16_bits_and_biases_in_32(forms):
    dtypes = {}
    for tensor in onnx.load(forms["float16"]).graph.initializer:
        dtypes.setdefault(len(tensor.dims), set()).add(tensor.data_type)
    assert dtypes[2] == {TensorProto.FLOAT16}
    assert TensorProto.FLOAT16 not in dtypes[0] | dtypes[1]


def test_float16_predicts_as_the_rounded_weights_do(forms, layers, extremes):
    rounded = [(kernel.astype(np.float16), bias) for kernel, bias in layers]
    found = Recognizer(forms["float16"], CPU)(extremes).probabilities
    np.testing.assert_allclose(found, predict(rounded, extremes), atol=1e-5)
    assert np.abs(found - predict(layers, extremes)).max() > 1e-5


def test_int8_kernels_use_7_bits_since_two_products_must_fit_16(forms):
    # x86 without VNNI adds two products of uint8 and int8 in 16 bits with saturation (vpmaddubsw).
    found = int8_layers(forms["int8"])
    assert {layer.kernel.dtype.name for layer in found} == {"int8"}
    assert all((np.abs(layer.kernel.astype(int)).max(axis=0) == 64).all() for layer in found)
    assert not any(layer.kernel_zero_points.any() for layer in found)
    assert 2 * 255 * 64 <= np.iinfo(np.int16).max < 2 * 255 * 65


def test_quantised_weights_are_off_by_half_a_scale_at_most(forms, layers):
    for found, (kernel, bias) in zip(int8_layers(forms["int8"]), layers, strict=True):
        assert found.kernel_scales.shape == bias.shape
        assert np.all(np.abs(found.kernel * found.kernel_scales - kernel) <= 0.501 * found.kernel_scales)
        np.testing.assert_allclose(found.bias_scales, found.scale * found.kernel_scales, rtol=1e-6)
        assert np.all(np.abs(found.bias * found.bias_scales - bias) <= 0.501 * found.bias_scales + 1e-6)


def test_activation_scales_span_the_calibration_set(forms, layers, mnist_train):
    x, expected = mnist_train.images[:5000].reshape(5000, 784) / 255, [1 / 255]
    for kernel, bias in layers[:-1]:
        x = np.maximum(x @ kernel.astype(np.float64) + bias, 0)
        expected.append(x.max() / 255)
    found = int8_layers(forms["int8"])
    np.testing.assert_allclose([layer.scale for layer in found], expected, rtol=1e-5)
    assert [layer.zero_point for layer in found] == [0, 0, 0]


def test_int8_logits_are_those_of_integer_arithmetic(forms, images):
    expected = integer_logits(int8_layers(forms["int8"]), images)
    for found in in_batches(forms["int8"], images, logits_name(onnx.load(forms["int8"]))):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(in_batches(forms["int8"], images)[0], softmax(expected), atol=1e-5)


def test_an_int8_prediction_has_the_same_bits_in_every_batch(forms, images):
    alone, *others = in_batches(forms["int8"], images)
    assert all(np.array_equal(alone, other) for other in others)


def test_dynamic_quantisation_would_depend_on_the_batch(forms, mnist_test, tmp_path):
    from onnxruntime.quantization import quantize_dynamic

    with quiet():
        quantize_dynamic(forms["float32"], tmp_path / "dynamic.onnx")
    alone, *others = in_batches(tmp_path / "dynamic.onnx", mnist_test.images[:1000])
    assert all(np.abs(alone - other).max() > 1e-3 for other in others)


def test_onnxruntime_runs_int8_layers_as_one_integer_product_each(forms, tmp_path):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    onnxruntime.InferenceSession(forms["int8"], options, ["CPUExecutionProvider"])
    operators = [node.op_type for node in onnx.load(tmp_path / "optimized.onnx").graph.node]
    assert operators.count("QGemm") == 3
    assert not {"Gemm", "MatMul", "Relu", "DequantizeLinear"} & set(operators)


@pytest.mark.parametrize("quantise", [to_float16, lambda model: to_int8(model, np.zeros((7, 28, 28), np.uint8))])
def test_the_float32_model_is_left_as_it_is_and_nothing_is_printed_or_left_behind(
    forms, quantise, tmp_path, monkeypatch, capfd
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    model = onnx.load(forms["float32"])
    quantise(model)
    assert model == onnx.load(forms["float32"])
    assert logging.getLogger().handlers == []
    assert capfd.readouterr() == ("", "")
    assert list(tmp_path.iterdir()) == []


def network_of(*layers):
    """A DenseStack with these kernels and biases."""
    network = DenseStack(tuple(len(bias) for _, bias in layers[:-1]), rngs=nnx.Rngs(0))
    for layer, (kernel, bias) in zip(network.layers, layers, strict=True):
        layer.kernel[...], layer.bias[...] = jnp.asarray(kernel, jnp.float32), jnp.asarray(bias, jnp.float32)
    return network


BARE = (np.zeros((784, 16)), np.linspace(-1, 1, 16))
DEAD = (-np.ones((16, 8)), -np.ones(8))
LAST = np.random.default_rng(0).normal(size=(16, 10))


@pytest.mark.parametrize(
    "layers",
    [
        pytest.param([BARE, (LAST, np.arange(10))], id="biases without a kernel"),
        pytest.param([BARE, DEAD, (LAST[:8], np.arange(10))], id="a dead layer"),
    ],
)
def test_layers_without_a_range_keep_their_predictions_in_int8(layers, extremes):
    model = to_int8(to_onnx(network_of(*layers)), extremes)
    found = Recognizer(model.SerializeToString(), CPU)(extremes)
    np.testing.assert_allclose(found.probabilities, predict(layers, extremes), atol=0.02)
