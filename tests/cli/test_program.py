from __future__ import annotations

import errno
import os
import re
import subprocess
import sys

import click
import pytest

from labelkit.cli import program as module
from labelkit.errors import DatasetError, OutputError
from tests.commands import called
from tests.test_documentation import REPOSITORY


def failing_with(error):
    @click.command()
    def command():
        raise error

    return command


def test_help_lists_every_command_and_the_exit_codes(capsys):
    code, out, err = called(capsys, "--help")
    assert (code, err) == (0, "")
    assert all(name in out for name in module.COMMANDS)
    assert "3 done, but more frames were rejected" in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["biuld-dataset"], "no command 'biuld-dataset'; did you mean 'build-dataset'?"),
        (["--verison"], "No such option '--verison'. Did you mean '--version'?"),
        (["build-dataset"], "Missing argument 'RAW'"),
        (["build-dataset", "raw", "--crop", "round"], "'round' is not one of 'virtual-camera', 'box'"),
        (["build-dataset", "raw", "--see", "1"], "No such option '--see'. Did you mean '--seed'?"),
        (["build-dataset", "raw", "--seed", "-1"], "command line: seed must be greater than or equal to 0"),
        (["build-dataset", "raw", "again"], "Got unexpected extra argument (again)"),
        (["build-dataset", "raw", "--config", "none.toml"], "none.toml: cannot read the settings file"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(capsys, arguments, words):
    code, out, err = called(capsys, *arguments)
    assert (code, out) == (2, "")
    assert words in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (DatasetError("dataset: not\na dataset"), 2),
        (OutputError(errno.ENOSPC, "no space"), 5),
        (KeyboardInterrupt(), 130),
        (click.Abort(), 130),
    ],
)
def test_an_error_is_one_line_with_its_exit_code(capsys, monkeypatch, error, code):
    monkeypatch.setattr(module.Commands, "get_command", lambda *_: failing_with(error))
    left, out, err = called(capsys, "train")
    assert (left, out) == (code, "")
    assert err.lstrip().startswith("labelkit: error: ")  # after ^C the terminal's line is ended first
    assert err.strip().count("\n") == 0


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (OSError(errno.ENAMETOOLONG, "File name too long", "raw/xxx"), 1, "raw/xxx: File name too long"),
        (PermissionError(errno.EACCES, "Permission denied", b"raw/a"), 5, "raw/a: Permission denied"),
        (OSError(errno.ENOSPC, "No space left on device"), 5, "No space left on device"),
    ],
)
def test_what_the_system_refuses_is_one_line(capsys, monkeypatch, error, code, words):
    monkeypatch.setattr(module.Commands, "get_command", lambda *_: failing_with(error))
    left, out, err = called(capsys, "train")
    assert (left, out, err.count("\n")) == (code, "", 1)
    assert words in err


@pytest.mark.parametrize(
    "error",
    [
        MemoryError("64 MB"),
        MemoryError(),
        RuntimeError("can't start new thread"),
        SystemError("error return without exception set"),
        OSError("Can't synchronously write data (unable to allocate memory block of 1179648 bytes)"),
        RuntimeError("RESOURCE_EXHAUSTED: OOM when allocating\n" + "tensor " * 1000),
    ],
)
def test_too_little_memory_is_one_line(capsys, monkeypatch, error):
    monkeypatch.setattr(module.Commands, "get_command", lambda *_: failing_with(error))
    code, out, err = called(capsys, "train")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "out of memory" in err
    assert len(err) < 500
    assert "()" not in err


SAY = "import sys; from labelkit.cli import main; sys.argv = ['labelkit', 'simulate', 'made', *sys.argv[1:]]; main()"


def shell(folder, line, **variables):
    """Run a line of shell; in it, $SAY simulates one frame of a participant."""
    environment = {**os.environ, "SAY": f'{sys.executable} -c "{SAY}" --participants 1 --frames 1', **variables}
    return subprocess.run(["bash", "-c", line], cwd=folder, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize("closed", ["2>&-", ">&-", "<&- >&- 2>&-"])
def test_work_is_done_without_standard_streams(tmp_path, closed):
    done = shell(tmp_path, f"eval $SAY {closed}")
    assert (done.returncode, (tmp_path / "made/truth.csv").is_file()) == (0, True)


def test_what_a_terminal_cannot_show_is_escaped(tmp_path):
    done = shell(tmp_path, "eval ${SAY/made/Zo\u00eb}", PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert r"Zo\xeb/truth.csv" in done.stdout


def test_a_full_disk_below_stdout_is_one_line(tmp_path):
    done = shell(tmp_path, "eval $SAY > /dev/full")
    assert (done.returncode, done.stderr.count("\n")) == (5, 1)
    assert "standard output" in done.stderr


def test_a_reader_that_has_ended_is_no_error(tmp_path):
    done = shell(tmp_path, "(sleep 0.1; eval $SAY; echo $? > code) | true")
    assert (done.stderr, (tmp_path / "code").read_text()) == ("", "1\n")


def test_a_fault_of_ours_keeps_its_traceback(monkeypatch):
    for error in (ZeroDivisionError("x"), OSError("x")):
        monkeypatch.setattr(module.Commands, "get_command", lambda *_, error=error: failing_with(error))
        with pytest.raises(type(error)):
            module.run(["train"])


@pytest.mark.parametrize(
    ("line", "completed"),
    [("tr", "train"), ("train --le", "--learning-rate"), ("train --loss s", "smooth-l1"), ("verify --js", "--json")],
)
def test_the_documented_line_makes_bash_complete_commands_flags_and_values(line, completed):
    install = (REPOSITORY / "docs" / "install.md").read_text(encoding="utf-8")
    (documented,) = re.findall(r"^ +(eval .*bash_source.*?) +#", install, re.MULTILINE)
    script = f'''{documented}
        COMP_WORDS=(labelkit {line}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
        _labelkit_completion labelkit; echo "${{COMPREPLY[@]}}"'''
    ran = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=120)
    assert (ran.stdout.split(), ran.stderr) == ([completed], "")
