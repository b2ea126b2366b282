# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.15.1", "tensorflow==2.21.0", "numpy==2.4.6", "pandas==3.1.1"]
# ///
"""The project that flaxdigits follows, Ismat-Samadov/digit_recogntion, on today's Keras and TensorFlow.

    uv run --script original.py DATA.npz accuracy recipe=original
    uv run --script original.py DATA.npz prepare_submit model=FILE.keras
    uv run --script original.py DATA.npz submit model=FILE.keras csv=test.csv out=submission.csv

Its readme names the layers, Adam and the loss. Its notebook, "kaggle vision competition.ipynb", has the rest: pixels
divided by 255 in float64, Keras's default initialisation, learning rate and batch size (32), and 100 epochs. Different
here: evaluations on held-out digits, no progress bars, Keras 3 (whose default compiles with XLA) instead of Keras 2,
and a new data frame for the submission instead of Kaggle's sample file with its labels replaced.

The two submission tasks don't read DATA.npz. Only what a task needs is imported.
"""

import json
import os
import resource
import sys
from typing import TYPE_CHECKING, NoReturn

import numpy as np

if TYPE_CHECKING:
    import keras

os.environ["KERAS_BACKEND"] = "tensorflow"

EVERY = 500  # steps between evaluations, beside those after each epoch


def emit(**values: float) -> None:
    print(json.dumps(values), flush=True)


def refuse(message: str) -> NoReturn:
    print(message, file=sys.stderr)
    sys.exit(2)


def network() -> "keras.Model":
    import keras

    hidden = [keras.layers.Dense(width, activation="relu") for width in (3000, 2000, 1000, 500, 250, 64)]
    model = keras.Sequential([keras.Input((784,)), *hidden, keras.layers.Dense(10, activation="softmax")])
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def reporter(held: tuple[np.ndarray, np.ndarray], count: int) -> "keras.callbacks.Callback":
    """Returns a callback that prints the accuracy on the held-out digits every 500 steps and after each epoch."""
    import keras

    class Reporter(keras.callbacks.Callback):
        epoch = 0

        def report(self, images: int) -> None:
            result = self.model.evaluate(*held, batch_size=1000, verbose=0, return_dict=True)
            emit(images=self.epoch * count + images, accuracy=result["accuracy"])

        def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
            if (batch + 1) % EVERY == 0:
                self.report((batch + 1) * 32)

        def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
            self.report(count)
            self.epoch += 1

    return Reporter()


def accuracy(path: str, recipe: str = "original") -> None:
    if recipe != "original":
        refuse(f"no recipe {recipe!r}; there is: original")
    with np.load(path) as data:
        x, y = data["train_images"].reshape(-1, 784) / 255, data["train_labels"].astype(int)
        held = data["held_images"].reshape(-1, 784) / 255, data["held_labels"].astype(int)
    network().fit(x, y, epochs=100, verbose=0, callbacks=[reporter(held, len(x))])


def prepare_submit(path: str, model: str) -> None:
    """Saves an untrained model."""
    network().save(model)


def submit(path: str, model: str, csv: str, out: str) -> None:
    """Writes a submission as the notebook does (batches of 32), except that the model comes from a file."""
    import keras
    import pandas as pd

    pixels = np.array(pd.read_csv(csv)) / 255
    network = keras.saving.load_model(model, compile=False)  # without the optimizer
    labels = np.argmax(network.predict(pixels, verbose=0), axis=1)
    pd.DataFrame({"ImageId": range(1, len(labels) + 1), "Label": labels}).to_csv(out, index=False)
    emit(peak_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def main() -> None:
    tasks = {"accuracy": accuracy, "prepare_submit": prepare_submit, "submit": submit}
    path, task, *settings = sys.argv[1:]
    if task not in tasks:
        refuse(f"no task {task!r}; there are: {', '.join(tasks)}")
    tasks[task](path, **dict(setting.split("=", 1) for setting in settings))


if __name__ == "__main__":
    main()
