import numpy as np
import pytest

from labelkit.simulator.surface import Capsule, mesh_of, smooth_union

BALL = Capsule(np.zeros(3), np.array([0.0, 0.0, 1e-9]), 1.0, 1.0)


@pytest.fixture(scope="module")
def ball():
    return mesh_of(BALL, np.full(3, -1.4), np.full(3, 1.4), 0.2)


def test_vertices_lie_on_the_surface(ball):
    vertices, _, _ = ball
    assert np.linalg.norm(vertices, axis=1) == pytest.approx(1.0, abs=1e-4)


def test_normals_point_outward(ball):
    vertices, _, normals = ball
    assert np.einsum("ij,ij->i", vertices, normals) == pytest.approx(1.0, abs=1e-3)


def test_triangles_turn_counter_clockwise_seen_from_outside(ball):
    vertices, triangles, _ = ball
    a, b, c = np.moveaxis(vertices[triangles], 1, 0)
    assert np.all(np.einsum("ij,ij->i", np.cross(b - a, c - a), a + b + c) > 0)


def test_the_mesh_is_closed_and_holds_the_balls_volume(ball):
    vertices, triangles, _ = ball
    edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    forward, backward = {tuple(e) for e in edges}, {tuple(e[::-1]) for e in edges}
    assert forward == backward
    a, b, c = np.moveaxis(vertices[triangles], 1, 0)
    assert np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6.0 == pytest.approx(4.19, rel=0.03)


def test_a_tapered_capsule_has_its_radii_at_its_ends():
    capsule = Capsule(np.zeros(3), np.array([0.0, 4.0, 0.0]), 2.0, 1.0, flatness=2.0)
    points = np.array([[2.0, 0.0, 0.0], [1.0, 4.0, 0.0], [0.0, 0.0, 1.0], [0.0, 5.0, 0.0]])
    assert capsule(points) == pytest.approx(0.0, abs=1e-12)


def test_a_smooth_union_holds_both_bodies_and_a_fillet_between_them():
    a, b = np.array([-1.0, 0.1, 5.0]), np.array([3.0, 0.1, -2.0])
    joined = smooth_union(a, b, blend=1.0)
    assert joined[[0, 2]].tolist() == [-1.0, -2.0]
    assert joined[1] < 0.0
