from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flaxdigits import PRESETS
from flaxdigits.convention import CLASSES, INK
from flaxdigits.training import precision as room
from flaxdigits.training.config import TrainConfig
from flaxdigits.training.devices import make_mesh
from flaxdigits.training.fit import fit
from flaxdigits.training.model import make_graph, make_keys, make_model, split
from flaxdigits.training.precision import (
    compiler_options,
    cpu_flags,
    fastest_precision,
    needs_newer_jax,
    uses_onednn,
)
from flaxdigits.training.step import loss_fn

MESH = make_mesh("cpu", 1)
# Of a gradient's norm, to float64. Where bfloat16's rounding takes a unit across ReLU's corner, its gradient is lost.
TOLERANCES = {"float32": 1e-5, "bfloat16": 0.1}


def float64_gradients(layers, x, targets):
    """The gradients of the mean cross-entropy of a dense stack with ReLU, by NumPy alone."""
    activations = [x]
    for layer in layers[:-1]:
        activations.append(np.maximum(activations[-1] @ layer["kernel"] + layer["bias"], 0))
    logits = activations[-1] @ layers[-1]["kernel"] + layers[-1]["bias"]
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    delta = (exponentials / exponentials.sum(axis=1, keepdims=True) - targets) / len(x)
    gradients = []
    for layer, inputs in zip(reversed(layers), reversed(activations), strict=True):
        gradients.append({"kernel": inputs.T @ delta, "bias": delta.sum(axis=0)})
        delta = (delta @ layer["kernel"].T) * (inputs > 0)
    return gradients[::-1]


@pytest.mark.parametrize("batch", [32, 500])
@pytest.mark.parametrize("hidden", [PRESETS["default"].hidden, (300, 200, 64)])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_compiled_gradients_equal_those_of_numpy_in_float64(precision, hidden, batch, mnist_test):
    config = TrainConfig(hidden=hidden, precision=precision, added_pictures=0)
    params, variables = split(make_model(config, make_keys(0)))
    pixels, targets = mnist_test.images[:batch], np.eye(CLASSES)[mnist_test.labels[:batch]]
    options = {"variables": variables, "pixels": jnp.asarray(pixels, jnp.float32), "graph": make_graph(config)}
    loss = partial(loss_fn, **options, targets=jnp.asarray(targets, jnp.float32))
    compiled = jax.jit(jax.grad(loss, has_aux=True), compiler_options=compiler_options(precision, MESH))
    found = compiled(params)[0]["layers"]
    layers = [jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), layer) for layer in params["layers"].values()]
    for layer, expected in enumerate(float64_gradients(layers, pixels.reshape(batch, -1) / INK, targets)):
        for name, array in expected.items():
            difference = np.linalg.norm(found[layer][name] - array) / np.linalg.norm(array)
            assert difference <= TOLERANCES[precision], (layer, name)


def test_auto_becomes_the_fastest_precision_when_a_run_begins(mnist_test, tmp_path):
    config = TrainConfig(hidden=(8,), epochs=1, validation=0)
    training = fit(mnist_test[:64], config, tmp_path / "run")
    list(training)
    assert training.config.precision == fastest_precision(MESH)
    assert TrainConfig.from_toml(training.run.config) == training.config
    list(fit(mnist_test[:64], config, tmp_path / "run", if_exists="resume"))  # auto is what the run began with


@pytest.mark.parametrize("version", [(0, 10, 2), (0, 12, 0)])
@pytest.mark.parametrize("flags", ["amx_bf16 amx_tile", "avx512f avx512_bf16"])
def test_a_cpu_s_bfloat16_units_are_used_from_jax_0_12_on(version, flags, monkeypatch, tmp_path):
    cpu_flags.cache_clear()
    (tmp_path / "cpuinfo").write_text(f"flags\t\t: fpu {flags}\n")
    monkeypatch.setattr(room, "CPU_FLAGS", tmp_path / "cpuinfo")
    monkeypatch.setattr(jax, "__version_info__", version)
    used = version >= (0, 12)
    assert fastest_precision(MESH) == ("bfloat16" if used else "float32")
    assert needs_newer_jax(MESH) is not used
    cpu_flags.cache_clear()


def test_a_processor_without_fast_bfloat16_trains_in_float32(monkeypatch, tmp_path):
    cpu_flags.cache_clear()
    (tmp_path / "cpuinfo").write_text("flags\t\t: fpu avx512f avx512_vnni\n")
    monkeypatch.setattr(room, "CPU_FLAGS", tmp_path / "cpuinfo")
    assert fastest_precision(MESH) == "float32"
    assert compiler_options("bfloat16", MESH) is None
    cpu_flags.cache_clear()
    monkeypatch.setattr(room, "CPU_FLAGS", tmp_path / "none")
    assert cpu_flags() == frozenset()
    cpu_flags.cache_clear()


@pytest.mark.skipif(not uses_onednn(MESH), reason="needs bfloat16 units and JAX 0.12")
def test_every_product_of_a_bfloat16_gradient_is_onednn_s_where_the_cpu_has_units_for_it():
    assert fastest_precision(MESH) == "bfloat16"
    x, weights = jnp.ones((512, 784), jnp.bfloat16), jnp.ones((784, 1024), jnp.bfloat16)
    step = jax.jit(
        jax.grad(lambda w, x: ((x @ w) ** 2).sum(), argnums=(0, 1)), compiler_options=compiler_options("bfloat16", MESH)
    )
    program = step.lower(weights, x).compile().as_text()
    assert program.count('custom_call_target="__onednn$matmul"') == 3
    assert " dot(" not in program
