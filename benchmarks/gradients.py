"""Gradients jitted against not jitted, for the reference stack: how far they are apart.

jaxlib 0.10.2 is reported to miscompute some jitted reductions on the CPU; training stands on these.
"""

from functools import partial

import jax
import jax.numpy as jnp

from flaxdigits import load
from flaxdigits.training.network import make_graph
from flaxdigits.training.presets import PRESETS
from flaxdigits.training.state import init_state
from flaxdigits.training.step import members_loss
from flaxdigits.training.targets import label_targets

BATCH = 128


def main() -> None:
    config = PRESETS["reference"]
    params = init_state(config, 1).params
    digits = load()[:BATCH]
    pixels = jnp.asarray(digits.images, jnp.float32)
    targets = label_targets(jnp.asarray(digits.labels), config.label_smoothing)
    gradient = jax.grad(partial(members_loss, graph=make_graph(config)), has_aux=True)
    jitted = jax.jit(gradient)(params, pixels, targets)[0]
    with jax.disable_jit():
        plain = gradient(params, pixels, targets)[0]
    pairs = list(zip(jax.tree.leaves(jitted), jax.tree.leaves(plain), strict=True))
    norms = max(float(jnp.linalg.norm(a - b) / jnp.linalg.norm(b)) for a, b in pairs)
    entries = max(float(jnp.abs(a - b).max() / jnp.abs(b).max()) for a, b in pairs)
    print(f"reference stack, batch {BATCH}, {len(pairs)} parameter arrays, jaxlib {jax.lib.__version__}:")
    print(f"largest relative difference {norms:.1e} by norm, {entries:.1e} by entry against the array's largest")
