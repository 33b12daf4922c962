"""What the documentation shows is run: a user's first session, and every link between its pages."""

from __future__ import annotations

import importlib.metadata
import os
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

import labelkit
from labelkit.cli.program import COMMANDS
from labelkit.cli.program import labelkit as program
from labelkit.settings import Settings, SimulateSettings

REPOSITORY = Path(labelkit.__file__).parents[1]
PAGES = sorted([*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md")])


def blocks(page, language):
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


def commands_shown(page):
    """Yield the lines of a page's code that are labelkit commands, comments taken off."""
    text = page.read_text(encoding="utf-8")
    code = "".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL)) + "\n".join(re.findall(r"(?m)^    +(.*)$", text))
    for line in code.splitlines():
        if line.startswith("labelkit "):
            yield line.partition("#")[0].strip()


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    out = tmp_path_factory.mktemp("documentation")
    labelkit.simulate(out, SimulateSettings(participants=3, frames=10, seed=2), quiet=True)
    return out / "raw"


@pytest.mark.slow
def test_the_session_in_the_readme_runs_from_raw_to_a_network_that_reloads(raw, tmp_path):
    from labelkit.training.load import load_run

    shutil.copytree(raw, tmp_path / "raw")
    (session,) = blocks(REPOSITORY / "README.md", "sh")
    small = {"LABELKIT_TRAIN_EPOCHS": "1", "LABELKIT_TRAIN_FILTERS": "5", "LABELKIT_TRAIN_RESOLUTIONS": "64,32"}
    environment = {**os.environ, **small, "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}
    ran = subprocess.run(
        ["sh", "-e", "-c", session], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300
    )
    assert ran.returncode == 0, ran.stderr
    assert "constant predictor" in ran.stdout
    assert load_run(tmp_path / "runs" / "vanilla").model.count_params() > 0


@pytest.fixture(scope="module")
def made(raw, tmp_path_factory):
    """A folder with recordings and their dataset."""
    folder = tmp_path_factory.mktemp("made")
    shutil.copytree(raw, folder / "raw")
    labelkit.build_dataset(folder / "raw", folder / "dataset")
    return folder


PYTHON = [
    pytest.param(
        textwrap.dedent(code),
        id=f"{page.stem}-{number}",
        marks=[pytest.mark.slow] if re.search("labelkit.train|keras|tensorflow", code) else [],
    )
    for page in PAGES
    for number, code in enumerate(re.findall(r"(?ms)^ *```python\n(.*?)^ *```", page.read_text(encoding="utf-8")), 1)
]


@pytest.mark.parametrize("code", PYTHON)
def test_the_python_of_a_page_runs_as_a_script(code, made, tmp_path):
    """Without `if __name__ == "__main__"`, as people copy it."""
    shutil.copytree(made, tmp_path / "a folder")
    if "build_dataset(" in code:
        shutil.rmtree(tmp_path / "a folder" / "dataset")
    (tmp_path / "a folder" / "script.py").write_text(f"{code}\nprint('this is the end')\n")
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"}
    ran = subprocess.run(
        [sys.executable, "script.py"],
        cwd=tmp_path / "a folder",
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stderr
    assert "Traceback" not in ran.stderr
    assert ran.stdout.count("this is the end") == 1  # no worker ran the script again


def test_there_is_python_to_run():
    assert len(PYTHON) > 10


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(REPOSITORY).as_posix())
def test_no_page_holds_the_marks_of_a_merge(page):
    assert not re.findall(r"(?m)^(?:<<<<<<<|=======|>>>>>>>)(?: .*)?$", page.read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(REPOSITORY).as_posix())
def test_every_link_of_a_page_leads_somewhere(page):
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(\s*([^)#\s]+)", text):
        if not target.startswith(("http:", "https:")):
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(REPOSITORY).as_posix())
def test_every_command_a_page_shows_is_one_with_flags_it_has(page):
    for line in commands_shown(page):
        name, *rest = shlex.split(line.replace("[", "").replace("]", ""))[1:]
        if name.isupper() or name.startswith("-"):
            continue
        assert name in COMMANDS, line
        shown = CliRunner().invoke(program, [name, "--help"])
        for flag in (word.partition("=")[0] for word in rest if word.startswith("--")):
            assert re.search(rf"{flag}\b", shown.stdout), line


def test_the_index_leads_to_every_page():
    docs = REPOSITORY / "docs"
    linked = {
        (index.parent / target).resolve()
        for index in (docs / "README.md", docs / "decisions" / "README.md")
        for target in re.findall(r"\]\(([^)#\s]+\.md)", index.read_text(encoding="utf-8"))
    }
    assert set(docs.rglob("*.md")) - linked == {docs / "README.md"}


def test_the_reference_holds_every_public_function_and_every_settings_class():
    reference = (REPOSITORY / "docs" / "reference.md").read_text(encoding="utf-8")
    shown = set(re.findall(r"auto(?:function|class):: labelkit\.(?:settings\.)?(\w+)$", reference, re.MULTILINE))
    classes = {kind.__name__ for kind in Settings.__subclasses__() if kind.__module__ == Settings.__module__}
    assert shown == {*labelkit.__all__, *classes} - {"__version__"}


def test_what_is_installed_and_cited_is_this_package_in_this_version():
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert importlib.metadata.version(project["name"]) == labelkit.__version__
    citation = (REPOSITORY / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {labelkit.__version__}\n" in citation
    assert f"\nlicense: {project['license']}\n" in citation


@pytest.mark.parametrize("extra", ["gp", "dashboard", "realsense"])
def test_extras_are_asked_of_this_package_and_not_of_another_of_its_name(extra):
    asked = [
        word
        for path in [*PAGES, *REPOSITORY.glob("labelkit/**/*.py")]
        for word in re.findall(rf"[\w-]+\[{extra}\]", path.read_text(encoding="utf-8"))
    ]
    assert asked
    assert set(asked) == {f"labelkit-rgbd[{extra}]"}
