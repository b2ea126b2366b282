"""Jitted gradients against unjitted ones, for the reference network.

jaxlib 0.10.2 is reported to miscompute some jitted reductions on the CPU; training depends on these.
"""

from functools import partial

import jax
import jax.numpy as jnp

from flaxdigits import PRESETS, load
from flaxdigits.training.model import make_graph, make_keys, make_model, split
from flaxdigits.training.step import loss_fn

BATCH = 128


def main() -> None:
    config = PRESETS["reference"]
    params, variables = split(make_model(config, make_keys(config.seed)))
    digits = load()[:BATCH]
    pixels, targets = jnp.asarray(digits.images, jnp.float32), jax.nn.one_hot(digits.known_labels(), 10)
    batch = {"variables": variables, "pixels": pixels, "targets": targets, "graph": make_graph(config)}
    gradient = jax.grad(partial(loss_fn, **batch), has_aux=True)
    jitted = jax.jit(gradient)(params)[0]
    with jax.disable_jit():
        plain = gradient(params)[0]
    pairs = list(zip(jax.tree.leaves(jitted), jax.tree.leaves(plain), strict=True))
    norms = max(float(jnp.linalg.norm(a - b) / jnp.linalg.norm(b)) for a, b in pairs)
    entries = max(float(jnp.abs(a - b).max() / jnp.abs(b).max()) for a, b in pairs)
    print(f"reference network, batch {BATCH}, {len(pairs)} parameter arrays, jaxlib {jax.lib.__version__}:")
    print(f"largest relative difference {norms:.1e} by norm, {entries:.1e} by entry against the array's largest")
