"""Every command's help, through the entry point that users call."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from labelkit import settings
from labelkit.cli.program import COMMANDS
from labelkit.cli.show import NO_LABEL

SCHEMAS = {schema.command: schema for schema in settings.Settings.__subclasses__()}
KEYS = {name: set(schema.model_fields) for name, schema in SCHEMAS.items()}
KEYS["tune"] -= {"train", "ranges", "structures"}  # tables, which only a file can hold
KEYS["show"] = KEYS["build-dataset"] - set(NO_LABEL)  # it labels as a build does


def labelkit(*arguments):
    program = shutil.which("labelkit", path=Path(sys.executable).parent)
    assert program, "labelkit is not installed beside this Python; `make setup` installs it"
    # 80 columns: click takes the width from here when there is no terminal.
    environment = {**os.environ, "COLUMNS": "80", "PYTHONWARNINGS": "error"}
    return subprocess.run([program, *arguments], capture_output=True, text=True, env=environment, timeout=60)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_fits_80_columns_and_names_every_setting(name):
    shown = labelkit(name, "--help")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout.startswith(f"Usage: labelkit {name} ")
    assert [line for line in shown.stdout.splitlines() if len(line) > 80] == []
    flags = {f"--{key.replace('_', '-')}" for key in KEYS.get(name, ())} | ({"--config"} if name in KEYS else set())
    assert flags | {"--json", "--quiet"} <= set(shown.stdout.replace("/", " ").replace(",", " ").split())


def test_help_without_a_command_lists_the_commands():
    shown = labelkit("--help")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert set(COMMANDS) <= {line.split()[0] for line in shown.stdout.splitlines() if line.strip()}


def test_the_version_is_the_package_s():
    import labelkit as package

    assert labelkit("--version").stdout == f"labelkit {package.__version__}\n"
