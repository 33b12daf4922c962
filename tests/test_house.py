"""The house of docs/decisions/floors.md: what may import what, what start-up may load, what every command has."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from importlib.util import resolve_name
from pathlib import Path

import click
import pytest

import labelkit
from labelkit.cli.program import COMMANDS

FLOORS = (
    "errors import_path stderr | records settings files processes interrupts traces wording progress keras"
    " | geometry imaging cells locking | labelling curation evaluation | recordings dataset runs"
    " | simulator building models | training sources baselines | tuning deploy figures | report live | workflows | cli"
)
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS.split("|")) for room in rooms.split()}

PACKAGE = Path(labelkit.__file__).parent
REPOSITORY = PACKAGE.parent
# The package's own __init__ and __main__ hold its public names and its entry: they may name every room.
FILES = sorted(path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE or not path.stem.startswith("__"))

# Past participles without "-ed"; "put", "set" and "split" are verbs as well.
PARTICIPLES = (
    "begun built chosen drawn driven fallen felt found frozen given gone grown hidden kept known laid left lost made"
    " met rewritten seen sent shown shrunk spent spoken spun stood taken thrown told torn understood unseen withdrawn"
    " won worn written"
)
VERBS = "embed exceed feed need proceed read seed shed speed succeed"  # they end in "-ed", too


MODULES = {
    ".".join(("labelkit", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__"): path
    for path in FILES
}
STUB = (PACKAGE / "__init__.pyi").read_text(encoding="utf-8")
# public name -> the module that has it
PUBLIC = {
    alias.name: f"labelkit.{node.module}"
    for node in ast.walk(ast.parse(STUB))
    if isinstance(node, ast.ImportFrom)
    for alias in node.names
}

# Imports inside functions, outside cli/: file -> what it imports there. Each has its reason next to the import.
LATE = {
    "deploy/conversion.py": "tf2onnx",
    "deploy/engines.py": "ai_edge_litert onnxruntime",
    "deploy/timing.py": "labelkit resource",
    "geometry/open3d_plane.py": "open3d",
    "recordings/readers/arrays.py": "h5py scipy",
    "recordings/readers/azure_mkv.py": "av",
    "recordings/readers/clouds.py": "open3d",
    "recordings/readers/ros.py": "rosbags",
    "simulator/rays.py": "open3d",
    "sources/realsense.py": "pyrealsense2",
    "workflows/verify.py": "labelkit",
}
DOORS = (
    "labelkit.settings",
    "labelkit.errors",
    "labelkit.cli",
    "labelkit.wording",
    "labelkit.import_path",
    "labelkit.__version__",
)
WITHOUT_KERAS = "build_dataset coverage_map inspect latency play predict record report show simulate verify withdraw"

HEAVY = "cv2 h5py keras matplotlib numpy open3d optuna pandas PIL pyarrow scipy sklearn tensorflow"
CLI_MODULES = sorted(f"labelkit.cli.{path.stem}" for path in (PACKAGE / "cli").glob("[!_]*.py"))


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imports_in(tree: ast.AST, package: str) -> Iterator[str]:
    """Yield everything that is imported in a tree, at the top or inside functions: modules, or names in modules."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = resolve_name("." * node.level + (node.module or ""), package)
            yield from (f"{module}.{alias.name}" for alias in node.names)


def imports_of(path: Path) -> list[str]:
    return list(imports_in(ast.parse(path.read_text(encoding="utf-8")), package_of(path)))


def package_of(path: Path) -> str:
    return ".".join(["labelkit", *path.relative_to(PACKAGE).parent.parts])


def labelkit_imports(source: str, package: str) -> Iterator[str]:
    """Yield the rooms that a module's source imports, at its top or inside functions."""
    for module in imports_in(ast.parse(source), package):
        top, _, inner = module.partition(".")
        if top == "labelkit" and inner and not inner.startswith("__"):
            yield PUBLIC.get(inner, module).split(".")[1]


