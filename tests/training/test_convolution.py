import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax import lax

from flaxdigits.errors import ConfigError, TrainingInterrupted
from flaxdigits.runs import Run
from flaxdigits.training.config import NO_AUGMENTATION, TrainConfig
from flaxdigits.training.convolution import convolve, make_conv_stack
from flaxdigits.training.fit import fit, resume
from flaxdigits.training.model import make_keys, make_model, merge, predict_logits
from flaxdigits.training.trained import trained_model

SMALL = TrainConfig(
    hidden=(144, 36, 8), pretraining_epochs=2, epochs=1, batch_size=64, validation=0.2, augmentation=NO_AUGMENTATION
)
KEYS = make_keys(0)


def kernels(run):
    return [np.asarray(layer.kernel[...]) for layer in trained_model(run).model.layers]


@pytest.mark.slow
def test_the_dense_parameters_compute_the_same_function(mnist_test):
    convolutional = make_conv_stack(SMALL.changed(hidden=(288, 108, 20, 12)), KEYS)
    dense = make_model(SMALL.changed(hidden=(288, 108, 20, 12)), KEYS)
    spread = merge(nnx.graphdef(dense), convolutional.dense_params(), {})
    images = mnist_test.images[:50]
    np.testing.assert_allclose(predict_logits(spread, images), predict_logits(convolutional, images), atol=1e-5)


@pytest.mark.parametrize("padding", [((0, 0), (0, 0)), ((1, 2), (1, 2))])
def test_the_convolution_equals_xla_s(padding):
    x, kernel = jax.random.normal(KEYS.shuffle, (3, 12, 12, 2)), jax.random.normal(KEYS.dropout, (5, 5, 2, 4))
    expected = lax.conv_general_dilated(x, kernel, (2, 2), padding, dimension_numbers=("NHWC", "HWIO", "NHWC"))
    np.testing.assert_allclose(convolve(x, kernel, (2, 2), padding), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_pretraining_gives_the_initial_weights(mnist_train, tmp_path):
    digits, run = mnist_train[:1000], Run(tmp_path / "run")
    seen = []
    frozen = SMALL.changed(learning_rate=1e-9, warmup_epochs=0.0)
    list(fit(digits, frozen, run, on_progress=seen.append))
    ended = [
        (progress.stage, progress.epoch, progress.step, progress.steps) for progress in seen if progress.ends_epoch
    ]
    assert ended == [("pretraining", 1, 21, 42), ("pretraining", 2, 42, 42), ("training", 1, 21, 21)]
    expected = make_conv_stack(SMALL, make_keys(0, stage=1)).dense_params()["layers"]
    for index, kernel in enumerate(kernels(run)):
        np.testing.assert_allclose(kernel, expected[index]["kernel"], atol=1e-5)
    assert (jnp.abs(expected[0]["kernel"]) > 0).mean() < 0.1  # windows of 25 of the 784 pixels


@pytest.mark.slow
def test_a_run_stopped_while_it_pretrains_goes_on_with_the_same_bits(mnist_train, tmp_path):
    digits, whole, stopped = mnist_train[:1000], Run(tmp_path / "whole"), Run(tmp_path / "stopped")
    list(fit(digits, SMALL, whole))
    steps = []
    with pytest.raises(TrainingInterrupted):
        list(fit(digits, SMALL, stopped, on_progress=steps.append, should_stop=lambda: len(steps) > 2))
    assert steps[-1].step < 26
    list(resume(stopped, digits))
    for one, other in zip(kernels(whole), kernels(stopped), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("hidden", [(144,), (145, 36), (144, 37)])
def test_widths_that_are_no_maps_are_refused(hidden):
    with pytest.raises(ConfigError, match="hidden: expected multiples of 144 and 36"):
        TrainConfig(hidden=hidden, pretraining_epochs=1)
