"""Digits, and the readers of every form they come in: the embedded set, Kaggle CSV, IDX, NPZ, arrays, pictures.

Other packages use `digits.Digits`, `load.load` and `inputs.read_inputs`.
"""