def file_graph(imports: dict[str, list[str]]) -> dict[str, set[str]]:
    """Turn module -> what it imports into module -> modules; a name stands for the module that holds it."""
    return {
        module: {name if name in imports else name.rpartition(".")[0] for name in names} & imports.keys()
        for module, names in imports.items()
    }


def circle_in(graph: dict[str, set[str]]) -> str:
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return " <- ".join(error.args[1])
    return ""


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
    for there in labelkit_imports(path.read_text(encoding="utf-8"), package_of(path)):
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


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
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


def test_no_files_import_each_other_in_a_circle():
    circle = circle_in(file_graph({module: imports_of(path) for module, path in MODULES.items()}))
    assert not circle, f"imports in a circle: {circle}"


@pytest.mark.parametrize(
    ("imports", "circle"),
    [
        ({"a.x": ["a.y.name"], "a.y": ["os"]}, ""),
        ({"a.x": ["a.y.name"], "a.y": ["a.x"]}, "a.x"),
        ({"a.x": ["a.y"], "a.y": ["a.z.name"], "a.z": ["a.x.name"]}, "a.z"),
        ({"a": ["a.x.name"], "a.x": ["a.y.name"], "a.y": ["os"]}, ""),
        ({"a": ["a.x.name"], "a.x": ["a.name"]}, "a.x"),
        ({"a": ["a.x.name"], "a.x": ["a.y"], "a.y": ["os"]}, ""),
    ],
)
def test_a_circle_of_files_is_found_and_named(imports, circle):
    found = circle_in(file_graph(imports))
    assert bool(found) == bool(circle)
    assert circle in found


def imports_inside_functions(path: Path) -> set[str]:
    functions = [
        node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.FunctionDef)
    ]
    return {name.partition(".")[0] for function in functions for name in imports_in(function, package_of(path))}


def test_only_the_doors_import_inside_functions_and_few_others_with_a_reason():
    behind = [path for path in FILES if room_of(path) != "cli"]
    late = {path.relative_to(PACKAGE).as_posix(): imports_inside_functions(path) for path in behind}
    assert {path: names for path, names in late.items() if names} == {
        path: set(names.split()) for path, names in LATE.items()
    }


@pytest.mark.parametrize("path", sorted((PACKAGE / "cli").glob("*.py")), ids=lambda path: path.stem)
def test_a_command_imports_at_its_top_what_its_help_needs_and_no_more(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    tops = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    names = [name for node in tops for name in imports_in(node, package_of(path)) if name.startswith("labelkit")]
    assert [name for name in names if not name.startswith(DOORS)] == []


def test_what_needs_no_network_does_not_load_keras():
    imports = "".join(f"import labelkit.workflows.{name}\n" for name in WITHOUT_KERAS.split())
    code = f"import sys\n{imports}print(*{{'keras', 'tensorflow', 'torch', 'jax'}} & set(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout.split() == []


def test_keras_is_imported_at_one_place():
    assert [
        module for module, path in MODULES.items() if any(n.split(".")[0] == "keras" for n in imports_of(path))
    ] == []


@pytest.mark.slow
def test_a_type_checker_knows_the_public_functions(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import labelkit\nreveal_type(labelkit.build_dataset)\nlabelkit.build_dataset('raw', settings=3)\n"
    )
    command = [sys.executable, "-m", "mypy", "--config-file=", "--follow-imports=silent", "script.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    revealed, wrong = [line for line in done.stdout.splitlines() if line.startswith("script.py")]
    assert "BuildSettings" in revealed
    assert "BuildResult" in revealed
    assert 'incompatible type "int"; expected "BuildSettings | None"' in wrong


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_is_a_function_with_a_docstring(name):
    function = getattr(labelkit, name)
    assert inspect.isfunction(function)
    assert function.__doc__
    assert name in dir(labelkit)


def test_rooms_do_not_take_the_place_of_public_functions():
    for module in MODULES:
        importlib.import_module(module)
    assert [name for name in PUBLIC if not inspect.isfunction(getattr(labelkit, name))] == []


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
