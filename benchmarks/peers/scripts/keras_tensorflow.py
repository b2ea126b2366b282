# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.15.1", "tensorflow==2.21.0", "numpy==2.4.6"]
# ///
"""Keras 3 on TensorFlow: `uv run --script keras_tensorflow.py DATA.npz TASK key=value ...`; see keras_tasks.py."""

from keras_common import main

if __name__ == "__main__":
    main("tensorflow")
