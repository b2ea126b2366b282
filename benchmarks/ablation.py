"""What each ingredient of the recipe is worth, on validation: errors on held-out writers, a row a variant.

Every variant is the record preset for 50 epochs but for what its name says, and is judged on three tenths of the
training digits, whose writers were held out; the test set has no part in it, since nothing is exported. Long: about
two hours on two cores with Python 3.12; what is in runs/ablation is taken from there, and a training that was stopped
goes on.
"""

from dataclasses import replace

from benchmarks.held_out import RECORD, judge, trained
from benchmarks.tables import print_header, print_row
from flaxdigits.runs import Run
from flaxdigits.training.config import NO_DEFORMATION

BASE = replace(RECORD, epochs=50)
BENT = BASE.deformation
VARIANTS = {
    "all of it": BASE,
    "dense from the start": replace(BASE, map_sides=()),
    "no other pens": replace(BASE, deformation=replace(BENT, thickness=0)),
    "no deformation at all": replace(BASE, deformation=NO_DEFORMATION),
    "no elastic deformation": replace(BASE, deformation=replace(BENT, elastic=0)),
    "no affine deformation": replace(BASE, deformation=replace(BENT, rotation=0, shear=0, scale=0, shift=0)),
    "deformation not annealed": replace(BASE, deformation=replace(BENT, anneal=0)),
    "deformation a third stronger": replace(
        BASE, deformation=replace(BENT, rotation=16, shear=0.2, scale=0.16, shift=2, elastic=1.6)
    ),
    "deformation a third weaker": replace(
        BASE, deformation=replace(BENT, rotation=8, shear=0.1, scale=0.08, shift=1, elastic=0.8)
    ),
    "no averaged weights": replace(BASE, ema_decay=0),
    "no label smoothing": replace(BASE, label_smoothing=0),
    "no weight decay": replace(BASE, weight_decay=0),
    "constant learning rate": replace(BASE, schedule="constant"),
    "float32": replace(BASE, precision="float32"),
    "a committee of three": replace(BASE, members=3),
    "taught by that committee": replace(BASE, teachers=("runs/ablation/a-committee-of-three",)),
}


def main() -> None:
    print_header("variant", "errors", "calibrated loss, nats", "epochs")
    for name, config in VARIANTS.items():
        found = judge(trained_variant(name))
        print_row(name, f"{found.errors} of {found.digits:,}", f"{found.loss:.4f}", config.epochs)


def trained_variant(name: str) -> Run:
    return trained(f"ablation/{name.replace(' ', '-')}", VARIANTS[name])
