import numpy as np
import pytest

from labelkit.geometry.camera import deproject, project
from labelkit.simulator.people import draw_moments
from labelkit.simulator.person_set import PersonSet
from labelkit.simulator.recorder import INTRINSICS, frame_rng
from labelkit.simulator.rig import BodyPart

SEED = 7
HAND = [BodyPart.PALM, BodyPart.FINGERS, BodyPart.EDGE]


def made(index, **chosen):
    film_set = PersonSet(SEED, index, INTRINSICS, **chosen)
    return film_set, film_set.complete(draw_moments(SEED, index, 40, 45.0, film_set.participant))


@pytest.fixture(scope="module")
def shots():
    """Per room two participants, each with three frames: staged and rendered."""
    found = {}
    for room in ("body", "wall", "none"):
        found[room] = []
        for index in (0, 1):
            film_set, moments = made(index, room=room)
            found[room] += [film_set.shoot(moment) for moment in moments[3::15]]
    return found


@pytest.mark.parametrize("room", ["body", "wall", "none"])
def test_exact_depth_of_the_palm_agrees_with_the_true_plane(shots, room):
    for staged, rendered in shots[room]:
        points = deproject(rendered.depth_m, rendered.parts == BodyPart.PALM, INTRINSICS)
        centred = points - points.mean(axis=0)
        normal = np.linalg.svd(centred, full_matrices=False)[2][2]
        assert np.rad2deg(np.arccos(abs(normal @ staged.normal))) < 2.0
        heights = (points - staged.centre) @ staged.normal
        assert abs(heights.mean()) < 0.0015
        assert np.abs(heights).max() < 0.012


@pytest.mark.parametrize("room", ["body", "wall", "none"])
def test_the_hand_is_whole_in_the_picture_and_the_arm_ends_nowhere(shots, room):
    for staged, rendered in shots[room]:
        parts = rendered.parts
        rim = np.concatenate([parts[0], parts[-1], parts[:, 0], parts[:, -1]])
        assert not np.isin(rim, HAND).any()
        assert np.isin(rim, [BodyPart.FOREARM, BodyPart.SLEEVE, BodyPart.BODY]).any()
        assert np.isin(parts, HAND).sum() > 1000
        u = project(staged.marks, INTRINSICS)[:, 0]
        assert (u > staged.box[0] - 1).all()
        assert (u < staged.box[2] + 1).all()


def test_only_the_room_with_a_body_shows_one(shots):
    for room in ("body", "wall", "none"):
        for _, rendered in shots[room]:
            body = np.count_nonzero(rendered.parts == BodyPart.BODY)
            # of an arm that reaches in, the upper arm can be seen
            assert body > 3000 if room == "body" else body < 40_000
            assert not (rendered.parts == BodyPart.SECOND_HAND).any() or room == "body"
    assert all(np.isnan(rendered.depth_m[rendered.parts == 0]).all() for _, rendered in shots["none"])
    assert not any(np.isnan(rendered.depth_m).any() for _, rendered in shots["wall"])


def test_the_body_is_not_in_front_of_the_palm(shots):
    for staged, rendered in shots["body"]:
        u, v = np.rint(project(staged.centre, INTRINSICS)).astype(int)
        assert rendered.parts[v, u] in HAND


def test_gestures_bend_fingers_that_open_hands_keep_straight():
    spans = {}
    for hands in ("open", "relaxed", "gestures"):
        film_set, moments = made(2, hands=hands)
        staged = [film_set.place_person(moment) for moment in moments[1:]]
        reach = [np.linalg.norm(s.marks[[8, 12, 16, 20]] - s.marks[0], axis=1) for s in staged]
        spans[hands] = np.array(reach)
    assert spans["relaxed"].mean() < 0.95 * spans["open"].mean()
    assert np.ptp(spans["gestures"], axis=0).max() > 3 * np.ptp(spans["open"], axis=0).max()


def test_the_orientation_is_the_same_however_the_fingers_are_held():
    normals = []
    for hands in ("open", "relaxed", "gestures"):
        _, moments = made(2, hands=hands)
        normals.append([moment.angles_deg for moment in moments[1:]])
    assert np.array_equal(normals[0], normals[1])
    assert np.array_equal(normals[0], normals[2])


def test_an_empty_frame_shows_the_room_alone():
    film_set, moments = made(1, room="wall")
    assert moments[0] is None
    staged, rendered = film_set.shoot(None)
    assert staged is None
    assert not rendered.parts.any()
    depth_m, color = film_set.develop(None, rendered, frame_rng(SEED, 1, 0))
    assert depth_m.shape == (480, 640)
    assert color.dtype == np.uint8


def test_a_participant_looks_the_same_in_another_room_and_a_stranger_does_not():
    (one, _), (same, _), (other, _) = (
        made(0, room="body"),
        made(0, room="body", hands="gestures"),
        made(1, room="body"),
    )
    assert np.array_equal(one.person.vertices, same.person.vertices)
    assert np.array_equal(one.look.albedo, same.look.albedo)
    assert not np.array_equal(one.look.albedo, other.look.albedo)
    assert one.place.name == same.place.name


def test_the_palm_has_lines_and_the_skin_is_not_of_one_tone(shots):
    film_set, _ = made(0)
    marks = film_set.look.palm_marks
    assert marks.min() < 0.8
    assert 0.9 < np.median(marks) < 1.1
    assert film_set.look.albedo.std(axis=0).min() > 0.005
