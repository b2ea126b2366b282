"""Shared fixtures: real digits, their CSV, a small model that keeps the contract, a small trained network."""

import os
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import flaxdigits
from flaxdigits.inference import contract

pytest_plugins = ["page"]

CACHE = Path(__file__).parents[1] / ".pytest_cache"

# Most of a short training is compilation: compiled programs are kept, for other tests, processes and runs.
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(CACHE / "jax"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
# No limit, under which JAX cannot store a program beside one that was stored without a limit, as in these processes.
os.environ.setdefault("JAX_COMPILATION_CACHE_MAX_SIZE", "-1")
# No caches for GPUs beside it: their paths would be part of each program's key.
os.environ.setdefault("JAX_PERSISTENT_CACHE_ENABLE_XLA_CACHES", "none")
# Without bytecode, each of some hundred processes compiles its imports anew, which takes two seconds.
if os.environ.pop("PYTHONDONTWRITEBYTECODE", None):
    os.environ.setdefault("PYTHONPYCACHEPREFIX", str(CACHE / "bytecode"))


@pytest.hookimpl(wrapper=True)
def pytest_xdist_auto_num_workers():
    """Returns one worker more than xdist would start: tests wait for processes and for a browser."""
    return (yield) + 1


def pytest_collection_modifyitems(items):
    """Puts the files with most slow tests first: a worker that began one last would leave the others idle."""
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -slow[item.path])


@pytest.fixture(scope="session", autouse=True)
def elsewhere(tmp_path_factory):
    """Keeps the tests out of the checkout's runs/, whose `latest` every training moves."""
    before = os.getcwd()  # noqa: PTH109
    os.chdir(tmp_path_factory.mktemp("elsewhere"))
    yield
    os.chdir(before)


def refuse(reason):
    """Skips a test, or fails it where FLAXDIGITS_NO_SKIP is set, as in .ci/run."""
    (pytest.fail if os.environ.get("FLAXDIGITS_NO_SKIP") else pytest.skip)(reason)


@pytest.fixture(scope="session")
def need():
    """Finds a program by one of its names, or refuses the test."""

    def find(hint, *names):
        found = next(filter(None, map(shutil.which, names)), None)
        return found or refuse(f"{' or '.join(names)} is not installed: {hint}")

    return find


@pytest.fixture(scope="session")
def install():
    """Runs a package manager, or refuses the test where it cannot do its work, as without a network."""

    def run(*words, **options):
        done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=300, **options)
        if done.returncode:
            refuse(f"{words[0]} cannot install what is needed: {done.stderr.strip()[-300:]}")

    return run


@pytest.fixture(scope="session")
def mnist_train():
    return flaxdigits.load("mnist-train")


@pytest.fixture(scope="session")
def mnist_test():
    return flaxdigits.load("mnist-test")


@pytest.fixture(scope="session")
def few(mnist_test):
    return mnist_test[:20]


@pytest.fixture(scope="session")
def to_table():
    """Kaggle's train.csv of some digits, as lists of cells with the header first."""

    def cells(digits):
        header = ["label", *(f"pixel{i}" for i in range(784))]
        pixels = digits.images.reshape(-1, 784)
        return [header, *([str(label), *map(str, row)] for label, row in zip(digits.labels, pixels, strict=True))]

    return cells


@pytest.fixture(scope="session")
def to_csv(to_table):
    """Kaggle's train.csv of some digits, as text."""
    return lambda digits: "".join(",".join(row) + "\n" for row in to_table(digits))


@pytest.fixture(scope="session")
def to_frame(to_table):
    """Returns a function that makes a DataFrame in Kaggle's form of some digits."""

    def frame(digits):
        import pandas as pd

        header, *rows = to_table(digits)
        return pd.DataFrame(rows, columns=header).astype(int)

    return frame


