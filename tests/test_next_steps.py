"""What a command prints as a next step works as it is printed: other folder, space in a name, a fresh shell."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

import labelkit
from labelkit.cli.program import labelkit as program
from labelkit.wording import open_command, shell_command
from tests.commands import called
from tests.datasets import make_dataset

STEP = re.compile(r"(?m)^.*?((?:\S*/)?labelkit [a-z-]+ .*?)(?:   +#.*)?$")


def steps_of(text):
    """List the arguments of each command line in a text, split as a shell does."""
    return [shlex.split(line)[1:] for line in STEP.findall(text)]


PATIENCE_S = 60.0


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


def test_the_step_after_a_recording_builds_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    raw = tmp_path / "my hands"
    told = run("record", raw, "--source", "simulated", "--participant", "it's me", "--fps", "100", "--seconds", "0.3")
    told += run("simulate", "--live", raw, "--participant", "p02", "--seconds", "0.3")
    steps = steps_of(told)
    assert [name for name, *_ in steps] == ["build-dataset", "build-dataset"]
    for step in steps:
        shutil.rmtree(tmp_path / "dataset", ignore_errors=True)
        run(*step, "--workers", "1")


@pytest.mark.parametrize("flags", [(), ("--terminal",)])
def test_the_step_after_the_painting_game_builds_what_was_recorded(folder, tmp_path, monkeypatch, flags):
    monkeypatch.chdir(tmp_path)
    words = [sys.executable, "-m", "labelkit", "play", str(folder / "raw"), "--no-cache", *flags]
    game = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert game.stdout.readline()  # the address, or a line about the game
        time.sleep(0.5)  # so that its handlers are in place
        game.send_signal(signal.SIGINT)
        _, told = game.communicate(timeout=PATIENCE_S)
    finally:
        game.kill()
        game.wait()
    (step,) = steps_of(told)
    assert step[0] == "build-dataset"
    run(*step, "--workers", "1")


def test_the_steps_of_the_map_the_card_and_a_withdrawal_work(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    made = make_dataset(tmp_path / "a set", participants=("p 1", "p02", "p03"), samples=2)
    _, _, told = called(capsys, "coverage-map", "--live", tmp_path / "my hands")
    (step,) = steps_of(told.partition(" (see ")[0])
    assert step == ["play", str(tmp_path / "my hands")]
    run("coverage-map", made)  # a map ends by itself: it names no step

    (step,) = steps_of(run("card", made))
    assert step[:3] == ["card", str(made), "--set"]
    run(*step)
    assert labelkit.card(made).answers[step[3].partition("=")[0]] == "..."

    (step,) = steps_of(run("withdraw", made, "p 1"))
    run(*step)
    assert "p 1" not in labelkit.open_dataset(made).manifest.participants
    assert steps_of(run("withdraw", made, "p 1")) == []  # it says that it was done before
    run("verify", made)


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
