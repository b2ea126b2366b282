"""The gain of pretraining: the record preset with and without it, evaluated on held-out writers, seed by seed.

The test set has no part in it, since nothing is exported. Long: twelve networks of 20 to 50 minutes on one core.
Runs in runs/pretraining are reused, and unfinished ones go on.
"""

from dataclasses import replace

import numpy as np

from benchmarks.held_out import RECORD, evaluate, trained
from benchmarks.tables import print_header, print_row

SEEDS = range(6)
PRETRAINED = RECORD
# The same number of epochs, and of annealed ones.
DENSE = replace(
    RECORD,
    pretraining_epochs=0,
    epochs=RECORD.pretraining_epochs + RECORD.epochs,
    augmentation=replace(RECORD.augmentation, anneal=0.3),
)
CONFIGS = {"pretrained": PRETRAINED, "dense": DENSE}


def main() -> None:
    print_header("seed", "held out", "pretrained: errors", "calibrated loss", "dense from the start: errors", "loss")
    differences = []
    for seed in SEEDS:
        pretrained, dense = (
            evaluate(trained(f"pretraining/{name}-{seed}", replace(config, seed=seed)))
            for name, config in CONFIGS.items()
        )
        differences.append(dense.loss - pretrained.loss)
        losses = f"{pretrained.loss:.5f}", f"{dense.loss:.5f}"
        print_row(seed, f"{dense.digits:,}", pretrained.errors, losses[0], dense.errors, losses[1])
    t = np.mean(differences) / np.std(differences, ddof=1) * len(differences) ** 0.5
    print(f"\nlower loss with pretraining: {np.mean(differences):.5f} on average, paired t = {t:.2f}, n = {len(SEEDS)}")
