from __future__ import annotations

import re
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

import labelkit
from labelkit.errors import DatasetError, OutputError, RecordingError, RunError, SettingsError
from labelkit.settings import BuildSettings, CoverageSettings, SimulateSettings
from labelkit.workflows.build_dataset import build_dataset
from labelkit.workflows.report import report
from labelkit.workflows.simulate import simulate
from tests.datasets import angles_on_disc, make_dataset
from tests.report.test_page import Tree

NAMES = ["p01", "<b>Zoë</b>", "p03"]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return make_dataset(tmp_path_factory.mktemp("report") / "set", participants=NAMES, samples=20)


def section(html, title):
    """The words of one section of a page, a line for each piece of text; where lines may break is left out."""
    html = html.replace("<wbr>", "").replace("\N{NO-BREAK SPACE}", " ")
    found = re.search(rf'<section [^>]*aria-labelledby="{title}-title">(.*?)</section>', html, re.DOTALL)
    return "\n".join(text.strip() for text in Tree(found[1]).text if text.strip())


def page_of(*arguments, **how):
    return Path(report(*arguments, **how).out).read_text(encoding="utf-8")


def test_the_page_lies_beside_the_dataset_and_says_what_is_in_it(dataset):
    result = report(dataset)
    assert result.out == str(dataset.with_name("set-report.html"))
    html = Path(result.out).read_text(encoding="utf-8")
    assert result.bytes == len(html.encode())
    assert (result.samples, result.rejected, result.participants) == (60, 3, 3)
    words = section(html, "what-is-in-it").splitlines()[1:]
    assert dict(zip(words[::2], words[1::2], strict=True)) == {
        "samples": "60",
        "distinct samples": f"{result.distinct}",
        "participants": "3",
        "recordings": "3",
        "source frames": "63",
        "rejected": "4 %",
        "cells with 10 or more": "0 %",
    }
    assert "Zoë" in section(html, "participants")


def test_the_package_offers_it():
    assert labelkit.report_dataset is report


def test_the_same_dataset_gives_the_same_bytes(dataset, tmp_path):
    assert page_of(dataset, tmp_path / "a.html") == page_of(dataset, tmp_path / "b.html")


def test_names_are_text_wherever_they_stand(dataset, tmp_path):
    html = page_of(dataset, tmp_path / "a.html")
    plain = page_of(make_dataset(tmp_path / "set", participants=["p01", "p02", "p03"], samples=20), tmp_path / "b.html")
    tags = [[tag for tag, _ in Tree(page).elements if tag in ("b", "script", "img")] for page in (html, plain)]
    assert tags[0] == tags[1]
    assert "<b>Zoë</b>" in Tree(html).text


def test_the_worst_fits_and_the_least_certain_come_first(tmp_path):
    labels = {"plane_rms": [1.0, 9.5, 2.0, 7.5], "normal_sd": [0.3, 0.2, 4.5, 0.1]}
    folder = make_dataset(tmp_path / "set", participants=1, samples=4, labels=labels)
    html = page_of(folder)
    assert re.findall(r"[\d.]+ mm$", section(html, "worst-fits"), re.MULTILINE) == [
        "9.5 mm",
        "7.5 mm",
        "2.0 mm",
        "1.0 mm",
    ]
    assert re.findall(r"± ([\d.]+)°$", section(html, "uncertain-labels"), re.MULTILINE)[0] == "4.5"


def test_a_label_that_jumps_is_shown_beside_the_one_before(tmp_path):
    angles = 90 - np.array([[0, 0], [1, 0], [2, 0], [40, 0], [41, 0.0]])
    result = report(make_dataset(tmp_path / "set", participants=1, samples=5, angles_deg=angles))
    words = section(Path(result.out).read_text(encoding="utf-8"), "sudden-jumps")
    assert result.jumps == 1
    assert "38° in 33 ms" in words
    assert re.findall(r"depth/0000(\d).png", words) == ["2", "3"]


def test_the_same_pictures_under_two_names_are_twins_and_leak_across_the_split(tmp_path):
    angles = angles_on_disc(6, np.random.default_rng(5))
    result = report(make_dataset(tmp_path / "set", participants=["Ann", "ann ", "Bob"], samples=6, angles_deg=angles))
    html = Path(result.out).read_text(encoding="utf-8")
    assert result.twins >= 6
    assert 0 < result.leaks <= result.twins
    assert f"{result.leaks} pairs of near duplicates on two sides" in section(html, "leakage-between-splits")
    assert "may be the same person on two sides: 'Ann'" in section(html, "leakage-between-splits")


def test_different_people_s_pictures_are_no_twins(tmp_path):
    result = report(make_dataset(tmp_path / "set", participants=3, samples=4))
    assert (result.twins, result.leaks) == (0, 0)
    words = section(Path(result.out).read_text(encoding="utf-8"), "near-duplicates")
    assert "No pair in different recordings." in words


def test_one_person_under_two_names_is_pointed_at_and_another_is_not(tmp_path):
    simulate(tmp_path / "made", SimulateSettings(participants=2, frames=12, seed=3, workers=1), quiet=True)
    raw = tmp_path / "made" / "raw"
    for half, name in enumerate(("p11", "p12")):
        shutil.copytree(raw / "p01", raw / name)
        for file in (raw / name / "rgb.txt", raw / name / "depth.txt"):
            comments, lines = [], []
            for line in file.read_text().splitlines(keepends=True):
                (comments if line.startswith("#") else lines).append(line)
            late = lines[half::2]
            for line in set(lines) - set(late):
                (raw / name / line.split()[1]).unlink()
            file.write_text("".join(comments + late))
        stated = raw / name / "recording.toml"
        stated.write_text(stated.read_text().replace("p01", name))
    shutil.rmtree(raw / "p01")
    build_dataset(raw, tmp_path / "set", BuildSettings(workers=1), quiet=True)
    result = report(tmp_path / "set")
    words = section(Path(result.out).read_text(encoding="utf-8"), "alike-participants")
    assert result.alike == 1
    assert "p11 and p12: colours differ by" in words
    assert "p02" not in words


