"""What each ingredient of the recipe is worth, on validation: errors on held-out writers, a row a variant.

Every variant is the default preset on the widths of the shipped model but for what its name says, and is judged on
three tenths of the training digits, whose writers were held out; the test set has no part in it, since nothing is
exported. Long: about an hour and a half on two cores; what is in runs/ablation is taken from there, and a training
that was stopped goes on.
"""

from dataclasses import replace

from benchmarks.held_out import HELD_OUT, judge, trained
from flaxdigits import TrainConfig
from flaxdigits.training.config import NO_DEFORMATION, Deformation

BASE = TrainConfig(hidden=(1280, 1024, 512), epochs=40, validation=HELD_OUT)
VARIANTS = {
    "all of it": BASE,
    "no deformation": replace(BASE, deformation=NO_DEFORMATION),
    "no elastic deformation": replace(BASE, deformation=Deformation(elastic=0)),
    "no affine deformation": replace(BASE, deformation=Deformation(rotation=0, shear=0, scale=0, shift=0)),
    "deformation annealed over the last 30%": replace(BASE, deformation=Deformation(anneal=0.3)),
    "deformation a third stronger": replace(
        BASE, deformation=Deformation(rotation=16, shear=0.2, scale=0.16, shift=2, elastic=1.6)
    ),
    "no averaged weights": replace(BASE, ema_decay=0),
    "no label smoothing": replace(BASE, label_smoothing=0),
    "no weight decay": replace(BASE, weight_decay=0),
    "constant learning rate": replace(BASE, schedule="constant"),
    "bfloat16": replace(BASE, precision="bfloat16"),
    "a committee of three": replace(BASE, members=3),
}


def main() -> None:
    print("| variant | errors | calibrated loss, nats | epochs |")
    print("|---|---|---|---|")
    for name, config in VARIANTS.items():
        found = judge(trained(f"ablation/{slug(name)}", config))
        print(f"| {name} | {found.errors} of {found.digits:,} | {found.loss:.4f} | {config.epochs} |", flush=True)


def slug(name: str) -> str:
    return name.replace(" ", "-").replace("%", "")
