"""TrainConfig: everything that determines a training run; its TOML form.

The defaults are those of the `default` preset, and are defined only here; the command line reads them.
"""

import difflib
import tomllib
from dataclasses import asdict, dataclass, field, fields, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, Self

from flaxdigits import atomic
from flaxdigits.convention import CLASSES, PIXELS
from flaxdigits.data.load import MNIST_TRAIN
from flaxdigits.errors import ConfigError
from flaxdigits.training.checks import check, check_types

Optimizer = Literal["adam", "adamw"]
Schedule = Literal["constant", "cosine"]
Initializer = Literal["he_normal", "glorot_uniform"]
Precision = Literal["auto", "float32", "bfloat16"]
Moments = Literal["float32", "bfloat16"]
Device = Literal["auto", "cpu", "gpu", "tpu"]
Streaming = Literal["auto", "on", "off"]

MOST_BYTES = 2**14  # of a configuration file; `save` writes about 1,500
MAX_PARAMETERS = 500_000_000  # 2 GB in float32, the most that one ONNX file can hold
# No effect on the result: may change before a run is resumed. Data and weights are identified by their content.
NO_EFFECT = {"data", "replay_data", "initial_weights", "device", "streaming", "checkpoint_seconds"}


@dataclass(frozen=True)
class Augmentation:
    """The ranges of the random transformations, redrawn for each digit at each step; 0 disables one.

    Affine parameters are uniform from minus to plus the value; the elastic displacement is a smooth random
    field (P. Simard, D. Steinkraus, J. Platt, "Best Practices for Convolutional Neural Networks Applied to
    Visual Document Analysis", 2003).
    """

    rotation: float = 12.0  # degrees
    shear: float = 0.15  # pixels sideways per pixel of height
    scale: float = 0.12  # natural logarithm of the factor, for each axis
    shift: float = 1.5  # pixels, for each axis
    elastic: float = 1.2  # standard deviation of the displacement, pixels
    elastic_sigma: float = 4.0  # of the Gaussian that smooths the displacement, pixels
    stroke_width: float = 0.0  # maximum growth of a stroke on each side, pixels; it shrinks by up to half of that
    anneal: float = 0.3  # last fraction of training, over which all of these fall linearly to 0; 0 = constant

    def __post_init__(self) -> None:
        check_types(self, "augmentation.")
        # Beyond these a digit is unreadable; below a sigma of 3 the grid in augmentation.py is too coarse.
        limits = {"rotation": 180, "shear": 2, "scale": 1, "shift": 28, "elastic": 28, "stroke_width": 2, "anneal": 1}
        for name, most in limits.items():
            check(0 <= getattr(self, name) <= most, f"augmentation.{name}", f"from 0 to {most}", getattr(self, name))
        check(3 <= self.elastic_sigma <= 28, "augmentation.elastic_sigma", "from 3 to 28", self.elastic_sigma)

    @property
    def is_identity(self) -> bool:
        """Whether it leaves the digits unchanged."""
        return not any((self.rotation, self.shear, self.scale, self.shift, self.elastic, self.stroke_width))


