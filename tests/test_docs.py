"""The facts in README.md and docs/, held against the program."""

import re
import tomllib
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from typing import get_args

import pytest
import typer
from flaxdigits_cli.main import COMMANDS

from flaxdigits.training.config import Augmentation, TrainConfig
from flaxdigits.training.presets import PRESETS

ROOT = Path(__file__).parents[1]
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "exports" / "README.md"]
README = (ROOT / "README.md").read_text(encoding="utf-8")
TRAINING = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")


def usage(command):
    """Returns the words of a command in README's usage block."""
    block = re.search(r"^flaxdigits train .*?^```", README, re.MULTILINE | re.DOTALL)[0]
    lines = re.split(r"^flaxdigits ", block.removesuffix("```"), flags=re.MULTILINE)
    return next(" ".join(line.split()[1:]) for line in lines if line.split()[:1] == [command])


def parameters(command):
    app = typer.Typer(add_completion=False)
    app.command()(import_module(f"flaxdigits_cli.{command}").run)
    return typer.main.get_command(app).params


@pytest.mark.parametrize("command", COMMANDS)
def test_the_usage_names_every_option(command):
    options = {name for parameter in parameters(command) for name in parameter.opts if name.startswith("--")}
    assert set(re.findall(r"--[a-z-]+", usage(command))) == options


@pytest.mark.parametrize("command", COMMANDS)
def test_the_usage_names_every_choice(command):
    found = {parameter.opts[0]: list(getattr(parameter.type, "choices", [])) for parameter in parameters(command)}
    expected = {option: choices for option, choices in found.items() if choices}
    shown = {
        name: words.split("|") for name, words in re.findall(r"(--[a-z-]+) ([a-z0-9]+(?:\|[a-z0-9]+)+)", usage(command))
    }
    assert shown == expected


@pytest.mark.parametrize("page", [README, TRAINING], ids=["README.md", "docs/training.md"])
def test_the_preset_table_is_of_the_presets(page):
    rows = re.findall(r"^\| `(\w+)` \| ([\d, ]+) \| (\d+) \| ([\d,]+) \|", page, re.MULTILINE)
    found = {
        name: (tuple(map(int, hidden.split(","))), int(epochs), parameters) for name, hidden, epochs, parameters in rows
    }
    assert found == {name: (each.hidden, each.epochs, f"{each.parameters:,}") for name, each in PRESETS.items()}


@pytest.mark.parametrize("kind", [TrainConfig, Augmentation])
def test_the_configuration_table_has_every_field_and_its_default(kind):
    rows = dict(re.findall(r"^\| `(\w+)` \| `([^`]+)` \|", TRAINING, re.MULTILINE))
    defaults = kind()
    for entry in fields(kind):
        if entry.name != "augmentation":
            shown = tomllib.loads(f"value = {rows[entry.name]}")["value"]
            value = getattr(defaults, entry.name)
            assert shown == (list(value) if isinstance(value, tuple) else value), entry.name


def test_the_first_page_is_short():
    assert len(README.splitlines()) <= 150


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_to_a_file_is_to_one(page):
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_figure_is_left_open(page):
    assert "TODO" not in page.read_text(encoding="utf-8")


def test_every_choice_of_a_preset_is_one():
    from flaxdigits_cli.train import Preset

    assert list(get_args(Preset)) == list(PRESETS)
