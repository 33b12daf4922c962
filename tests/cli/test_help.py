"""Every command's help."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import labelkit
from labelkit import settings
from labelkit.cli.program import COMMANDS
from labelkit.cli.program import labelkit as program
from labelkit.cli.show import NO_LABEL

SCHEMAS = {schema.command: schema for schema in settings.Settings.__subclasses__()}
KEYS = {name: set(schema.model_fields) for name, schema in SCHEMAS.items()}
KEYS["tune"] -= {"train", "ranges", "structures"}  # tables, which only a file can hold
KEYS["show"] = KEYS["build-dataset"] - set(NO_LABEL)  # it labels as a build does


def process(*arguments):
    """Run the program that users call; a warning is an error in it."""
    installed = shutil.which("labelkit", path=Path(sys.executable).parent)
    assert installed, "labelkit is not installed with this Python; `make setup` installs it"
    environment = {**os.environ, "COLUMNS": "80", "PYTHONWARNINGS": "error"}
    return subprocess.run([installed, *arguments], capture_output=True, text=True, env=environment, timeout=60)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_fits_80_columns_and_names_every_setting(name):
    shown = CliRunner().invoke(program, [name, "--help"], prog_name="labelkit")  # for 80 columns
    assert (shown.exit_code, shown.stderr) == (0, "")
    assert shown.stdout.startswith(f"Usage: labelkit {name} ")
    assert [line for line in shown.stdout.splitlines() if len(line) > 80] == []
    flags = {f"--{key.replace('_', '-')}" for key in KEYS.get(name, ())} | ({"--config"} if name in KEYS else set())
    assert flags | {"--json", "--quiet"} <= set(shown.stdout.replace("/", " ").replace(",", " ").split())


def test_help_without_a_command_lists_the_commands():
    shown = process("--help")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert set(COMMANDS) <= {line.split()[0] for line in shown.stdout.splitlines() if line.strip()}


def test_a_command_in_a_process_of_its_own_fits_its_help_to_the_terminal():
    shown = process("build-dataset", "--help")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout.startswith("Usage: labelkit build-dataset ")
    assert max(map(len, shown.stdout.splitlines())) <= 80


def test_the_version_is_the_package_s():
    shown = CliRunner().invoke(program, ["--version"], prog_name="labelkit")
    assert shown.stdout == f"labelkit {labelkit.__version__}\n"
