"""The tasks of the Keras peers, each a function, on the backend named by the environment variable KERAS_BACKEND.

    throughput batch=512 precision=float32|bfloat16 [jit=0|1]
    accuracy recipe=documentation
    predict batch=1000 precision=float32|bfloat16 threads=1|2 [jit=0|1]

`jit` sets `jit_compile` instead of JIT's value for the backend. `first_step_seconds` and `first_call_seconds` are those
of the first call alone, including its compilation, not of building the model. JAX's cache of compiled programs on disk
is off, as it is by default. Keras's progress bars are off: standard output has JSON lines only.
"""

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from typing import Any, NoReturn

import keras
import numpy as np

Arrays = tuple[np.ndarray, np.ndarray]

# The default of `compile`, "auto", is XLA for both backends, and on JAX nothing else compiles. TensorFlow's own kernels
# (oneDNN) were faster than its XLA on one core of a Xeon with AMX: a training step took 0.28 s of CPU time instead of
# 0.30 in float32 and 0.125 s instead of 0.145 in bfloat16, a prediction of 1,000 digits 31 ms instead of 33.
JIT = {"jax": True, "tensorflow": False}[keras.backend.backend()]


def emit(**values: float) -> None:
    print(json.dumps(values), flush=True)


def refuse(message: str) -> NoReturn:
    print(message, file=sys.stderr)
    sys.exit(2)


def serve(name: str, amount: int, run: Callable[[], object]) -> None:
    """Prints the speed of one `run` for each line of standard input, and at its end the peak memory."""
    for _ in sys.stdin:
        began = time.perf_counter()
        run()
        emit(**{name: amount / (time.perf_counter() - began)})
    emit(peak_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def seconds(run: Callable[[], object]) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def set_precision(precision: str) -> None:
    """Sets the dtype policy; with bfloat16 the variables stay float32, as in Keras's mixed precision guide."""
    policies = {"float32": "float32", "bfloat16": "mixed_bfloat16"}
    if precision not in policies:
        refuse(f"no precision {precision!r}; there are: {', '.join(policies)}")
    keras.config.set_dtype_policy(policies[precision])


def set_threads(threads: int) -> None:
    """Limits the threads of the backend, which must not have computed anything yet."""
    if keras.backend.backend() == "jax":
        os.environ["PJRT_NPROC"] = str(threads)  # the size of its client's thread pools; read when that is made
        return
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)


def feed(batches: Arrays, batch: int) -> dict[str, Any]:
    """Returns the arguments with which `fit` takes these digits in order.

    TensorFlow's guide to input pipelines recommends a cached and prefetched `tf.data.Dataset`; a call of `fit` with
    arrays makes a dataset of its own each time, which took 0.05 s. JAX gets the arrays.
    """
    if keras.backend.backend() == "jax":
        return {"x": batches[0], "y": batches[1], "batch_size": batch, "shuffle": False}
    import tensorflow as tf

    dataset = tf.data.Dataset.from_tensor_slices(batches).batch(batch, drop_remainder=True)
    return {"x": dataset.cache().prefetch(tf.data.AUTOTUNE)}


def reference_network() -> keras.Model:
    def dense(width: int, **settings: str) -> keras.layers.Layer:
        return keras.layers.Dense(width, kernel_initializer="he_normal", **settings)

    hidden = [dense(width, activation="relu") for width in (3000, 2000, 1000, 500, 250, 64)]
    return keras.Sequential([keras.Input((784,)), *hidden, dense(10, dtype="float32")])  # the guide: outputs in float32


def throughput(path: str, batch: str = "512", precision: str = "float32", jit: str = str(int(JIT))) -> None:
    """Trains through `fit`, for about a second a round.

    Keras's own benchmarks (keras.io/getting_started/benchmarks) train through `fit`; `train_on_batch` took as long.
    `steps_per_execution` stays 1: `compile` recommends more on TPUs and for small models with a large Python
    overhead, and of these steps of 0.1 to 0.3 s eight in one execution were not faster.
    """
    size = int(batch)
    set_precision(precision)
    with np.load(path) as data:
        images, labels = data["train_images"].reshape(-1, 784), data["train_labels"]

    def trainer(steps: int) -> Callable[[], object]:
        x = np.resize(images, (steps * size, 784)).astype(np.float32) / 255  # from the start again if there are too few
        fed = feed((x, np.resize(labels, steps * size).astype(np.int32)), size)
        return lambda: model.fit(**fed, verbose=0)

    model = reference_network()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-3), loss, jit_compile=bool(int(jit)))
    one, three = trainer(1), trainer(3)
    first = seconds(one)
    three()
    steps = max(1, round(3 / seconds(three)))
    run = trainer(steps)
    run()
    emit(first_step_seconds=first)
    serve("images_per_second", steps * size, run)


def read(path: str, part: str) -> Arrays:
    """Returns digits as in the example: one channel of 0 to 1, and labels as one-hot rows."""
    with np.load(path) as data:
        images = data[f"{part}_images"][..., None].astype(np.float32) / 255
        return images, keras.utils.to_categorical(data[f"{part}_labels"], 10)


def documentation(path: str) -> None:
    """Trains like keras.io's "Simple MNIST convnet": with its layers, loss, batch size, epochs and Keras's defaults.

    That example keeps the last tenth of the training digits for validation after each epoch. Here all are trained
    on, and the held-out digits are used for validation instead, in batches of 1,000.
    """
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
    train, held = read(path, "train"), read(path, "held")
    count = len(train[0])
    report = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: emit(images=(epoch + 1) * count, accuracy=logs["val_accuracy"])
    )
    model.fit(*train, 128, 15, verbose=0, callbacks=[report], validation_data=held, validation_batch_size=1000)


def accuracy(path: str, recipe: str = "documentation") -> None:
    """Trains with a recipe, and prints the accuracy on the held-out digits after every epoch."""
    if recipe != "documentation":
        refuse(f"no recipe {recipe!r}; there is: documentation")
    documentation(path)


def predict(
    path: str, batch: str = "1000", precision: str = "float32", threads: str = "1", jit: str = str(int(JIT))
) -> None:
    """Predicts through `predict_on_batch`, the compiled call for one batch.

    For a single batch, `predict`'s documentation recommends `model(x)`, which runs layer by layer; it took 42 ms for
    1,000 digits on TensorFlow and 52 on JAX, where `predict_on_batch` took 31 and 44 (`predict` itself 97 and 44).
    """
    set_threads(int(threads))
    set_precision(precision)
    with np.load(path) as data:
        digits = np.resize(data["held_images"], (int(batch), 28, 28))
    hidden = [keras.layers.Dense(width, activation="relu") for width in (1152, 1152, 320)]
    output = keras.layers.Dense(10, activation="softmax", dtype="float32")
    scale = keras.layers.Rescaling(1 / 255)
    model = keras.Sequential([keras.Input((28, 28), dtype="uint8"), scale, keras.layers.Flatten(), *hidden, output])
    model.compile(jit_compile=bool(int(jit)))

    def call() -> np.ndarray:
        return model.predict_on_batch(digits)

    first = seconds(call)
    call()
    calls = max(1, round(1 / min(seconds(call) for _ in range(5))))
    emit(first_call_seconds=first)
    serve("digits_per_second", calls * len(digits), lambda: [call() for _ in range(calls)])
