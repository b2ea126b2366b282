"""TrainConfig: everything that decides a training, its presets, and its TOML form.

The defaults are the `default` preset, and stand nowhere else: the command line reads them from here.
"""

import tomllib
import types
import typing
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, Self

from flaxdigits import atomic
from flaxdigits.data import MNIST_TRAIN
from flaxdigits.errors import ConfigError

Optimizer = Literal["adam", "adamw"]
Schedule = Literal["constant", "cosine"]
Precision = Literal["float32", "bfloat16"]
Device = Literal["auto", "cpu", "gpu", "tpu"]

REFERENCE_HIDDEN = (3000, 2000, 1000, 500, 250, 64)


def _check(holds: bool, name: str, expected: str, found: object) -> None:
    if not holds:
        raise ConfigError(f"{name}: expected {expected}, got {found}")


@dataclass(frozen=True)
class Deformation:
    """How far each digit is bent, anew at every step; all zero means not at all.

    The affine amounts are uniform in both directions up to the value; the elastic displacement is
    a smooth random field (P. Simard, D. Steinkraus, J. Platt, "Best Practices for Convolutional
    Neural Networks Applied to Visual Document Analysis", 2003).
    """

    rotation: float = 12.0  # degrees
    shear: float = 0.15  # pixels sideways per pixel of height
    scale: float = 0.12  # natural logarithm of the factor, in each direction by itself
    shift: float = 1.5  # pixels, in each direction by itself
    elastic: float = 1.2  # standard deviation of the displacement, pixels
    smoothness: float = 4.0  # how far displacements go together, pixels (Simard's sigma)

    def __post_init__(self) -> None:
        for entry in fields(self):
            _check(getattr(self, entry.name) >= 0, f"deformation.{entry.name}", "0 or more", getattr(self, entry.name))
        _check(self.smoothness > 0, "deformation.smoothness", "above 0", self.smoothness)

    @property
    def is_none(self) -> bool:
        """Whether it leaves digits as they are."""
        return not any((self.rotation, self.shear, self.scale, self.shift, self.elastic))


NO_DEFORMATION = Deformation(rotation=0, shear=0, scale=0, shift=0, elastic=0)


