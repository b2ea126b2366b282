"""Fine-tuning: a training on new digits, from the weights of a trained model, that goes on with old digits as well."""

import math
from pathlib import Path
from typing import Any

import jax.numpy as jnp

from flaxdigits.convention import CLASSES
from flaxdigits.errors import ModelError
from flaxdigits.inference.shipped import find_model
from flaxdigits.training.config import TrainConfig
from flaxdigits.training.model import Params
from flaxdigits.training.weights import Weights, read_weights

# Chosen on hands that no figure is of: docs/accuracy.md, "Own hand".
RECIPE = TrainConfig(epochs=10, learning_rate=1e-3, validation=0.2, replay=2.0, warmup_epochs=0.5)
EPOCH = 10_000  # own digits, which are repeated up to as many
KEPT = 0.5  # share of the initial weights in the averaged ones at the end


def finetuning(source: Path | str, digits: int, **changes: Any) -> TrainConfig:
    """Returns the configuration of a training that starts from a model.

    The averaged weights, which are exported, keep half of the initial ones: what is learnt is in the other half, and
    less is forgotten (M. Wortsman et al., "Robust Fine-Tuning of Zero-Shot Models", 2022).

    Args:
        source: an .onnx file, an exported run, or "shipped".
        digits: how many new digits there are.
        changes: fields of the configuration that are to have other values; None leaves one as it is.

    Raises:
        ModelError: if the model is not a dense network that flaxdigits has exported.
        ConfigError: for an invalid value.
    """
    weights = load_weights(source)
    config = RECIPE.changed(
        initial_weights=str(source),
        hidden=weights.widths[:-1],
        temperature=weights.temperature,
        digitness_threshold=weights.digitness_threshold,
        added_pictures=RECIPE.added_pictures if weights.widths[-1] > CLASSES else 0.0,
        repeats=max(1, round(EPOCH / digits)),
    ).changed(**changes)
    return config.changed(ema_decay=changes.get("ema_decay") or KEPT ** (1 / steps_of(config, digits)))


def steps_of(config: TrainConfig, digits: int) -> int:
    """Returns about how many steps a training on so many digits takes."""
    own = (1 - config.validation) * digits * config.repeats
    return config.epochs * math.ceil(own * (1 + config.replay) * (1 + config.added_pictures) / config.batch_size)


def load_weights(source: Path | str) -> Weights:
    """Returns the weights of an .onnx file, a run, or the shipped model."""
    return read_weights(find_model(source))


def initial_params(config: TrainConfig) -> Params | None:
    """Returns the parameters that a configuration starts from, None if these are random.

    Raises:
        ModelError: if the model has other layers.
    """
    if not config.initial_weights:
        return None
    weights = load_weights(config.initial_weights)
    expected = (*config.hidden, config.outputs)
    if weights.widths != expected:
        problem = f"expected layers of {list(expected)}, got {list(weights.widths)}"
        raise ModelError(f"{config.initial_weights}: {problem}", "the weights belong to another configuration")
    layers = [{"kernel": jnp.asarray(kernel), "bias": jnp.asarray(bias)} for kernel, bias in weights.layers]
    return {"layers": dict(enumerate(layers))}
