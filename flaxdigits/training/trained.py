"""The trained network of a run, from its newest checkpoint."""

from dataclasses import replace
from typing import NamedTuple

import jax
from flax import nnx

from flaxdigits.errors import RunUnfinishedError
from flaxdigits.runs import Run
from flaxdigits.training.checkpoint import restore_checkpoint
from flaxdigits.training.config import TrainConfig
from flaxdigits.training.devices import on_one_device
from flaxdigits.training.history import EpochReport, saved_history
from flaxdigits.training.model import make_graph, make_keys, make_model, merge
from flaxdigits.training.step import init_state


class Trained(NamedTuple):
    """A trained network.

    Attributes:
        config: the training configuration, except that the precision is float32.
        model: the network, in float32 and in evaluation mode.
        reports: of the epochs up to the checkpoint.
    """

    config: TrainConfig
    model: nnx.Module
    reports: list[EpochReport]


def trained_model(run: Run) -> Trained:
    """Returns the trained network of a run.

    Raises:
        RunUnfinishedError: if nothing was saved yet.
    """
    config = replace(TrainConfig.from_toml(run.config), precision="float32")
    abstract = jax.eval_shape(lambda: init_state(make_model(config, make_keys(config.seed)), config, 1))
    saved = restore_checkpoint(abstract, run.checkpoints, on_one_device("cpu"))
    if saved is None:
        raise RunUnfinishedError(run.path, "no checkpoint in it yet", "resume it with flaxdigits.resume")
    model = merge(make_graph(config), saved.state.final_params, saved.state.variables)
    model.eval()
    return Trained(config, model, saved_history(run, saved.files))
