"""Trains a network with JAX, Flax and optax, into a run directory.

Other packages use `config.TrainConfig` (without JAX), `fit.fit`, `fit.resume` and what they leave in the run directory.
"""
