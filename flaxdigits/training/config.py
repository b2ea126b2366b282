"""TrainConfig: everything that decides a training, and its TOML form.

The defaults are the `default` preset, and stand nowhere else: the command line reads them from here.
"""

import hashlib
import tomllib
from dataclasses import asdict, dataclass, field, fields, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, Self

from flaxdigits import atomic
from flaxdigits.contract import CLASSES, PIXELS, SIDE
from flaxdigits.data import MNIST_TRAIN
from flaxdigits.errors import ConfigError
from flaxdigits.training.checking import check, check_types

Optimizer = Literal["adam", "adamw"]
Schedule = Literal["constant", "cosine"]
Initializer = Literal["he_normal", "glorot_uniform"]
Precision = Literal["float32", "bfloat16"]
Device = Literal["auto", "cpu", "gpu", "tpu"]

MOST_PARAMETERS = 500_000_000  # 2 GB in float32, which is what one ONNX file can hold
WITHOUT_EFFECT = {"device", "checkpoint_seconds"}  # on what a run is, and so free to change before it is resumed


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
    thickness: float = 0.0  # how much thicker a stroke becomes on each side at most, pixels; half as much thinner
    smoothness: float = 4.0  # how far displacements go together, pixels (Simard's sigma)
    anneal: float = 0.3  # last share of the training, in which all of this shrinks to nothing; 0 = never

    def __post_init__(self) -> None:
        check_types(self, "deformation.")
        # Beyond these a digit is gone; below a smoothness of 3 the coarse grid of deform.py is too coarse.
        limits = {"rotation": 180, "shear": 2, "scale": 1, "shift": 28, "elastic": 28, "thickness": 2}
        for name, most in limits.items():
            check(0 <= getattr(self, name) <= most, f"deformation.{name}", f"from 0 to {most}", getattr(self, name))
        check(0 <= self.anneal <= 1, "deformation.anneal", "from 0 to 1", self.anneal)
        check(3 <= self.smoothness <= 28, "deformation.smoothness", "from 3 to 28", self.smoothness)

    @property
    def is_none(self) -> bool:
        """Whether it leaves digits as they are."""
        return not any((self.rotation, self.shear, self.scale, self.shift, self.elastic, self.thickness))


NO_DEFORMATION = Deformation(rotation=0, shear=0, scale=0, shift=0, elastic=0, anneal=0)


