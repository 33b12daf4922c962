from __future__ import annotations

import numpy as np
import pytest

from labelkit.deploy.network_card import CropRule, NetworkCard, NetworkInput, Origin
from labelkit.deploy.reading import HandReader
from labelkit.errors import RawFrameError, RunError
from labelkit.geometry.camera import rays_through
from labelkit.geometry.orientation import view_from_camera
from labelkit.imaging.crop import crop_color, virtual_camera
from labelkit.records import Intrinsics

INPUT = NetworkInput(name="rgb64", shape=(64, 64, 3), dtype="uint8", says="")
RNG = np.random.default_rng(0)


def card(*, rule="virtual-camera", inputs=(INPUT,), uncertainty="none"):
    return NetworkCard(
        labelkit="0",
        format="litert",
        weights="float32",
        file_sha256="0" * 64,
        origin=Origin(run="run", model="small", parameters=1, weights_sha256="0" * 64, dataset_sha256=""),
        inputs=inputs,
        columns=(),
        loss="mae",
        uncertainty=uncertainty,
        crop=CropRule(rule=rule, margin=0.1, says=""),
        conventions=(),
    )


def brightness_left_minus_right(pictures):
    """A network whose azimuth grows with the light on the left, and whose elevation is always 0.1."""
    picture = pictures["rgb64"][0].astype(float)
    return np.array([[(picture[:, :32].mean() - picture[:, 32:].mean()) / 255, 0.1]])


def test_the_whole_picture_of_128_pixels_reaches_the_network_as_it_is():
    image = RNG.integers(0, 256, (128, 128, 3), dtype=np.uint8)
    reader = HandReader(card(), brightness_left_minus_right)
    crop, padded = crop_color(image, reader.aim(image, None, 0.0))
    assert np.array_equal(crop, image)
    assert padded == 0.0


@pytest.mark.parametrize("shape", [(60, 100), (100, 60), (480, 640), (4000, 3000)])
def test_a_picture_that_is_no_square_is_shown_whole(shape):
    image = np.full((*shape, 3), 100, np.uint8)
    image[0], image[-1], image[:, 0], image[:, -1] = 250, 250, 250, 250
    reader = HandReader(card(), brightness_left_minus_right)
    view = reader.aim(image, None, 0.0)
    corners = rays_through(np.array([[0.0, 0.0], [shape[1] - 1.0, shape[0] - 1.0]]), view.source)
    assert ((view.place(corners) >= -0.5) & (view.place(corners) <= 127.5)).all()
    assert np.ptp(view.place(corners), axis=0).max() == pytest.approx(128 * (1 - 1 / max(shape)))


def test_a_box_is_cut_as_for_training():
    """The crop of a training whose hand fills its box: the rays to the hand's outline, a margin of a tenth."""
    image = RNG.integers(0, 256, (480, 640, 3), dtype=np.uint8)
    camera, box = Intrinsics(525, 525, 319.5, 239.5, 640, 480), (420, 60, 90, 140)
    x, y, width, height = box
    turns = np.linspace(0, 2 * np.pi, 721)
    centre = np.array([x + (width - 1) / 2, y + (height - 1) / 2])
    outline = centre + np.stack([np.cos(turns) * (width - 1) / 2, np.sin(turns) * (height - 1) / 2], axis=-1)
    towards = view_from_camera(rays_through(centre, camera))
    trained, _ = crop_color(image, virtual_camera(rays_through(outline, camera), towards, camera, size=128, margin=0.1))
    view = HandReader(card(), brightness_left_minus_right).aim(image, box, 525.0)
    assert view.view_from_camera == pytest.approx(towards)
    shift = view.place(rays_through(outline, camera)) - virtual_camera(
        rays_through(outline, camera), towards, camera, size=128, margin=0.1
    ).place(rays_through(outline, camera))
    assert np.abs(shift).max() < 0.6  # pixels of 128: the true outline bulges a little more than the box's sides say
    assert trained.shape == (128, 128, 3)


def test_a_left_hand_is_shown_mirrored_and_its_answer_turned_back():
    image = RNG.integers(0, 256, (128, 128, 3), dtype=np.uint8)
    image[:, :64] //= 2
    reader = HandReader(card(), brightness_left_minus_right)
    right, left = reader.read(image, box=None), reader.read(image[:, ::-1], box=None, mirror=True)
    assert right.centred_deg[0] < -5
    assert left.normal == pytest.approx(right.normal * [-1, 1, 1])
    assert left.centred_deg == pytest.approx(right.centred_deg * [-1, 1])
    assert left.label_deg == pytest.approx(90 - left.centred_deg)


@pytest.mark.parametrize("box", [(-1, 0, 40, 40), (0, 0, 8, 40), (90, 90, 40, 40), (10, 10, 1000, 40)])
def test_a_box_outside_the_picture_is_refused_with_both(box):
    reader = HandReader(card(), brightness_left_minus_right)
    with pytest.raises(RawFrameError, match=rf"100 x 120 pixels.*{box[0]},{box[1]},{box[2]},{box[3]}"):
        reader.read(np.zeros((120, 100, 3), np.uint8), box=box)


def test_a_picture_of_one_pixel_is_refused():
    with pytest.raises(RawFrameError, match="is 1 x 1 pixels; a hand takes at least 16"):
        HandReader(card(), brightness_left_minus_right).read(np.zeros((1, 1, 3), np.uint8), box=None)


def test_a_network_that_needs_depth_is_refused():
    depth = NetworkInput(name="depth64", shape=(64, 64), dtype="uint16", says="")
    with pytest.raises(RunError, match="a plain picture has none"):
        HandReader(card(inputs=(INPUT, depth)), brightness_left_minus_right)


def test_a_learned_deviation_is_given_in_degrees():
    reader = HandReader(card(uncertainty="gaussian"), lambda _: np.array([[0.1, 0.2, np.log(np.deg2rad(7.0))]]))
    assert reader.read(np.zeros((64, 64, 3), np.uint8), box=None).sd_deg == pytest.approx(7.0)
