"""The weights that runs have ended with."""

import jax
import numpy as np
from flax import nnx

from flaxdigits.training.trained import trained_model


def weights(run):
    return [np.asarray(leaf) for leaf in jax.tree.leaves(nnx.state(trained_model(run).model))]


def same_bits(one, other):
    return all(np.array_equal(a, b) for a, b in zip(weights(one), weights(other), strict=True))