@pytest.fixture(scope="session")
def write_model():
    """Writes softmax(pixels / 255 @ weights) as an ONNX file; each option breaks the contract in one place."""

    def write(
        path, weights, input_name="pixels", input_type="UINT8", input_shape=("batch", 28, 28),
        batch="batch", digit_type="INT64", outputs=("digit", "probabilities"), metadata=None,
    ):  # fmt: skip
        from onnx import TensorProto, helper, numpy_helper, save

        types = {name: getattr(TensorProto, name) for name in ("FLOAT", input_type, digit_type)}
        nodes = [
            helper.make_node("Cast", [input_name], ["floats"], to=TensorProto.FLOAT),
            helper.make_node("Div", ["floats", "white"], ["scaled"]),
            helper.make_node("Flatten", ["scaled"], ["flat"]),
            helper.make_node("Gemm", ["flat", "weights"], ["logits"]),
            helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
            helper.make_node("ArgMax", ["probabilities"], ["index"], axis=1, keepdims=0),
            helper.make_node("Cast", ["index"], ["digit"], to=types[digit_type]),
        ]
        known = {
            "digit": helper.make_tensor_value_info("digit", types[digit_type], [batch]),
            "probabilities": helper.make_tensor_value_info("probabilities", types["FLOAT"], [batch, weights.shape[1]]),
        }
        pixels = helper.make_tensor_value_info(input_name, types[input_type], input_shape)
        constants = {"white": np.float32(255), "weights": weights.astype(np.float32)}
        held = [numpy_helper.from_array(value, name) for name, value in constants.items()]
        graph = helper.make_graph(nodes, "digits", [pixels], [known[name] for name in outputs], held)
        opset = [helper.make_opsetid("", contract.OPSET)]
        model = helper.make_model(graph, opset_imports=opset, ir_version=contract.IR_VERSION)
        helper.set_model_props(model, metadata or {})
        save(model, path)
        return path

    return write


@pytest.fixture(scope="session")
def tiny_weights(mnist_train):
    """Softmax regression after 50 steps of gradient descent on 5,000 training digits, [784, 10]."""
    pixels = mnist_train.images[:5000].reshape(-1, 784).astype(np.float32) / 255
    truth = np.eye(10, dtype=np.float32)[mnist_train.labels[:5000]]
    weights = np.zeros((784, 10), np.float32)
    for _ in range(50):
        powers = np.exp(pixels @ weights)
        weights += 0.5 * pixels.T @ (truth - powers / powers.sum(axis=1, keepdims=True)) / len(pixels)
    return weights


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory, write_model, tiny_weights):
    """An .onnx file that keeps the contract and reads more than 85% of the test digits."""
    return write_model(tmp_path_factory.mktemp("model") / "tiny.onnx", tiny_weights, metadata={"name": "tiny"})


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory, mnist_train):
    """A run of a network with two hidden layers that classifies more than 85% of the test digits correctly."""
    from flaxdigits.runs import Run
    from flaxdigits.training.config import NO_AUGMENTATION, TrainConfig
    from flaxdigits.training.fit import fit

    run = Run(tmp_path_factory.mktemp("runs") / "run")
    recipe = {"epochs": 6, "batch_size": 64, "learning_rate": 3e-3, "augmentation": NO_AUGMENTATION}
    list(fit(mnist_train[:5000], TrainConfig(hidden=(48, 24), **recipe), run.path))
    return run


@pytest.fixture(scope="session")
def tiny_network(mnist_train):
    """A DenseStack with two hidden layers that reads more than 85% of the test digits."""
    import optax
    from flax import nnx

    from flaxdigits.training.model import DenseStack

    pixels, labels = mnist_train.images[:5000].astype(np.float32), mnist_train.labels[:5000].astype(np.int32)
    model = DenseStack((48, 24), rngs=nnx.Rngs(0))
    optimizer = nnx.Optimizer(model, optax.adam(3e-3), wrt=nnx.Param)

    @nnx.jit
    def step(model, optimizer, pixels, labels):
        loss = lambda model: optax.softmax_cross_entropy_with_integer_labels(model(pixels), labels).mean()  # noqa: E731
        optimizer.update(model, nnx.grad(loss)(model))

    rng = np.random.default_rng(0)
    for rows in rng.integers(0, 5000, (300, 128)):
        step(model, optimizer, pixels[rows], labels[rows])
    return model


@pytest.fixture(scope="session")
def forms(tmp_path_factory, tiny_network):
    """The .onnx file of that network in each precision."""
    from flaxdigits.export.conversion import to_onnx
    from flaxdigits.export.quantization import to_precision

    folder = tmp_path_factory.mktemp("forms")
    for precision in ("float32", "float16", "int8"):
        metadata = {"name": f"tiny {precision}", "precision": precision, "weights_sha256": "of the tiny network"}
        model = to_precision(to_onnx(tiny_network, metadata=metadata), precision)
        (folder / f"{precision}.onnx").write_bytes(model.SerializeToString())
    return {path.stem: path for path in folder.iterdir()}


@pytest.fixture(scope="session")
def extremes():
    """Noise, empty and full images, uint8 [52, 28, 28]."""
    noise = np.random.default_rng(0).integers(0, 256, (50, 28, 28), np.uint8)
    return np.concatenate([noise, np.zeros((1, 28, 28), np.uint8), np.full((1, 28, 28), 255, np.uint8)])
