from __future__ import annotations

import codecs
import math
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelkit.errors import RecordingError
from labelkit.recordings.reader import OtherLayoutError, PicturePair, PictureSource
from labelkit.recordings.readers.tum import open_tum
from labelkit.recordings.sidecar import Statement
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


def write_lists(folder: Path, *, color: list[str], depth: list[str]) -> Path:
    """Write a recording whose lists have these stamps; picture 3 of depth is depth/3.png."""
    for kind, stamps in (("rgb", color), ("depth", depth)):
        for index in range(len(stamps)):
            write(folder / kind / f"{index}.png", depth_png(800 + index))
        lines = [f"{stamp} {kind}/{index}.png\n" for index, stamp in enumerate(stamps)]
        write(folder / f"{kind}.txt", "".join(lines).encode())
    return folder


def numbers(source: PictureSource) -> list[tuple[str, str]]:
    return [(Path(pair.depth).stem, Path(pair.color).stem) for pair in source.pairs if pair.depth and pair.color]


def ticks(n: int, start_s: float = 0.0) -> list[float]:
    return [start_s + index / 30 for index in range(n)]


def as_text(stamps: list[float]) -> list[str]:
    return [f"{stamp:.6f}" for stamp in stamps]


@pytest.mark.parametrize("again_s", [1.004, 0.0, 1.0], ids=["between", "wrapped", "the same stamps"])
def test_pictures_pair_within_one_run_of_a_clock_that_starts_again(tmp_path: Path, again_s: float) -> None:
    stamps = as_text(ticks(6, 1.0) + ticks(6, again_s))
    source = opened(write_lists(tmp_path, color=stamps, depth=[*stamps[:8], *stamps[9:]]))
    right = [(str(index - (index > 8)), str(index)) for index in range(12) if index != 8]
    assert numbers(source) == right
    assert any("rgb.txt starts again 1 times" in note for note in source.notes)


def test_runs_that_do_not_correspond_are_refused_with_list_and_line(tmp_path: Path) -> None:
    once, twice = as_text(ticks(6, 1.0)), as_text(ticks(6, 1.0) + ticks(6, 1.004))
    with pytest.raises(RecordingError, match=r"rgb\.txt, line 7: .* again .* depth\.txt"):
        opened(write_lists(tmp_path / "a", color=twice, depth=once))
    longer = as_text(ticks(90, 1.0) + ticks(6, 1.004))
    with pytest.raises(RecordingError, match=r"rgb\.txt, line 1: .*depth\.txt do not begin and end"):
        opened(write_lists(tmp_path / "b", color=twice, depth=longer))


@pytest.mark.parametrize("start_s", [1400000001.1, 1.9], ids=["since 1970", "since the start"])
@pytest.mark.parametrize("coarse", [("rgb",), ("depth",), ("rgb", "depth")], ids="+".join)
def test_whole_seconds_never_pair_by_place_but_are_refused_with_list_and_line(
    tmp_path: Path, coarse: set[str], start_s: float
) -> None:
    stamps = ticks(12, start_s)
    of = {kind: [f"{int(s)}" if kind in coarse else f"{s:.6f}" for s in stamps] for kind in ("rgb", "depth")}
    del of["depth"][3]
    with pytest.raises(
        RecordingError, match=rf"{max(coarse)}\.txt, line 1: 1[12] of the 1[12] .*share their time stamp"
    ):
        opened(write_lists(tmp_path, color=of["rgb"], depth=of["depth"]))


def test_a_stamp_that_is_there_twice_costs_its_pictures_and_is_noted(tmp_path: Path) -> None:
    stamps = as_text(ticks(30))
    source = opened(write_lists(tmp_path, color=[*stamps[:6], stamps[5], *stamps[7:]], depth=stamps))
    assert numbers(source) == [(str(k), str(k)) for k in range(30) if k not in (5, 6)]
    assert "rgb.txt: 2 of the 30 pictures share their time stamp with another (the first in line 6)" in source.notes[0]


@pytest.mark.parametrize(("unit_s", "name"), [(1e-3, "milli"), (1e-6, "micro"), (1e-9, "nano")])
def test_stamps_since_1970_in_other_units_are_converted_with_a_note(tmp_path: Path, unit_s: float, name: str) -> None:
    stamps = [f"{stamp / unit_s:.0f}" for stamp in ticks(6, 1_400_000_001.25)]
    source = opened(write_lists(tmp_path, color=stamps, depth=stamps))
    assert [pair.stamp for pair in source.pairs] == pytest.approx(ticks(6, 1_400_000_001.25), abs=1e-3)
    assert numbers(source) == [(str(k), str(k)) for k in range(6)]
    assert any(f"rgb.txt are {name}seconds since 1970" in note for note in source.notes)
    assert not source.problems


