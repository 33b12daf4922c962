from __future__ import annotations

import math
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelkit.errors import RecordingError
from labelkit.recordings.reader import OtherLayoutError, PicturePair, PictureSource
from labelkit.recordings.readers.tum import open_tum
from tests.recordings.made import depth_png, write, write_tum


def opened(folder: Path, gap: float = 0.02) -> PictureSource:
    (source,) = open_tum(folder, {}, gap)
    return source


@pytest.mark.parametrize("lists", [True, False])
def test_pictures_pair_by_the_nearest_stamp_within_the_gap(tmp_path: Path, lists: bool) -> None:
    source = opened(write_tum(tmp_path, [1.0, 1.033, 2.0], [1.005, 1.03, 3.0], lists=lists))
    assert source.pairs == (
        PicturePair("depth/1.000000.png", "rgb/1.005000.png", 1.0),
        PicturePair("depth/1.033000.png", "rgb/1.030000.png", 1.033),
        PicturePair("depth/2.000000.png", None, 2.0),
        PicturePair(None, "rgb/3.000000.png", 3.0),
    )


def test_the_format_says_that_colour_and_depth_are_registered_but_no_unit(tmp_path: Path) -> None:
    assert opened(write_tum(tmp_path, [1.0], [1.0])).metadata == {"recording": {"registered": True}}


def test_listed_files_that_are_not_there_are_told_and_take_no_partner(tmp_path: Path) -> None:
    folder = write_tum(tmp_path, [1.0, 1.01], [1.01])
    (folder / "depth/1.010000.png").unlink()
    source = opened(folder)
    assert source.pairs == (PicturePair("depth/1.000000.png", "rgb/1.010000.png", 1.0),)
    assert any("1 of the 2 files" in note and "depth.txt" in note for note in source.notes)


def test_a_picture_that_is_not_listed_stays_a_frame_without_a_partner(tmp_path: Path) -> None:
    folder = write_tum(tmp_path, [1.0], [1.0])
    write(folder / "depth/9.png", depth_png())
    source = opened(folder)
    assert [pair.depth for pair in source.pairs] == ["depth/1.000000.png", "depth/9.png"]
    assert source.pairs[1].color is None
    assert math.isnan(source.pairs[1].stamp)
    assert any("depth/9.png" in note for note in source.notes)


def test_stamps_that_run_backwards_are_sorted_and_told(tmp_path: Path) -> None:
    source = opened(write_tum(tmp_path, [2.0, 1.0, 3.0], [3.0, 1.0, 2.0]))
    assert [pair.stamp for pair in source.pairs] == [1.0, 2.0, 3.0]
    assert "the time stamps in depth.txt run backwards 1 times" in source.notes


def test_a_list_may_use_commas_tabs_and_comments(tmp_path: Path) -> None:
    folder = write_tum(tmp_path, [1.0], [1.0])
    (folder / "rgb.txt").write_text("\ufeff# comment\n\n1.0,\trgb/1.000000.png\r\n", encoding="utf-8")
    assert opened(folder).pairs[0].color == "rgb/1.000000.png"


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("1.0\n", r"rgb.txt, line 1: expected 'stamp file', found '1.0'"),
        ("# x\nsoon rgb/1.png\n", "rgb.txt, line 2: expected 'stamp file'"),
        ("nan rgb/1.png\n", "line 1: expected 'stamp file'"),
        ("1.0 ../../secret.png\n", r"line 1: '\.\./\.\./secret\.png'"),
        ("1.0 /etc/secret.png\n", r"line 1: '/etc/secret\.png'"),
        ("1.0 rgb/1.png\n2.0 rgb/1.png\n", r"line 2: 'rgb/1\.png'"),
        ("1.0 depth/1.000000.png\n", "both list depth/1.000000.png"),
    ],
)
def test_a_wrong_list_is_refused_with_its_line(tmp_path: Path, lines: str, words: str) -> None:
    folder = write_tum(tmp_path, [1.0], [1.0])
    (folder / "rgb.txt").write_text(lines, encoding="utf-8")
    with pytest.raises(RecordingError, match=words):
        open_tum(folder, {}, 0.02)


def test_a_folder_of_another_layout_is_left_with_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(OtherLayoutError, match=r"no rgb.txt and depth.txt, no color/ folder"):
        open_tum(tmp_path, {}, 0.02)
    folder = write_tum(tmp_path, [1.0], [1.0], lists=False)
    shutil.move(folder / "depth/1.000000.png", folder / "depth/0001.png")
    with pytest.raises(OtherLayoutError, match="time stamps"):
        open_tum(folder, {}, 0.02)


milliseconds = st.sets(st.integers(0, 300), min_size=1, max_size=12)


@settings(max_examples=25)  # each writes files
@given(depth=milliseconds, color=milliseconds, gone=st.integers(0, 12))
def test_every_file_on_disk_ends_in_exactly_one_frame(
    tmp_path_factory: pytest.TempPathFactory, depth: set[int], color: set[int], gone: int
) -> None:
    folder = write_tum(
        tmp_path_factory.mktemp("tum"), [ms / 1000 for ms in sorted(depth)], [ms / 1000 for ms in sorted(color)]
    )
    for path in sorted(folder.glob("*/*.png"))[1:-1][:gone]:
        path.unlink()
    on_disk = sorted(path.relative_to(folder).as_posix() for path in folder.glob("*/*.png"))
    pairs = opened(folder).pairs
    assert sorted(file for pair in pairs for file in (pair.depth, pair.color) if file) == on_disk
    shutil.rmtree(folder)
