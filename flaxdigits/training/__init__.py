"""The training wing: the one part of flaxdigits that may import JAX. This file does not."""
