"""Find the hand in a depth picture.

A hand is the free end of a limb. A limb is a strip as wide as an arm with nothing close behind it. It
begins at the border of the depth picture or at something thicker (a body, a sleeve), and ends freely or at
something thicker that it holds. Walls, doors, heads and radiators are thicker than any hand, and toys on
shelves have something close behind them. Sizes are metric: a pixel at depth z is z / focal wide. The search
runs on a small picture; the outline is then found at full resolution in a window.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import chain
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from labelkit.imaging.limbs import BORDER, LEAST_AREA_M2, Limb, SearchView, cores_of, limbs_of, shrink_to_search
from labelkit.records import BoolArray, FloatArray, Reason, Rejection

# At full resolution, a pixel farther than this behind the nearest search pixel around it is not part of the hand.
_FINE_STEP_M = 0.015
# A woman's palm turned by 60 degrees shows a half-width of 20 mm.
_LEAST_RADIUS_M = 0.018
# A wrist is 45 mm wide and 33 mm thick or more (5th percentile of women); fingers are thinner.
_LEAST_WRIST_M = 0.015
# The background of a free-standing hand is at least this far behind it, or has no depth.
_FREE_M = 0.12
_LEAST_FREE = 0.6
# What an arm in front cuts from a chest looks like a limb too; nothing stands in front of a raised hand.
_MOST_HIDDEN = 0.25
# A raised hand is held at least this far before the body and before a hand at rest on it.
_RAISED_M = 0.15
# A hand on an arm is freer than that, and the arm that shows is at least half as large as the hand. (Table edges and
# the gaps between monitors are not; hands that others recorded have 0.95 and more.)
_ON_ARM_FREE = 0.9
_ON_ARM_AREA = 1.5
# Longest hand from wrist crease to fingertip: the 99th percentile of men is 0.21 m, with a margin.
_LONGEST_M = 0.24
# How far from its tip a limb is examined: the longest hand, and enough of the arm to see a wrist.
_SEARCHED_M = 0.32
# From the fingertips to the middle of the palm.
_USUAL_REACH_M = 0.14
# At a wrist the width falls to the first share of the palm's width and then rises by the second factor. It falls to
# 0.6 to 0.75 for a palm that faces the camera, to 0.9 for one turned far about the arm.
_NARROWING = 0.93
_WIDENING = 1.1
# If the limb widens by this factor near the tip, the part before was fingers side by side, not the palm.
_FINGERS = 1.25
# If an arm is equally thin for a while, the wrist is the place next to the palm.
_NEARLY = 1.03
_HALF_PALM_M = 0.045
_AS_WIDE = 0.95
# Largest error of the cut at the wrist.
_WRIST_M = 0.05
# Between a hand and its own arm farther back, the sensor sees nothing for up to this length.
_OWN_ARM_M = 0.04

# Largest object that a hand may hold and still count as free: a cap, a book; not a wall that it touches.
_LARGEST_HELD_M2 = 0.06
# How far an object may extend beyond its thick part, and how far fingers that hold it extend from the wrist.
_HELD_M = 0.2
_LONGEST_GRIP_M = 0.14
# A limb that touches neither the border nor a core must be as long as a foreshortened hand and some of its arm.
_SHORTEST_M = 0.15
# The end of a limb, at either side.
_END_M = 0.06
# The limb of an open hand begins, for this length, as thin as two fingers side by side. A blunt end wider than the
# widest palm is no fist either (widest one recorded: 57 mm) but an object that is held.
_FINGER_M = 0.05
_FINGER_RADIUS_M = 0.025
_WIDEST_PALM_M = 0.0585
# A limb may have two ends, such as an arm that is visible from the elbow on.
_TIPS = 2
# The hand of a bent arm is at least this far from where the arm begins; the elbow is a tip too.
_LEAST_FROM_ROOT_M, _BENT_TIPS = 0.12, 3

_SQUARE = np.ones((3, 3), np.uint8)
_WIDE = np.ones((5, 5), np.uint8)

Mask8 = NDArray[np.uint8]


class Shows(IntEnum):
    """What something with the size and form of a hand shows."""

    NOTHING = 0
    FIST = 1  # perhaps: little of a palm, on an arm
    PALM = 2


@dataclass(frozen=True, eq=False)
class Hand:
    """A hand found in a depth picture.

    Attributes:
        corner: x, y of the window's first pixel in the depth picture.
        mask: (h, w) the hand without its forearm, in the window.
        limb_mask: (h, w) the hand and the part of the forearm next to it.
        palm_px: (2,) u, v of the palm's middle in the depth picture.
        distance_m: of the palm's middle, along z.
        palm_radius_m: radius of the largest circle in the silhouette of the palm.
        to_arm: (2,) unit: direction from the palm's middle to the wrist, in the picture.
        on_arm: whether an arm that comes from somewhere shows, with a wrist, and the hand is whole and free.
    """

    corner: tuple[int, int]
    mask: BoolArray
    limb_mask: BoolArray
    palm_px: FloatArray
    palm_radius_m: float
    distance_m: float
    to_arm: FloatArray
    on_arm: bool = True


@dataclass(frozen=True, eq=False)
class _Candidate:
    """A hand as the search sees it."""

    limb: Limb
    hand: BoolArray  # (n,) of the limb's pixels
    with_wrist: BoolArray  # the same with a margin for the error of the wrist
    palm: int  # the pixel in its middle
    to_arm: FloatArray
    cut: bool  # by the picture's border
    sure: bool  # a wrist shows
    free: float  # share of its outline with nothing close to it

    @property
    def z(self) -> float:
        return float(self.limb.z[self.limb.place(self.palm)])

    @property
    def on_arm(self) -> bool:
        """As Hand.on_arm."""
        if self.cut or not self.sure or not self.limb.is_rooted or self.free < _ON_ARM_FREE:
            return False
        area = self.limb.pixel_m**2
        return bool(area.sum() >= _ON_ARM_AREA * area[self.hand].sum())


def find_hand(
    depth_m: FloatArray,
    *,
    focal_px: float,
    range_m: tuple[float, float],
    judge: Callable[[Hand], Shows] = lambda _: Shows.PALM,
) -> Hand | Rejection:
    """Find the one hand in a depth picture.

    Args:
        depth_m: (H, W), metres, NaN where nothing was seen.
        focal_px: focal length of the depth camera.
        range_m: nearest and farthest depth at which a hand may be.
        judge: says what something with the size and form of a hand shows.
    Returns:
        The hand; or no-hand, two-hands or hand-cut-by-border.
    """
    search = shrink_to_search(depth_m, focal_px, range_m)
    if search is None:
        return Rejection(Reason.NO_HAND, f"nothing between {range_m[0]:g} and {range_m[1]:g} m")
    outlined: dict[_Candidate, Hand] = {}

    def look(end: _Candidate) -> Shows:
        outlined[end] = _outline(depth_m, search, end, range_m)
        return judge(outlined[end])

    found = [best for limb in limbs_of(search) if (best := _find_on(limb, look)) is not None]
    found.sort(key=lambda best: best.end.z)
    whole = _choose([best for best in found if not best.end.cut])
    if len(whole) > 1:
        return Rejection(Reason.TWO_HANDS, f"{len(whole)} hands, the nearest at {whole[0].z:.2f} m")
    if not whole:
        if found:
            return Rejection(Reason.HAND_CUT_BY_BORDER, f"the hand at {found[0].end.z:.2f} m leaves the picture")
        if outlined:
            nearest = min(outlined, key=lambda end: end.z)
            return Rejection(Reason.NO_HAND, f"what ends at {nearest.z:.2f} m shows no palm, and is no fist on an arm")
        return Rejection(Reason.NO_HAND, "nothing free-standing has the size and form of a hand on an arm")
    return outlined[whole[0]]


class _Found(NamedTuple):
    end: _Candidate
    shows: Shows


def _choose(found: list[_Found]) -> list[_Candidate]:
    """Choose the hands among what was found whole, the nearest first; of a raised hand and a body, it is the hand."""
    # When one palm is open, what may be a fist is more often a part of a body.
    most = max((best.shows for best in found), default=Shows.NOTHING)
    ends = [best.end for best in found if best.shows == most]
    # If one fist is on an arm that comes from somewhere, a bar that hangs in the air is no second hand.
    ends = _drop_behind(ends) if most == Shows.PALM else [end for end in ends if end.limb.is_rooted] or ends
    return _drop_own_arm([end for end in ends if end.sure] or ends)


def _find_on(limb: Limb, judge: Callable[[_Candidate], Shows]) -> _Found | None:
    """Find the hand of a limb: the likeliest end, or else another that shows a palm for sure."""
    ends = _free_ends(limb)
    first = _Found(ends[0], judge(ends[0])) if ends else None
    if first and first.shows == Shows.PALM:
        return first
    bent = (end for root in _roots(limb) for end in _bent_ends(limb, root)) if ends else ()
    for end in chain(ends[1:], bent):
        if not end.cut and judge(end) == Shows.PALM:
            return _Found(end, Shows.PALM)
    return first if first and first.shows else None


@dataclass(frozen=True, eq=False)
class SeenPart:
    """A part of a depth picture that the search looked at, and what it took it for.

    Attributes:
        outline: (n, 2) u, v of its outer edge in the depth picture, to a few pixels.
        distance_m: median along z.
        area_m2: of the part that is seen.
        says: why it is no hand, in words that go on from "it "; or that it is one.
    """

    outline: FloatArray
    distance_m: float
    area_m2: float
    says: str


def list_parts(depth_m: FloatArray, *, focal_px: float, range_m: tuple[float, float]) -> list[SeenPart]:
    """List all that `find_hand` looked at, the largest first. Arguments as there."""
    search = shrink_to_search(depth_m, focal_px, range_m)
    if search is None:
        return []
    limbs = [_see_part(search, limb.mask, limb.box, _says_of(_examine(limb))) for limb in limbs_of(search)]
    cores = [_see_part(search, mask, box, "is thicker than a hand or an arm") for mask, box in cores_of(search)]
    return sorted([*limbs, *cores], key=lambda part: -part.area_m2)


def _says_of(ends: Sequence[_Candidate | str]) -> str:
    end = ends[0]
    if isinstance(end, str):
        return "; ".join(str(reason) for reason in ends)
    return "ends in the form of a hand, cut by the picture's border" if end.cut else "ends in the form of a hand"


def _see_part(search: SearchView, mask: BoolArray, box: tuple[slice, slice], says: str) -> SeenPart:
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    longest = max(contours, key=len)[:, 0]
    corner = np.array([box[1].start, box[0].start])
    return SeenPart(
        outline=(longest + corner + 0.5) * search.stride - 0.5 + search.origin,
        distance_m=float(np.median(search.z[box][mask])),
        area_m2=float((search.pixel_m[box][mask] ** 2).sum()),
        says=says,
    )


def _drop_behind(found: list[_Candidate]) -> list[_Candidate]:
    """Leave out what is far behind the nearest candidate: a hand at rest, or a part of the body."""
    return [end for end in found if end.z <= found[0].z + _RAISED_M]


def _drop_own_arm(found: list[_Candidate]) -> list[_Candidate]:
    """Leave out the arm of a hand that is bent toward the camera: a candidate that touches the nearer one."""
    if len(found) != 2 or (found[0].limb.mask & found[0].limb.border_mask).any():
        return found
    near, far = (_paint(candidate) for candidate in found)
    reach = max(1, round(_OWN_ARM_M / float(found[0].limb.pixel_m[found[0].palm])))
    return found[:1] if (cv2.dilate(near, _SQUARE, iterations=reach) & far).any() else found


def _paint(candidate: _Candidate) -> Mask8:
    placed = np.zeros(candidate.limb.picture_shape, np.uint8)
    placed[candidate.limb.box] = candidate.limb.mark(candidate.hand)
    return placed


def _free_ends(limb: Limb) -> list[_Candidate]:
    """List the ends of a limb that have the form of a hand: those with a visible wrist first, then the nearest."""
    return [end for end in _examine(limb) if isinstance(end, _Candidate)]


def _examine(limb: Limb) -> list[_Candidate | str]:
    """Look for hands at the free ends of a limb, the likeliest first, then the reasons why others are none."""
    free, _ = _look_around(limb, limb.mask, beside_mask=limb.mask)
    if free < _LEAST_FREE:
        return [_describe_backed(free)]
    ends = [(order, end) for order, root in enumerate(_roots(limb)) for end in _ends_from(limb, root)]
    hands = [(end.cut, not end.sure, order, end.z, end) for order, end in ends if isinstance(end, _Candidate)]
    ranked = [hand[-1] for hand in sorted(hands, key=lambda hand: hand[:-1])]
    reasons = dict.fromkeys(end for _, end in ends if isinstance(end, str))
    return [*ranked, *reasons] or [f"is shorter than {100 * _SHORTEST_M:.0f} cm, and hangs in the air"]


def _describe_backed(free: float) -> str:
    return (
        f"has something less than {100 * _FREE_M:.0f} cm farther away at {1 - free:.0%} of its outline "
        f"(at most {1 - _LEAST_FREE:.0%} is allowed)"
    )


def _ends_from(limb: Limb, root: tuple[float, float]) -> Iterator[_Candidate | str]:
    """Yield the hands at a limb's tips, the places farthest from its root; or why there is none at a tip."""
    from_root = limb.distances_from(root)
    tip = int(np.argmax(from_root))
    for _ in range(_TIPS):
        from_tip = limb.distances_from(limb.place(tip))
        yield _hand_at(limb, from_root, from_tip, tip)
        apart = np.minimum(from_root, from_tip)
        tip = int(np.argmax(apart))
        if apart[tip] * limb.pixel_m[tip] < _LONGEST_M:
            break  # another finger of the same hand


