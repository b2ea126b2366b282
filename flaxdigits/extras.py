"""The optional dependencies of flaxdigits, and how to install them."""

from importlib.util import find_spec

from flaxdigits.errors import MissingExtraError

EXTRAS = {
    "train": (
        *("jax", "flax", "optax", "orbax.checkpoint", "jax2onnx", "jaxtyping"),
        *("filelock", "matplotlib", "pandas", "scipy", "tomli_w"),
    ),
    "kaggle": ("kaggle", "six"),
}


def missing(extra: str) -> list[str]:
    """Returns the packages of `extra` that are not installed, without importing any of them."""
    return [name for name in EXTRAS[extra] if find_spec(name.partition(".")[0]) is None]


def require(extra: str, what: str) -> None:
    """Checks that the packages of `extra` are installed.

    Args:
        extra: a key of `EXTRAS`.
        what: the subject of the message, such as "training".

    Raises:
        MissingExtraError: with the command that installs them.
    """
    absent = missing(extra)
    if absent:
        names = ", ".join(name.replace(".", "-") for name in absent)
        raise MissingExtraError(f"{what} needs {names}: pip install 'flaxdigits[{extra}]'")
