"""Trained weights: read back from a run, and used to read digits with JAX."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import jax
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, Shaped

from flaxdigits.digits import Digits
from flaxdigits.errors import RunError
from flaxdigits.runs import Run
from flaxdigits.training.calibration import fit_temperature, mean_loss
from flaxdigits.training.checkpoint import restore_state
from flaxdigits.training.config import TrainConfig
from flaxdigits.training.devices import make_mesh, replicated
from flaxdigits.training.model import as_pixels
from flaxdigits.training.network import Params, forward, make_graph
from flaxdigits.training.provenance import Provenance
from flaxdigits.training.state import init_state

BATCH = 2000  # digits a call; keeps the largest activation of the reference stack at 24 MB


class Judgement(NamedTuple):
    """What weights are worth on clean digits, every row counted; NaN where there are none."""

    loss: float = math.nan  # mean cross-entropy, nats a digit
    accuracy: float = math.nan  # 0..1
    temperature: float = math.nan  # that would make the loss least


def evaluate(config: TrainConfig, params: Params, digits: Digits | None) -> Judgement:
    """Judges weights by digits that they were not trained on."""
    if digits is None:
        return Judgement()
    logits, labels = predict_logits(config, params, digits.images), digits.known_labels()
    right = float((logits.argmax(axis=1) == labels).mean())
    return Judgement(mean_loss(logits, labels), right, fit_temperature(logits, labels))


def predict_logits(config: TrainConfig, params: Params, images: np.ndarray) -> np.ndarray:
    """Returns the mean of the members' logits, float32 [n, 10], of images [n, 28, 28] in 0..255, bytes or not."""
    graph = make_graph(config)
    starts = range(0, len(images), BATCH)
    return np.concatenate([_read(graph, params, images[start : start + BATCH]) for start in starts])


@partial(jax.jit, static_argnums=0)
def _read(graph: nnx.GraphDef, params: Params, images: Shaped[Array, "batch 28 28"]) -> Float[Array, "batch 10"]:
    return forward(graph, params, as_pixels(images)).mean(axis=0)


def weights_sha256(params: Params) -> str:
    """Names the weights: the SHA-256 of each layer's bias and kernel, as float32, from the first layer on."""
    return hashlib.sha256(
        b"".join(np.asarray(leaf, np.float32).tobytes() for leaf in jax.tree.leaves(params))
    ).hexdigest()


def committee_weights(runs: Sequence[Run]) -> tuple[TrainConfig, Params]:
    """Returns the weights of several runs as those of one committee, and the first run's configuration for it.

    Raises:
        RunError: where one is named twice, or nothing was saved in one of them yet, or their networks are of
            different shapes, or were trained on different digits.
    """
    if len({run.path.resolve() for run in runs}) < len(runs):
        raise RunError(f"{', '.join(map(str, runs))}: one of these is named twice")
    if len({Provenance.read(run.data).sha256 for run in runs if run.data.exists()}) > 1:
        raise RunError(f"{', '.join(map(str, runs))}: were trained on different digits, so they are no committee")
    configs, params = zip(*map(trained_weights, runs), strict=True)
    for run, config in zip(runs, configs, strict=True):
        if config.hidden != configs[0].hidden:
            expected = f"{list(configs[0].hidden)} as in {runs[0]}"
            raise RunError(f"{run}: expected a network of {expected}, got {list(config.hidden)}")
    members = sum(config.members for config in configs)
    return replace(configs[0], members=members), jax.tree.map(lambda *parts: np.concatenate(parts), *params)


def trained_weights(run: Run) -> tuple[TrainConfig, Params]:
    """Returns the weights that a run has come to: the best epoch's, or the last average.

    Raises:
        RunError: where nothing was saved yet.
    """
    config = TrainConfig.from_toml(run.config)
    like = replace(jax.eval_shape(partial(init_state, config, 1)), answers=None)
    state = restore_state(like, run.checkpoints, replicated(make_mesh("cpu", 1)))
    if state is None:
        raise RunError(f"{run}: no checkpoint in it yet; continue with: flaxdigits train --resume {run}")
    return config, state.judged if state.best is None else state.best