def _bent_ends(limb: Limb, root: tuple[float, float]) -> Iterator[_Candidate]:
    """Yield the hands at tips of a bent arm, whose elbow may be farther from its root than the hand is."""
    from_root = limb.distances_from(root)
    nearest = from_root * (_LONGEST_M / _LEAST_FROM_ROOT_M)
    for _ in range(_BENT_TIPS):
        tip = int(np.argmax(nearest))
        if nearest[tip] * limb.pixel_m[tip] < _LONGEST_M:
            break
        from_tip = limb.distances_from(limb.place(tip))
        end = _hand_at(limb, from_root, from_tip, tip, bent=True)
        if isinstance(end, _Candidate):
            yield end
        nearest = np.minimum(nearest, from_tip)


def _roots(limb: Limb) -> list[tuple[float, float]]:
    """Find where a limb begins: at the picture's border, else at something thicker, else at its ends, thicker first."""
    on_border = limb.mask & limb.border_mask
    if on_border.any():  # of several contacts take the widest: an arm is wider than a finger
        _, _, stats, middles = cv2.connectedComponentsWithStats(on_border.view(np.uint8), connectivity=8)
        x, y = middles[1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))]
        return [(float(y), float(x))]
    at_core = limb.of(_grow(limb.core_mask)) if limb.core_m2 else np.zeros(0, dtype=bool)
    if at_core.any():
        return [limb.middle_of(at_core)]
    middle = int(np.argmax(limb.radius_m))
    first = limb.place(int(np.argmax(limb.distances_from(limb.place(middle)))))
    from_first = limb.distances_from(first)
    if from_first.max() * limb.pixel_m[middle] < _SHORTEST_M:
        return []
    last = limb.place(int(np.argmax(from_first)))
    end = max(1.0, _FINGER_M / float(limb.pixel_m[middle]))
    near, far = from_first < end, from_first > from_first.max() - end
    return [first, last] if limb.radius_m[near].max() > limb.radius_m[far].max() else [last, first]


