"""Predictions of pictures, videos and cameras by the network that ships with labelkit; no Keras is loaded."""

from __future__ import annotations

import csv
import json
import subprocess
import sys

import cv2
import numpy as np
import PIL.Image
import pytest

import labelkit
from labelkit.deploy import footage, networks
from labelkit.deploy.engines import open_litert
from labelkit.deploy.network_card import card_path
from labelkit.deploy.networks import find_network
from labelkit.errors import MissingExtraError, RunError, SensorError, SettingsError
from labelkit.evaluation.predictions import predictions_from_output
from tests.commands import called
from tests.datasets import make_dataset
from tests.recordings.test_pictures import png_claiming, with_orientation

RNG = np.random.default_rng(0)
FPS = 25.0


def blob(size=128, u=0.3, v=0.6):
    """A picture that looks alike at every resolution, and is no mirror image of itself."""
    y, x = (np.mgrid[:size, :size] + 0.5) / size
    light = 200 * np.exp(-((x - u) ** 2 + (y - v) ** 2) / 0.05)
    return np.stack([light + 40, 0.7 * light + 30, 0.5 * light + 20], axis=-1).astype(np.uint8)


def write_picture(path, rgb, *flags):
    assert cv2.imwrite(str(path), rgb[..., ::-1] if rgb.ndim == 3 else rgb, *flags)
    return path


def write_video(path, pictures):
    """Write a video without loss."""
    height, width = pictures[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"FFV1"), FPS, (width, height))
    for picture in pictures:
        writer.write(np.ascontiguousarray(picture[..., ::-1]))
    writer.release()
    return path


def normals(result):
    return np.array([each.normal for each in result.predictions])


def answers_of(pictures):
    """Ask the shipped network about stored pyramids, without anything of `predict` in between."""
    found = find_network(None)
    said = open_litert(found.content)(pictures).astype(np.float64)
    return predictions_from_output(said, found.card.loss, found.card.uncertainty).normals


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    return labelkit.open_dataset(
        make_dataset(tmp_path_factory.mktemp("predict") / "dataset", participants=2, samples=4)
    )


def test_a_crop_has_one_answer_as_sample_as_picture_and_as_frame_of_a_video(samples, tmp_path):
    stored = samples[list(range(8))]
    found = find_network(None)
    expected = answers_of({each.name: stored[each.name] for each in found.card.inputs})
    for number, crop in enumerate(stored["rgb128"]):
        write_picture(tmp_path / f"{number}.png", crop)
    video = write_video(tmp_path.parent / "crops.mkv", list(stored["rgb128"]))
    of_pictures, of_video = labelkit.predict(tmp_path), labelkit.predict(video)
    assert np.array_equal(normals(of_pictures), expected)
    assert np.array_equal(normals(of_video), expected)
    assert np.ptp(expected, axis=0).max() > 0.01  # they do not all answer the same
    assert [each.frame for each in of_video.predictions] == list(range(8))
    assert [each.time_s for each in of_video.predictions] == pytest.approx([k / FPS for k in range(8)])


def test_with_a_box_nothing_outside_it_and_its_margin_matters(tmp_path):
    """Where the crop lies is in tests/deploy/test_reading.py."""
    large = RNG.integers(0, 256, (600, 800, 3), dtype=np.uint8)
    large[236:364, 336:464] = blob()
    other = RNG.integers(0, 256, (600, 800, 3), dtype=np.uint8)
    other[236:364, 336:464] = blob()
    pictures = [write_picture(tmp_path / f"{k}.png", each) for k, each in enumerate((large, other))]
    boxed, whole = (normals(labelkit.predict(pictures, box=box)) for box in ((348, 248, 104, 104), None))
    assert np.array_equal(boxed[0], boxed[1])
    assert not np.array_equal(whole[0], whole[1])


