"""What a command prints as a next step works as it is printed: other folder, space in a name, a fresh shell."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

import labelkit
from labelkit.cli.program import labelkit as program
from labelkit.wording import open_command, shell_command
from tests.commands import called

STEP = re.compile(r"(?m)^.*?((?:\S*/)?labelkit [a-z-]+ .*?)(?:   +#.*)?$")


def steps_of(text):
    """List the arguments of each command line in a text, split as a shell does."""
    return [shlex.split(line)[1:] for line in STEP.findall(text)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("a first hour") / "my hands"
    labelkit.simulate(folder, participants=3, frames=8, seed=2, workers=1, quiet=True)
    return folder


def run(*words):
    ran = CliRunner().invoke(program, [str(word) for word in words], catch_exceptions=False)
    assert ran.exit_code == 0, ran.output
    return ran.stdout


def test_the_steps_from_recordings_to_the_map_work_from_another_folder(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    told = run("inspect", folder / "raw")
    told += run("simulate", tmp_path / "more hands", "--participants", "1", "--frames", "2", "--workers", "1")
    told += run("build-dataset", folder / "raw", "--out", tmp_path / "a set", "--workers", "1")
    steps = steps_of(told)
    assert [name for name, *_ in steps] == ["build-dataset", "build-dataset", "coverage-map"]
    for step in steps:
        shutil.rmtree(tmp_path / "dataset", ignore_errors=True)
        run(*step)


@pytest.mark.slow
def test_the_steps_of_the_demo_and_its_training_work_as_printed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    out = tmp_path / "the demo"
    told = run("demo", out, "--participants", "4", "--frames", "8", "--epochs", "1")
    steps = steps_of(told)
    assert [name for name, *_ in steps] == ["coverage-map", "evaluate", "verify"]
    for step in steps:
        run(*step)
    for page in ("dataset-report.html", "runs/small/report.html", "coverage-map.png"):
        assert (out / page).is_file()
        assert open_command(out / page) in told
    again = run("train", out / "dataset", "--model", "small", "--epochs", "1", "--no-report", "--out", "a run")
    (step,) = steps_of(again)
    run(*step, "--epochs", "1", "--no-report")


def test_the_program_is_named_by_its_path_if_a_shell_does_not_find_it(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    program, *rest = shlex.split(shell_command("train", "a set", "--seed", 1))
    assert Path(program).is_file()
    assert rest == ["train", "a set", "--seed", "1"]
    monkeypatch.setenv("PATH", str(Path(program).parent))
    assert shell_command("train", "it's") == """labelkit train 'it'"'"'s'"""


def test_a_page_is_opened_by_a_command_or_by_its_address(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert open_command(tmp_path / "a page.html") == (tmp_path / "a page.html").as_uri()
    (tmp_path / "xdg-open").touch(0o755)
    assert shlex.split(open_command("a page.html")) == ["xdg-open", "a page.html"]


def test_bare_labelkit_prints_its_help(capsys):
    code, out, err = called(capsys)
    assert (code, err) == (0, "")
    assert "build-dataset" in out


@pytest.mark.parametrize(
    ("words", "meant"),
    [(["train", "--lr", "1"], "'--learning-rate'"), (["build", "raw"], "'build-dataset'"), (["map"], "'coverage-map'")],
)
def test_short_names_lead_to_the_whole_ones(capsys, words, meant):
    code, _, err = called(capsys, *words)
    assert code == 2
    assert meant in err


def test_an_error_with_json_is_json_on_stdout_and_a_line_on_stderr(capsys, tmp_path):
    code, out, err = called(capsys, "verify", tmp_path / "none", "--json")
    found = json.loads(out)
    assert code == found["exit_code"] == 2
    assert str(tmp_path / "none") in found["error"]
    assert err.count("\n") == 1
