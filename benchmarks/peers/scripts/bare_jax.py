# /// script
# requires-python = ">=3.11"
# dependencies = ["jax", "optax", "numpy>=2"]
# ///
"""A bare JAX loop as a peer: plain arrays, optax's Adam, one compiled loop of steps. Shares no code with flaxdigits."""

import itertools
import sys
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
from protocol import serve

REFERENCE = (784, 3000, 2000, 1000, 500, 250, 64, 10)
PREDICTOR = (784, 1152, 1152, 320, 10)


def weights(widths):
    rng = np.random.default_rng(0)
    return [
        (jnp.asarray(rng.normal(0, (2 / i) ** 0.5, (i, o)), jnp.float32), jnp.zeros(o))
        for i, o in itertools.pairwise(widths)
    ]


def forward(params, x, dtype):
    x = x.astype(dtype)
    *hidden, last = [(w.astype(dtype), b.astype(dtype)) for w, b in params]
    for weight, offset in hidden:
        x = jax.nn.relu(x @ weight + offset)
    return (x @ last[0] + last[1]).astype(jnp.float32)


def throughput(data, batch, precision):
    """Trains the reference network, on batches cut from the training digits."""
    params = weights(REFERENCE)
    adam = optax.adam(1e-3)
    carry = params, adam.init(params)
    images = jnp.asarray(data["train_images"][: 4 * batch].reshape(4, batch, 784) / np.float32(255))
    labels = jnp.asarray(data["train_labels"][: 4 * batch].reshape(4, batch), jnp.int32)

    def loss(params, x, y):
        logits = forward(params, x, jnp.dtype(precision))
        return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()

    @partial(jax.jit, donate_argnums=0)
    def run(carry, images, labels, count):
        def step(i, carry):
            params, state = carry
            updates, state = adam.update(jax.grad(loss)(params, images[i % 4], labels[i % 4]), state)
            return optax.apply_updates(params, updates), state

        return jax.lax.fori_loop(0, count, step, carry)

    def steps(count):
        nonlocal carry
        carry = jax.block_until_ready(run(carry, images, labels, count))

    serve(steps, "first_step_seconds", "images_per_second", batch)


def ceiling(precision):
    """Multiplies square matrices of 2,048."""
    a = jnp.ones((2048, 2048), jnp.dtype(precision))
    product = jax.jit(jnp.matmul)

    def products(count):
        for _ in range(count):
            jax.block_until_ready(product(a, a))

    serve(products, "first_call_seconds", "gflops", 2 * 2048**3 / 1e9)


def predict(data, batch, precision):
    """Predicts uint8 digits, as probabilities in a NumPy array."""
    params, images = weights(PREDICTOR), np.resize(data["train_images"], (batch, 28, 28))

    @jax.jit
    def probabilities(images):
        return jax.nn.softmax(forward(params, images.reshape(-1, 784) / 255, jnp.dtype(precision)))

    def calls(count):
        for _ in range(count):
            np.asarray(probabilities(images))

    serve(calls, "first_call_seconds", "digits_per_second", batch)


def main():
    path, task = sys.argv[1:3]
    options = dict(word.split("=") for word in sys.argv[3:])
    data = np.load(path)
    batch, precision = int(options.get("batch", 512)), options.get("precision", "float32")
    if task == "throughput":
        throughput(data, batch, precision)
    elif task == "ceiling":
        ceiling(precision)
    elif task == "predict":
        predict(data, batch, precision)
    else:
        sys.exit(f"bare_jax.py: no task {task!r} with {options}")


if __name__ == "__main__":
    main()
