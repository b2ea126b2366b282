import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from flaxdigits import PRESETS
from flaxdigits.training.config import TrainConfig
from flaxdigits.training.model import DenseStack, make_keys, make_model, merge, predict_logits, split

KEYS = make_keys(0)


def test_the_reference_network_has_11000464_parameters():
    model = nnx.eval_shape(lambda: make_model(PRESETS["reference"], KEYS))
    sizes = [leaf.size for leaf in jax.tree.leaves(nnx.state(model, nnx.Param))]
    assert sum(sizes) == PRESETS["reference"].parameters == 11_000_464


def test_the_forward_pass_equals_numpy(mnist_test):
    model = DenseStack((20, 12), rngs=nnx.Rngs(1))
    x = mnist_test.images[:5].reshape(5, 784) / np.float64(255)
    for layer in model.layers[:-1]:
        x = np.maximum(x @ np.asarray(layer.kernel[...], np.float64) + np.asarray(layer.bias[...]), 0)
    last = model.layers[-1]
    expected = x @ np.asarray(last.kernel[...], np.float64) + np.asarray(last.bias[...])
    found = model(jnp.asarray(mnist_test.images[:5], jnp.float32))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_bfloat16_computes_in_bfloat16_with_float32_parameters():
    model = make_model(TrainConfig(hidden=(8,), precision="bfloat16"), KEYS)
    assert {leaf.dtype for leaf in jax.tree.leaves(nnx.state(model, nnx.Param))} == {jnp.dtype("float32")}
    pixels = jnp.full((1, 28, 28), 100.0)
    exact = make_model(TrainConfig(hidden=(8,)), KEYS)(pixels)
    assert model(pixels).dtype == jnp.float32
    assert 0 < jnp.abs(model(pixels) - exact).max() < 0.05


def test_the_seed_decides_the_weights():
    config = TrainConfig(hidden=(8,))
    first, same, other = (split(make_model(config, make_keys(seed)))[0] for seed in (1, 1, 2))
    kernels = [params["layers"][0]["kernel"] for params in (first, same, other)]
    assert jnp.array_equal(kernels[0], kernels[1])
    assert not jnp.allclose(kernels[0], kernels[2])


def test_a_model_survives_split_and_merge(mnist_test):
    model = make_model(TrainConfig(hidden=(8,)), KEYS)
    again = merge(nnx.graphdef(model), *split(model))
    images = mnist_test.images[:2]
    np.testing.assert_array_equal(predict_logits(again, images), predict_logits(model, images))


def test_logits_are_predicted_in_evaluation_mode(mnist_test):
    class Noisy(nnx.Module):
        def __init__(self):
            self.dropout = nnx.Dropout(0.5, rngs=nnx.Rngs(0))

        def __call__(self, pixels):
            return self.dropout(pixels.reshape(-1, 784)[:, 300:310])

    images = mnist_test.images[:2010]  # more than a batch
    np.testing.assert_array_equal(predict_logits(Noisy(), images), images.reshape(-1, 784)[:, 300:310])
