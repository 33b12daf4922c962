"""Nothing is imported from the current folder: a file among data may be named as a module of Python is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from labelkit import import_path
from labelkit.deploy.timing import measure_latency
from labelkit.errors import RunError

# Modules that labelkit, its libraries, the workers of multiprocessing and its resource tracker load. (What `python -m`
# itself loads before it comes to labelkit, such as functools, is for Python's own -P.)
NAMES = "__future__ ast click difflib inspect json lazy_loader logging numpy pickle random selectors signal socket"
NAMES += " struct subprocess tempfile threading threadpoolctl tqdm"
SCRIPT = Path(sys.executable).with_name("labelkit")

# A user's Python, with the current folder in its path. It imports labelkit without: its children are what is tested.
USER = """
import sys
path = sys.path[:]
sys.path[:] = [entry for entry in path if entry not in ("", sys.argv[1])]
import operator
from labelkit.processes import Apart, map_apart, run_jobs
sys.path[:] = path
print(run_jobs(operator.is_, [1, 2], 2, lambda done, kept: None))
print(list(map_apart(abs, [-1, -2], environment={})))
call = Apart(callable)
while not call.has_ended():
    pass
print(call.result(), sys.path == path)
"""


@pytest.fixture
def folder(tmp_path):
    """Make a folder of files that are named as modules, and tell when they are run."""
    folder = tmp_path / "data"
    folder.mkdir()
    for name in NAMES.split():
        (folder / f"{name}.py").write_text("open('EXECUTED', 'a').write(__name__ + ' ')\nraise SystemExit(9)")
    return folder


def run_in(folder, *command, **variables):
    done = subprocess.run(command, cwd=folder, env={**os.environ, **variables}, capture_output=True, text=True)
    ran = folder / "EXECUTED"
    assert not ran.exists(), ran.read_text()
    return done


@pytest.mark.parametrize("pythonpath", ["", f"{os.pathsep}/none"])
def test_the_processes_of_the_library_import_nothing_from_the_current_folder(folder, pythonpath):
    done = run_in(folder, sys.executable, "-c", USER, folder, PYTHONPATH=pythonpath)
    assert done.stdout.splitlines() == ["[False, False]", "[1, 2]", "True True"], done.stderr


@pytest.mark.parametrize(
    ("command", "pythonpath"),
    [([SCRIPT], ""), ([sys.executable, "-m", "labelkit"], ""), ([sys.executable, "-m", "labelkit"], ".")],
)
def test_a_command_imports_nothing_from_the_current_folder(folder, command, pythonpath):
    arguments = ["simulate", "../made", "--participants", "2", "--frames", "1", "--workers", "2", "-q"]
    done = run_in(folder, *command, *arguments, PYTHONPATH=pythonpath)
    assert (done.returncode, done.stderr) == (0, "")


def test_what_measures_latency_imports_nothing_from_the_current_folder(folder, monkeypatch):
    monkeypatch.chdir(folder)
    with pytest.raises(RunError, match="none"):
        measure_latency(Path("none"))
    assert not (folder / "EXECUTED").exists()


def test_the_folder_that_holds_the_package_stays_as_the_last_one(monkeypatch):
    own = str(Path(import_path.__file__).parents[1])
    monkeypatch.setattr(sys, "path", ["", "here", "/there", "__editable__.x.finder.__path_hook__"])
    monkeypatch.setenv("PYTHONPATH", "")
    assert import_path.safe_path() == ["/there", "__editable__.x.finder.__path_hook__", own]


def test_an_absolute_entry_of_pythonpath_is_the_user_s_word_and_stays(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    monkeypatch.setenv("PYTHONPATH", f"{os.pathsep}{tmp_path}")
    assert import_path.safe_path()[0] == str(tmp_path)
    assert import_path.safe_environment() == {"PYTHONSAFEPATH": "1", "PYTHONPATH": str(tmp_path)}
    monkeypatch.setenv("PYTHONPATH", ".")
    assert str(tmp_path) not in import_path.safe_path()
