# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "keras==3.15.1",
#   "jax==0.10.2; python_version < '3.12'", # the newest for Python 3.11
#   "jax==0.12.0.1; python_version >= '3.12'",
#   "numpy==2.4.6",
# ]
# ///
"""Keras 3 on JAX: `uv run --script keras_jax.py DATA.npz TASK key=value ...`; see keras_tasks.py.

`uv run --python 3.12 --script keras_jax.py ...` takes the newer JAX.
"""

from keras_common import main

if __name__ == "__main__":
    main("jax")
