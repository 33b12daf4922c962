from __future__ import annotations

from pathlib import Path

import pytest

from labelkit.errors import RecordingError
from labelkit.recordings.reader import OtherLayoutError
from labelkit.recordings.readers.pairs import open_pairs
from tests.recordings.made import color_png, depth_png, write, write_pairs


def test_pictures_pair_by_number_never_by_place(tmp_path: Path) -> None:
    folder = write_pairs(tmp_path, 3)
    (folder / "color/color_00000.png").unlink()
    (source,) = open_pairs(folder, {}, 0.02)
    assert [pair[:2] for pair in source.pairs] == [
        ("depth/depth_00000.png", None),
        ("depth/depth_00001.png", "color/color_00001.png"),
        ("depth/depth_00002.png", "color/color_00002.png"),
    ]


@pytest.mark.parametrize("color", ["color", "colour", "rgb", "image", "images", "RGB"])
@pytest.mark.parametrize("depth", ["depth", "depths"])
def test_the_folders_may_bear_their_usual_names(tmp_path: Path, color: str, depth: str) -> None:
    write(tmp_path / color / "1.jpg", color_png())
    write(tmp_path / depth / "1.png", depth_png())
    (source,) = open_pairs(tmp_path, {}, 0.02)
    assert source.pairs[0][:2] == (f"{depth}/1.png", f"{color}/1.jpg")


def test_each_clip_is_a_recording(tmp_path: Path) -> None:
    for clip, number in (("a", 1), ("a", 2), ("b", 1)):
        write(tmp_path / "color" / clip / f"color_{number}.png", color_png())
        write(tmp_path / "depth" / clip / f"depth_{number}.png", depth_png())
    write(tmp_path / "depth" / "c" / "depth_1.png", depth_png())
    sources = open_pairs(tmp_path, {}, 0.02)
    assert [(source.clip, len(source)) for source in sources] == [("a", 2), ("b", 1), ("c", 1)]
    assert sources[0].pairs[0][:2] == ("depth/a/depth_1.png", "color/a/color_1.png")
    assert sources[2].pairs[0][:2] == ("depth/c/depth_1.png", None)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (["depth/1.png"], r"no color/ folder \(nor colour/, rgb/"),
        (["color/1.png"], r"no depth/ folder \(nor depths/\)"),
        (["color/1.png", "depth/notes.txt"], "no picture in depth/"),
    ],
)
def test_a_folder_of_another_layout_is_left_with_what_is_missing(tmp_path: Path, files: list[str], words: str) -> None:
    for file in files:
        write(tmp_path / file, depth_png())
    with pytest.raises(OtherLayoutError, match=words):
        open_pairs(tmp_path, {}, 0.02)


def test_two_colour_folders_are_a_question_to_the_user(tmp_path: Path) -> None:
    for file in ("color/1.png", "rgb/1.png", "depth/1.png"):
        write(tmp_path / file, depth_png())
    with pytest.raises(RecordingError, match=r"color/ or rgb/\? Both hold pictures"):
        open_pairs(tmp_path, {}, 0.02)


def test_hidden_files_and_texts_are_no_pictures(tmp_path: Path) -> None:
    folder = write_pairs(tmp_path, 1)
    for name in ("._depth_00000.png", ".DS_Store", "notes.txt", "Thumbs.db"):
        write(folder / "depth" / name, b"x")
    (source,) = open_pairs(folder, {}, 0.02)
    assert len(source) == 1
