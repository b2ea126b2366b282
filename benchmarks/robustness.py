"""How well recipes read digits that something has happened to: accuracy under each of corruptions.py.

The record recipe, and what the ablation changes about its deformation, each trained on seven tenths of the training
digits and judged on the others, of other writers; the test set has no part in it. Every network sees the same bytes.
Long where runs/ablation and runs/held-out are not trained yet.
"""

import numpy as np

from benchmarks import ablation
from benchmarks.corruptions import CORRUPTIONS
from benchmarks.held_out import HELD_OUT, RECORD, as_model, trained
from benchmarks.tables import print_header, print_row
from flaxdigits import Digits, Recognizer, load

VARIANTS = (
    "no deformation at all",
    "no elastic deformation",
    "no affine deformation",
    "no other pens",
    "deformation not annealed",
    "deformation a third weaker",
    "all of it",
    "deformation a third stronger",
)
SEED = 0  # of each corruption


def main() -> None:
    _, held_out = load().split(HELD_OUT, RECORD.seed)
    runs = {f"{name}, {ablation.BASE.epochs} epochs": ablation.trained_variant(name) for name in VARIANTS}
    runs[f"record, {RECORD.epochs} epochs"] = trained("held-out", RECORD)
    recognizers = [as_model(run)[0] for run in runs.values()]
    print_header(f"accuracy of {len(held_out):,}, %", *runs)
    table = {name: judge(name, held_out, recognizers) for name in CORRUPTIONS}
    table["mean of the corruptions"] = np.mean([found for name, found in table.items() if name != "none"], axis=0)
    for name, accuracies in table.items():
        print_row(name, *(f"{accuracy:.2f}" for accuracy in accuracies))


def judge(name: str, digits: Digits, recognizers: list[Recognizer]) -> np.ndarray:
    """Returns the accuracy of each model on the corrupted digits, in percent."""
    images = CORRUPTIONS[name](digits.images, np.random.default_rng(SEED))
    return np.array([100 * (read(images).digits == digits.labels).mean() for read in recognizers])