@dataclass(frozen=True)
class TrainConfig:
    """The complete configuration of a training run; validated on construction.

    Raises:
        ConfigError: naming the invalid value and its valid range.
    """

    data: str = MNIST_TRAIN  # anything that `flaxdigits.load` takes
    validation: float = 0.1  # fraction held out, by writer where writers are known; 0 trains on everything
    hidden: tuple[int, ...] = (1024, 512, 256)  # widths of the hidden layers
    epochs: int = 50
    pretraining_epochs: int = 0  # before these, of a convolutional network that provides the initial weights
    initial_weights: str = ""  # from an .onnx file, a run, or "shipped"; random if empty
    batch_size: int = 512
    initializer: Initializer = "he_normal"  # K. He et al. 2015
    optimizer: Optimizer = "adamw"
    learning_rate: float = 2e-3  # the peak
    schedule: Schedule = "cosine"  # from the peak to 0
    warmup_epochs: float = 1.0  # linear, from 0 to the peak
    weight_decay: float = 1e-2  # AdamW's
    adam_epsilon: float = 1e-5  # with optax's 1e-8, rounding errors grow faster and validation is no better
    adam_moments: Moments = "float32"  # bfloat16 is faster for networks of millions of weights
    label_smoothing: float = 0.02
    ema_decay: float = 0.998  # of the averaged weights, which are validated and exported; 0 = no average
    ema_ramp: int = 10  # to forget the initial weights, the average's decay is at most (1 + step) / (ema_ramp + step)
    temperature: float = 0.0  # divides the exported logits; 0 = fitted on the held-out digits, or 1 without any
    digitness_threshold: float = 0.0  # below it a picture is not a digit; 0 = the 1% quantile over the held-out digits
    augmentation: Augmentation = field(default_factory=Augmentation)
    repeats: int = 1  # how often each digit occurs in an epoch
    replay: float = 0.0  # digits of `replay_data` in an epoch, per digit, so that fine-tuning does not forget them
    replay_data: str = MNIST_TRAIN  # anything that `flaxdigits.load` takes
    added_pictures: float = 0.6  # font digits, cut digits and outliers, per digit; 0 = no output `digitness`
    precision: Precision = "auto"  # of the arithmetic; "auto" is resolved to the device's fastest when a run begins
    device: Device = "auto"
    streaming: Streaming = "auto"  # of digits to the device, when they do not fit there
    seed: int = 0
    checkpoint_seconds: float = 30.0  # between checkpoints: the work that a power cut may cost

    def __post_init__(self) -> None:
        check_types(self)
        check(len(self.hidden) > 0 and min(self.hidden) > 0, "hidden", "widths above 0", list(self.hidden))
        check(self.parameters <= MAX_PARAMETERS, "hidden", f"at most {MAX_PARAMETERS:,} parameters", self.parameters)
        for name in ("epochs", "batch_size", "repeats", "ema_ramp"):
            check(getattr(self, name) >= 1, name, "1 or more", getattr(self, name))
        for name in ("learning_rate", "adam_epsilon"):
            check(getattr(self, name) > 0, name, "above 0", getattr(self, name))
        for name in ("warmup_epochs", "weight_decay", "temperature", "pretraining_epochs", "checkpoint_seconds"):
            check(getattr(self, name) >= 0, name, "0 or more", getattr(self, name))
        for name, most in {"added_pictures": 10, "replay": 1000}.items():
            check(0 <= getattr(self, name) <= most, name, f"from 0 to {most}", getattr(self, name))
        for name in ("label_smoothing", "ema_decay", "validation", "digitness_threshold"):
            check(0 <= getattr(self, name) < 1, name, "from 0 to below 1", getattr(self, name))
        check(0 <= self.seed < 2**32, "seed", "from 0 to 4294967295", self.seed)
        units = tuple(width % maps for width, maps in zip(self.hidden, (144, 36), strict=False))
        convolutional = "multiples of 144 and 36 as its first two widths with pretraining_epochs"
        check(not self.pretraining_epochs or units == (0, 0), "hidden", convolutional, list(self.hidden))
        both = bool(self.pretraining_epochs and self.initial_weights)
        check(not both, "pretraining_epochs", "0 with initial_weights", self.pretraining_epochs)

    @property
    def outputs(self) -> int:
        """The number of logits: the ten digits, plus "no digit" if outliers are trained on."""
        return CLASSES + (self.added_pictures > 0)

    @property
    def parameters(self) -> int:
        """The number of weights and biases; 11,000,464 for the original's widths."""
        shapes = pairwise((PIXELS, *self.hidden, self.outputs))
        return sum((fan_in + 1) * fan_out for fan_in, fan_out in shapes)

    def changed(self, **values: Any) -> Self:
        """Returns a copy with the given values, ignoring those that are None."""
        return replace(self, **_given(values))

    def differences(self, other: "TrainConfig") -> list[str]:
        """Lists the differing fields that affect the result, such as "epochs: 50, not 60"."""
        mine, others = _flat(asdict(self)), _flat(asdict(other))
        return [f"{name}: {mine[name]}, not {others[name]}" for name in mine if mine[name] != others[name]]

    def to_dict(self) -> dict[str, Any]:
        """Returns all values as plain types; `from_dict` is the inverse."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Makes a configuration from plain values; omitted fields have their defaults.

        Raises:
            ConfigError: for an unknown name, or a value of the wrong type or range.
        """
        return _build(cls, values)

    @classmethod
    def from_toml(cls, path: Path | str, **changes: Any) -> Self:
        """Reads a TOML file; omitted fields have their defaults, and changes that are not None take precedence.

        Raises:
            ConfigError: for a file that cannot be read, an unknown name, or a value of the wrong type or range.
        """
        values = _read_toml(path)
        try:
            return cls.from_dict(values | _given(changes))
        except ConfigError as error:
            raise ConfigError(f"{path}: {error}") from error

    def to_toml(self) -> str:
        """Returns all values as TOML, which `from_toml` reads."""
        import tomli_w

        return tomli_w.dumps(asdict(self))

    def save(self, path: Path) -> None:
        """Writes the TOML form to a file."""
        atomic.write_text(path, self.to_toml())


def _read_toml(path: Path | str) -> dict[str, Any]:
    """Returns the values of a TOML file.

    Raises:
        ConfigError: if it cannot be read.
    """
    try:
        with Path(path).open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise ConfigError(f"{path}: expected a configuration of at most {MOST_BYTES:,} bytes")
        return tomllib.loads(content.decode())
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:  # not UTF-8, not TOML, too long a number, too many brackets
        raise ConfigError(f"{path}: not TOML: {error}") from error


def _given(values: dict[str, Any]) -> dict[str, Any]:
    """Drops None, the value of an option that was not given."""
    return {name: value for name, value in values.items() if value is not None}


def _flat(values: dict[str, Any]) -> dict[str, Any]:
    """Returns the values that affect the result, those in a table under `table.name`."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            flat |= {f"{name}.{key}": item for key, item in value.items()}
        elif name not in NO_EFFECT:
            flat[name] = value
    return flat


def _build(cls: Any, values: dict[str, Any], prefix: str = "") -> Any:
    """Makes a configuration dataclass from a TOML table."""
    known = {entry.name: entry.type for entry in fields(cls)}
    for name, value in values.items():
        if name not in known:
            raise ConfigError(f"{prefix}{name}: unknown name; {_suggestion(name, list(known), prefix)}")
        if known[name] is Augmentation:
            check(isinstance(value, dict), prefix + name, "a table", value)
            values = values | {name: _build(Augmentation, value, f"{name}.")}
    return cls(**values)


def _suggestion(name: str, known: list[str], prefix: str) -> str:
    """Returns a hint with the name that was probably meant, or with all known names."""
    if not prefix and name in (entry.name for entry in fields(Augmentation)):
        return f"{name} belongs under [augmentation]"
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {prefix}{close[0]}?" if close else "expected one of " + ", ".join(known)


NO_AUGMENTATION = Augmentation(rotation=0, shear=0, scale=0, shift=0, elastic=0, anneal=0)
