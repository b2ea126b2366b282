import sys
from importlib.util import module_from_spec, spec_from_file_location

import numpy as np
import onnxruntime
import pytest

from flaxdigits.export.triton import MAX_BATCH_SIZE, configuration, write_repository
from flaxdigits.inference import contract
from flaxdigits.inference.recognizer import Recognizer

CLIENT = "tritonclient==2.73.0"
TRITON_TYPES = {"TYPE_UINT8": "tensor(uint8)", "TYPE_INT64": "tensor(int64)", "TYPE_FP32": "tensor(float)"}


@pytest.fixture(scope="module")
def schema(tmp_path_factory, need, install):
    """Triton's own model_config.proto, as its client package brings it.

    The package lies apart, since it asks for older ml-dtypes and protobuf than JAX and onnx do, and one file
    of it is loaded: importing tritonclient.grpc would need grpcio as well, for a server that is not here.
    """
    folder = tmp_path_factory.mktemp("tritonclient")
    uv = need("pip install uv", "uv")
    install(uv, "pip", "install", "--python", sys.executable, "--no-deps", "--target", folder, CLIENT)
    path = folder / "tritonclient" / "grpc" / "model_config_pb2.py"
    spec = spec_from_file_location("model_config_pb2", path)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def parse(schema):
    from google.protobuf import text_format

    return lambda text: text_format.Parse(text, schema.ModelConfig())


@pytest.fixture
def repository(tmp_path, tiny_model):
    write_repository(tiny_model, tmp_path / "models")
    return tmp_path / "models"


def test_a_repository_is_a_folder_a_model_with_a_folder_a_version(tmp_path, tiny_model):
    place = write_repository(tiny_model, tmp_path / "models")
    assert place == tmp_path / "models" / "digits"
    files = sorted(str(path.relative_to(place)) for path in place.rglob("*") if path.is_file())
    assert files == ["1/model.onnx", "config.pbtxt"]
    assert (place / "config.pbtxt").read_text() == configuration(has_digitness=False)


def test_the_configuration_is_of_tritons_schema(parse, repository):
    config = parse((repository / "digits" / "config.pbtxt").read_text())
    assert (config.name, config.backend, config.max_batch_size) == ("digits", "onnxruntime", MAX_BATCH_SIZE)
    assert config.HasField("dynamic_batching")


@pytest.mark.parametrize(
    ("right", "wrong"),
    [("max_batch_size", "max_batch"), ("TYPE_UINT8", "TYPE_BYTE"), ("dims:", "dimensions:"), ("1024", '"1024"')],
)
def test_the_schema_refuses_what_is_misspelt(parse, right, wrong):
    from google.protobuf.text_format import ParseError

    assert right in configuration(has_digitness=True)
    with pytest.raises(ParseError):
        parse(configuration(has_digitness=True).replace(right, wrong))


def test_names_types_and_dims_are_those_of_the_contract(schema, parse):
    config = parse(configuration(has_digitness=True))
    found = {}
    for tensor in (*config.input, *config.output):
        # Triton takes the dims of `reshape` for the model's, where there are such.
        dims = tensor.reshape.shape if tensor.HasField("reshape") else tensor.dims
        kind = TRITON_TYPES[schema.DataType.Name(tensor.data_type)]
        found[tensor.name] = contract.Tensor(tensor.name, kind, tuple(dims))
    assert found == {tensor.name: tensor for tensor in (contract.INPUT, *contract.OUTPUTS, contract.DIGITNESS)}
    assert [tensor.name for tensor in config.input] == [contract.INPUT.name]


def test_a_reshape_keeps_the_number_of_values(parse):
    config = parse(configuration(has_digitness=True))
    for tensor in (*config.input, *config.output):
        if tensor.HasField("reshape"):
            assert np.prod(tensor.dims) == np.prod(tensor.reshape.shape, initial=1)


def test_the_model_in_it_reads_digits_in_batches_up_to_the_largest(repository, tiny_model, mnist_test):
    session = onnxruntime.InferenceSession(repository / "digits" / "1" / "model.onnx")
    images = mnist_test.images[:MAX_BATCH_SIZE]
    digits, _ = session.run(["digit", "probabilities"], {"pixels": images})
    assert digits.shape == (MAX_BATCH_SIZE,)
    assert np.array_equal(digits, Recognizer(tiny_model)(images).digits)
    assert (digits == mnist_test.labels[:MAX_BATCH_SIZE]).mean() > 0.8


def test_writing_again_replaces_the_model(repository, forms):
    write_repository(forms["int8"], repository)
    assert (repository / "digits" / "1" / "model.onnx").read_bytes() == forms["int8"].read_bytes()
    assert len(list((repository / "digits" / "1").iterdir())) == 1