@dataclass(frozen=True)
class TrainConfig:
    """The whole configuration of a training; checked when made.

    Raises:
        ConfigError: naming the value that cannot work, and the range it should be in.
    """

    data: str = MNIST_TRAIN  # what `flaxdigits.load` takes
    validation: float = 0.1  # share held out, by writer where writers are known; 0 trains on everything
    hidden: tuple[int, ...] = (1024, 512, 256)
    epochs: int = 50
    batch_size: int = 512
    optimizer: Optimizer = "adamw"
    learning_rate: float = 2e-3  # its peak
    schedule: Schedule = "cosine"  # from the peak to 0 over the whole training
    warmup_epochs: float = 1.0  # linear, from 0 to the peak
    weight_decay: float = 1e-2  # AdamW's
    label_smoothing: float = 0.02
    ema_decay: float = 0.998  # of the averaged weights, which are what is judged and exported; 0 = none
    patience: int = 0  # epochs without a better validation loss before stopping; 0 = never
    deformation: Deformation = field(default_factory=Deformation)
    precision: Precision = "float32"  # of the arithmetic; parameters are float32 always
    device: Device = "auto"
    seed: int = 0
    checkpoint_seconds: float = 30.0  # how much work a power cut may cost; has no part in the result

    def __post_init__(self) -> None:
        _check(len(self.hidden) > 0 and min(self.hidden) > 0, "hidden", "widths above 0", list(self.hidden))
        _check(self.epochs >= 1, "epochs", "1 or more", self.epochs)
        _check(self.batch_size >= 1, "batch_size", "1 or more", self.batch_size)
        _check(self.learning_rate > 0, "learning_rate", "above 0", self.learning_rate)
        _check(self.warmup_epochs >= 0, "warmup_epochs", "0 or more", self.warmup_epochs)
        _check(self.weight_decay >= 0, "weight_decay", "0 or more", self.weight_decay)
        _check(0 <= self.label_smoothing < 1, "label_smoothing", "from 0 to below 1", self.label_smoothing)
        _check(0 <= self.ema_decay < 1, "ema_decay", "from 0 to below 1", self.ema_decay)
        _check(0 <= self.validation < 1, "validation", "from 0 to below 1", self.validation)
        _check(self.patience >= 0, "patience", "0 or more", self.patience)
        _check(self.patience == 0 or self.validation > 0, "patience", "0 where nothing is held out", self.patience)
        _check(self.checkpoint_seconds >= 0, "checkpoint_seconds", "0 or more", self.checkpoint_seconds)
        _check(0 <= self.seed < 2**32, "seed", "from 0 to 4294967295", self.seed)
        for entry in fields(self):
            choices = typing.get_args(entry.type)
            if typing.get_origin(entry.type) is Literal:
                _check(
                    getattr(self, entry.name) in choices, entry.name, " or ".join(choices), getattr(self, entry.name)
                )

    def changed(self, **values: Any) -> Self:
        """Returns a copy with those of the values that are not None."""
        return replace(self, **{name: value for name, value in values.items() if value is not None})

    def to_toml(self) -> str:
        """Writes every value as TOML; `from_toml` takes it back unchanged."""
        import tomli_w

        return tomli_w.dumps(asdict(self))

    @classmethod
    def from_toml(cls, path: Path) -> Self:
        """Reads a configuration; what it leaves out has its default.

        Raises:
            ConfigError: for a file that cannot be read, an unknown name, or a value of the wrong type or range.
        """
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise ConfigError(f"{path}: {getattr(error, 'strerror', None) or error}") from error
        try:
            return _build(cls, values)
        except ConfigError as error:
            raise ConfigError(f"{path}: {error}") from error

    def save(self, path: Path) -> None:
        """Writes the TOML form to a file."""
        atomic.write_text(path, self.to_toml())


PRESETS = {
    # The best in about three minutes on two CPU cores.
    "default": TrainConfig(),
    # The original project's recipe, kept as it was, for comparison.
    "reference": TrainConfig(
        hidden=REFERENCE_HIDDEN,
        epochs=100,
        batch_size=32,
        optimizer="adam",
        learning_rate=1e-3,
        schedule="constant",
        warmup_epochs=0,
        weight_decay=0,
        label_smoothing=0,
        ema_decay=0,
        deformation=NO_DEFORMATION,
    ),
    # The original's network with everything that helps; a GPU's minutes, or a CPU's hours.
    "record": TrainConfig(hidden=REFERENCE_HIDDEN, epochs=300, learning_rate=1e-3, ema_decay=0.999),
}


def preset(name: str) -> TrainConfig:
    """Returns a preset by its name.

    Raises:
        ConfigError: naming the presets there are.
    """
    _check(name in PRESETS, "preset", " or ".join(PRESETS), name)
    return PRESETS[name]


def _build(cls: Any, values: dict, prefix: str = "") -> Any:
    """Makes a configuration dataclass from a TOML table, with each value's type checked."""
    kinds = {entry.name: entry.type for entry in fields(cls)}
    for name in values:
        _check(name in kinds, prefix + name, "one of " + ", ".join(kinds), "an unknown name")
    return cls(**{name: _convert(kinds[name], value, prefix + name) for name, value in values.items()})


def _convert(kind: Any, value: Any, name: str) -> object:
    """Returns a TOML value as what the dataclass field holds."""
    if kind is Deformation:
        _check(isinstance(value, dict), name, "a table", value)
        return _build(Deformation, value, f"{name}.")
    if isinstance(kind, types.GenericAlias):
        _check(isinstance(value, list) and all(type(width) is int for width in value), name, "a list of widths", value)
        return tuple(value)
    if kind is float and type(value) is int:
        return float(value)
    expected = kind if isinstance(kind, type) else str
    _check(type(value) is expected, name, f"a {expected.__name__}", repr(value))
    return value
