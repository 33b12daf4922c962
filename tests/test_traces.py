from __future__ import annotations

import json

import pytest

from labelkit.traces import find_traces, pattern_from_names


@pytest.mark.parametrize(
    ("text", "is_found"),
    [
        ("p07", True),
        ("p07-0000.h5", True),
        ("raw/p07/rgb", True),
        ("_p07_", True),
        ("p070", False),
        ("xp07", False),
        ("p7", False),
        (json.dumps("Zo\u00eb & Co"), True),
        ("Zo\u00eb &amp; Co", True),
        ("Zo%C3%AB%20%26%20Co", True),
        ("Zo\u00eb & Co", True),
        ("Zoe & Co", False),
    ],
)
def test_a_name_is_found_as_a_word_however_it_is_spelled(text, is_found):
    assert bool(pattern_from_names(["p07", "Zo\u00eb & Co"]).search(text.encode())) == is_found


def test_signs_that_mean_something_in_a_pattern_mean_nothing_in_a_name():
    assert not pattern_from_names(["a.b*"]).search(b"axbb")
    assert pattern_from_names(["a.b*"]).search(b"(a.b*)")


def test_pictures_and_files_that_name_somebody_are_listed_and_others_are_not(tmp_path):
    (tmp_path / "pages" / "deep").mkdir(parents=True)
    (tmp_path / "pages" / "deep" / "hand.PNG").write_bytes(b"anybody")
    (tmp_path / "pages" / "p07.txt").write_text("")
    (tmp_path / "pages" / "list.csv").write_text("p06\np07\n")
    (tmp_path / "pages" / "other.csv").write_text("p06\n")
    (tmp_path / "empty").write_text("")
    (tmp_path / "left.csv").write_text("p07")
    (tmp_path / "left" / "in").mkdir(parents=True)
    (tmp_path / "left" / "in" / "p07.png").write_text("")
    found = find_traces(tmp_path, pattern_from_names(["p07"]), leave=["left.csv", "left"])
    assert found == ["pages/deep/hand.PNG", "pages/list.csv", "pages/p07.txt"]


def test_links_are_not_followed_but_one_that_bears_the_name_is_listed(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "p07.png").write_text("p07")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "way-out").symlink_to(outside)
    (folder / "loop").symlink_to(folder)
    (folder / "text").symlink_to(outside / "p07.png")
    (folder / "p07").symlink_to(outside)
    assert find_traces(folder, pattern_from_names(["p07"]), leave=[]) == ["p07"]
