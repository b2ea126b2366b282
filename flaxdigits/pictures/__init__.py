"""Pictures of one digit, normalized as MNIST is.

Other packages use `reading.read_picture` and `reading.picture_files`.
"""
