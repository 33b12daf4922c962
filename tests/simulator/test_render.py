import dataclasses

import cv2
import numpy as np
import pytest

from labelkit.geometry.camera import deproject
from labelkit.simulator.backdrop import Backdrop, make_backdrop
from labelkit.simulator.hand import build_arm
from labelkit.simulator.people import ColorCamera, draw_moments
from labelkit.simulator.recorder import INTRINSICS
from labelkit.simulator.render import draw, photograph
from labelkit.simulator.rig import BodyPart
from labelkit.simulator.stage import stage


def least_squares_normal(points):
    normal = np.linalg.lstsq(points, np.ones(len(points)), rcond=None)[0]
    return -normal / np.linalg.norm(normal)


@pytest.mark.parametrize("kind", ["wall", "clutter", "none"])
def test_exact_depth_of_the_palm_agrees_with_the_true_plane(film_sets, kind):
    film_set, moments = film_sets[kind]
    for moment in moments[2::9]:
        staged, rendered = film_set.shoot(moment)
        points = deproject(rendered.depth_m, rendered.parts == BodyPart.PALM, INTRINSICS)
        normal = least_squares_normal(points)
        assert np.rad2deg(np.arccos(normal @ staged.normal)) < 1.2
        heights = (points - staged.centre) @ staged.normal
        assert abs(heights.mean()) < 0.001
        assert np.abs(heights).max() < 0.010


@pytest.mark.parametrize("kind", ["wall", "clutter", "none"])
def test_the_arm_leaves_the_picture_and_the_hand_does_not(film_sets, kind):
    film_set, moments = film_sets[kind]
    for moment in moments[2::9]:
        parts = film_set.shoot(moment)[1].parts
        rim = np.concatenate([parts[0], parts[-1], parts[:, 0], parts[:, -1]])
        assert np.isin(rim, [BodyPart.FOREARM, BodyPart.SLEEVE]).any()
        assert not np.isin(rim, [BodyPart.PALM, BodyPart.FINGERS, BodyPart.EDGE]).any()


def test_nothing_in_the_room_is_nearer_than_the_hand(film_sets):
    for kind in ("wall", "clutter"):
        film_set, _ = film_sets[kind]
        assert np.nanmin(film_set.backdrop.depth_m) > 1.1
    assert np.isnan(film_sets["none"][0].backdrop.depth_m).all()


def test_an_empty_frame_shows_the_room_alone(film_sets):
    film_set, _ = film_sets["wall"]
    staged, rendered = film_set.shoot(None)
    assert staged is None
    assert not rendered.parts.any()
    assert np.array_equal(rendered.depth_m, film_set.backdrop.depth_m)


def test_a_left_hand_in_the_mirrored_place_gives_the_mirrored_picture(film_sets):
    film_set, moments = film_sets["none"]
    moment, person = moments[20], film_set.participant
    other = build_arm(dataclasses.replace(person.shape, left=not person.shape.left))
    pose = dataclasses.replace(moment.pose, upper_arm=moment.pose.upper_arm * [-1, 1, 1])
    mirrored = dataclasses.replace(
        moment,
        angles_deg=moment.angles_deg * [-1, 1],
        in_plane_rad=-moment.in_plane_rad,
        place=np.array([1.0 - moment.place[0], moment.place[1]]),
        pose=pose,
    )
    nothing = Backdrop(*(np.full_like(a, np.nan) for a in dataclasses.astuple(film_set.backdrop)))
    pictures = [
        draw(arm, film_set.colors, stage(arm, m, INTRINSICS), m, person, nothing, film_set.rays, INTRINSICS)
        for arm, m in ((film_set.arm, moment), (other, mirrored))
    ]
    assert np.mean(pictures[0].parts != pictures[1].parts[:, ::-1]) < 1e-4


