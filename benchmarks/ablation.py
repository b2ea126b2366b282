"""What an ingredient of the recipe is worth, on validation: errors on held-out writers, a row a variant.

Every variant has the default preset but for what its name says, on the widths of the shipped model. The test set
has no part in it: nothing is exported. Long; what is in runs/ablation is taken from there, and a training that
was stopped goes on.
"""

from dataclasses import replace

from flaxdigits import TrainConfig, load
from flaxdigits.runs import RUNS, Run
from flaxdigits.training.config import Deformation
from flaxdigits.training.fit import fit, resume
from flaxdigits.training.history import read_history

BASE = TrainConfig(hidden=(1280, 1024, 512))
VARIANTS = {
    "default": BASE,
    "deformation annealed over the last 30%": replace(BASE, deformation=Deformation(anneal=0.3)),
}
SEEDS = (0, 1)


def main() -> None:
    print(f"| variant | {' | '.join(f'errors, seed {seed}' for seed in SEEDS)} |")
    print("|---|" + "---|" * len(SEEDS))
    for name, config in VARIANTS.items():
        found = [validation_errors(name, replace(config, seed=seed)) for seed in SEEDS]
        print(f"| {name} | {' | '.join(found)} |", flush=True)


def validation_errors(name: str, config: TrainConfig) -> str:
    """Trains what is not trained yet, and returns the errors after the last epoch."""
    digits = load()
    run = Run(RUNS / "ablation" / f"{name.replace(' ', '-').replace('%', '')}-{config.seed}")
    for _ in resume(digits, run) if run.config.exists() else fit(digits, config, run.path):
        pass
    _, held_out = digits.split(config.validation, config.seed)
    wrong = 1 - read_history(run.history)[-1].val_accuracy
    return f"{round(wrong * len(held_out or ()))} of {len(held_out or ()):,}"
