from importlib.resources import files

import numpy as np
import pytest

from labelkit.simulator.body import draw_person
from labelkit.simulator.people_pose import pose_hand, pose_person
from labelkit.simulator.pose import Pose
from labelkit.simulator.rig import BodyPart, palm_frame
from labelkit.simulator.skeleton import PALM_BONE, digit_bone

FACING = np.diag([1.0, -1.0, -1.0])  # of a body that faces the camera: left, up, front
REST = Pose(np.zeros(5), np.zeros((5, 3)), (0.0, 0.0), np.array([0.2, -0.2, 0.9]))


def person(seed, *, left=False, sleeve_mm=None):
    return draw_person(np.random.default_rng(seed), left=left, sleeve_mm=sleeve_mm)


def posed(one, *, curl=0.0, wrist=(0.0, 0.0), hide_hand=True):
    pose = Pose(np.zeros(5), np.full((5, 3), curl) * ([0.3], [1], [1], [1], [1]), wrist, REST.upper_arm)
    return pose_person(one, pose, FACING, hide_hand=hide_hand)


@pytest.fixture(scope="module")
def people():
    return [person(seed, left=seed % 3 == 0) for seed in range(12)]


def test_every_data_file_is_smaller_than_a_megabyte_and_named_in_the_notice():
    folder = files("labelkit.simulator") / "data"
    notice = (folder / "NOTICE").read_text()
    stored = [path for path in folder.iterdir() if path.name.endswith(".npz")]
    assert len(stored) == 3
    for path in stored:
        assert len(path.read_bytes()) < 1_000_000
        assert path.name in notice
    assert "CC0" in notice


def test_the_palms_skin_lies_in_the_plane_that_truth_states(people):
    for one in people:
        turn, origin = palm_frame(one.vertices, one.triangles, one.parts)
        assert np.allclose(np.abs(turn[2]), [0.0, 0.0, 1.0], atol=1e-9)
        assert np.allclose(origin, 0.0, atol=1e-12)


def test_the_palm_lies_between_wrist_and_knuckles_without_the_thumbs_root(people):
    for one in people:
        side = -1.0 if one.left else 1.0
        palm = np.unique(one.triangles[one.parts == BodyPart.PALM])
        along = one.vertices[palm] @ [0.0, -1.0, 0.0]
        assert along.min() > one.marks[0] @ [0.0, -1.0, 0.0]
        assert along.max() < (one.marks[9] @ [0.0, -1.0, 0.0]) + 0.02
        thumb = one.weights * np.isin(one.bones, [digit_bone(0, k) for k in range(3)])
        assert thumb.sum(axis=1)[palm].mean() < 0.1
        assert side * one.marks[2, 0] > side * one.vertices[palm, 0].mean()


def test_a_left_hand_is_the_mirror_image_of_a_right_one():
    right, left = person(3), person(3, left=True)
    mirror = [-1.0, 1.0, 1.0]
    assert np.allclose(left.vertices, right.vertices * mirror)
    assert np.allclose(left.marks, right.marks * mirror)
    assert np.array_equal(left.parts, right.parts)
    moved, flipped = posed(right, curl=0.4, wrist=(0.3, 0.1)), posed(left, curl=0.4, wrist=(0.3, 0.1))
    arm = np.isin(right.bones[:, 0], range(18))  # the rest of the body is placed by the upper arm's direction
    assert np.allclose(flipped[3], moved[3] * mirror)
    assert arm.sum() > 1000


def breadth(one):
    """Measure the hand across the knuckles, without the thumb, metres."""
    thumb = (one.weights * np.isin(one.bones, [digit_bone(0, k) for k in range(3)])).sum(axis=1)
    little, index = one.marks[17], one.marks[5]
    across = (index - little) / np.linalg.norm(index - little)
    along = np.array([-across[1], across[0], 0.0])
    near = one.vertices[one.outline][thumb[one.outline] < 0.05] - little
    return np.ptp(near[np.abs(near @ along) < 0.008] @ across)


