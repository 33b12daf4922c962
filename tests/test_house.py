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
    "errors | records settings files processes interrupts traces wording | geometry imaging cells locking"
    " | labelling curation evaluation | recordings dataset runs | simulator building models | training sources"
    " | tuning deploy figures | report live | workflows | cli"
)
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS.split("|")) for room in rooms.split()}

PACKAGE = Path(labelkit.__file__).parent
REPOSITORY = PACKAGE.parent
# The package's own __init__ and __main__ hold its public names and entry: they may name every room.
FILES = sorted(path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE or not path.stem.startswith("__"))

# The rooms whose functions are named by verbs, and the files in them that still have to follow.
NAMED = "errors settings interrupts traces cells geometry imaging curation recordings dataset simulator sources"
NOT_YET = (
    "curation/guidance curation/wording recordings/pictures recordings/png dataset/contradictions dataset/dataset"
    " dataset/lock dataset/notebook dataset/schema dataset/shards dataset/table sources/follow"
)
# Past participles without "-ed"; "put", "set" and "split" are verbs as well.
PARTICIPLES = (
    "begun built chosen drawn driven fallen felt found frozen given gone grown hidden kept known laid left lost made"
    " met rewritten seen sent shown shrunk spent spoken spun stood taken thrown told torn understood unseen withdrawn"
    " won worn written"
)
VERBS = "embed exceed feed need proceed read seed shed speed succeed"  # they end in "-ed", too

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


def is_participle(name: str) -> bool:
    """Whether a function says what its result is (`checked_points`) and not what it does (`check_points`)."""
    first = name.strip("_").partition("_")[0]
    is_conversion = "_from_" in name
    return not is_conversion and first not in VERBS.split() and (first.endswith("ed") or first in PARTICIPLES.split())


def functions_of(source: str) -> Iterator[str]:
    """Yield the names of functions and methods, at any depth, but not of properties."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            decorators = {ast.unparse(decorator).rpartition(".")[2] for decorator in node.decorator_list}
            if not decorators & {"property", "cached_property"}:
                yield node.name


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


@pytest.mark.parametrize(
    "path",
    [
        path
        for path in FILES
        if room_of(path) in NAMED.split()
        and path.relative_to(PACKAGE).with_suffix("").as_posix() not in NOT_YET.split()
    ],
    ids=lambda path: path.relative_to(PACKAGE).as_posix(),
)
def test_functions_are_named_by_what_they_do(path):
    assert [name for name in functions_of(path.read_text(encoding="utf-8")) if is_participle(name)] == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("_checked", True),
        ("withdrawn_participants", True),
        ("made", True),
        ("check_points", False),
        ("read_depth", False),
        ("_feed", False),
        ("centred_from_label_deg", False),
        ("is_withdrawn", False),
    ],
)
def test_a_participle_is_not_taken_for_a_verb(name, expected):
    assert is_participle(name) == expected


def test_no_function_goes_unseen():
    source = (
        "class A:\n    @property\n    def a(self): ...\n    @functools.cached_property\n    def b(self): ...\n"
        "    def c(self):\n        async def d(): ...\n@cache\ndef e(): ...\n"
    )
    assert sorted(functions_of(source)) == ["c", "d", "e"]


def test_start_up_loads_nothing_heavy():
    """One process imports all: what any of them loads stays loaded, so nothing heavy at the end is none for each."""
    modules = ["labelkit", "labelkit.settings", "labelkit.cli", *CLI_MODULES]
    code = (
        "import importlib, sys\n"
        f"for module in {modules}:\n"
        "    importlib.import_module(module)\n"
        f"    print(module, *sorted(set(sys.modules) & set({HEAVY!r}.split())))"
    )
    started = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True)
    assert (started.stdout.splitlines(), started.stderr) == (modules, "")


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
