"""The optional dependencies of flaxdigits, and how to install them."""

import sys
from importlib.util import find_spec
from typing import Any

from flaxdigits.errors import MissingExtraError

EXTRAS = {
    "train": (
        *("jax", "flax", "optax", "orbax.checkpoint", "jax2onnx", "jaxtyping"),
        *("filelock", "matplotlib", "pandas", "platformdirs", "scipy", "tomli_w"),
    ),
    "pages": ("cv2",),
    "kaggle": ("kaggle", "six"),
    "ray": ("ray", "pyarrow", "filelock"),
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
    """Returns the shell command that adds an extra to this environment, from the source of the installed flaxdigits."""
    import shlex  # like the imports below not needed to read a digit, and urllib.request is slow to import

    pip = [sys.executable, "-m", "pip"] if find_spec("pip") else ["uv", "pip"]
    into = [] if find_spec("pip") else ["--python", sys.executable]
    return shlex.join([*pip, "install", *into, *requirement(extra, recorded_source())])


def recorded_source() -> dict[str, Any]:
    """Returns the source recorded by pip or uv (PEP 610's direct_url.json); empty if it was an index."""
    import json
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        return json.loads(distribution("flaxdigits").read_text("direct_url.json") or "{}")
    except PackageNotFoundError:  # a source tree on the path
        return {}


def requirement(extra: str, source: dict[str, Any]) -> list[str]:
    """Returns pip's arguments for flaxdigits with an extra, from a source in the form of PEP 610."""
    from urllib.parse import urlsplit
    from urllib.request import url2pathname

    url = source.get("url", "")
    if "vcs_info" in source:
        url = f"{source['vcs_info']['vcs']}+{url}@{source['vcs_info']['commit_id']}"
    if "subdirectory" in source:
        url += f"#subdirectory={source['subdirectory']}"
    if not url.startswith("file:"):
        return [f"flaxdigits[{extra}] @ {url}" if url else f"flaxdigits[{extra}]"]
    path = f"{url2pathname(urlsplit(url).path)}[{extra}]"
    return ["-e", path] if source.get("dir_info", {}).get("editable") else [path]