def test_the_gallery_holds_six_samples_of_a_cell_at_most_and_none_that_repeats(tmp_path):
    angles = 90 - np.concatenate([np.full((9, 2), 12.0), np.linspace([21, 21], [24, 24], 9)])
    html = page_of(make_dataset(tmp_path / "set", participants=2, samples=18, angles_deg=angles))
    captions = re.findall(
        r'"([^"]*?)/depth/(\d+).png \((.\d+°), .\d+°\)"', html.split('id="gallery-data">')[1].split("</script>")[0]
    )
    assert len([1 for _, _, azimuth in captions if azimuth == "+12°"]) == 2  # the first of each hand held still
    assert len([1 for _, _, azimuth in captions if azimuth != "+12°"]) == 6


def test_an_angle_that_rounds_to_zero_has_no_minus(tmp_path):
    html = page_of(make_dataset(tmp_path / "set", participants=1, samples=3, angles_deg=np.full((3, 2), 90.3)))
    assert "(+0°,\xa0+0°)" in html
    assert "\N{MINUS SIGN}0°" not in html


@pytest.fixture
def raw(tmp_path):
    """The colour pictures of rejected frames, and what must not be read."""
    picture = np.full((48, 64, 3), 90, np.uint8)
    for name in NAMES[:2]:
        (tmp_path / "raw" / name / "rgb").mkdir(parents=True)
    cv2.imwrite(str(tmp_path / "raw/p01/rgb/none.png"), picture)
    cv2.imwrite(str(tmp_path / "secret.png"), picture)
    return tmp_path / "raw"


def rejecting(tmp_path, monkeypatch, color_frame):
    """A dataset whose rejected frames have this colour picture."""
    from labelkit.dataset import table

    plain = table.table_of
    monkeypatch.setattr(
        "tests.datasets.table_of",
        lambda rows: plain([row if "shard" in row else {**row, "color_frame": color_frame} for row in rows]),
    )
    return make_dataset(tmp_path / "set", participants=1, samples=3)


def test_rejected_frames_are_shown_where_the_recordings_are_at_hand(tmp_path, raw, monkeypatch):
    folder = rejecting(tmp_path, monkeypatch, "p01/rgb/none.png")
    assert page_of(folder, raw=raw).count('aria-label="rejected frame') == 1
    assert "make the report with --raw" in section(page_of(folder), "rejections")


@pytest.mark.parametrize("name", ["../secret.png", "p01/rgb/link.png", "p01/rgb/gone.png", "p01", "a\x00b", ""])
def test_nothing_outside_the_recordings_is_read_and_a_missing_picture_is_no_error(tmp_path, raw, monkeypatch, name):
    (raw / "p01/rgb/link.png").symlink_to(tmp_path / "secret.png")
    html = page_of(rejecting(tmp_path, monkeypatch, name), raw=raw)
    assert 'aria-label="rejected frame' not in html
    assert "None of them has a picture that can be read." in section(html, "rejections")


@pytest.mark.parametrize("samples", [0, 1])
def test_an_empty_dataset_and_one_of_a_single_sample_have_a_report(tmp_path, samples):
    folder = make_dataset(tmp_path / "set", participants=1, samples=samples, angles_deg=np.full((samples, 2), 90.0))
    html = page_of(folder)
    assert ("No frame became a sample" in section(html, "what-is-in-it")) is (samples == 0)
    assert "Too few participants for a split" in section(html, "leakage-between-splits")
    assert "None." in section(html, "sudden-jumps")


def test_two_hundred_participants_have_a_report(tmp_path):
    folder = make_dataset(tmp_path / "set", participants=200, samples=2)
    assert section(page_of(folder), "participants").count("train") > 100


def test_a_file_that_fails_its_hash_is_named_before_anything_is_written(tmp_path):
    folder = make_dataset(tmp_path / "set", participants=3, samples=2)
    shard = folder / "shards" / "p02-0000.h5"
    content = bytearray(shard.read_bytes())
    content[-1] ^= 1
    shard.write_bytes(content)
    with pytest.raises(DatasetError, match=r"p02-0000.h5: changed since the dataset was built"):
        report(folder)
    assert not (tmp_path / "set-report.html").exists()
    assert report(folder, check=False).samples == 6
    (folder / "labels.parquet").write_bytes((folder / "labels.parquet").read_bytes() + b"x")
    with pytest.raises(DatasetError, match=r"labels.parquet: changed since"):
        report(folder, check=False)


@pytest.mark.parametrize(
    ("how", "error", "words"),
    [
        ({"out": "a.pdf"}, SettingsError, r"--out a.pdf: is written as .html, not .pdf"),
        ({"out": "folder.html"}, OutputError, r"is a folder; name a file in it"),
        ({"raw": "nowhere"}, RecordingError, r"nowhere: no such folder of recordings"),
        ({"run": "nowhere"}, RunError, r"nowhere"),
        ({"settings": CoverageSettings(cell_deg=45, reach_deg=30)}, SettingsError, "cell-deg must be"),
    ],
)
def test_what_cannot_be_is_said(dataset, tmp_path, monkeypatch, how, error, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.html").mkdir()
    with pytest.raises(error, match=words):
        report(dataset, **how)
