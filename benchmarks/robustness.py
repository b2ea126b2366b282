"""How well models read digits that something has happened to: accuracy under each of corruptions.py.

Judged on the tenth of the training digits whose writers the default preset holds out; the test set has no part in it.
Every model sees the same bytes. What a model was trained on itself it reads better than new hands, so where that
holds for some of these digits, a line above the table says for how many.
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from benchmarks.corruptions import CORRUPTIONS
from flaxdigits import Digits, Recognizer, load
from flaxdigits.shipped import MODEL

MODELS: tuple[tuple[str, Path], ...] = (("shipped", MODEL),)  # the column's name; an .onnx file or a run directory
VALIDATION, SPLIT_SEED = 0.1, 0  # as in the default preset
SEED = 0  # of each corruption


def main() -> None:
    digits = load()
    _, held_out = digits.split(VALIDATION, SPLIT_SEED)
    recognizers = [Recognizer(path) for _, path in MODELS]
    for (label, _), recognizer in zip(MODELS, recognizers, strict=True):
        print(f"- {label}: {exposure(recognizer.metadata, digits, held_out)}")
    print(f"\n| accuracy of {len(held_out):,}, % | {' | '.join(label for label, _ in MODELS)} |")
    print("|---|" + "---|" * len(MODELS))
    corrupted = []
    for name in CORRUPTIONS:
        accuracies = judge(name, held_out, recognizers)
        print(row(name, accuracies), flush=True)
        if name != "none":
            corrupted.append(accuracies)
    print(row("mean of the corruptions", np.mean(corrupted, axis=0)))


def judge(name: str, digits: Digits, recognizers: list[Recognizer]) -> np.ndarray:
    """Returns the accuracy of each model on the corrupted digits, in percent."""
    images = CORRUPTIONS[name](digits.images, np.random.default_rng(SEED))
    return np.array([100 * (read(images).digits == digits.labels).mean() for read in recognizers])


def row(name: str, accuracies: np.ndarray) -> str:
    return f"| {name} | {' | '.join(f'{accuracy:.2f}' for accuracy in accuracies)} |"


def exposure(metadata: Mapping[str, str], digits: Digits, held_out: Digits) -> str:
    """Says how many of the held-out digits a model was trained on, and what is not known of that."""
    seen = count_seen(metadata, digits, held_out)
    if seen is None:
        return "trained on other data, or a committee of runs; whether on some of these digits is not known"
    teachers = ", ".join(tomllib.loads(metadata["config"]).get("teachers", []))
    also = f", but learned from {teachers}, whose digits are not counted here" if teachers else ""
    if seen == 0:
        return f"trained on none of these digits{also}"
    how_many = "ALL" if seen == len(held_out) else f"{seen:,} of"
    return f"trained on {how_many} these {len(held_out):,} digits, so it reads them better than new ones{also}"


def count_seen(metadata: Mapping[str, str], digits: Digits, held_out: Digits) -> int | None:
    """Counts the held-out digits whose writers a model was trained on; None where that is not known.

    Args:
        metadata: what the model's file says of itself.
        digits: the training digits, of known writers.
        held_out: some of them, split off by writer.
    """
    several_runs = "," in metadata.get("seed", "")
    if several_runs or metadata.get("training_data_sha256") != digits.sha256:
        return None
    config = tomllib.loads(metadata["config"])
    training, _ = digits.split(config["validation"], config["seed"])
    return int(np.isin(held_out.writers, training.writers).sum())
