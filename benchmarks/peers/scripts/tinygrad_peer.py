# /// script
# requires-python = ">=3.11"
# dependencies = ["tinygrad==0.14.0", "numpy==2.4.6"]
# ///
"""tinygrad's example beautiful_mnist.py (MIT licence).

    uv run --script tinygrad_peer.py DATA.npz accuracy recipe=published
    uv run --script tinygrad_peer.py DATA.npz throughput batch=512 precision=float32

On a CPU, tinygrad compiles its kernels with `clang`, which must be on the path or named by the variable CC (Debian's
package clang has it). It caches compiled kernels in the file named by CACHEDB, so that only the first run compiles.

The recipe is rewritten from examples/beautiful_mnist.py of tinygrad/tinygrad: the network, tinygrad's default
initialisation, Adam's defaults, 70 steps of 512 digits drawn with replacement, unscaled pixels (0 to 255), and after
every tenth step an evaluation of all held-out digits in one batch. Different here: the digits come from DATA.npz, there
is no progress bar (which reads the loss after each step), and `Context(TRAINING=1)` replaces `Tensor.train()`, as 0.14
has it.
"""

import json
import resource
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from typing import NoReturn

import numpy as np
from tinygrad import Context, Tensor, TinyJit, nn


def emit(**values: float) -> None:
    print(json.dumps(values), flush=True)


def refuse(message: str) -> NoReturn:
    print(message, file=sys.stderr)
    sys.exit(2)


def seconds(run: Callable[[], object]) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def example_network() -> list[Callable[[Tensor], Tensor]]:
    return [
        *(nn.Conv2d(1, 32, 5), Tensor.relu, nn.Conv2d(32, 32, 5), Tensor.relu, nn.BatchNorm(32), Tensor.max_pool2d),
        *(nn.Conv2d(32, 64, 3), Tensor.relu, nn.Conv2d(64, 64, 3), Tensor.relu, nn.BatchNorm(64), Tensor.max_pool2d),
        lambda x: x.flatten(1),
        nn.Linear(576, 10),
    ]


def dense_network() -> list[Callable[[Tensor], Tensor]]:
    layers = []
    for inputs, outputs in pairwise((784, 3000, 2000, 1000, 500, 250, 64, 10)):
        linear = nn.Linear(inputs, outputs)
        linear.weight = Tensor.kaiming_normal(outputs, inputs, a=0)  # He-normal
        linear.bias = Tensor.zeros(outputs)
        layers += [linear, Tensor.relu]
    return layers[:-1]


def published(path: str) -> None:
    with np.load(path) as data:
        images, labels, held_images, held_labels = (
            Tensor(data[f"{part}_{kind}"]) for part in ("train", "held") for kind in ("images", "labels")
        )
    images, held_images = images.reshape(-1, 1, 28, 28), held_images.reshape(-1, 1, 28, 28)
    layers = example_network()
    adam = nn.optim.Adam(nn.state.get_parameters(layers))

    @TinyJit
    def step() -> Tensor:
        with Context(TRAINING=1):
            adam.zero_grad()
            drawn = Tensor.randint(512, high=images.shape[0])
            loss = images[drawn].sequential(layers).sparse_categorical_crossentropy(labels[drawn]).backward()
            return loss.realize(*adam.schedule_step())

    @TinyJit
    def evaluate() -> Tensor:
        return (held_images.sequential(layers).argmax(axis=1) == held_labels).mean()

    for done in range(1, 71):
        step()
        if done % 10 == 0:
            emit(images=done * 512, accuracy=evaluate().item())


def accuracy(path: str, recipe: str = "published") -> None:
    if recipe != "published":
        refuse(f"no recipe {recipe!r}; there is: published")
    published(path)


def throughput(path: str, batch: str = "512", precision: str = "float32") -> None:
    """Trains the reference network with a step compiled by `TinyJit`, in rounds of about a second."""
    if precision != "float32":
        refuse(f"no precision {precision!r}; there is: float32")  # tinygrad documents no mixed precision for training
    size = int(batch)
    with np.load(path) as data:
        count = len(data["train_labels"]) // size
        x = data["train_images"][: count * size].reshape(count, size, 784).astype(np.float32) / 255
        y = data["train_labels"][: count * size].reshape(count, size).astype(np.int32)
    layers = dense_network()
    Tensor.realize(*nn.state.get_parameters(layers))
    adam = nn.optim.Adam(nn.state.get_parameters(layers), lr=1e-3)

    @TinyJit
    def step(x: Tensor, y: Tensor) -> Tensor:
        with Context(TRAINING=1):
            adam.zero_grad()
            loss = x.sequential(layers).sparse_categorical_crossentropy(y).backward()
            return loss.realize(*adam.schedule_step())

    batches = [(Tensor(a).realize(), Tensor(b).realize()) for a, b in zip(x, y, strict=True)]

    def run(steps: int) -> None:
        for number in range(steps):
            loss = step(*batches[number % count])
        loss.item()  # waits

    first = seconds(lambda: run(1))
    run(2)  # TinyJit records the second call and replays from the third on
    steps = max(1, round(1 / seconds(lambda: run(1))))
    emit(first_step_seconds=first)
    for _ in sys.stdin:
        emit(images_per_second=steps * size / seconds(lambda: run(steps)))
    emit(peak_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def main() -> None:
    tasks = {"accuracy": accuracy, "throughput": throughput}
    path, task, *settings = sys.argv[1:]
    if task not in tasks:
        refuse(f"no task {task!r}; there are: {', '.join(tasks)}")
    tasks[task](path, **dict(setting.split("=", 1) for setting in settings))


if __name__ == "__main__":
    main()