def test_the_hand_stands_out_from_the_wall_and_is_redder_than_blue(film_sets):
    film_set, moments = film_sets["wall"]
    moment = moments[10]
    _, rendered = film_set.shoot(moment)
    _, color = film_set.develop(moment, rendered, np.random.default_rng(0))
    hand = color[cv2.erode((rendered.parts == BodyPart.PALM).astype(np.uint8), np.ones((5, 5))) > 0]
    assert color.dtype == np.uint8
    assert hand[:, 0].mean() > hand[:, 2].mean() + 15
    assert 40 < hand.mean() < 235


def test_a_turning_hand_changes_its_shading(film_sets):
    film_set, _ = film_sets["wall"]
    means = []
    for moment in draw_moments(7, 0, 40, 45.0, film_set.participant)[2::6]:
        _, rendered = film_set.shoot(moment)
        means.append(rendered.linear[rendered.parts == BodyPart.PALM].mean())
    assert np.std(means) / np.mean(means) > 0.03


CAMERA = ColorCamera(blur_px=0.7, noise=0.0, tone=1.0, saturation=1.0, vignette=0.0)


def flat(*color):
    return np.tile(np.array(color, dtype=np.float32), (200, 200, 1))


def taken(linear, exposure=1.0, **camera):
    return photograph(linear, exposure, dataclasses.replace(CAMERA, **camera), np.random.default_rng(0)).astype(float)


def test_colour_noise_has_the_scatter_asked_for():
    picture = taken(flat(0.16, 0.16, 0.16), noise=2.0)
    assert picture.mean() == pytest.approx(102, abs=0.1)
    assert picture.std() == pytest.approx(2.0, rel=0.1)


def test_light_that_is_four_times_as_strong_is_twice_as_bright_until_it_is_white():
    assert taken(flat(0.04, 0.04, 0.04)).mean() == pytest.approx(51, abs=1)
    assert taken(flat(0.04, 0.04, 0.04), 4.0).mean() == pytest.approx(102, abs=1)
    assert taken(flat(0.4, 0.4, 0.4), 4.0).mean() == 255


def test_a_camera_without_saturation_sees_grey_and_one_with_more_sees_more_colour():
    skin = flat(0.5, 0.3, 0.2)
    red, green, blue = taken(skin, saturation=0.0).mean(axis=(0, 1))
    assert red == green == blue
    spans = [np.ptp(taken(skin, saturation=times).mean(axis=(0, 1))) for times in (0.6, 1.0, 1.3)]
    assert spans == sorted(spans)
    assert spans[0] < spans[2] - 20


def test_corners_lack_the_light_that_the_vignette_takes():
    picture = taken(flat(0.25, 0.25, 0.25), vignette=0.36)
    assert picture[100, 100].mean() == pytest.approx(127.5, abs=1)
    assert picture[0, 0].mean() == pytest.approx(0.8 * 127.5, abs=2)  # the root of 64 %


def test_tones_above_one_darken_the_darks_most():
    dark, bright = (
        taken(flat(*[linear] * 3), tone=1.3).mean() / taken(flat(*[linear] * 3)).mean() for linear in (0.01, 0.8)
    )
    assert dark < 0.6 < 0.9 < bright


def test_blur_softens_an_edge():
    edge = flat(0.04, 0.04, 0.04)
    edge[:, 100:] = 0.64
    steps = [np.abs(np.diff(taken(edge, blur_px=blur)[100, :, 0])).max() for blur in (0.5, 1.5)]
    assert steps[1] < 0.5 * steps[0]


def test_walls_and_things_have_patterns_that_lighten_and_darken_them(film_sets):
    spreads = []
    for seed in range(12):
        walls = make_backdrop(film_sets["wall"][0].participant, INTRINSICS, np.random.default_rng(seed)).linear
        middle = walls[200:280, 280:360].mean(axis=-1)
        spreads.append(middle.std() / middle.mean())
    assert min(spreads) < 0.05  # plain paint
    assert max(spreads) > 0.15


def test_a_far_background_may_be_dark_or_bright(film_sets):
    person = film_sets["none"][0].participant
    means = [make_backdrop(person, INTRINSICS, np.random.default_rng(seed)).linear.mean() for seed in range(12)]
    assert min(means) < 0.1 < 0.3 < max(means)
