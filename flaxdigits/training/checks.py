"""Checks of a configuration's values: types, and what each may be."""

import math
import typing
from dataclasses import fields
from typing import Any, Literal

import numpy as np

from flaxdigits.errors import ConfigError


def check(holds: bool, name: str, expected: str, found: object) -> None:
    """Raises a ConfigError that names the value, what was expected and what was found, unless the condition holds."""
    if not holds:
        raise ConfigError(f"{name}: expected {expected}, got {found}")


def check_types(config: Any, prefix: str = "") -> None:
    """Checks each value of a frozen dataclass against its annotation; lists become tuples, integers floats."""
    for entry in fields(config):
        value = _converted(entry.type, getattr(config, entry.name), prefix + entry.name)
        object.__setattr__(config, entry.name, value)


def _converted(kind: Any, value: Any, name: str) -> object:
    numbers = value if isinstance(value, list | tuple) else [value]
    if any(isinstance(number, int) and number.bit_length() > 63 for number in numbers):
        raise ConfigError(f"{name}: expected integers of 64 bits")  # larger ones may have too many digits to print
    if typing.get_origin(kind) is tuple:
        integers = isinstance(value, list | tuple) and all(type(item) is int for item in value)
        check(integers, name, "a list of integers", value)
        return tuple(value)
    if typing.get_origin(kind) is Literal:
        choices = typing.get_args(kind)
        check(value in choices, name, " or ".join(choices), value)
        return value
    if kind in (int, float) and isinstance(value, np.integer):
        return kind(value)
    if kind is float and isinstance(value, int | np.floating) and not isinstance(value, bool):
        value = float(value)
    check(type(value) is kind, name, f"a value of type {kind.__name__}", repr(value))
    check(kind is not float or math.isfinite(value), name, "a finite number", value)
    return value
