"""The version of flaxdigits, which the package, its models and its archives all take from here."""

__version__ = "0.1.0"
