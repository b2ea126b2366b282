"""Time to accuracy: seconds from a cold process to 98, 99, 99.3 and 99.5% on the digits of held-out writers."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.peers.process import OURS, PeerFailed, Spec, evaluations
from benchmarks.peers.report import Report

THE_ORIGINAL = "the original"
TARGETS = (0.98, 0.99, 0.993, 0.995)
RECIPES = [
    (Spec(OURS, "ours"), "default-20", "default preset, 20 epochs"),
    (Spec(OURS, "ours"), "default", "default preset"),
    (Spec("PyTorch", "pytorch"), "documentation", "pytorch/examples, mnist: convolutions, Adadelta"),
    (Spec("Keras, TensorFlow", "keras_tensorflow"), "documentation", "keras.io, simple MNIST convnet"),
    (Spec("Keras, JAX", "keras_jax"), "documentation", "keras.io, simple MNIST convnet"),
    (Spec("tinygrad", "tinygrad_peer"), "published", "examples/beautiful_mnist.py"),
    (Spec("train_mnist_fast", "train_mnist_fast"), "published", "tuomaso/train_mnist_fast, one epoch"),
    (Spec(THE_ORIGINAL, "original"), "original", "the original project's network and recipe"),
]
# Not in a quick run: tinygrad compiles for a minute, and the other one begins as "default" does.
SLOW = [recipe[1:] for recipe in RECIPES if recipe[1] == "default-20" or recipe[0].name == "tinygrad"]
PATIENCE = 150  # seconds, about seven times what 99% take here; a recipe is ended then
PATIENCE_WITH_THE_ORIGINAL = 450  # twenty times


def measure(report: Report, data: Path, quick: bool) -> int:
    """Measures and writes the section; returns how many measurements failed."""
    report.heading(
        "Time to accuracy",
        "Seconds from the start of the process to the first evaluation that reaches an accuracy on 17,957 digits of "
        f"writers that are not among the others, one run each; a recipe ends after {PATIENCE} s, the original's after "
        f"{PATIENCE_WITH_THE_ORIGINAL} s. Every tool but "
        "flaxdigits' own trains the network of its own documentation.",
    )
    report.table("tool", "recipe", *(f"{target:.1%}" for target in TARGETS), "highest", "seconds in all")
    recipes = [recipe for recipe in RECIPES if recipe[1:] not in SLOW] if quick else RECIPES
    failures = 0
    with ThreadPoolExecutor(len(recipes) if quick else 1) as executor:
        for cells, failed in executor.map(lambda recipe: run(data, *recipe, quick), recipes):
            report.row(*cells)
            failures += failed
    return failures


def run(data: Path, spec: Spec, recipe: str, what: str, quick: bool) -> tuple[list[str], bool]:
    """Runs a recipe, in a quick run until its first evaluation; returns its row, and whether it failed."""
    name, command = spec.name, spec.command(data, "accuracy", f"recipe={recipe}")
    reached: dict[float, float] = {}
    highest, seconds = 0.0, 0.0
    try:
        for seconds, found in evaluations(command):
            highest = max(highest, found["accuracy"])
            for target in TARGETS:
                if found["accuracy"] >= target:
                    reached.setdefault(target, seconds)
            if quick or seconds > (PATIENCE_WITH_THE_ORIGINAL if name == THE_ORIGINAL else PATIENCE):
                break
    except PeerFailed as error:
        return [name, what, f"failed: {error}", *[""] * (len(TARGETS) + 1)], True
    cells = [f"{reached[target]:.1f}" if target in reached else "-" for target in TARGETS]
    return [name, what, *cells, f"{highest:.2%}", f"{seconds:.0f}"], False
