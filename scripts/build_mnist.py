"""Builds flaxdigits/data/mnist.npz from MNIST's four IDX files and QMNIST's training labels.

    python scripts/build_mnist.py FOLDER [--out flaxdigits/data/mnist.npz]

FOLDER holds the files below, as published; each is checked by the SHA-256 of its decompressed
content, so that it does not matter how it was compressed. QMNIST's labels
(C. Yadav, L. Bottou, "Cold Case: The Lost MNIST Digits", NeurIPS 2019) name the writer of each
training digit in their third column; their order is MNIST's, which the labels confirm.
"""

import argparse
import hashlib
import sys
from pathlib import Path

import numpy as np

from flaxdigits.atomic import replacing
from flaxdigits.data.idx import read_idx_array
from flaxdigits.data.load import EMBEDDED
from flaxdigits.data.source import Source

SHA256 = {
    "train-images-idx3-ubyte.gz": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte.gz": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte.gz": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte.gz": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    "qmnist-train-labels.tsv.gz": "d12becc9bddd68fc45d52ddaa7868aa49dc4c7080d65b51ce6cf12ecdfbabd5c",
}


def checked(folder: Path, name: str) -> Source:
    """Returns a source file after checking the SHA-256 of its decompressed content."""
    source = Source.file(folder / name)
    found = hashlib.sha256(source.read()).hexdigest()
    if found != SHA256[name]:
        sys.exit(f"{source.name}: expected SHA-256 {SHA256[name]}, got {found}")
    return source


def read_writers(source: Source, labels: np.ndarray) -> np.ndarray:
    """Reads the writer of each training digit, uint16 [60000], and checks the order by the labels."""
    with source.open() as file:
        table = np.loadtxt(file, np.int64, usecols=(0, 2))[: len(labels)]
    if not np.array_equal(table[:, 0], labels):
        sys.exit(f"{source.name}: its labels are not MNIST's, in MNIST's order")
    return table[:, 1].astype(np.uint16)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, default=EMBEDDED)
    arguments = parser.parse_args()
    images, labels, test_images, test_labels, writers = (checked(arguments.folder, name) for name in SHA256)
    train_labels = read_idx_array(labels, dimensions=1)
    with replacing(arguments.out) as beside:
        np.savez_compressed(
            beside,
            train_images=read_idx_array(images, dimensions=3),
            train_labels=train_labels,
            train_writers=read_writers(writers, train_labels),
            test_images=read_idx_array(test_images, dimensions=3),
            test_labels=read_idx_array(test_labels, dimensions=1),
        )
    print(f"{arguments.out}: {arguments.out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
