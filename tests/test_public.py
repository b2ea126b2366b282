import json
import subprocess
import sys

import pytest

import flaxdigits

NAMES = ["Digits", "Evaluation", "Recognizer", "TrainConfig", "export", "fit", "load", "read_picture", "resume"]
HEAVY = {
    "jax",
    "jaxlib",
    "flax",
    "optax",
    "orbax",
    "onnx",
    "jaxtyping",
    "pandas",
    "matplotlib",
    "kaggle",
    "rich",
    "tomli_w",
}


def heavy_after(module):
    """Which heavy packages a fresh interpreter holds after importing a module."""
    code = f"import json, sys, {module}; print(json.dumps(list(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return HEAVY & set(json.loads(done.stdout))


@pytest.mark.parametrize(
    "module",
    [
        "flaxdigits",
        "flaxdigits.recognizer",
        "flaxdigits.data",
        "flaxdigits.evaluation",
        "flaxdigits.submission",
        "flaxdigits.inputs",
        "flaxdigits.runs",
        "flaxdigits.golden",
        "flaxdigits.inspection",
        "flaxdigits.ink",
        "flaxdigits.onnx_file",
        "flaxdigits.shipped",
        "flaxdigits.triton",
        "flaxdigits_cli.main",
        "flaxdigits_cli.predict",
        "flaxdigits_cli.submit",
        "flaxdigits_cli.eval",
        "flaxdigits_cli.inspect",
        "flaxdigits_cli.verify",
        "flaxdigits_cli.doctor",
    ],
)
def test_the_base_install_imports_nothing_heavy(module):
    assert heavy_after(module) == set()


def test_the_check_for_heavy_imports_can_fail():
    pytest.importorskip("jax")
    assert {"jax", "flax", "optax"} <= heavy_after("flaxdigits.training.fit")


def test_the_public_names_are_these_and_no_others():
    assert flaxdigits.__all__ == NAMES
    assert dir(flaxdigits) == sorted([*NAMES, "__version__"])


@pytest.mark.parametrize("name", ["Digits", "Evaluation", "Recognizer", "load", "read_picture"])
def test_every_public_name_is_what_it_says(name):
    assert getattr(flaxdigits, name).__name__ == name


@pytest.mark.parametrize("name", ["TrainConfig", "export", "fit", "resume"])
def test_every_public_name_of_training_is_what_it_says(name):
    pytest.importorskip("jax")
    assert getattr(flaxdigits, name).__name__ == name


def test_another_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="^module 'flaxdigits' has no attribute 'predict'$"):
        _ = flaxdigits.predict
