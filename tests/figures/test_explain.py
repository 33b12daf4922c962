from __future__ import annotations

import io
import re

import matplotlib
import numpy as np
import pytest
from PIL import Image

from labelkit.figures import explain as explain_figures
from labelkit.figures.explain import Explained, explain_figure
from labelkit.figures.saving import figure_bytes
from labelkit.figures.scene import Scene
from labelkit.records import Calibration, Intrinsics
from labelkit.workflows.show import explain
from tests.golden.make import RAW

WORDS = [("Frame", [("participant", "p01")]), ("Label", [("sd", "0.7")]), ("Fit", [("rms", "2 mm")])]


@pytest.fixture(scope="module")
def scenes():
    return {name: explain(RAW, f"{name}.png").scene for name in ("depth_000", "depth_020", "depth_030", "depth_045")}


def drawn(scene, file_format="svg", *, title="p01/depth/1.png", verdict="sample", words=WORDS, **how):
    return figure_bytes(explain_figure(Explained(title, verdict, words, scene, **how)), file_format)


def texts_of(svg):
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg.decode())


def test_a_sample_is_drawn_with_all_its_panels(scenes):
    texts = texts_of(drawn(scenes["depth_020"]))
    for heading in (
        "Colour, 320 x 240 pixels",
        "Depth, 320 x 240 pixels, 2 % of them empty",
        "Hand, palm, normal",
        "Crop as stored: 128, 64, 32 pixels",
        "Orientation, view frame, centred",
        "normal, 2 sd",
        "normal, view frame",
        "mm off the plane, + nearer",
    ):
        assert heading in texts
    assert any(text.startswith("Palm against plane, rms 2.") for text in texts)


def test_a_mirrored_crop_says_so_and_a_plain_cut_names_the_camera_frame(scenes):
    mirrored = [name for name, scene in scenes.items() if scene.sample and scene.sample.mirrored]
    assert mirrored == ["depth_030"]
    texts = texts_of(drawn(scenes["depth_030"], plain_cut=True))
    assert "Crop as stored: 128, 64, 32 pixels, mirrored" in texts
    assert "normal, camera frame: a plain cut-out" in texts


@pytest.mark.parametrize("plain_cut", [True, False])
def test_the_crop_s_arrow_is_the_normal_in_the_frame_that_the_crop_shows(scenes, monkeypatch, plain_cut):
    drawn_arrows = []
    monkeypatch.setattr(
        explain_figures.drawn, "draw_arrow", lambda axes, start, end, *_, **__: drawn_arrows.append(end)
    )
    drawn(scenes["depth_030"], plain_cut=plain_cut)
    sample = scenes["depth_030"].sample
    normal = sample.normal if plain_cut else sample.view_normal
    assert drawn_arrows[-1] == pytest.approx(63.5 + 55 * normal[:2])


def test_the_key_of_a_narrow_depth_picture_stands_clear_of_its_scale(scenes):
    camera = Intrinsics(100, 100, 0, 0, 90, 400)
    depth_m = np.linspace(0.5, 2, 36000, dtype=np.float32).reshape(400, 90)
    figure = explain_figure(Explained("1.png", "", WORDS, Scene(depth_m, None, Calibration(camera, camera))))
    figure.draw_without_rendering()
    (key,) = (axes.get_legend() for axes in figure.axes if axes.get_legend())
    (scale,) = (axes for axes in figure.axes if axes.get_xlabel() == "metres")
    assert key.get_window_extent().x0 > scale.get_window_extent().x1


def test_without_a_palm_there_is_no_second_row(scenes):
    texts = texts_of(drawn(scenes["depth_000"]))
    assert "no hand to show" in texts
    assert not any(text.startswith(("Palm", "Crop", "Orientation")) for text in texts)


def test_a_frame_without_colour_shows_its_depth(scenes):
    assert "no colour picture could be read" in texts_of(drawn(scenes["depth_045"]))


def test_a_rejected_palm_is_no_label_and_its_normal_has_no_deviation(scenes):
    whole = scenes["depth_020"]
    rejected = Scene(whole.depth_m, whole.color, whole.calibration, whole.hand, whole.palm)
    texts = texts_of(drawn(rejected))
    assert {"not a label: the frame was rejected", "no crop: the frame was rejected", "normal"} <= set(texts)
    assert "normal, 2 sd" not in texts


def test_a_hand_without_colour_is_drawn_on_its_depth(scenes):
    whole = scenes["depth_020"]
    texts = texts_of(drawn(Scene(whole.depth_m, None, whole.calibration, whole.hand, whole.palm)))
    assert "Hand, palm, normal" in texts
    assert "no colour picture could be read" in texts


@pytest.mark.parametrize("shape", [(900, 20), (20, 900), (1, 1)])
@pytest.mark.parametrize("empty", [True, False])
def test_odd_pictures_are_drawn(shape, empty):
    camera = Intrinsics(100, 100, 0, 0, shape[1], shape[0])
    depth_m = np.full(shape, np.nan if empty else 1.0, np.float32)
    scene = Scene(depth_m, np.zeros((*shape, 3), np.uint8), Calibration(camera, camera))
    picture = Image.open(io.BytesIO(drawn(scene, "png")))
    assert picture.size[0] == 1800


@pytest.mark.parametrize("file_format", ["png", "svg"])
def test_the_same_frame_gives_the_same_bytes_whatever_matplotlib_is_set_to(scenes, file_format):
    first = drawn(scenes["depth_020"], file_format)
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "red", "image.origin": "lower"}):
        assert drawn(scenes["depth_020"], file_format) == first


def test_hostile_names_stay_text_and_long_ones_keep_their_end(scenes):
    words = [("Frame", [("participant", "<b>$x^{$ \x1b[2J"), ("frame", "a/" * 2000 + "end.png")]), *WORDS[1:]]
    svg = drawn(scenes["depth_000"], title="$\\frac{" * 50 + "end.png", verdict="\x1b[2J$", words=words)
    assert b"\x1b" not in svg
    assert b"<b>" not in svg
    texts = texts_of(svg)
    assert "&lt;b&gt;$x^{$ \\x1b[2J" in texts
    assert "\\x1b[2J$" in texts
    assert any(text.startswith("…") and text.endswith("end.png") for text in texts)
    assert max(map(len, texts)) < 140
