from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelkit.training import augment
from labelkit.training.augment import (
    Augmentation,
    add_noise,
    augment_pictures,
    blur,
    move_picture,
    relight,
    turn_and_mirror,
)

S = 128


def blob_at(u, v):
    """A picture with a bright spot at pixel (u, v)."""
    y, x = np.mgrid[:S, :S]
    spot = 200.0 * np.exp(-((x - u) ** 2 + (y - v) ** 2) / (2 * 3.0**2))
    return np.repeat(spot[..., None], 3, axis=-1).astype(np.uint8)


def spot_of(picture):
    """Where the bright spot is, from the picture's centre, right and down, pixels."""
    weight = picture[..., 0].astype(float)
    y, x = np.mgrid[: len(picture), : len(picture)]
    centre = (len(picture) - 1) / 2
    return np.array([(weight * x).sum(), (weight * y).sum()]) / weight.sum() - centre


@given(st.floats(-3, 3), st.sampled_from([-1.0, 1.0]), st.floats(0, 6.2))
def test_the_label_moves_as_the_picture_does(turn, mirror, where):
    # a spot stands for the direction of the normal: both are vectors in the picture
    direction = np.array([np.cos(where), np.sin(where)])
    centre = (S - 1) / 2
    move = turn_and_mirror(turn, mirror)
    seen = spot_of(move_picture(blob_at(*(centre + 40 * direction)), move, np.zeros(2)))
    assert seen == pytest.approx(40 * move @ direction, abs=0.2)


def test_a_picture_is_scaled_about_its_centre_and_then_shifted():
    centre = (S - 1) / 2
    seen = spot_of(move_picture(blob_at(centre + 40, centre - 20), 0.5 * np.eye(2), np.array([5.0, 8.0])))
    assert seen == pytest.approx([25, -2], abs=0.2)


def test_a_mirror_flips_n_x_and_nothing_else():
    assert (turn_and_mirror(0.0, -1.0) @ [0.3, 0.2]).tolist() == [-0.3, 0.2]
    picture = np.random.default_rng(0).integers(0, 256, (S, S, 3), dtype=np.uint8)
    assert np.array_equal(move_picture(picture, turn_and_mirror(0.0, -1.0), np.zeros(2)), picture[:, ::-1])


def test_a_quarter_turn_takes_right_to_down():
    assert turn_and_mirror(np.pi / 2, 1.0) @ [1.0, 0.0] == pytest.approx([0.0, 1.0])


def test_the_tilt_of_the_hand_stays_as_it_was():
    rng = np.random.default_rng(0)
    before = rng.uniform(-0.5, 0.5, (20, 2))
    _, after = augment_pictures({"rgb": np.zeros((20, S, S, 3), np.uint8)}, before, rng, Augmentation(90.0))
    assert np.linalg.norm(after, axis=1) == pytest.approx(np.linalg.norm(before, axis=1))
    assert not np.allclose(after, before)


def test_a_batch_s_pictures_move_with_its_labels(monkeypatch):
    for still in ("_OFFSET", "_SCALE", "_SHIFT"):  # so that the background stays black and the spot where it belongs
        monkeypatch.setattr(augment, still, 0.0)
    rng = np.random.default_rng(1)
    directions = rng.normal(size=(12, 2))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    pictures = np.stack([blob_at(*((S - 1) / 2 + 40 * direction)) for direction in directions])
    changed, moved = augment_pictures(
        {"rgb": pictures, "depth": pictures[..., 0].astype(np.uint16)}, directions, rng, Augmentation(90.0)
    )
    depth = np.repeat(changed["depth"][..., None], 3, axis=-1)
    for stack in (changed["rgb"], depth):
        for picture, direction in zip(stack, moved, strict=True):
            assert spot_of(picture) == pytest.approx(40 * direction, abs=0.5)


def test_no_picture_is_turned_further_than_asked():
    to_the_right = np.tile([0.5, 0.0], (300, 1))
    _, after = augment_pictures(
        {"rgb": np.zeros((300, 8, 8, 3), np.uint8)}, to_the_right, np.random.default_rng(0), Augmentation(25.0)
    )
    turned_deg = np.rad2deg(np.arctan2(after[:, 1], np.abs(after[:, 0])))  # the mirror flips x alone
    assert (turned_deg.min(), turned_deg.max()) == (pytest.approx(-25, abs=1), pytest.approx(25, abs=1))


def test_depth_is_moved_without_mixing_near_and_far():
    depth = np.where(np.arange(S) < S // 2, 500, 900).astype(np.uint16)[None] * np.ones((S, 1), np.uint16)
    moved = move_picture(depth, turn_and_mirror(0.4, -1.0), np.array([3.3, 1.7]))
    assert set(np.unique(moved)) == {500, 900}


def test_blur_and_noise_change_colour_alone_and_only_where_they_are_asked_for():
    rgb = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    pictures = {"rgb": rgb, "depth": rgb[..., 0].astype(np.uint16)}

    def drawn(**kwargs):
        return augment_pictures(
            pictures, np.zeros((3, 2)), np.random.default_rng(5), Augmentation(turn_deg=90.0, **kwargs)
        )[0]

    plain, rough, soft = drawn(), drawn(noise=20.0), drawn(blur=20.0)
    assert all(np.array_equal(each["depth"], plain["depth"]) for each in (rough, soft))
    assert not np.array_equal(rough["rgb"], plain["rgb"])
    edges = [np.abs(np.diff(each["rgb"].astype(float), axis=1)).mean() for each in (plain, soft)]
    assert edges[1] < 0.7 * edges[0]


def test_noise_has_the_deviation_that_is_asked_for():
    noise = add_noise(np.full((S, S, 3), 128, np.uint8), 7.0, np.random.default_rng(0)).astype(float) - 128
    assert (noise.mean(), noise.std()) == (pytest.approx(0, abs=0.1), pytest.approx(7, abs=0.1))


def test_a_blur_spreads_a_spot_by_its_deviation():
    def spread(picture):
        weight = picture[..., 0].astype(float)
        x = np.arange(S) - (S - 1) / 2
        return np.sqrt((weight.sum(axis=0) * x**2).sum() / weight.sum())

    spot = blob_at((S - 1) / 2, (S - 1) / 2)
    assert spread(blur(spot, 4.0)) == pytest.approx(np.hypot(spread(spot), 4.0), abs=0.2)


def test_light_changes_colours_by_gain_and_offset_and_stays_in_range():
    picture = np.full((4, 4, 3), (10, 100, 250), np.uint8)
    assert relight(picture, np.array([1.5, 0.5, 2.0]), np.array([5.0])).tolist()[0][0] == [20, 55, 255]
