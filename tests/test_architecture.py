"""The packages, and which of them may import which."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# From the ground up: a module imports its own layer and those below it, never one above. See docs/architecture.md.
LAYERS = (
    ("convention", "errors", "printable"),
    ("atomic", "extras", "locking"),
    ("pictures",),
    ("data",),
    ("runs", "evaluation", "submission"),
    ("inference",),
    ("lattice",),
    ("pages",),
    ("bulk", "annotation", "labelling"),
    ("explanation", "scale"),
    ("training",),
    ("export",),
)
RANK = {name: rank for rank, layer in enumerate(LAYERS) for name in layer}


def modules(*folders):
    return sorted(
        path for folder in folders for path in (ROOT / folder).rglob("*.py") if "node_modules" not in path.parts
    )


def imports(path):
    """All modules that a file imports, wherever in it; for annotations alone as well."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def place(module):
    """The package, or the file beside the packages, that a module of flaxdigits is in; None for all others."""
    found = re.match(r"flaxdigits\.(\w+)", module)
    return found[1] if found and found[1] in RANK else None


@pytest.mark.parametrize("path", modules("flaxdigits"), ids=lambda path: str(path.relative_to(ROOT)))
def test_arrows_point_one_way(path):
    if path == ROOT / "flaxdigits" / "__init__.py":  # names what is public, and imports it when it is used
        return
    here = path.relative_to(ROOT / "flaxdigits").parts[0].removesuffix(".py")
    assert here in RANK, f"{here} is in no layer"
    above = {there for there in map(place, imports(path)) if there and RANK[there] > RANK[here]}
    assert not above


def test_an_arrow_that_points_up_would_be_found(tmp_path):
    (tmp_path / "bad.py").write_text("def f():\n    from flaxdigits.training import fit\n")
    assert "training" in map(place, imports(tmp_path / "bad.py"))


@pytest.mark.parametrize("package", ["data", "pictures", "inference", "scale", "training", "export"])
def test_a_package_has_no_import_cycle(package):
    edges = {}
    for path in modules(f"flaxdigits/{package}"):
        found = (re.match(rf"flaxdigits\.{package}\.(\w+)", module) for module in imports(path))
        edges[path.stem] = {match[1] for match in found if match and (path.parent / f"{match[1]}.py").exists()}
    while leaves := [name for name, targets in edges.items() if not targets & edges.keys()]:
        for name in leaves:
            del edges[name]
    assert not edges, f"cycle among {sorted(edges)}"


@pytest.mark.parametrize("name", ["benchmarks", "flaxdigits_cli"])
def test_nothing_imports_these_but_themselves(name):
    home = {"benchmarks": "benchmarks", "flaxdigits_cli": "cli"}[name]
    folders = {"flaxdigits", "cli", "benchmarks", "scripts", "exports"} - {home}
    users = [
        path
        for path in modules(*folders, *(["tests"] if name == "benchmarks" else []))
        if any(module.split(".")[0] == name for module in imports(path))
    ]
    assert not users


def test_the_documented_tree_is_the_real_one():
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^ +([a-z_]+\.py)  ", text, re.MULTILINE))
    real = {path.name for path in modules("flaxdigits", "cli") if path.name != "__init__.py"}
    assert named - {"__init__.py"} == real
