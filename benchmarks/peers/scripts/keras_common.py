"""The command line of the Keras peers: `DATA.npz TASK key=value ...`; the tasks are in keras_tasks.py."""

import os
import sys

TASKS = ("throughput", "accuracy", "predict")


def main(backend: str) -> None:
    """Runs a task on a backend; refuses an unknown task before Keras is imported."""
    path, task, *settings = sys.argv[1:]
    if task not in TASKS:
        print(f"no task {task!r}; there are: {', '.join(TASKS)}", file=sys.stderr)
        sys.exit(2)
    os.environ["KERAS_BACKEND"] = backend
    import keras_tasks  # imports Keras, which reads the variable

    getattr(keras_tasks, task)(path, **dict(setting.split("=", 1) for setting in settings))
