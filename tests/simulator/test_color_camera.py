import dataclasses

import numpy as np
import pytest

from labelkit.simulator.color_camera import draw_color_camera, expose

PLAIN = dataclasses.replace(
    draw_color_camera(np.random.default_rng(0)),
    blur_px=0.4,
    fringe=0.0,
    vignette=0.0,
    saturation=1.0,
    gains=(1.0, 1.0, 1.0),
    exposure=1.0,
    shot=0.0,
    read=0.0,
    tone=1.0,
    knee=0.0,
    sharpen=0.0,
    jpeg=96,
)


def grey(level):
    return np.full((60, 80, 3), level, dtype=np.float32)


def taken(linear, **changes):
    return expose(linear, 1.0, dataclasses.replace(PLAIN, **changes), np.random.default_rng(1)).astype(float)


@pytest.mark.parametrize("level", [0.04, 0.25, 0.64])
def test_a_plain_camera_shows_the_root_of_the_light(level):
    assert taken(grey(level)) == pytest.approx(255 * np.sqrt(level), abs=2.5)


def test_light_beyond_white_clips():
    assert taken(grey(3.0)).min() >= 253


def test_noise_grows_as_it_gets_darker():
    bright, dark = (taken(grey(level), shot=1.0, read=0.4).std() for level in (0.5, 0.01))
    assert dark > 1.5 * bright


def test_sharpening_overshoots_at_an_edge():
    edge = grey(0.1)
    edge[:, 40:] = 0.5
    assert np.ptp(taken(edge, sharpen=1.0)) > np.ptp(taken(edge)) + 10


def test_the_fringe_moves_red_and_blue_apart_at_the_border_of_the_picture():
    edge = np.zeros((60, 640, 3), dtype=np.float32)
    edge[:, 600:] = 0.5
    picture = taken(edge, fringe=0.004)
    at = [np.interp(90, picture[30, 590:610, c], np.arange(20)) for c in (0, 2)]
    assert at[0] - at[1] > 1.0


def test_white_balance_tints_grey():
    red, _, blue = taken(grey(0.3), gains=(1.3, 1.0, 0.7)).mean(axis=(0, 1))
    assert red > blue + 20


def test_cameras_differ():
    drawn = {draw_color_camera(np.random.default_rng(seed)) for seed in range(20)}
    assert len(drawn) == 20