def _grow(mask: BoolArray) -> BoolArray:
    return np.asarray(cv2.dilate(mask.view(np.uint8), _SQUARE) > 0)


def _hand_at(
    limb: Limb, from_root: FloatArray, from_tip: FloatArray, tip: int, *, bent: bool = False
) -> _Candidate | str:
    """Take the hand that ends at a tip of the limb, or say why there is none.

    Args:
        from_root, from_tip: (n,) how far the limb's pixels are from its root, and from the tip, pixels.
        tip: a pixel of the limb.
        bent: whether other parts of the limb may be farther from the root.
    """
    pixel_m = float(limb.pixel_m[tip])
    reach = _SEARCHED_M / pixel_m
    if bent:
        branch = _part_around(limb, from_tip <= reach, tip)
        goes_on = _count_parts(limb, branch & (from_tip > reach - 2)) > 1
    else:
        branch = (from_tip <= reach) & (from_root >= from_root[tip] - reach)
        goes_on = from_root[branch].max() > from_root[tip] + BORDER
    if goes_on:
        return "goes on beyond the place that was taken for its tip"
    near_tip = _part_around(limb, from_tip * pixel_m < _HELD_M, tip)
    held = _holds(limb, branch & near_tip) or _is_blunt(limb, from_tip * pixel_m, near_tip)
    if held:
        branch = from_tip <= reach
    if not limb.radius_m[branch].any():
        return "is one pixel wide at its tip"
    palm, wrist, sure = _palm_and_wrist(limb, from_tip, branch, pixel_m, held=held)
    if limb.radius_m[palm] < _LEAST_RADIUS_M:
        return f"is narrower than a palm ({2000 * _LEAST_RADIUS_M:.0f} mm) where one would be"
    if held and limb.radius_m[palm] > _WIDEST_PALM_M:
        return f"is wider than a palm ({2000 * _WIDEST_PALM_M:.0f} mm) where one would be"
    longest_m = _LONGEST_GRIP_M if held else _LONGEST_M
    hand, wrist_place = _hand_part(limb, from_tip, palm, wrist, longest_m)
    with_wrist = hand | _hand_part(limb, from_tip, palm, wrist + _WRIST_M / pixel_m, longest_m)[0]
    area_m2 = float((limb.pixel_m[hand] ** 2).sum())
    if area_m2 < LEAST_AREA_M2:
        return f"ends in a part of {1e4 * area_m2:.0f} cm^2 (a hand has {1e4 * LEAST_AREA_M2:.0f} or more)"
    free, hidden = _look_around(limb, limb.mark(hand), beside_mask=limb.mask | limb.core_mask)
    if free < _LEAST_FREE:
        return f"ends in a part that {_describe_backed(free)}"
    if hidden > _MOST_HIDDEN:
        return f"ends in a part of which something in front hides {hidden:.0%} of the outline"
    # The wrist may lie at the border, since the arm comes in there; palm and fingers must be inside.
    whole = from_tip < from_tip[palm] + limb.radius_m[palm] / pixel_m
    cut = int(np.count_nonzero(limb.of(limb.border_mask)[hand & whole])) > BORDER
    row, column = np.subtract(wrist_place, limb.place(palm))
    length = float(np.hypot(row, column))
    to_arm = np.array([column, row]) / length if length > 0 else np.array([0.0, 1.0])
    return _Candidate(limb, hand, with_wrist, palm, to_arm, cut, sure, free)


