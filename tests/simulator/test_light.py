import numpy as np
import pytest

from labelkit.simulator.light import decode_radiance, draw_place, encode_radiance, harmonics


def directions(n):
    ways = np.random.default_rng(0).standard_normal((n, 3))
    return ways / np.linalg.norm(ways, axis=1, keepdims=True)


def test_eight_bits_hold_radiance_within_a_few_percent():
    radiance = np.geomspace(0.02, 39.0, 50)
    assert np.allclose(decode_radiance(encode_radiance(radiance)) / radiance, 1.0, atol=0.06)


def test_the_harmonics_are_orthonormal_over_the_sphere():
    basis = harmonics(directions(400_000))
    assert np.allclose(4 * np.pi * basis.T @ basis / len(basis), np.eye(9), atol=0.03)


@pytest.fixture(scope="module")
def places():
    return [draw_place(np.random.default_rng(seed)) for seed in range(60)]


def test_all_eighteen_panoramas_are_used(places):
    assert 15 <= len({place.name for place in places}) <= 18


def test_a_white_surface_that_faces_the_camera_is_neither_black_nor_far_beyond_white(places):
    facing = np.array([[0.0, 0.0, -1.0]])
    light = np.array([p.diffuse(facing)[0] + p.lamp_light * max(0.0, -p.lamp[2]) for p in places]).mean(axis=1)
    assert light.min() > 0.2
    assert light.max() < 2.5


def test_what_a_place_shows_turns_with_the_camera(places):
    place = places[0]
    rays = np.dstack([*np.meshgrid(np.linspace(-0.5, 0.5, 40), np.linspace(-0.4, 0.4, 30)), np.ones((30, 40))])
    seen = place.look(rays)
    assert seen.shape == (30, 40, 3)
    assert np.isfinite(seen).all()
    assert seen.min() >= 0.0
    # the same directions, each looked at alone
    alone = place.look(rays[10:11, 20:21])
    assert np.allclose(alone, seen[10:11, 20:21], rtol=1e-3)


def test_lamp_and_light_agree_on_where_it_is_bright(places):
    """Diffuse light, without the lamp, is never negative, and the lamp is a direction."""
    for place in places[:10]:
        assert (place.diffuse(directions(200)) >= 0.0).all()
        assert np.linalg.norm(place.lamp) == pytest.approx(1.0)