@dataclass(frozen=True)
class TrainConfig:
    """The whole configuration of a training; checked when made.

    Raises:
        ConfigError: naming the value that cannot work, and the range it should be in.
    """

    data: str = MNIST_TRAIN  # what `flaxdigits.load` takes
    validation: float = 0.1  # share held out, by writer where writers are known; 0 trains on everything
    hidden: tuple[int, ...] = (1024, 512, 256)
    map_sides: tuple[int, ...] = ()  # of the first hidden layers, which begin as 5x5 convolutions onto square maps
    sharing: float = 0.2  # first share of the training, in which all units of a channel share their weights
    members: int = 1  # networks of different initial weights, trained side by side and read as one: a committee
    teachers: tuple[str, ...] = ()  # runs whose mean answer is learned in place of the labels
    lesson_epochs: int = 0  # after these, the same deformed digits come again, with what the teacher said; 0 = never
    teacher_temperature: float = 1.0  # divides both networks' logits, so that a teacher's doubts weigh more
    epochs: int = 50
    batch_size: int = 512
    initializer: Initializer = "he_normal"  # keeps the signal's size through ReLU (K. He et al. 2015)
    optimizer: Optimizer = "adamw"
    learning_rate: float = 2e-3  # its peak
    schedule: Schedule = "cosine"  # from the peak to 0 over the training, or over each part where weights are shared
    warmup_epochs: float = 1.0  # linear, from 0 to the peak; of each part
    weight_decay: float = 1e-2  # AdamW's
    adam_epsilon: float = 1e-5  # optax's 1e-8 lets rounding grow faster, and is no better on validation
    label_smoothing: float = 0.02
    ema_decay: float = 0.998  # of the averaged weights, which are what is judged and exported; 0 = none
    temperature: float = 0.0  # divides the exported logits; 0 = of least loss on the digits held out, or 1
    patience: int = 0  # epochs without a better validation loss before stopping; 0 = never
    deformation: Deformation = field(default_factory=Deformation)
    precision: Precision = "float32"  # of the arithmetic; parameters are float32 always
    device: Device = "auto"
    seed: int = 0
    checkpoint_seconds: float = 30.0  # how much work a power cut may cost; has no part in the result

    def __post_init__(self) -> None:
        check_types(self)
        check(len(self.hidden) > 0 and min(self.hidden) > 0, "hidden", "widths above 0", list(self.hidden))
        check(self.parameters <= MOST_PARAMETERS, "hidden", f"at most {MOST_PARAMETERS:,} parameters", self.parameters)
        for name in ("epochs", "batch_size", "members"):
            check(getattr(self, name) >= 1, name, "1 or more", getattr(self, name))
        for name in ("learning_rate", "adam_epsilon", "teacher_temperature"):
            check(getattr(self, name) > 0, name, "above 0", getattr(self, name))
        for name in ("warmup_epochs", "weight_decay", "temperature", "patience", "lesson_epochs", "checkpoint_seconds"):
            check(getattr(self, name) >= 0, name, "0 or more", getattr(self, name))
        for name in ("label_smoothing", "ema_decay", "validation", "sharing"):
            check(0 <= getattr(self, name) < 1, name, "from 0 to below 1", getattr(self, name))
        self._check_maps()
        self._check_lessons()
        check(self.patience == 0 or self.validation > 0, "patience", "0 where nothing is held out", self.patience)
        unless = "0 unless deformation.anneal is 0: what ends early is not annealed"
        check(self.patience == 0 or self.deformation.anneal == 0, "patience", unless, self.patience)
        check(0 <= self.seed < 2**32, "seed", "from 0 to 4294967295", self.seed)

    def _check_maps(self) -> None:
        count = len(self.map_sides)
        check(count <= len(self.hidden), "map_sides", "at most one for each hidden layer", list(self.map_sides))
        for width, before, side in zip(self.hidden, (SIDE, *self.map_sides), self.map_sides, strict=False):
            # Windows of 5, every second one: with fewer of them rows go unseen, with more some see nothing.
            least, most = max(1, (before - 3) // 2), -(-before // 2)
            check(least <= side <= most, "map_sides", f"from {least} to {most} after a map of side {before}", side)
            expected = f"a multiple of {side**2} units on a map of side {side} (none with map_sides = [])"
            check(width % side**2 == 0, "hidden", expected, width)
        early = "0 with map_sides: weights set free are worse at first than shared ones"
        check(self.patience == 0 or not self.map_sides, "patience", early, self.patience)

    def _check_lessons(self) -> None:
        check(all(self.teachers), "teachers", "names of runs", list(self.teachers))
        untaught = "without teachers"
        check(bool(self.teachers) or self.lesson_epochs == 0, "lesson_epochs", f"0 {untaught}", self.lesson_epochs)
        plain = self.teacher_temperature == 1
        check(bool(self.teachers) or plain, "teacher_temperature", f"1 {untaught}", self.teacher_temperature)
        unless = "0 unless deformation.anneal is 0"
        check(self.lesson_epochs == 0 or self.deformation.anneal == 0, "lesson_epochs", unless, self.lesson_epochs)

    @property
    def shared_epochs(self) -> int:
        """How many of the epochs come before the weights of the maps are free; 0 where there are no maps."""
        return min(round(self.sharing * self.epochs), self.epochs - 1) if self.map_sides else 0

    @property
    def parameters(self) -> int:
        """Weights and biases of all members; 11,000,464 for one network of the original's widths."""
        shapes = pairwise((PIXELS, *self.hidden, CLASSES))
        return self.members * sum((fan_in + 1) * fan_out for fan_in, fan_out in shapes)

    @property
    def sha256(self) -> str:
        """Names all that has a part in the result."""
        values = {name: value for name, value in asdict(self).items() if name not in WITHOUT_EFFECT}
        return hashlib.sha256(repr(sorted(values.items())).encode()).hexdigest()

    def changed(self, **values: Any) -> Self:
        """Returns a copy with those of the values that are not None."""
        return replace(self, **_given(values))

    def to_toml(self) -> str:
        """Writes every value as TOML; `from_toml` takes it back unchanged."""
        import tomli_w

        return tomli_w.dumps(asdict(self))

    @classmethod
    def from_toml(cls, path: Path | str, **changes: Any) -> Self:
        """Reads a configuration; what it leaves out has its default, and changes that are not None come first.

        Raises:
            ConfigError: for a file that cannot be read, an unknown name, or a value of the wrong type or range.
        """
        try:
            values = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigError(f"{path}: {error.strerror}") from error
        except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise ConfigError(f"{path}: not TOML: {error}") from error
        try:
            return _build(cls, values | _given(changes))
        except ConfigError as error:
            raise ConfigError(f"{path}: {error}") from error

    def save(self, path: Path) -> None:
        """Writes the TOML form to a file."""
        atomic.write_text(path, self.to_toml())


def _given(values: dict[str, Any]) -> dict[str, Any]:
    """Leaves out what is None: an option that was not given."""
    return {name: value for name, value in values.items() if value is not None}


def _build(cls: Any, values: dict[str, Any], prefix: str = "") -> Any:
    """Makes a configuration dataclass from a TOML table."""
    known = {entry.name: entry.type for entry in fields(cls)}
    bends = {entry.name for entry in fields(Deformation)}
    for name, value in values.items():
        check(name in known or name not in bends, name, "it under [deformation]", "it outside of that")
        check(name in known, prefix + name, "one of " + ", ".join(known), "an unknown name")
        if known[name] is Deformation:
            check(isinstance(value, dict), prefix + name, "a table", value)
            values = values | {name: _build(Deformation, value, f"{name}.")}
    return cls(**values)