def _holds(limb: Limb, end: BoolArray) -> bool:
    """Say whether a limb that comes from the picture's border ends at something thicker: an object that it holds."""
    if not 0 < limb.core_m2 < _LARGEST_HELD_M2 or not (limb.mask & limb.border_mask).any():
        return False
    return bool(limb.of(_grow(limb.core_mask))[end].any())


def _is_blunt(limb: Limb, from_tip_m: FloatArray, near_tip: BoolArray) -> bool:
    """Say whether a limb that comes from the picture's border ends in something wider than a palm, without fingers."""
    end = near_tip & (from_tip_m < _FINGER_M)
    blunt = limb.radius_m[end].max() > _FINGER_RADIUS_M
    wide = limb.radius_m[near_tip].max() > _WIDEST_PALM_M
    return bool(blunt and wide and (limb.mask & limb.border_mask).any())


def _palm_and_wrist(
    limb: Limb, from_tip: FloatArray, branch: BoolArray, pixel_m: float, *, held: bool
) -> tuple[int, int, bool]:
    """Follow a limb's width from its tip: the palm is the first wide place, the wrist the narrow place after it.

    Args:
        from_tip: (n,) pixels from the tip.
        branch: (n,) the limb's last part.
        pixel_m: width of a pixel at the tip.
        held: whether the limb ends at an object.
    Returns:
        The pixel in the palm's middle, how far from the tip the hand ends, and whether a wrist shows.
    """
    radius_m, index = limb.radius_m[branch], np.rint(from_tip[branch]).astype(np.intp)
    widths = np.zeros(int(index.max()) + 1)
    np.maximum.at(widths, index, radius_m)
    # At a ragged border of the depth picture the arm looks thinner than it is.
    arm = widths[: -max(1, int(_END_M / pixel_m))]
    if held and len(arm):
        peak, sure = _last_peak(arm), True
    else:
        peak, sure = _first_peak(widths, int(_USUAL_REACH_M / pixel_m) + 1)
    # A palm is equally wide for a while: its middle is the middle of the widest stretch.
    stretch = widths[peak : peak + max(1, int(_HALF_PALM_M / pixel_m))]
    peak += int(np.flatnonzero(stretch >= _AS_WIDE * widths[peak])[-1]) // 2
    palm = int(np.flatnonzero(branch)[np.argmax(np.where(index == peak, radius_m, 0))])
    radius = widths[peak] / pixel_m
    first = peak + round(1.1 * radius)
    beyond = widths[first : peak + round(2.0 * radius) + 1]
    wrist = first + int(np.argmax(beyond < _NEARLY * beyond.min())) if len(beyond) else len(widths) - 1
    return palm, wrist, sure


