"""Reads digits with an ONNX model, on numpy and onnxruntime; `inspection` also needs onnx.

Other packages use `contract` (the names in the file), `recognizer.Recognizer`, `golden` and `shipped`.
"""
