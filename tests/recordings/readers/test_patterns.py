from __future__ import annotations

from pathlib import Path

import pytest

from labelkit.errors import RecordingError
from labelkit.recordings.reader import OtherLayoutError
from labelkit.recordings.readers.patterns import open_patterns
from labelkit.recordings.sidecar import Sidecar, statements_from_tables
from tests.recordings.made import depth_png, write


def stating(**files: str) -> Sidecar:
    return statements_from_tables({"files": files}, "recording.toml")


def pairs(folder: Path, color: str, depth: str) -> list[tuple[str | None, str | None]]:
    (source,) = open_patterns(folder, stating(color=color, depth=depth), 0.02)
    return [(pair.depth, pair.color) for pair in source.pairs]


def test_files_pair_by_what_the_patterns_have_in_common(tmp_path: Path) -> None:
    for name in ("10_o.jpg", "10_depth.png", "9_o.jpg", "9_depth.png", "8_o.jpg", "7_depth.png", "7_mask.png"):
        write(tmp_path / name, depth_png())
    assert pairs(tmp_path, "{key}_o.jpg", "{key}_depth.png") == [
        ("7_depth.png", None),
        (None, "8_o.jpg"),
        ("9_depth.png", "9_o.jpg"),
        ("10_depth.png", "10_o.jpg"),
    ]


def test_a_pattern_may_lead_into_a_folder_and_holds_no_wildcards(tmp_path: Path) -> None:
    for name in ("x/cam+a.jpg", "x/cam+b.jpg", "x/cammc.jpg", "z/a.png", "a.png"):
        write(tmp_path / name, depth_png())
    assert pairs(tmp_path, "x/cam+{key}.jpg", "z/{key}.png") == [
        ("z/a.png", "x/cam+a.jpg"),
        (None, "x/cam+b.jpg"),
    ]


def test_without_patterns_or_matches_the_folder_is_of_another_layout(tmp_path: Path) -> None:
    with pytest.raises(OtherLayoutError, match=r"no \[files\] in recording.toml"):
        open_patterns(tmp_path, {}, 0.02)
    with pytest.raises(OtherLayoutError, match=r"no file matches '\{key\}.jpg' or '\{key\}.png'"):
        open_patterns(tmp_path, stating(color="{key}.jpg", depth="{key}.png"), 0.02)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"color": "{key}.jpg"}, r"\[files\] must state depth too"),
        ({"depth": "{key}.png"}, r"\[files\] must state color too"),
        ({"color": "o.jpg", "depth": "{key}.png"}, r"'o.jpg' under \[files\] must hold \{key\} once"),
        ({"color": "{key}_{key}.jpg", "depth": "{key}.png"}, "once"),
        ({"color": "{name}.jpg", "depth": "{key}.png"}, "once"),
        ({"color": "../{key}.jpg", "depth": "{key}.png"}, "stay within the folder"),
        ({"color": "/etc/{key}.jpg", "depth": "{key}.png"}, "stay within the folder"),
        ({"color": "{key}.png", "depth": "{key}.png"}, "a.png matches both patterns"),
    ],
)
def test_a_wrong_pattern_is_refused(tmp_path: Path, files: dict[str, str], words: str) -> None:
    write(tmp_path / "a.png", depth_png())
    with pytest.raises(RecordingError, match=words):
        open_patterns(tmp_path, stating(**files), 0.02)