def _last_peak(widths: FloatArray) -> int:
    """Find the first wide place after the wrist, coming from the arm.

    With an object in the hand, the tip is the object's, and the first wide place may be too.
    """
    neck = peak = len(widths) - 1
    for index in range(len(widths) - 1, -1, -1):
        if widths[index] < widths[neck]:
            neck = peak = index
        elif widths[index] > widths[peak]:
            peak = index
        elif widths[peak] > _WIDENING * widths[neck] and widths[index] < _NARROWING * widths[peak]:
            break
    return peak


def _first_peak(widths: FloatArray, usual: int) -> tuple[int, bool]:
    """Find the first wide place that ends in a wrist.

    A part that ends in something thinner than a wrist is a finger, or an object that the fingers hold.

    Args:
        widths: (n,) metres, from the tip on.
        usual: how far from the tip to search the palm if no wrist is visible (a thick sleeve, a bent wrist).
    Returns:
        Its index, and whether a wrist shows.
    """
    peak = neck = 0
    for index, width in enumerate(widths):
        if width > widths[peak]:
            if index > 1.25 * usual:
                break  # too far from the tip for a palm: this is the arm
            peak = neck = index
        elif width < widths[neck]:
            neck = index
        elif width > _WIDENING * widths[neck]:
            if widths[neck] < _LEAST_WRIST_M:
                peak = neck = index
            elif (
                widths[neck] < _NARROWING * widths[peak]
                and widths[index:usual].max(initial=0) < _FINGERS * widths[peak]
            ):
                return peak, True
    return int(np.argmax(widths[:usual])), False


