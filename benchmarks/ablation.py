"""Ablation of the recipe, on validation: errors on held-out writers, a row per variant.

Every variant is the record preset for 50 epochs with one change, which is its name, evaluated on three tenths of the
training digits, whose writers were held out; the test set has no part in it, since nothing is exported. Long: about
two hours on two cores with Python 3.12. Runs in runs/ablation are reused, and unfinished ones go on.
"""

from dataclasses import replace

from benchmarks.held_out import RECORD, evaluate, trained
from benchmarks.tables import print_header, print_row
from flaxdigits.training.config import NO_AUGMENTATION

BASE = replace(RECORD, epochs=50)
RANGES = BASE.augmentation
VARIANTS = {
    "all of it": BASE,
    "no stroke width": replace(BASE, augmentation=replace(RANGES, stroke_width=0)),
    "no augmentation": replace(BASE, augmentation=NO_AUGMENTATION),
    "no elastic augmentation": replace(BASE, augmentation=replace(RANGES, elastic=0)),
    "no affine augmentation": replace(BASE, augmentation=replace(RANGES, rotation=0, shear=0, scale=0, shift=0)),
    "augmentation not annealed": replace(BASE, augmentation=replace(RANGES, anneal=0)),
    "augmentation a third stronger": replace(
        BASE, augmentation=replace(RANGES, rotation=16, shear=0.2, scale=0.16, shift=2, elastic=1.6)
    ),
    "augmentation a third weaker": replace(
        BASE, augmentation=replace(RANGES, rotation=8, shear=0.1, scale=0.08, shift=1, elastic=0.8)
    ),
    "no averaged weights": replace(BASE, ema_decay=0),
    "no label smoothing": replace(BASE, label_smoothing=0),
    "no weight decay": replace(BASE, weight_decay=0),
    "constant learning rate": replace(BASE, schedule="constant"),
    "float32": replace(BASE, precision="float32"),
}


def main() -> None:
    print_header("variant", "errors", "calibrated loss, nats", "epochs")
    for name, config in VARIANTS.items():
        figures = evaluate(trained(f"ablation/{name.replace(' ', '-')}", config))
        print_row(name, f"{figures.errors} of {figures.digits:,}", f"{figures.loss:.4f}", config.epochs)
