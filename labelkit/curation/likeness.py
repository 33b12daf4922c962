"""Participants who look like one person under two names: the same hand, sleeve and room, not long apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from labelkit.records import BoolArray, FloatArray

# Differences up to which two participants look like one, chosen on simulated people (docs/report.md says how often they
# find one, and how often they are wrong): of colours, CIELAB, and of the palm's width, its logarithm.
HAND, SLEEVE, ROOM, PALM = 8.0, 10.0, 12.0, 0.08

NEAR_S = 3600.0  # a person who comes back later than this has changed clothes, or the light has
LEAST_SAMPLES = 4  # fewer say too little about a hand that moves

# Where in a crop, in crops from its middle toward the wrist, and how wide.
_PALM_AT, _PALM_WIDE = 0.1, 0.1
_SLEEVE_AT, _SLEEVE_WIDE = 0.44, 0.06
_ROOM_BEYOND = 0.56  # only the corners are so far from the middle; those at the arm's end are left out

_FIRST_DATE_S = 1e8  # stamps that count from 1970 are larger; a sensor's own clock says nothing about the day


class Looks(NamedTuple):
    """What participants look like: medians over their samples.

    Attributes:
        colors: (n, 3, 3) CIELAB of hand, sleeve (or the bare arm), and room.
        palm: (n,) logarithm of the width of the palm.
    """

    colors: FloatArray
    palm: FloatArray


class Likeness(NamedTuple):
    """Pairs of participants who may be one person, the likest first.

    Attributes:
        pairs: (m, 2) numbers of participants, the lower first.
        differences: (m, 4) of hand, sleeve, room and palm.
        apart_s: (m,) seconds between their recordings; NaN if their stamps are no dates.
    """

    pairs: NDArray[np.int64]
    differences: FloatArray
    apart_s: FloatArray


def colors_of(crops: NDArray[np.uint8], in_plane_deg: FloatArray) -> FloatArray:
    """Measure the colours of hand, sleeve and room in crops.

    Args:
        crops: (n, S, S, 3) RGB.
        in_plane_deg: (n,) direction of the fingers, 0 up, clockwise.
    Returns:
        (n, 3, 3) CIELAB.
    """
    side = crops.shape[1]
    middle = (side - 1) / 2.0
    v, u = (np.mgrid[:side, :side] - middle) / side
    found = np.empty((len(crops), 3, 3))
    for k, (crop, turn) in enumerate(zip(crops, np.deg2rad(in_plane_deg), strict=True)):
        lab = cv2.cvtColor((crop / 255.0).astype(np.float32), cv2.COLOR_RGB2LAB)
        toward_wrist, across = -u * np.sin(turn) + v * np.cos(turn), u * np.cos(turn) + v * np.sin(turn)
        masks = (
            np.hypot(toward_wrist - _PALM_AT, across) < _PALM_WIDE,
            np.hypot(toward_wrist - _SLEEVE_AT, across) < _SLEEVE_WIDE,
            (np.hypot(u, v) > _ROOM_BEYOND) & (toward_wrist < _PALM_AT),
        )
        found[k] = [np.median(lab[mask], axis=0) for mask in masks]
    return found


def palm_widths(points: FloatArray, focal_px: FloatArray, distance_m: FloatArray, normals_z: FloatArray) -> FloatArray:
    """Estimate the width of palms, metres, from how many pixels their planes were fitted to, (n,) each.

    Args:
        normals_z: of the unit normals in the view frame; negative.
    """
    return np.asarray(np.sqrt(points / np.abs(normals_z)) / focal_px * distance_m)


def find_alike(looks: Looks, times_s: Sequence[FloatArray]) -> Likeness:
    """Find the participants who look like one person.

    Args:
        times_s: of each participant the first and last stamp of every recording, (r, 2), NaN if there is none.
    """
    pairs: list[tuple[int, int]] = []
    differences: list[FloatArray] = []
    apart: list[float] = []
    for one in range(len(looks.palm) - 1):
        colors = np.linalg.norm(looks.colors[one + 1 :] - looks.colors[one], axis=2)
        differs = np.column_stack([colors, np.abs(looks.palm[one + 1 :] - looks.palm[one])])
        for k in np.flatnonzero(_is_alike(differs)).tolist():
            other = one + 1 + k
            gap_s = _time_between(times_s[one], times_s[other])
            if not gap_s > NEAR_S:
                pairs.append((one, other))
                differences.append(differs[k])
                apart.append(gap_s)
    found = Likeness(np.array(pairs, np.int64).reshape(-1, 2), np.array(differences).reshape(-1, 4), np.array(apart))
    order = np.argsort(np.square(found.differences / _LIMITS).sum(axis=1), kind="stable")
    return Likeness(found.pairs[order], found.differences[order], found.apart_s[order])


_LIMITS = np.array([HAND, SLEEVE, ROOM, PALM])


def _is_alike(differences: FloatArray) -> BoolArray:
    return np.asarray((differences < _LIMITS).all(axis=1))


def _time_between(one: FloatArray, other: FloatArray) -> float:
    """Find the shortest time between two people's recordings; 0 if two overlap, NaN if the stamps are no dates."""
    if not (np.min(one, initial=np.inf) > _FIRST_DATE_S and np.min(other, initial=np.inf) > _FIRST_DATE_S):
        return float("nan")
    first, last = one[:, None].T
    gaps = np.maximum(other[:, 0][:, None] - last, first - other[:, 1][:, None])
    return float(max(0.0, gaps.min()))
