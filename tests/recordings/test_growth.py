"""A recording that grows has at every moment the frames that opening it again would find."""

from __future__ import annotations

import random

import pytest

from labelkit.recordings import find_recordings
from labelkit.recordings.growth import add_pictures, lists_of, picture_folders_of
from tests.recordings.made import SIDECAR, color_png, depth_png, write, write_sidecar

PATTERNS = SIDECAR + '[files]\ncolor = "{key}_o.png"\ndepth = "{key}_depth.png"\n'


def names(layout, k):
    """The depth and the colour file of a layout's frame."""
    return {
        "pairs": (f"depth/d_{k:03d}.png", f"color/c_{k}.png"),
        "clips": (f"depth/a/d_{k:03d}.png", f"color/a/c_{k}.png"),
        "patterns": (f"{k:03d}_depth.png", f"{k:03d}_o.png"),
        "stamps": (f"depth/{k / 30 + 5:.6f}.png", f"rgb/{k / 30 + 5.004:.6f}.png"),
        "lists": (f"depth/{k}.png", f"rgb/{k}.png"),
    }[layout]


def put(folder, layout, k):
    """Write a frame; gives its files."""
    files = [folder / name for name in names(layout, k)]
    for file, content in zip(files, (depth_png(800), color_png()), strict=True):
        write(file, content)
    return files


def list_one(folder, k):
    for name, kind in (("depth.txt", "depth"), ("rgb.txt", "rgb")):
        with (folder / name).open("a") as file:
            file.write(f"{k / 30 + 5:.6f} {kind}/{k}.png\n")


def begun(folder, layout):
    write_sidecar(folder, PATTERNS if layout == "patterns" else SIDECAR)
    put(folder, layout, 0)
    if layout == "lists":
        list_one(folder, 0)
    (recording,) = find_recordings(folder)
    return recording


def frames(recording):
    return [repr(recording.files(k)) for k in range(len(recording))]


@pytest.mark.parametrize("layout", ["pairs", "clips", "patterns", "stamps", "lists"])
def test_pictures_that_come_one_by_one_make_the_frames_that_opening_it_anew_finds(tmp_path, layout):
    recording = begun(tmp_path, layout)
    assert (tmp_path / names(layout, 1)[0]).parent in picture_folders_of(recording)
    for k in range(1, 12):
        files = put(tmp_path, layout, k)
        random.Random(k).shuffle(files)
        if layout == "lists":
            list_one(tmp_path, k)
        for file in files:
            recording, changed = add_pictures(recording, [file])
            assert changed == [k]
        (reopened,) = find_recordings(tmp_path)
        assert frames(recording) == frames(reopened)


def test_a_picture_that_its_list_does_not_have_yet_is_left_for_later(tmp_path):
    recording = begun(tmp_path, "lists")
    assert lists_of(recording) == {tmp_path / "depth.txt", tmp_path / "rgb.txt"}
    files = put(tmp_path, "lists", 1)
    again, changed = add_pictures(recording, files)
    assert (changed, len(again)) == ([], 1)
    with (tmp_path / "depth.txt").open("a") as file:
        file.write("5.033333 depth/1.p")  # being written just now
    assert add_pictures(recording, files)[1] == []
    (tmp_path / "depth.txt").write_text("5.000000 depth/0.png\n")
    list_one(tmp_path, 1)
    assert add_pictures(recording, files)[1] == [1]


def test_of_a_long_list_only_the_end_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr("labelkit.recordings.readers.tum._END_BYTES", 60)
    recording = begun(tmp_path, "lists")
    for k in range(1, 30):
        files = put(tmp_path, "lists", k)
        list_one(tmp_path, k)
        recording, changed = add_pictures(recording, files)
        assert changed == [k]


def test_pictures_of_a_clock_that_started_again_are_left_to_the_reader(tmp_path):
    recording = begun(tmp_path, "lists")
    put(tmp_path, "lists", 1)
    put(tmp_path, "lists", 2)
    for kind in ("depth", "rgb"):
        write(tmp_path / kind / "9.png", depth_png(900) if kind == "depth" else color_png())
        (tmp_path / f"{kind}.txt").write_text(
            f"5.000000 {kind}/0.png\n5.033333 {kind}/1.png\n5.066667 {kind}/2.png\n1.000000 {kind}/9.png\n"
        )
    assert add_pictures(recording, [tmp_path / "depth" / "9.png"]) is None
    assert len(find_recordings(tmp_path)[0]) == 4


def test_pictures_of_stamps_in_milliseconds_join_at_the_right_time(tmp_path):
    write_sidecar(tmp_path, SIDECAR.replace("[recording]", "[recording]\nstamp_unit_s = 0.001"))
    for k in range(3):
        put(tmp_path, "lists", k)
        for kind in ("depth", "rgb"):
            with (tmp_path / f"{kind}.txt").open("a") as file:
                file.write(f"{1000 + 33.3 * k + (10 if kind == 'rgb' else 0):.1f} {kind}/{k}.png\n")
        if k == 0:
            (recording,) = find_recordings(tmp_path)
    files = [tmp_path / name for k in (1, 2) for name in names("lists", k)]
    recording, changed = add_pictures(recording, files)
    assert changed == [1, 2]
    assert frames(recording) == frames(find_recordings(tmp_path)[0])


def test_a_link_and_two_files_of_one_number_are_left_to_the_reader(tmp_path):
    recording = begun(tmp_path / "raw", "pairs")
    (tmp_path / "elsewhere.png").write_bytes(depth_png(800))
    link = tmp_path / "raw" / "depth" / "d_001.png"
    link.symlink_to(tmp_path / "elsewhere.png")
    assert add_pictures(recording, [link]) is None
    doubles = [write(tmp_path / "raw" / "depth" / name, depth_png(800)) for name in ("d_2.png", "d_02.png")]
    assert add_pictures(recording, doubles) is None