@pytest.mark.parametrize("kind", ["grey", "alpha", "16 bits", "EXIF", "CMYK", "PGM", "palette"])
def test_every_kind_of_picture_is_read(kind, tmp_path):
    rgb = blob()
    path = tmp_path / "hand.png"
    expected, tolerance_deg = rgb, 0.0
    if kind == "grey":
        expected = np.repeat(rgb[..., :1], 3, axis=2)
        write_picture(path, rgb[..., 0])
    elif kind == "PGM":
        expected = np.repeat(rgb[..., :1], 3, axis=2)
        path = write_picture(tmp_path / "hand.pgm", rgb[..., 0])
    elif kind == "alpha":
        PIL.Image.fromarray(np.dstack([rgb, RNG.integers(0, 256, rgb.shape[:2], dtype=np.uint8)])).save(path)
    elif kind == "16 bits":
        write_picture(path, rgb.astype(np.uint16) * 257)
    elif kind == "palette":
        image = PIL.Image.fromarray(rgb).quantize(256)
        expected = np.asarray(image.convert("RGB"))
        image.save(path)
    elif kind == "CMYK":
        path, tolerance_deg = tmp_path / "hand.jpg", 2.0
        PIL.Image.fromarray(rgb).convert("CMYK").save(path, quality=100)
    elif kind == "EXIF":  # turned by a quarter on the card of the camera, upright for its user
        path = tmp_path / "hand.jpg"
        stored = write_picture(path, np.rot90(rgb)).read_bytes()
        expected = np.rot90(cv2.imread(str(path))[..., ::-1], -1)
        path.write_bytes(with_orientation(stored, 6))
    found = normals(labelkit.predict(path))
    plain = normals(labelkit.predict(write_picture(tmp_path / "plain.png", expected)))
    assert np.rad2deg(np.linalg.norm(found - plain)) <= tolerance_deg


def test_a_turned_picture_gives_another_answer(tmp_path):
    """So the test of EXIF above can fail."""
    upright, turned = (write_picture(tmp_path / f"{k}.png", np.rot90(blob(), k)) for k in (0, 1))
    assert np.rad2deg(np.linalg.norm(normals(labelkit.predict(upright)) - normals(labelkit.predict(turned)))) > 1.5


def cut(path, content, share=0.5):
    path.write_bytes(content[: int(len(content) * share)])
    return path


BAD = {
    "empty": (lambda folder: cut(folder / "a.jpg", b""), "is empty"),
    "text": (lambda folder: cut(folder / "a.jpg", b"no picture, " * 9), "is no PNG, JPEG"),
    "cut": (lambda folder: cut(folder / "a.jpg", write_picture(folder / "b.jpg", blob()).read_bytes()), "cut short"),
    "one pixel": (lambda folder: write_picture(folder / "a.png", blob()[:1, :1]), "is 1 x 1 pixels"),
    "100 megapixels": (
        lambda folder: cut(folder / "a.png", png_claiming(10_000, 10_000, 8, 2), 1.0),
        "claims 10000x10000 pixels; at most 50,000,000",
    ),
    "video that is none": (lambda folder: cut(folder / "a.mp4", b"no video, " * 99), "is no video that can be read"),
    "video cut in half": (
        lambda folder: cut(folder / "a.avi", write_video(folder / "b.avi", [blob()] * 20).read_bytes()),
        "of 20 frames; the video is cut short",
    ),
}


@pytest.mark.parametrize("kind", BAD)
def test_what_cannot_be_read_is_one_line_and_the_rest_is_predicted(kind, tmp_path, capfd):
    make, says = BAD[kind]
    good = write_picture(tmp_path / "good.png", blob())
    bad = make(tmp_path)
    code, out, err = called(capfd, "predict", bad, good)
    assert code == 2
    assert out.splitlines()[-1].endswith("good.png")
    lines = [line for line in err.splitlines() if line.startswith(f"{bad}: ")]
    assert len(lines) == 1
    assert says in lines[0]


