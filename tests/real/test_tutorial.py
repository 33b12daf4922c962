"""The tutorial on real recordings, run line by line: what it quotes is what is printed."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest

import labelkit
from tests.commands import called

pytestmark = pytest.mark.real

PAGE = Path(labelkit.__file__).parents[1] / "docs" / "tutorials" / "real-kinect.md"

# A TOML block, or indented lines: a command or an output.
_BLOCK = re.compile(r"```toml\n(?P<toml>.*?)```|(?P<lines>(?:^    [^\n]*\n(?:\n(?=    ))?)+)", re.DOTALL | re.MULTILINE)


def steps_of(text):
    """Yield what a page does: ("write", file, content), or ("run", command, the lines it quotes)."""
    for block in _BLOCK.finditer(text):
        if block["toml"] is not None:
            file = re.findall(r"`(\w+/recording\.toml)`", text[: block.start()])[-1]
            yield "write", file, block["toml"]
            continue
        lines = [line[4:] for line in block["lines"].splitlines()]
        if lines[0].startswith("labelkit "):
            yield "run", lines[0], [line for line in lines[1:] if line.strip()]


def assert_quoted(quoted, printed):
    """Each quoted line is printed, in this order, and next to the one before unless "..." stands between."""
    place, anywhere = 0, False
    for line in quoted:
        if line.strip() == "...":
            anywhere = True
            continue
        found = printed.index(line, place) if line in printed[place:] else None
        assert found is not None, f"not printed: {line!r}"
        assert anywhere or found == place, f"{printed[place]!r} is printed before {line!r}"
        place, anywhere = found + 1, False


def test_the_tutorial_quotes_what_is_printed(real_data, tmp_path, monkeypatch, capfd):
    shutil.copytree(real_data / "kinect_v1_openni", tmp_path / "raw" / "kinect_v1_openni")
    (tmp_path / "hands" / "hand_mesh_truth").mkdir(parents=True)
    for picture in [*real_data.glob("hand_mesh_truth/*_o.jpg"), *real_data.glob("hand_mesh_truth/*_depth.png")]:
        shutil.copy(picture, tmp_path / "hands" / "hand_mesh_truth")
    monkeypatch.chdir(tmp_path)
    compared = 0
    for what, name, content in steps_of(PAGE.read_text(encoding="utf-8")):
        if what == "write":
            Path(name).write_text(content)
            continue
        code, out, err = called(capfd, *shlex.split(name)[1:])
        assert code in (0, 2, 3), err
        assert_quoted(content, [line for line in out.splitlines() if line.strip()])
        compared += len(content)
    assert compared > 40


@pytest.mark.parametrize("quoted", [["b", "a"], ["c"], ["a", "c"], ["...", "x"]])
def test_a_line_that_is_not_printed_or_not_there_is_noticed(quoted):
    assert_quoted(["a", "...", "d"], ["a", "b", "c", "d"])
    with pytest.raises(AssertionError):
        assert_quoted(quoted, ["a", "b", "c", "d"][1 if quoted == ["c"] else 0 :])