def test_hands_of_many_people_are_as_long_and_broad_as_measured_ones():
    """Gordon et al. 1989: women 181 x 79 mm, men 194 x 90 mm, sd about 10 x 4."""
    drawn = [person(seed) for seed in range(40)]
    sexes = np.array([one.sex for one in drawn])
    length = np.array([np.linalg.norm(one.marks[12] - one.marks[0]) - 0.008 for one in drawn]) * 1000
    broad = np.array([breadth(one) for one in drawn]) * 1000
    for sex, long_mm, broad_mm in ((0.0, 180.5, 79.4), (1.0, 193.8, 90.4)):
        assert length[sexes == sex].mean() == pytest.approx(long_mm, abs=5)
        assert broad[sexes == sex].mean() == pytest.approx(broad_mm, abs=4)
        assert 6 < length[sexes == sex].std() < 14


def test_people_are_not_alike_in_how_their_skin_leans_on_their_joints(people):
    five = [one.marks[[0, 5, 9, 13, 17]] for one in people]
    normals = np.array([np.linalg.svd(joints - joints.mean(axis=0))[2][2] for joints in five])
    lean = np.rad2deg(np.arccos(np.abs(normals[:, 2])))
    assert lean.max() < 8
    assert lean.std() > 0.2


def test_at_rest_nothing_of_palm_and_fingers_moves(people):
    for one in people[:3]:
        assert np.allclose(pose_hand(one, REST), one.vertices[one.outline], atol=1e-9)


def test_fingers_bend_toward_the_palm_and_keep_their_bones_length(people):
    for one in people[:4]:
        _, _, _, marks = posed(one, curl=0.6)
        for finger in range(1, 5):
            own = slice(1 + 4 * finger, 5 + 4 * finger)
            before, after = (np.linalg.norm(np.diff(m[own], axis=0), axis=1) for m in (one.marks, marks))
            assert np.allclose(before, after, atol=1e-9)
            assert marks[4 + 4 * finger, 2] < one.marks[4 + 4 * finger, 2] - 0.03
            way = np.diff(marks[own], axis=0)
            cosine = way[0] @ way[1] / np.linalg.norm(way[0]) / np.linalg.norm(way[1])
            assert np.arccos(cosine) == pytest.approx(0.6, abs=1e-6)


def test_a_bent_finger_keeps_its_thickness(people):
    one = people[1]
    bone = digit_bone(2, 1)
    near = np.nonzero((one.bones[:, 0] == bone) | (one.bones[:, 1] == bone) & (one.weights[:, 1] > 0.2))[0]
    joint = one.joints[bone]
    near = near[np.linalg.norm(one.vertices[near] - joint, axis=1) < 0.014]
    bent, _, _, marks = posed(one, curl=1.5)
    radius = np.linalg.norm(one.vertices[near] - joint, axis=1)
    after = np.linalg.norm(bent[near] - marks[10], axis=1)
    assert len(near) > 8
    assert np.median(after / radius) > 0.85


def test_the_palm_does_not_move_with_the_wrist(people):
    for one in people[:3]:
        still, bent = posed(one), posed(one, wrist=(0.5, 0.2))
        inner = (one.bones[:, 0] == PALM_BONE) & (one.weights[:, 0] > 0.999)
        assert inner.sum() > 20
        assert np.allclose(still[0][inner], bent[0][inner], atol=1e-9)
        assert not np.allclose(still[0], bent[0], atol=0.01)


def test_head_and_torso_are_where_the_body_stands(people):
    one = people[1]
    vertices, normals, joints, _ = posed(one)
    head = one.bones[:, 0] == 20
    torso = one.bones[:, 0] == 19
    assert vertices[head, 1].mean() < vertices[torso, 1].mean()  # y points down
    assert np.allclose(np.linalg.norm(normals, axis=1), 1.0, atol=1e-6)
    assert np.isfinite(vertices).all()
    assert np.linalg.norm(joints[20] - joints[19]) == pytest.approx(np.linalg.norm(one.joints[20] - one.joints[19]))


def test_the_other_hand_rests_in_front_or_is_hidden_by_the_back(people):
    one = people[1]
    other = one.bones[:, 0] == 23
    torso = one.bones[:, 0] == 19
    shown, hidden = (posed(one, hide_hand=hide)[0] for hide in (False, True))
    assert shown[other, 2].mean() < shown[torso, 2].mean() < hidden[other, 2].mean()


def test_sleeves_cover_the_forearm_down_to_where_they_end():
    bare, covered = person(5), person(5, sleeve_mm=80.0)
    assert not (bare.parts == BodyPart.SLEEVE).any()
    sleeve = np.unique(covered.triangles[covered.parts == BodyPart.SLEEVE])
    assert len(sleeve) > 100
    assert not (covered.shirt[covered.outline] > 0).any()
