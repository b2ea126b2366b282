"""Fine-tuning: training on new digits from the weights of a trained model, while replaying old digits."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp

from flaxdigits.convention import CLASSES
from flaxdigits.errors import ModelError
from flaxdigits.inference.shipped import find_model
from flaxdigits.training.config import TrainConfig
from flaxdigits.training.model import Params

if TYPE_CHECKING:
    from flaxdigits.training.weights import Weights

# Chosen on different handwriting than that of the reported figures: docs/accuracy.md, "Own handwriting".
RECIPE = TrainConfig(epochs=10, learning_rate=1e-3, validation=0.2, replay=2.0, warmup_epochs=0.5, ema_ramp=1)
EPOCH_DIGITS = 8_000  # new digits in an epoch: fewer are repeated until there are about as many
INITIAL_SHARE = 0.5  # of the initial weights in the final average
FEW = 50  # digits; with fewer, none are held out


def finetuning_config(source: Path | str, digits: int, **changes: Any) -> TrainConfig:
    """Returns the configuration for fine-tuning a model.

    The averaged weights, which are exported, are half the initial and half the newly learnt weights, so that less is
    forgotten (M. Wortsman et al., "Robust Fine-Tuning of Zero-Shot Models", 2022).

    Args:
        source: an .onnx file, an exported run, or "shipped".
        digits: the number of new digits; with fewer than 50, none are held out.
        changes: fields of the configuration to override; None leaves one unchanged.

    Raises:
        ModelError: if the model is not a dense network that flaxdigits has exported.
        RunError: if the run is not exported.
        ConfigError: for an invalid value.
    """
    weights = load_weights(source)
    config = RECIPE.changed(
        initial_weights=str(source),
        hidden=weights.widths[:-1],
        temperature=weights.temperature,
        digitness_threshold=weights.digitness_threshold,
        added_pictures=RECIPE.added_pictures if weights.widths[-1] > CLASSES else 0.0,
        validation=RECIPE.validation if digits >= FEW else 0.0,
    ).changed(**changes)
    trained_on = max(1, round((1 - config.validation) * digits))
    repeats = max(1, round(EPOCH_DIGITS / trained_on))
    config = config.changed(repeats=repeats).changed(**changes)
    return config.changed(ema_decay=INITIAL_SHARE ** (1 / steps_of(config, trained_on))).changed(**changes)


def steps_of(config: TrainConfig, trained_on: int) -> int:
    """Returns the approximate number of steps of training on this many digits."""
    rows = trained_on * config.repeats * (1 + config.replay) * (1 + config.added_pictures)
    return config.epochs * math.ceil(rows / config.batch_size)


def load_weights(source: Path | str) -> "Weights":
    """Returns the weights of an .onnx file, a run, or the shipped model."""
    from flaxdigits.training.weights import read_weights  # imports onnx, which other training runs do not need

    return read_weights(find_model(source))


def initial_weights(config: TrainConfig) -> "Weights | None":
    """Returns the weights that a configuration starts from, None if these are random.

    Raises:
        ModelError: if there is no such model, or its layers differ.
        RunError: if the run is not exported.
    """
    if not config.initial_weights:
        return None
    weights = load_weights(config.initial_weights)
    expected = (*config.hidden, config.outputs)
    if weights.widths != expected:
        problem = f"expected layers of {list(expected)}, got {list(weights.widths)}"
        raise ModelError(f"{config.initial_weights}: {problem}", "the weights belong to another configuration")
    return weights


def to_params(weights: "Weights") -> Params:
    """Returns weights as the parameters of a DenseStack."""
    layers = [{"kernel": jnp.asarray(kernel), "bias": jnp.asarray(bias)} for kernel, bias in weights.layers]
    return {"layers": dict(enumerate(layers))}
