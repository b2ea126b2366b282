"""flaxdigits itself, under the same protocol as its peers. Runs in this project's environment."""

import contextlib
import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
from flax import nnx
from protocol import serve

from flaxdigits import PRESETS, Recognizer, TrainConfig, fit, load
from flaxdigits.export.conversion import to_onnx
from flaxdigits.export.quantization import to_precision
from flaxdigits.training.devices import make_mesh
from flaxdigits.training.model import DenseStack, make_keys, make_model
from flaxdigits.training.precision import fastest_precision
from flaxdigits.training.step import epoch_order, init_state, make_advance, take_rows

PREDICTOR = (1152, 1152, 320)


def throughput(data, batch, precision, moments):
    """Trains the reference network by slices of an epoch, as `fit` does."""
    config = replace(PRESETS["reference"], batch_size=batch, precision=precision, adam_moments=moments)
    steps = len(data["train_images"]) // batch
    model, keys, mesh = make_model(config, make_keys(0)), make_keys(0), make_mesh("auto", batch)
    advance = make_advance(nnx.graphdef(model), config, steps, keys.augmentation, mesh, take_rows)
    order = epoch_order(keys.shuffle, 0, len(data["train_images"]))
    arrays = jax.device_put((data["train_images"], data["train_labels"], order))
    state = init_state(model, config, steps)

    def run(count):
        nonlocal state
        state = jax.block_until_ready(advance(state, arrays, int(state.step) + count))

    serve(run, "first_step_seconds", "images_per_second", batch)


def predict(data, batch, precision, threads):
    """Predicts with an ONNX file, as `flaxdigits predict` does."""
    model = to_onnx(DenseStack(PREDICTOR, rngs=nnx.Rngs(0)))
    recognizer = Recognizer(to_precision(model, precision).SerializeToString(), threads=threads)
    images = np.resize(data["train_images"], (batch, 28, 28))

    def calls(count):
        for _ in range(count):
            recognizer(images)

    serve(calls, "first_call_seconds", "digits_per_second", batch)


def accuracy(config: TrainConfig):
    """Trains with a configuration on all but the held-out writers' digits, and evaluates after each epoch."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):  # whose runs/latest it sets
        for report in fit(load(), replace(config, validation=0.3), Path(folder) / "run"):
            seen = report.step * config.batch_size
            print(json.dumps({"images": seen, "accuracy": report.val_accuracy}), flush=True)


def main():
    path, task = sys.argv[1:3]
    options = dict(word.split("=") for word in sys.argv[3:])
    batch, precision = int(options.get("batch", 512)), options.get("precision", "auto")
    if precision == "auto":
        precision = fastest_precision(make_mesh("auto", batch))
    if task == "throughput":
        throughput(np.load(path), batch, precision, options.get("moments", "float32"))
    elif task == "predict":
        predict(np.load(path), batch, options["precision"], int(options["threads"]))
    elif task == "accuracy":
        preset, _, epochs = options["recipe"].partition("-")
        accuracy(PRESETS[preset].changed(epochs=int(epochs) if epochs else None))
    else:
        sys.exit(f"ours.py: no task {task!r} with {options}")


if __name__ == "__main__":
    main()
