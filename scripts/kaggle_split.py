"""Writes MNIST in the form of Kaggle's Digit Recognizer, and scores a submission.

    python scripts/kaggle_split.py make FOLDER
    python scripts/kaggle_split.py score FOLDER/submission.csv FOLDER/answers.csv

`make` writes train.csv (42,000 rows) and test.csv (28,000), as large as in the competition: a random
split of all 70,000 digits. So 60% of MNIST's test set is in train.csv, and a model that was trained
on it must not be evaluated on that set.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

from flaxdigits import load
from flaxdigits.data.kaggle_csv import LABEL, PIXEL_NAMES
from flaxdigits.submission import HEADER

TRAINING_ROWS = 42_000
SEED = 0


def make(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    parts = load("mnist-train"), load("mnist-test")
    images = np.concatenate([part.images for part in parts]).reshape(-1, len(PIXEL_NAMES))
    labels = np.concatenate([part.known_labels() for part in parts])[:, None]
    order = np.random.default_rng(SEED).permutation(len(images))
    training, test = order[:TRAINING_ROWS], order[TRAINING_ROWS:]
    write(folder / "train.csv", [LABEL, *PIXEL_NAMES], np.hstack([labels, images])[training])
    write(folder / "test.csv", PIXEL_NAMES, images[test])
    ids = np.arange(1, len(test) + 1)[:, None]
    write(folder / "answers.csv", HEADER.split(","), np.hstack([ids, labels[test]]))


def write(path: Path, columns: list[str], table: np.ndarray) -> None:
    np.savetxt(path, table, fmt="%d", delimiter=",", header=",".join(columns), comments="")
    print(f"{path}: {len(table):,} rows")


def score(submission: Path, answers: Path) -> None:
    submitted, expected = (np.loadtxt(path, np.int64, delimiter=",", skiprows=1) for path in (submission, answers))
    if not np.array_equal(submitted[:, 0], expected[:, 0]):
        sys.exit(f"{submission}: expected the ids 1 to {len(expected)} in order")
    print(f"accuracy {(submitted[:, 1] == expected[:, 1]).mean():.5f} on {len(expected):,} digits")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True)
    maker = commands.add_parser("make")
    maker.add_argument("folder", type=Path)
    maker.set_defaults(run=lambda a: make(a.folder))
    scorer = commands.add_parser("score")
    scorer.add_argument("submission", type=Path)
    scorer.add_argument("answers", type=Path)
    scorer.set_defaults(run=lambda a: score(a.submission, a.answers))
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
