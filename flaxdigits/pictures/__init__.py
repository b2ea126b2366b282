"""Pictures of one digit, normalized as MNIST is.

Other rooms use `reading.read_picture` and `reading.picture_files`.
"""
