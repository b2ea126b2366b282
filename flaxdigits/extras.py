"""The optional dependencies of flaxdigits, and how to install them."""

import json
import sys
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from urllib.parse import urlsplit
from urllib.request import url2pathname

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
        raise MissingExtraError(f"{what} needs {names}: {install_command(extra)}")


def install_command(extra: str) -> str:
    """Returns the command that adds an extra to this environment, from where flaxdigits itself was installed."""
    try:
        recorded = distribution("flaxdigits").read_text("direct_url.json")  # PEP 610
    except PackageNotFoundError:
        recorded = None
    url = json.loads(recorded)["url"] if recorded else ""
    source = url2pathname(urlsplit(url).path) if url.startswith("file:") else "flaxdigits"
    pip = "pip install" if find_spec("pip") else f"uv pip install --python {sys.executable}"
    return f"{pip} '{source}[{extra}]'"
