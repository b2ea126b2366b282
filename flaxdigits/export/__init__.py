"""Converts a trained Flax module to ONNX with jax2onnx, and checks that the file reproduces its predictions.

Other packages use `export.export_onnx`, `conversion.to_onnx` and `triton.write_repository`.
"""