def _hand_part(
    limb: Limb, from_tip: FloatArray, palm: int, wrist: float, longest_m: float
) -> tuple[BoolArray, tuple[float, float]]:
    """Take the part of a limb from its tip to the wrist that holds the palm, and the wrist's row and column."""
    part_mask = limb.mark(from_tip <= wrist)
    _, labels = cv2.connectedComponents(part_mask.view(np.uint8), connectivity=4, ltype=cv2.CV_16U)
    part = limb.of(labels == labels[limb.place(palm)])
    at_wrist = part & (from_tip > wrist - 1.5)
    if not at_wrist.any():
        at_wrist = part & (from_tip >= from_tip[part].max() - 1)
    place = limb.middle_of(at_wrist)
    return part & (limb.distances_from(place) * limb.pixel_m < longest_m), place


def _look_around(limb: Limb, part_mask: BoolArray, *, beside_mask: BoolArray) -> tuple[float, float]:
    """Look at what is next to a part.

    Args:
        part_mask: the part.
        beside_mask: what is not part of the outline.
    Returns:
        The share of its outline that has nothing close behind it, and the share that something in front hides.
    """
    # One pixel farther out, past the mixed pixels of the rim.
    inner = cv2.dilate(part_mask.view(np.uint8), _SQUARE)
    ring_mask = (cv2.dilate(inner, _SQUARE) > inner) & ~beside_mask
    beside = cv2.dilate(np.where(part_mask, limb.z, np.float32(0)), _WIDE)[ring_mask]
    z = limb.z[ring_mask]
    bounding = z > beside - _FREE_M  # a surface in front of the part is not its background
    bounds = int(np.count_nonzero(bounding))
    free = np.count_nonzero(bounding & (z > beside + _FREE_M))
    return free / max(1, bounds), 1 - bounds / max(1, len(z))


