from __future__ import annotations

import json
from pathlib import Path

import pytest

from labelkit.cli.program import run
from tests.recordings.made import write, write_pairs, write_sidecar, write_tum


def labelkit(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as left:
        run(list(arguments))
    out, err = capsys.readouterr()
    return int(left.value.code or 0), out, err


@pytest.fixture
def raw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return Path("raw")


def test_inspect_tells_what_a_recording_is(raw: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_tum(raw / "p1", [1.0, 1.1, 1.2], [1.0, 1.1])
    code, out, _ = labelkit(capsys, "inspect", "raw")
    assert code == 0
    assert out == (
        "p1: 3 frames, 2 pairs, 1 without colour\n"
        "  layout        tum                             files found\n"
        "  participant   p1                              folder\n"
        "  handedness    right                           default\n"
        "  depth unit    0.001 m                         p1/recording.toml\n"
        "  registered    yes                             p1/recording.toml\n"
        "  intrinsics    26 26 15.5 11.5                 p1/recording.toml\n"
        "  hand within   0.4 to 1.5 m                    default\n"
        "  pictures      depth 32x24, colour 32x24\n"
        "  depth seen    0.80 to 0.80, median 0.80 m, 0% holes (in 2 frames)\n"
        "  time          0.2 s, a frame every 100 ms, no gaps\n"
        "\n"
        "1 recording of 1 participant, 3 frames, no problems\n"
        "next: labelkit build-dataset raw\n"
    )


def test_inspect_lists_all_problems_with_the_lines_to_add_and_leaves_with_2(
    raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_pairs(raw / "p1", sidecar=None)
    write(raw / "p2" / "1.png", b"")
    code, out, _ = labelkit(capsys, "inspect", "raw")
    assert code == 2
    assert "  problem       the unit of the depth is not stated\n" in out
    assert "  add to        raw/p1/recording.toml:\n      [recording]\n      depth_unit_m = ?" in out
    assert "p2: no recording\n" in out
    assert "4 problems" in out
    assert max(map(len, out.splitlines())) <= 80


def test_the_lines_that_clips_of_one_folder_lack_are_shown_once(raw: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for clip in ("a", "b"):
        write(raw / "color" / clip / "1.png", b"")
        write(raw / "depth" / clip / "1.png", b"")
    _, out, _ = labelkit(capsys, "inspect", "raw")
    assert out.count("depth_unit_m = ?") == 1
    assert "the lines that a lacks, to the same file" in out


def test_inspect_writes_drafts(raw: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_pairs(raw / "p1", sidecar=None)
    code, out, _ = labelkit(capsys, "inspect", "raw", "--write")
    assert code == 2
    assert "drafted raw/p1/recording.toml\n" in out
    _, out, _ = labelkit(capsys, "inspect", "raw", "--write")
    assert "left as it is: raw/p1/recording.toml\n" in out


def test_json_is_one_object_without_nan(raw: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_pairs(raw, 2)
    code, out, _ = labelkit(capsys, "inspect", "raw", "--json")
    content = json.loads(out, parse_constant=pytest.fail)
    assert code == 0
    assert content["recordings"][0]["depth"]["median"] == pytest.approx(0.8, abs=0.01)
    assert content["recordings"][0]["stated"]["registered"] == "recording.toml"


def test_a_wrong_sidecar_or_raw_is_one_line_and_no_traceback(raw: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = labelkit(capsys, "inspect", "raw")
    assert (code, out) == (2, "")
    assert err.startswith("labelkit: error: raw: there is no such folder")
    assert err.count("\n") == 1
    write_sidecar(write_pairs(raw / "p1"), "[recording]\npartcipant = 'p'\n")
    code, out, err = labelkit(capsys, "inspect", "raw")
    assert (code, err) == (2, "")
    assert "unknown key 'partcipant' in [recording]; did you mean 'participant'?" in " ".join(out.split())
