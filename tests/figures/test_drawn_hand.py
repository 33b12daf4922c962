from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure

from labelkit.figures.drawn_hand import draw_hand


def hand_at(azimuth_deg, elevation_deg):
    axes = Figure().add_subplot(xlim=(-1, 1), ylim=(1, -1))
    draw_hand(axes, (0.0, 0.0), 1.0, azimuth_deg, elevation_deg)
    return axes


def outline(axes):
    return axes.patches[0].get_path().vertices


def test_the_hand_in_front_points_its_fingers_up_and_its_thumb_to_the_picture_s_right():
    points = outline(hand_at(0, 0))
    low, high = points.min(axis=0), points.max(axis=0)
    assert high[1] - low[1] > high[0] - low[0]
    assert high[0] > -low[0]  # the thumb of a right palm


@pytest.mark.parametrize(("azimuth", "elevation"), [(40, 0), (-40, 0), (0, 40), (0, -40), (30, -30)])
def test_the_arrow_points_where_the_normal_does(azimuth, elevation):
    (arrow,) = hand_at(azimuth, elevation).texts
    expected = np.sin(np.deg2rad([azimuth, elevation]))
    assert np.array(arrow.xy) / np.linalg.norm(arrow.xy) == pytest.approx(expected / np.linalg.norm(expected))


def test_a_turned_hand_is_foreshortened_and_its_near_side_looks_larger():
    front, turned = outline(hand_at(0, 0)), outline(hand_at(45, 0))
    assert np.ptp(turned[:, 0]) < 0.9 * np.ptp(front[:, 0])
    # The normal points up: the fingers lean away, the wrist comes nearer and reaches farther down in proportion.
    up = outline(hand_at(0, -45))
    assert -up[:, 1].min() / up[:, 1].max() < -front[:, 1].min() / front[:, 1].max()