@pytest.mark.parametrize(("unit_s", "name"), [(1e-3, "milli"), (1e-6, "micro"), (1e-9, "nano")])
@pytest.mark.parametrize("lists", [True, False])
def test_stamps_that_are_hardly_seconds_are_asked_about(tmp_path: Path, unit_s: float, name: str, lists: bool) -> None:
    stamps = [stamp / unit_s for stamp in ticks(6, 1000.0)]
    if lists:
        write_lists(tmp_path, color=as_text(stamps), depth=as_text(stamps))
    else:
        write_tum(tmp_path, stamps, stamps, lists=False)
    (problem,) = opened(tmp_path).problems
    assert f"{name}seconds?" in problem.says
    assert problem.lines[0].startswith(f"stamp_unit_s = {unit_s:g} ")
    (source,) = open_tum(tmp_path, {"recording.stamp_unit_s": Statement(unit_s, "recording.toml")}, 0.02)
    assert not source.problems
    assert [pair.stamp for pair in source.pairs] == pytest.approx(ticks(6, 1000.0))
    assert all(pair.depth and pair.color for pair in source.pairs)


def test_lists_in_two_units_are_refused(tmp_path: Path) -> None:
    seconds, milli = as_text(ticks(6, 1000.0)), as_text([1000 * stamp for stamp in ticks(6, 1000.0)])
    with pytest.raises(RecordingError, match=r"rgb\.txt seem to be milliseconds, those in depth\.txt seconds"):
        opened(write_lists(tmp_path, color=milli, depth=seconds))


@pytest.mark.parametrize("fps", [0.25, 1, 6, 30, 120])
@pytest.mark.parametrize("start_s", [0.0, 86_400.0, 1_700_000_000.0])
def test_seconds_are_taken_as_seconds_at_every_rate_of_a_sensor(tmp_path: Path, fps: float, start_s: float) -> None:
    stamps = as_text([start_s + index / fps for index in range(6)])
    source = opened(write_lists(tmp_path, color=stamps, depth=stamps))
    assert (len(numbers(source)), source.problems, source.notes) == (6, (), ())


@pytest.mark.parametrize(
    "content",
    [
        "\ufeff# comment\n\n1.0,\trgb/1.000000.png\r\n".encode(),
        b"1.0\trgb/1.000000.png\n",
        b"1.0;rgb/1.000000.png\n",
        b"1.0 ; rgb/1.000000.png ;\n",
        b"1,0 rgb/1.000000.png\n",
        b"1,000000;rgb/1.000000.png\n",
        b"1,rgb/1.000000.png\n",
        b"1.0e0 rgb/1.000000.png\n",
        b'1.0 "rgb/1.000000.png"\n',
        b'"1.0","rgb/1.000000.png"\r\n',
        b"1.0 'rgb/1.000000.png'\n",
        b"1.0 rgb\\1.000000.png\n",
        b"1.0 ./rgb/1.000000.png\n",
        b"1.0 .\\rgb\\1.000000.png\n",
        b"timestamp filename\n1.0 rgb/1.000000.png\n",
        b"1.0 rgb/1.000000.png\n1.0 rgb/1.000000.png\n",
        b"# old Mac\r1.0 rgb/1.000000.png\r",
        "1.0 rgb/1.000000.png\n".encode("utf-16"),
        codecs.BOM_UTF16_BE + "1.0 rgb/1.000000.png\n".encode("utf-16-be"),
        b"# caf\xe9\n1.0 rgb/1.000000.png",
    ],
)
def test_a_list_is_read_in_other_notations(tmp_path: Path, content: bytes) -> None:
    folder = write_tum(tmp_path, [1.0], [1.0])
    (folder / "rgb.txt").write_bytes(content)
    source = opened(folder)
    assert source.pairs == (PicturePair("depth/1.000000.png", "rgb/1.000000.png", 1.0),)
    assert source.notes == ()


def test_a_list_whose_files_are_not_there_is_no_reason_to_pair_by_name(tmp_path: Path) -> None:
    folder = write_tum(tmp_path, [1.0], [1.0])
    (folder / "rgb.txt").write_text("# x\n1.0 pictures/1.png\n2.0 pictures/2.png\n", encoding="utf-8")
    with pytest.raises(RecordingError, match=r"rgb\.txt: none of its 2 files is there .*line 2: 'pictures/1\.png'"):
        opened(folder)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("1.0\n", r"rgb.txt, line 1: expected 'stamp file', found '1.0'"),
        ("# x\nsoon rgb/1.png\n", "rgb.txt, line 2: expected 'stamp file'"),
        ("nan rgb/1.png\n", "line 1: expected 'stamp file'"),
        ("1.0 ../../secret.png\n", r"line 1: '\.\./\.\./secret\.png'"),
        ("1.0 /etc/secret.png\n", r"line 1: '/etc/secret\.png'"),
        ("1.0 rgb/1.png\n2.0 rgb/1.png\n", r"line 2: 'rgb/1\.png'.*line 1"),
        ("1.0 ..\\\\..\\\\secret.png\n", r"line 1: '\.\./\.\./secret\.png'"),
        ("1_0 rgb/1.png\n", "line 1: expected 'stamp file'"),
        ("2024-01-01T10:00:00 rgb/1.png\n", "line 1: expected 'stamp file'"),
        ("rgb/1.png 1.0\n", "line 1: expected 'stamp file'"),
        ("one two\nthree four\n", "line 2: expected 'stamp file'"),
        ("1.0 rgb/1.png\0\n", "rgb.txt: holds bytes of zero"),
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