def test_no_word_of_a_library_is_on_the_screen(tmp_path):
    video = cut(tmp_path / "a.avi", write_video(tmp_path / "b.avi", [blob()] * 20).read_bytes())
    command = [sys.executable, "-m", "labelkit", "predict", str(video), "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stderr.splitlines() == [f"{video}: ends after 9 of 20 frames; the video is cut short or damaged"]
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "no picture is named"),
        (("none.jpg",), "none.jpg: no such picture"),
        (("--camera", "0", "a.jpg"), "with --camera no pictures are read"),
        (("a.jpg", "--box", "1,2,3"), "is no box; give four whole numbers"),
        (("hand.onnx", "a.jpg"), "predict runs LiteRT files"),
    ],
)
def test_wrong_usage_is_one_line(arguments, says, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    write_picture(tmp_path / "a.jpg", blob())
    (tmp_path / "hand.onnx").touch()
    code, out, err = called(capfd, "predict", *arguments)
    assert (code, out) == (2, "")
    assert says in err
    assert len(err.splitlines()) == 1


def test_a_camera_has_no_one_object_of_json(capfd):
    code, out, _ = called(capfd, "predict", "--camera", "0", "--json")
    assert code == 2
    assert "take --csv - for rows" in json.loads(out)["error"]


def test_an_empty_folder_is_neither_a_run_nor_pictures(tmp_path):
    with pytest.raises(SettingsError, match="neither a run"):
        labelkit.predict(tmp_path)


def test_what_answered_and_what_to_expect_of_it_is_said(tmp_path, capfd):
    code, _, err = called(capfd, "predict", write_picture(tmp_path / "a.png", blob()))
    assert code == 0
    assert "1 picture by the network that ships with labelkit" in err
    assert "each whole picture was taken as one hand" in err
    assert find_network(None).card.notes["expect"] in err


def test_json_holds_predictions_and_failures(tmp_path, capfd):
    good = write_picture(tmp_path / "good.png", blob())
    (tmp_path / "bad.png").write_bytes(b"")
    code, out, _ = called(capfd, "predict", tmp_path, "--json")
    found = json.loads(out)
    assert code == 2
    assert [each["picture"] for each in found["predictions"]] == [str(good)]
    assert [each["name"] for each in found["failed"]] == [str(tmp_path / "bad.png")]
    (each,) = found["predictions"]
    n_x, n_y, _ = each["normal"]
    assert each["label_azimuth"] == pytest.approx(np.rad2deg(np.arccos(n_x)))
    assert each["azimuth"] == pytest.approx(np.rad2deg(np.arcsin(n_x)))
    assert each["elevation"] == pytest.approx(np.rad2deg(np.arcsin(n_y)))


@pytest.mark.parametrize("to_stdout", [False, True])
def test_csv_has_a_row_for_each_frame(to_stdout, tmp_path, capfd):
    video = write_video(tmp_path / "a.mkv", [blob(u=u) for u in (0.2, 0.5, 0.8)])
    file = tmp_path / "new" / "rows.csv"
    code, out, _ = called(capfd, "predict", video, "--csv", "-" if to_stdout else file)
    rows = list(csv.DictReader(out.splitlines() if to_stdout else file.read_text().splitlines()))
    assert code == 0
    assert [row["frame"] for row in rows] == ["0", "1", "2"]
    single = labelkit.predict(write_picture(tmp_path / "b.png", blob(u=0.8))).predictions[0]
    assert float(rows[2]["azimuth"]) == pytest.approx(single.azimuth, abs=1e-3)
    assert float(rows[2]["nz"]) == pytest.approx(single.normal[2], abs=1e-6)


def test_overlays_of_pictures_and_videos(tmp_path):
    picture = write_picture(tmp_path / "a.png", blob(200))
    other = tmp_path / "other"
    other.mkdir()
    namesake = write_picture(other / "a.png", blob(200))
    video = write_video(tmp_path / "b.mkv", [blob()] * 5)
    labelkit.predict(picture, out=tmp_path / "one.jpg")
    assert cv2.imread(str(tmp_path / "one.jpg")).shape[1] == 480
    labelkit.predict(video, out=tmp_path / "one.mp4")
    assert cv2.VideoCapture(str(tmp_path / "one.mp4")).get(cv2.CAP_PROP_FRAME_COUNT) == 5
    labelkit.predict([picture, namesake, video], out=tmp_path / "all")
    assert sorted(path.name for path in (tmp_path / "all").iterdir()) == ["a.png", "a1.png", "b.mp4"]
    capture = cv2.VideoCapture(str(tmp_path / "all" / "b.mp4"))
    assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == 5


def test_one_overlay_file_is_not_for_several_pictures(tmp_path):
    pictures = [write_picture(tmp_path / f"{k}.png", blob()) for k in range(2)]
    with pytest.raises(SettingsError, match="is for one picture; name a folder"):
        labelkit.predict(pictures, out=tmp_path / "one.jpg")
    with pytest.raises(SettingsError, match="is for one video or camera; name a folder"):
        labelkit.predict(pictures[0], out=tmp_path / "one.mp4")


class FakeCamera:
    """What OpenCV gives for a camera: so many pictures, and then it is unplugged."""

    def __init__(self, pictures):
        self._left = iter(pictures)

    def isOpened(self):  # noqa: N802
        return True

    def read(self):
        picture = next(self._left, None)
        return picture is not None, picture

    def get(self, what):
        return 0.0

    def set(self, what, value):
        return True

    def release(self):
        pass


def test_a_camera_gives_one_result_a_frame_in_order_and_says_when_it_stops(monkeypatch, tmp_path):
    pictures = [blob(u=u)[..., ::-1] for u in (0.1, 0.5, 0.9)]
    monkeypatch.setattr(footage.cv2, "VideoCapture", lambda *_: FakeCamera(pictures))
    seen = []
    with pytest.raises(SensorError, match="camera 0: sends no more pictures"):
        labelkit.predict(camera=0, on_prediction=seen.append)
    assert [(each.picture, each.frame) for each in seen] == [("camera 0", k) for k in range(3)]
    last = labelkit.predict(write_picture(tmp_path / "a.png", blob(u=0.9))).predictions[0]
    assert seen[-1].normal == last.normal


def test_ctrl_c_ends_a_camera_without_an_error(monkeypatch):
    def pictures():
        yield blob()
        raise KeyboardInterrupt

    monkeypatch.setattr(footage.cv2, "VideoCapture", lambda *_: FakeCamera(pictures()))
    assert labelkit.predict(camera=0).pictures == 1


def test_a_camera_that_is_not_there_is_one_line(capfd):
    code, out, err = called(capfd, "predict", "--camera", "77")
    assert (code, out) == (1, "")
    assert "camera 77: cannot be opened; it is not there, or another program uses it" in err
    assert len(err.splitlines()) == 1


def test_a_missing_engine_is_one_line(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    with pytest.raises(MissingExtraError, match="pip install ai-edge-litert"):
        labelkit.predict(write_picture(tmp_path / "a.png", blob()))


def exported(folder):
    found = find_network(None)
    network = folder / "hand.tflite"
    network.write_bytes(found.content)
    card_path(network).write_text(json.dumps(dict(found.card.to_json())))
    return network


def test_an_exported_file_answers_in_place_of_a_run(tmp_path):
    picture = write_picture(tmp_path / "a.png", blob())
    network = exported(tmp_path)
    assert labelkit.predict([network, picture]).predictions == labelkit.predict(picture).predictions
    assert labelkit.predict(picture, run=network).network == str(network)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda network: network.write_bytes(b"x" * 99), "is not the file that hand.tflite.json describes"),
        (lambda network: card_path(network).write_text("[]"), "not the card of a network of this version"),
        (
            lambda network: card_path(network).write_text('{"schema": "labelkit-network/9"}'),
            "schema is not labelkit-net",
        ),
        (lambda network: card_path(network).unlink(), "belongs next to it"),
        (lambda network: network.unlink(), "cannot be read"),
    ],
)
def test_a_damaged_export_or_one_of_another_version_is_refused(change, says, tmp_path):
    network = exported(tmp_path)
    change(network)
    with pytest.raises(RunError, match=says):
        labelkit.predict(write_picture(tmp_path / "a.png", blob()), run=network)