def _part_around(limb: Limb, chosen: BoolArray, pixel: int) -> BoolArray:
    """Keep of chosen (n,) pixels those that are joined to one of them."""
    _, labels = cv2.connectedComponents(limb.mark(chosen).view(np.uint8), connectivity=8, ltype=cv2.CV_16U)
    return np.asarray(chosen & (limb.of(labels) == labels[limb.place(pixel)]))


def _count_parts(limb: Limb, chosen: BoolArray) -> int:
    """Count the connected parts of chosen (n,) pixels."""
    return cv2.connectedComponents(limb.mark(chosen).view(np.uint8), connectivity=8, ltype=cv2.CV_16U)[0] - 1


def _outline(depth_m: FloatArray, search: SearchView, found: _Candidate, range_m: tuple[float, float]) -> Hand:
    """Outline the hand at full resolution: the pixels that are not farther than those of the search."""
    stride, limb = search.stride, found.limb
    y, x = (axis.start for axis in limb.box)
    with_wrist = limb.mark(found.with_wrist)
    part = _window(with_wrist)
    # One search pixel larger on every side, since the rim differs a little at full resolution.
    reach = cv2.dilate(np.where(with_wrist, limb.z, np.float32(0))[part], _SQUARE)
    beside = cv2.dilate(limb.mark(found.hand).view(np.uint8)[part], _SQUARE)
    left, top = search.origin[0] + stride * (x + part[1].start), search.origin[1] + stride * (y + part[0].start)
    z = depth_m[top : top + stride * reach.shape[0], left : left + stride * reach.shape[1]]
    reach, beside = (_enlarge(picture, stride)[: z.shape[0], : z.shape[1]] for picture in (reach, beside))
    limb_mask = (z >= range_m[0]) & (z <= np.minimum(reach + np.float32(_FINE_STEP_M), np.float32(range_m[1])))
    limb_mask &= reach > 0
    palm_row, palm_column = limb.place(found.palm)
    palm_px = np.array([palm_column + x, palm_row + y], dtype=np.float64) * stride + search.origin
    return Hand(
        corner=(left, top),
        mask=limb_mask & (beside > 0),
        limb_mask=limb_mask,
        palm_px=palm_px,
        palm_radius_m=float(limb.radius_m[found.palm]),
        distance_m=found.z,
        to_arm=found.to_arm,
        on_arm=found.on_arm,
    )


def _window(mask: BoolArray) -> tuple[slice, slice]:
    """Find the box of a mask with a margin of one pixel, where the picture has room."""
    x, y, width, height = cv2.boundingRect(mask.view(np.uint8))
    return slice(max(0, y - 1), y + height + 1), slice(max(0, x - 1), x + width + 1)


def _enlarge(picture: NDArray[Any], stride: int) -> NDArray[Any]:
    return np.asarray(cv2.resize(picture, None, fx=stride, fy=stride, interpolation=cv2.INTER_NEAREST))
