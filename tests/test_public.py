import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import flaxdigits

NAMES = [
    "PRESETS",
    "Augmentation",
    "Digits",
    "Evaluation",
    "FlaxdigitsError",
    "Recognizer",
    "Run",
    "TrainConfig",
    "errors",
    "export_onnx",
    "finetuning_config",
    "fit",
    "load",
    "read_digits",
    "read_picture",
    "resume",
]
HEAVY = {"jax", "jaxlib", "flax", "optax", "orbax", "jax2onnx", "onnx", "jaxtyping", "pandas", "matplotlib", "scipy",
         "kaggle", "tomli_w", "filelock", "cv2", "ray", "pyarrow"}  # fmt: skip
BASE = [
    "data.load",
    "data.inputs",
    "data.digits",
    "pictures.reading",
    "pictures.layout",
    "inference.recognizer",
    "inference.golden",
    "inference.shipped",
    "inference.contract",
    "lattice",
    "pages",
    "bulk",
    "scale.engine",
    "evaluation",
    "submission",
    "runs",
    "training.config",
    "training.records",
    "export.triton",
]


def heavy_after(statement):
    """Returns the heavy packages that a fresh interpreter holds after a statement."""
    code = f"import json, sys\n{statement}\nprint(json.dumps(list(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return HEAVY & set(json.loads(done.stdout))


def test_the_base_install_imports_nothing_heavy():
    assert heavy_after("import flaxdigits, " + ", ".join(f"flaxdigits.{module}" for module in BASE)) == set()


def test_inspection_imports_onnx_and_nothing_else_that_is_heavy():
    assert heavy_after("import flaxdigits.inference.inspection") == {"onnx"}


@pytest.mark.slow
def test_the_check_for_heavy_imports_can_fail():
    pytest.importorskip("jax")
    assert {"jax", "flax", "optax"} <= heavy_after("import flaxdigits.training.fit")


def test_the_public_names_are_these_and_no_others():
    assert flaxdigits.__all__ == NAMES
    assert dir(flaxdigits) == sorted([*NAMES, "__version__"])


@pytest.mark.parametrize("name", NAMES)
def test_every_public_name_is_there(name):
    if name in ("export_onnx", "finetuning_config", "fit", "resume"):
        pytest.importorskip("jax")
    found = getattr(flaxdigits, name)
    assert getattr(found, "__name__", name).split(".")[-1] == name


def test_hints_name_public_functions():
    sources = "\n".join(file.read_text() for file in Path(flaxdigits.__file__).parent.rglob("*.py"))
    lines = [line for line in sources.splitlines() if not re.match(r"\s*(from|import) ", line)]
    named = re.findall(r"\bflaxdigits\.(\w+(?:\.\w+)*)(?=[( ,`])", "\n".join(lines))
    assert {"resume", "export_onnx", "fit"} <= set(named) <= set(NAMES)


def test_another_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="^module 'flaxdigits' has no attribute 'predict'$"):
        _ = flaxdigits.predict
