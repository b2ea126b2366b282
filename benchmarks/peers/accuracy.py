"""Time to accuracy: seconds from a cold process to 98, 99, 99.3 and 99.5% on the digits of held-out writers."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from benchmarks.peers.process import OURS, PeerFailed, Spec, evaluations
from benchmarks.peers.report import Report

TARGETS = (0.98, 0.99, 0.993, 0.995)
PATIENCE = 150  # seconds, about seven times what 99% takes here; then a recipe is stopped


class Recipe(NamedTuple):
    """A training run and its place in the table."""

    spec: Spec
    name: str  # as its script knows it
    what: str
    patience: float = PATIENCE
    in_quick: bool = True


RECIPES = [
    Recipe(Spec(OURS, "ours"), "default-20", "default preset, 20 epochs", in_quick=False),  # starts like the next one
    Recipe(Spec(OURS, "ours"), "default", "default preset"),
    Recipe(Spec("PyTorch", "pytorch"), "documentation", "pytorch/examples, mnist: convolutions, Adadelta"),
    Recipe(Spec("Keras, TensorFlow", "keras_tensorflow"), "documentation", "keras.io, simple MNIST convnet"),
    Recipe(Spec("Keras, JAX", "keras_jax"), "documentation", "keras.io, simple MNIST convnet"),
    # It compiles for over a minute before its first step.
    Recipe(Spec("tinygrad", "tinygrad_peer"), "published", "examples/beautiful_mnist.py", in_quick=False),
    Recipe(Spec("train_mnist_fast", "train_mnist_fast"), "published", "tuomaso/train_mnist_fast, one epoch"),
    Recipe(
        Spec("the original", "original"),
        "original",
        "the original project's network and recipe",
        patience=450,  # twenty times
    ),
]


def measure(report: Report, data: Path, quick: bool) -> int:
    """Measures and writes the section; returns how many measurements failed."""
    report.heading(
        "Time to accuracy",
        "Seconds from the start of the process to the first evaluation that reaches an accuracy on 17,957 digits of "
        f"writers that are not among the others, one run each; a recipe ends after {PATIENCE} s, the original's after "
        f"{RECIPES[-1].patience} s. Every tool but "
        "flaxdigits' own trains the network of its own documentation.",
    )
    report.table("tool", "recipe", *(f"{target:.1%}" for target in TARGETS), "highest", "seconds in all")
    recipes = [recipe for recipe in RECIPES if recipe.in_quick or not quick]
    failures = 0
    with ThreadPoolExecutor(len(recipes) if quick else 1) as executor:
        for cells, failed in executor.map(lambda recipe: run(data, recipe, quick), recipes):
            report.row(*cells)
            failures += failed
    return failures


def run(data: Path, recipe: Recipe, quick: bool) -> tuple[list[str], bool]:
    """Runs a recipe, only to its first evaluation in a quick run; returns its row, and whether it failed."""
    command = recipe.spec.command(data, "accuracy", f"recipe={recipe.name}")
    reached: dict[float, float] = {}
    highest, seconds = 0.0, 0.0
    try:
        for seconds, found in evaluations(command):
            highest = max(highest, found["accuracy"])
            for target in TARGETS:
                if found["accuracy"] >= target:
                    reached.setdefault(target, seconds)
            if quick or seconds > recipe.patience:
                break
    except PeerFailed as error:
        return [recipe.spec.name, recipe.what, f"failed: {error}", *[""] * (len(TARGETS) + 1)], True
    cells = [f"{reached[target]:.1f}" if target in reached else "-" for target in TARGETS]
    return [recipe.spec.name, recipe.what, *cells, f"{highest:.2%}", f"{seconds:.0f}"], False