def test_a_run_of_another_version_is_refused(tmp_path, capfd):
    run = tmp_path / "run"
    run.mkdir()
    (run / "run.json").write_text('{"schema": "labelkit-run/1"}')
    code, _, err = called(capfd, "predict", run, write_picture(tmp_path / "a.png", blob()))
    assert code == 2
    assert "not a run of this version" in err


@pytest.mark.parametrize(("file", "says"), [("forest.h5", "is a forest, not a network"), ("x", "has no weights yet")])
def test_a_run_without_a_network_is_refused(file, says, tmp_path):
    (tmp_path / "run.json").write_text('{"schema": "labelkit-run/2", "status": "running"}')
    (tmp_path / file).touch()
    with pytest.raises(RunError, match=says):
        labelkit.predict(write_picture(tmp_path / "a.png", blob()), run=tmp_path)


def test_a_video_takes_no_more_memory_the_longer_it_is(tmp_path):
    """Nothing is kept of what was handed out."""
    result = labelkit.predict(write_video(tmp_path / "a.mkv", [blob()] * 30), on_prediction=lambda each: None)
    assert (result.pictures, result.predictions) == (30, ())


def test_predict_loads_neither_keras_nor_tensorflow_nor_matplotlib(tmp_path):
    picture = write_picture(tmp_path / "a.png", blob())
    code = (
        "import sys, labelkit\n"
        f"labelkit.predict({str(picture)!r}, out={str(tmp_path / 'b.png')!r})\n"
        "print(sorted({'keras', 'tensorflow', 'matplotlib', 'h5py', 'open3d', 'sklearn'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_cache_is_used_where_a_run_cannot_be_written(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(networks.os, "access", lambda *_: False)
    run = tmp_path / "run"
    run.mkdir()
    (run / "run.json").write_text('{"schema": "labelkit-run/2", "status": "finished"}')
    (run / "best.h5").write_bytes(b"weights")
    asked = []

    def convert(command, **_):
        asked.append(command[command.index("--out") + 1])
        return subprocess.CompletedProcess(command, 2, "", "labelkit: error: no such dataset\n")

    monkeypatch.setattr(networks.subprocess, "run", convert)
    with pytest.raises(RunError, match=r"^no such dataset$"):
        labelkit.predict(write_picture(tmp_path / "a.png", blob()), run=run)
    assert asked[0].startswith(str(tmp_path / "cache" / "labelkit" / "networks"))
