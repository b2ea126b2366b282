"""Whether a configuration's values are what its dataclass says they are."""

import math
import types
import typing
from dataclasses import fields
from typing import Any, Literal

import numpy as np

from flaxdigits.errors import ConfigError


def check(holds: bool, name: str, expected: str, found: object) -> None:
    """Raises a ConfigError that names the value, what it should be and what it is, unless the condition holds."""
    if not holds:
        raise ConfigError(f"{name}: expected {expected}, got {found}")


def check_types(config: Any, prefix: str = "") -> None:
    """Holds every value of a frozen dataclass against its annotation; lists become tuples, whole numbers floats."""
    for entry in fields(config):
        value = _converted(entry.type, getattr(config, entry.name), prefix + entry.name)
        object.__setattr__(config, entry.name, value)


def _converted(kind: Any, value: Any, name: str) -> object:
    if isinstance(kind, types.GenericAlias):
        item = typing.get_args(kind)[0]
        fits = isinstance(value, list | tuple) and all(type(one) is item for one in value)
        check(fits, name, "a list of whole numbers" if item is int else "a list of runs", value)
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
