"""Where Python imports from: never the current folder, so that no file among data is run.

This file is loaded before the path is safe, so it imports only what is part of the interpreter itself. (That leaves out
`from __future__ import`, which loads a file, too.)
"""

# pathlib is a file, too:
# ruff: noqa: PTH100, PTH117, PTH120

import os
import sys

_OWN = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # the folder that holds the package


def leave_out_current_folder() -> None:
    """Take the current folder out of this process's `sys.path`."""
    sys.path[:] = safe_path()


def safe_path() -> list[str]:
    """Copy `sys.path` without '', relative entries, and what such entries of PYTHONPATH became.

    The folder that holds this package stays, as the last one: it may be the current folder.
    """
    absolute, relative = _pythonpath()
    left_out = {os.path.abspath(entry) for entry in relative}.difference(absolute)
    kept = [entry for entry in sys.path if _is_lasting(entry) and entry not in left_out]
    return kept if _OWN in kept else [*kept, _OWN]


def safe_environment() -> dict[str, str]:
    """List the variables with which a child process does not import from the current folder either."""
    absolute, relative = _pythonpath()
    return {"PYTHONSAFEPATH": "1"} | ({"PYTHONPATH": os.pathsep.join(absolute)} if relative else {})


def _pythonpath() -> tuple[list[str], list[str]]:
    """Read PYTHONPATH: its absolute entries, and the others; an empty entry stands for the current folder."""
    stated = os.environ.get("PYTHONPATH")
    entries = stated.split(os.pathsep) if stated else []
    return [each for each in entries if os.path.isabs(each)], [each for each in entries if not os.path.isabs(each)]


def _is_lasting(entry: str) -> bool:
    return os.path.isabs(entry) or entry.endswith("__path_hook__")  # the second is how setuptools marks its own
