"""The house of docs/decisions/floors.md: who may import whom, what start-up may load, what every command has."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import resolve_name
from pathlib import Path

import click
import pytest

import labelkit
from labelkit.cli.program import COMMANDS

FLOORS = (
    "errors | records settings files processes interrupts traces | geometry imaging cells"
    " | labelling curation evaluation | recordings dataset runs | simulator building models | training sources"
    " | tuning deploy figures | report live | workflows | cli"
)
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS.split("|")) for room in rooms.split()}

PACKAGE = Path(labelkit.__file__).parent
REPOSITORY = PACKAGE.parent
# The package's own __init__ and __main__ hold its public names and entry: they may name every room.
FILES = sorted(path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE or not path.stem.startswith("__"))

HEAVY = "cv2 h5py keras matplotlib numpy open3d optuna pandas PIL pyarrow scipy sklearn tensorflow"
CLI_MODULES = sorted(f"labelkit.cli.{path.stem}" for path in (PACKAGE / "cli").glob("[!_]*.py"))


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def labelkit_imports(source: str, package: str) -> Iterator[str]:
    """Yield the rooms that a module's source imports, at its top or inside functions."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            module = resolve_name("." * node.level + (node.module or ""), package)
            modules = [f"{module}.{alias.name}" for alias in node.names]
        else:
            continue
        for module in modules:
            top, _, inner = module.partition(".")
            if top == "labelkit" and inner and not inner.startswith("__"):
                yield labelkit._PUBLIC.get(inner, module).split(".")[1]


def test_every_room_has_the_floor_that_its_page_draws():
    page = (REPOSITORY / "docs/decisions/floors.md").read_text(encoding="utf-8")
    drawn = [line.split() for line in page.splitlines() if line.startswith("    ")]
    assert drawn == [rooms.split() for rooms in reversed(FLOORS.split("|"))]
    assert set(FLOOR) == {room_of(path) for path in FILES}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_imports_point_down(path):
    here = room_of(path)
    package = ".".join(["labelkit", *path.relative_to(PACKAGE).parent.parts])
    for there in labelkit_imports(path.read_text(encoding="utf-8"), package):
        assert there == here or FLOOR[there] < FLOOR[here], f"{path} reaches up to {there}"


@pytest.mark.parametrize(
    ("source", "rooms"),
    [
        ("import labelkit.cli.main", ["cli"]),
        ("from labelkit.geometry import plane", ["geometry"]),
        ("from labelkit import settings, __version__", ["settings"]),
        ("from labelkit import build_dataset", ["workflows"]),
        ("def f():\n    if True:\n        from labelkit.training.batches import Batches", ["training"]),
        ("from ..cli import main", ["cli"]),
        ("from . import camera\nfrom .camera import Camera", ["geometry", "geometry"]),
        ("import labelkit\nimport inspect\nimport labelkitten.cli\nfrom os import path", []),
    ],
)
def test_no_way_of_importing_a_room_goes_unseen(source, rooms):
    assert list(labelkit_imports(source, "labelkit.geometry")) == rooms


@pytest.mark.parametrize("module", ["labelkit", "labelkit.settings", "labelkit.cli", *CLI_MODULES])
def test_start_up_loads_nothing_heavy(module):
    code = f"import sys, {module}; print(*sorted(set(sys.modules) & set({HEAVY!r}.split())))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout.split() == []


@pytest.mark.parametrize("name", labelkit._PUBLIC)
def test_every_public_name_is_a_function_with_a_docstring(name):
    function = getattr(labelkit, name)
    assert inspect.isfunction(function)
    assert function.__doc__


def test_the_files_of_the_command_line_are_the_commands_and_no_others():
    files = {module.rpartition(".")[2].replace("_", "-") for module in CLI_MODULES}
    assert files - {"program", "options"} == set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_its_workflow_and_its_help(name):
    stem = name.replace("-", "_")
    command = importlib.import_module(f"labelkit.cli.{stem}").command
    assert isinstance(command, click.Command)
    assert command.help
    assert [option.name for option in command.params if isinstance(option, click.Option) and not option.help] == []
    assert inspect.isfunction(getattr(importlib.import_module(f"labelkit.workflows.{stem}"), stem))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_stands_in_the_documentation(name):
    pages = [REPOSITORY / "README.md", *(REPOSITORY / "docs").rglob("*.md")]
    assert any(re.search(rf"labelkit {name}\b", page.read_text(encoding="utf-8")) for page in pages)


def test_no_two_classes_of_the_package_share_a_name():
    found: dict[str, list[str]] = {}
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                found.setdefault(node.name, []).append(path.relative_to(PACKAGE).as_posix())
    assert {name: paths for name, paths in found.items() if len(paths) > 1} == {}
