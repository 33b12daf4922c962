"""Find the hand in a depth picture.

A hand is the free end of a limb: a strip as wide as an arm that stands in the air (whatever is behind
it is far behind), begins at the border of what the sensor saw or at something thicker (a body, a
sleeve), and ends freely or at something thicker that it holds. Walls, doors, heads and radiators are
thicker than any hand, and toys on shelves do not stand free. Sizes are metric: a pixel at depth z is
z / focal wide. The search runs on a decimated picture, the outline at full resolution in a window.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from labelkit.imaging.silhouette import farthest, radius_px
from labelkit.records import BoolArray, FloatArray, Reason, Rejection

# The search wants a finger (15 mm) to be about three pixels wide at 1 m: 320 columns of a 57 degree view.
_SEARCH_COLUMNS = 320
# Skin 70 degrees oblique at 1.5 m falls back 20 mm from one pixel of the search to the next; a hand before
# a chest is farther from it than that.
_STEP_M = 0.025
_FINE_STEP_M = 0.015
# A flat man's hand has an inscribed radius of 50 mm, a head of 70 mm and more.
_THICK_RADIUS_M = 0.0575
# A woman's palm turned by 60 degrees shows a half-width of 20 mm, and half of 80 cm^2.
_LEAST_RADIUS_M = 0.018
_LEAST_AREA_M2 = 25e-4
# A wrist is 45 mm wide and 33 mm thick or more (5th percentile of women); fingers are thinner.
_LEAST_WRIST_M = 0.015
# What is behind a free-standing hand is at least this far behind it, or not seen at all.
_FREE_M = 0.12
_LEAST_FREE = 0.6
# From wrist crease to fingertip, the longest of hands (99th percentile of men 0.21 m) with some slack.
_LONGEST_M = 0.24
# How far from its tip a limb is looked at: behind the longest hand, enough of the arm to see a wrist.
_SEARCHED_M = 0.32
# From the fingertips to the middle of the palm.
_USUAL_REACH_M = 0.14
# The width must fall to this share of the palm's and rise again by that to be a wrist: 0.6 to 0.75 straight
# on, 0.9 for a palm turned far about the arm.
_NARROWING = 0.93
_WIDENING = 1.1
# What widens to this much more within reach of the tip was fingers side by side, not the palm.
_FINGERS = 1.25
# Where an arm is as thin for a while, its wrist is the place next to the palm.
_NEARLY = 1.03
# How far a cut at the wrist may be off.
_WRIST_M = 0.05
# Between a hand and its own arm behind it, the sensor sees neither over the length of a wrist.
_OWN_ARM_M = 0.04
# The margin of a depth picture in which a registered sensor never sees anything (Kinect v1: 40 of 640 columns).
_DEAD_MARGIN = 0.12
_DEAD_FILLED = 0.3


# What a hand may hold and still count as free: a cap, a book; not a wall that it touches.
_LARGEST_HELD_M2 = 0.06
# How far beyond where it is thick an object may reach, and how far fingers that hold it reach from the wrist.
_HELD_M = 0.2
_LONGEST_GRIP_M = 0.14
# The last of a limb, at either end.
_END_M = 0.06
# From its end on, a limb is as thin as a finger for at least this long, if it is a hand's.
_FINGER_M = 0.05
# A limb may end at both sides, such as a sleeve seen from the elbow on.
_TIPS = 2

# Contact with the border is looked for within this many pixels of the search.
_BORDER = 2

# Passes along a limb between two looks at whether its end is reached; idle ones change nothing.
_PASSES = 8

_SQUARE = np.ones((3, 3), np.uint8)
_CROSS = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], np.uint8)

Mask8 = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Hand:
    """A hand found in a depth picture.

    Attributes:
        corner: x, y of the window's first pixel in the depth picture.
        mask: (h, w) the hand without its forearm, in the window.
        limb_mask: (h, w) the hand and what of the forearm is next to it.
        palm_px: (2,) u, v of the palm's middle in the depth picture.
        palm_radius_m: radius of the largest circle in the silhouette of the palm.
        to_arm: (2,) unit: direction from the palm's middle to the wrist, in the picture.
    """

    corner: tuple[int, int]
    mask: BoolArray
    limb_mask: BoolArray
    palm_px: FloatArray
    palm_radius_m: float
    to_arm: FloatArray


@dataclass(frozen=True, eq=False)
class _Search:
    """The decimated depth picture and what is derived from it; all arrays have one shape."""

    stride: int
    origin: tuple[int, int]  # x, y of the first pixel in the full picture
    z: FloatArray  # metres; infinite where nothing was seen
    pixel_m: FloatArray  # width of a pixel at its depth; 0 outside the working range
    standing_mask: BoolArray  # within the working range, and not just behind an edge
    radius_m: FloatArray  # distance from the nearest edge in depth


@dataclass(frozen=True, eq=False)
class _Limb:
    """A part of the search thinner than a body, cut out with a border of four pixels."""

    picture_shape: tuple[int, ...]
    box: tuple[slice, slice]
    mask: BoolArray
    core_mask: BoolArray  # what is thicker, and joined to it
    core_m2: float  # area of all of that
    border_mask: BoolArray  # the picture's border
    z: FloatArray
    pixel_m: FloatArray
    radius_m: FloatArray


@dataclass(frozen=True, eq=False)
class _Candidate:
    """A hand as the search sees it."""

    limb: _Limb
    hand_mask: BoolArray
    limb_mask: BoolArray  # with the wrist, wherever it is exactly
    palm: tuple[int, int]  # row, column in the limb's box
    to_arm: FloatArray
    cut: bool  # by the picture's border
    sure: bool  # a wrist shows

    @property
    def z(self) -> float:
        return float(self.limb.z[self.palm])


def find_hand(depth_m: FloatArray, *, focal_px: float, range_m: tuple[float, float]) -> Hand | Rejection:
    """Find the one hand in a depth picture.

    Args:
        depth_m: (H, W), metres, NaN where nothing was seen.
        focal_px: focal length of the depth camera.
        range_m: nearest and farthest depth at which a hand may be.
    Returns:
        The hand; or no-hand, two-hands or hand-cut-by-border.
    """
    search = _search(depth_m, focal_px, range_m)
    if search is None:
        return Rejection(Reason.NO_HAND, f"nothing between {range_m[0]:g} and {range_m[1]:g} m")
    found = [hand for limb in _limbs(search) if (hand := _free_end(limb)) is not None]
    found.sort(key=lambda candidate: candidate.z)
    whole = [candidate for candidate in found if not candidate.cut]
    whole = _without_own_arm([candidate for candidate in whole if candidate.sure] or whole)
    if len(whole) > 1:
        return Rejection(Reason.TWO_HANDS, f"{len(whole)} hands, the nearest at {whole[0].z:.2f} m")
    if not whole:
        if found:
            return Rejection(Reason.HAND_CUT_BY_BORDER, f"the hand at {found[0].z:.2f} m leaves the picture")
        return Rejection(Reason.NO_HAND, "nothing free-standing has the size and form of a hand on an arm")
    return _outlined(depth_m, search, whole[0], range_m)


def _without_own_arm(found: list[_Candidate]) -> list[_Candidate]:
    """Leave out the arm of a hand that is bent toward the camera: it goes on where it touches that hand."""
    if len(found) != 2 or (found[0].limb.mask & found[0].limb.border_mask).any():
        return found
    near, far = (_placed(candidate) for candidate in found)
    reach = max(1, round(_OWN_ARM_M / float(found[0].limb.pixel_m[found[0].palm])))
    return found[:1] if (cv2.dilate(near, _SQUARE, iterations=reach) & far).any() else found


def _placed(candidate: _Candidate) -> Mask8:
    placed = np.zeros(candidate.limb.picture_shape, np.uint8)
    placed[candidate.limb.box] = candidate.hand_mask
    return placed


def _search(depth_m: FloatArray, focal_px: float, range_m: tuple[float, float]) -> _Search | None:
    stride = max(1, round(depth_m.shape[1] / _SEARCH_COLUMNS))
    z = np.asarray(depth_m[::stride, ::stride], dtype=np.float32)
    rows, columns = _live(np.isfinite(z))
    z = z[rows, columns]
    z = np.where(np.isfinite(z), z, np.float32(np.inf))
    in_range = (z >= range_m[0]) & (z <= range_m[1])
    if not in_range.any():
        return None
    standing_mask = in_range & ~_behind(np.where(z >= range_m[0], z, np.inf), _STEP_M)
    pixel_m = np.where(in_range, z * (stride / focal_px), 0).astype(np.float32)
    origin = (columns.start * stride, rows.start * stride)
    return _Search(stride, origin, z, pixel_m, standing_mask, radius_px(standing_mask) * pixel_m)


def _live(seen_mask: BoolArray) -> tuple[slice, slice]:
    """Leave out the margins in which a registered sensor never sees anything.

    A margin is dead where its lines are nearly empty though most others are well filled; where nothing
    is seen behind the hand, few lines are, and the picture's own border stands.
    """
    return _live_lines(seen_mask.mean(axis=1)), _live_lines(seen_mask.mean(axis=0))


def _live_lines(filled: FloatArray) -> slice:
    return slice(_dead_lines(filled), len(filled) - _dead_lines(filled[::-1]))


def _dead_lines(filled: FloatArray) -> int:
    margin = filled[: int(len(filled) * _DEAD_MARGIN) + 1]
    full = 0.9 * float(margin.max())
    dead = margin[0] < _DEAD_FILLED < min(full, float(np.median(filled)))
    return int(np.argmax(margin >= full)) if dead else 0


def _behind(z: FloatArray, step_m: float) -> BoolArray:
    """Mark pixels that lie behind a neighbour by more than a step: they part surfaces at their edges."""
    nearest = cv2.erode(z.astype(np.float32), _CROSS, borderType=cv2.BORDER_REPLICATE)
    with np.errstate(invalid="ignore"):  # infinity less infinity, where nothing was seen
        return np.asarray(z - nearest > step_m)


def _limbs(search: _Search) -> Iterator[_Limb]:
    """Cut every standing surface into what is thicker than a hand and the limbs that remain."""
    border_mask = np.ones(search.z.shape, dtype=bool)
    border_mask[_BORDER:-_BORDER, _BORDER:-_BORDER] = False
    for surface_mask, box in _large_parts(search.standing_mask, search.pixel_m):
        radius_m, pixel_m = search.radius_m[box], search.pixel_m[box]
        core_mask = _thick(surface_mask, radius_m, pixel_m)
        for limb_mask, inner in _large_parts(surface_mask & ~core_mask, pixel_m):
            y, x = box[0].start + inner[0].start, box[1].start + inner[1].start
            inside = (slice(y, y + limb_mask.shape[0]), slice(x, x + limb_mask.shape[1]))
            yield _Limb(
                search.z.shape,
                inside,
                limb_mask,
                core_mask[inner],
                float((pixel_m[core_mask] ** 2).sum()),
                border_mask[inside],
                search.z[inside],
                search.pixel_m[inside],
                search.radius_m[inside],
            )


def _large_parts(mask: BoolArray, pixel_m: FloatArray) -> Iterator[tuple[BoolArray, tuple[slice, slice]]]:
    """Yield the connected parts of a mask that are as large as a hand, each in its box."""
    count, labels, stats, _ = cv2.connectedComponentsWithStatsWithAlgorithm(
        mask.astype(np.uint8), 4, cv2.CV_32S, cv2.CCL_BBDT
    )
    widest_m = float(pixel_m.max())
    for label in range(1, count):
        x, y, width, height, area = (int(value) for value in stats[label])
        if area * widest_m**2 < _LEAST_AREA_M2:
            continue
        box = (slice(max(y - 4, 0), y + height + 4), slice(max(x - 4, 0), x + width + 4))
        part_mask = labels[box] == label
        if float((pixel_m[box][part_mask] ** 2).sum()) >= _LEAST_AREA_M2:
            yield part_mask, box


def _thick(surface_mask: BoolArray, radius_m: FloatArray, pixel_m: FloatArray) -> BoolArray:
    """Open a surface with a disc wider than any hand."""
    middle = surface_mask & (radius_m > _THICK_RADIUS_M)
    if not middle.any():
        return middle
    return surface_mask & (radius_px(~middle) * pixel_m < _THICK_RADIUS_M)


def _free_end(limb: _Limb) -> _Candidate | None:
    """Find the hand at a free end of a limb: if it has several, where a wrist shows and nearest to the camera."""
    if _free_share(limb, limb.mask, beside_mask=limb.mask) < _LEAST_FREE:
        return None
    hands = [
        (hand.cut, not hand.sure, order, hand.z, hand)
        for order, root_mask in enumerate(_roots(limb))
        for hand in _hands_from(limb, root_mask)
    ]
    return min(hands, key=lambda ranked: ranked[:-1])[-1] if hands else None


def _hands_from(limb: _Limb, root_mask: BoolArray) -> Iterator[_Candidate]:
    """Follow a limb from its root to its tips, and take the hands there."""
    steps = _steps_from(root_mask, limb.mask)
    tip = farthest(steps)
    for _ in range(_TIPS):
        from_tip = _steps_from(_only(tip, limb.mask), limb.mask)
        if hand := _hand_at(limb, steps, from_tip, tip):
            yield hand
        apart = np.minimum(steps, from_tip)
        tip = farthest(apart)
        if apart[tip] * limb.pixel_m[tip] < _LONGEST_M:
            break  # another finger of the same hand


def _only(pixel: tuple[int, int], mask: BoolArray) -> BoolArray:
    only = np.zeros_like(mask)
    only[pixel] = True
    return only


def _roots(limb: _Limb) -> list[BoolArray]:
    """Mark where a limb begins: at the picture's border, else at something thicker, else at its ends, thicker first."""
    on_border = limb.mask & limb.border_mask
    if on_border.any():  # at several places: an arm is wider there than a finger
        _, labels, stats, _ = cv2.connectedComponentsWithStats(on_border.astype(np.uint8), connectivity=8)
        return [np.asarray(labels == 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA])))]
    at_core = limb.mask & (cv2.dilate(limb.core_mask.astype(np.uint8), _SQUARE) > 0)
    if at_core.any():
        return [np.asarray(at_core)]
    middle = farthest(np.where(limb.mask, limb.radius_m * 1e4, 0).astype(np.int32))
    first = farthest(_steps_from(_only(middle, limb.mask), limb.mask))
    steps = _steps_from(_only(first, limb.mask), limb.mask)
    last = farthest(steps)
    end = max(1, int(_FINGER_M / float(limb.pixel_m[middle])))
    near, far = (steps >= 0) & (steps < end), steps > steps[last] - end
    ends = [_only(first, limb.mask), _only(last, limb.mask)]
    return ends if limb.radius_m[near].max() > limb.radius_m[far].max() else ends[::-1]


def _steps_from(root_mask: BoolArray, limb_mask: BoolArray) -> NDArray[np.int32]:
    """Count steps within the limb from its root; -1 where the root does not lead.

    Square and diamond steps in turn make octagons, within 8 percent of round.
    """
    inside, reached = limb_mask.astype(np.uint8), root_mask.astype(np.uint8)
    total = np.zeros(limb_mask.shape, np.uint16)
    count = -1
    step = 0
    while (now := cv2.countNonZero(reached)) != count:
        count = now
        for _ in range(_PASSES):
            total += reached
            reached = cv2.dilate(reached, (_SQUARE, _CROSS)[step % 2]) & inside
            step += 1
    # A pixel reached at step s has been counted in every pass from s to the last, step - 1.
    return np.where(reached > 0, step - total.astype(np.int32), -1)


def _hand_at(
    limb: _Limb, steps: NDArray[np.int32], from_tip: NDArray[np.int32], tip: tuple[int, int]
) -> _Candidate | None:
    """Take the hand that ends at a tip of the limb, or None.

    Args:
        steps, from_tip: (h, w) steps within the limb from its root, and from the tip.
    """
    pixel_m = float(limb.pixel_m[tip])
    reach = int(_SEARCHED_M / pixel_m)
    branch_mask = (from_tip >= 0) & (from_tip <= reach) & (steps >= steps[tip] - reach)
    if steps[branch_mask].max() > steps[tip] + _BORDER:
        return None  # the limb goes on: no tip
    held = _holds(limb, branch_mask & (from_tip * pixel_m < _HELD_M))
    if held:
        branch_mask = (from_tip >= 0) & (from_tip * pixel_m < _SEARCHED_M)
    palm, wrist_step, sure = _palm_and_wrist(np.where(branch_mask, steps, -1), limb, held=held)
    if limb.radius_m[palm] < _LEAST_RADIUS_M:
        return None
    longest_m = _LONGEST_GRIP_M if held else _LONGEST_M
    hand_mask = _hand_part(limb, steps, palm, wrist_step, longest_m)
    limb_mask = hand_mask | _hand_part(limb, steps, palm, wrist_step - round(_WRIST_M / pixel_m), longest_m)
    if float((limb.pixel_m[hand_mask] ** 2).sum()) < _LEAST_AREA_M2:
        return None
    if _free_share(limb, hand_mask, beside_mask=limb.mask | limb.core_mask) < _LEAST_FREE:
        return None
    cut = int(np.count_nonzero(hand_mask & limb.border_mask)) > _BORDER
    return _Candidate(limb, hand_mask, limb_mask, palm, _direction_to_arm(limb, hand_mask, steps, palm), cut, sure)


def _holds(limb: _Limb, end_mask: BoolArray) -> bool:
    """Say whether a limb that comes from the picture's border ends at something thicker: an object held."""
    beside = cv2.dilate(limb.core_mask.astype(np.uint8), _SQUARE) > 0
    from_border = (limb.mask & limb.border_mask).any()
    return bool((end_mask & beside).any() and from_border and limb.core_m2 < _LARGEST_HELD_M2)


def _part_with(mask: BoolArray, pixel: tuple[int, int]) -> BoolArray:
    _, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=4)
    return np.asarray(mask & (labels == labels[pixel]))


def _palm_and_wrist(steps: NDArray[np.int32], limb: _Limb, *, held: bool) -> tuple[tuple[int, int], int, bool]:
    """Follow a limb's width from its free end: the palm is the first wide place, the wrist the narrowing after.

    Args:
        steps: (h, w) from the root; negative outside the limb's last part.
        held: whether the limb ends at an object.
    Returns:
        Row and column of the palm's middle, the step at which the hand begins, and whether a wrist shows.
    """
    inside = steps >= 0
    tip, least = int(steps.max()), int(steps[inside].min())
    pixel_m = float(np.median(limb.pixel_m[inside & (steps >= tip - _BORDER)]))
    widths = np.zeros(tip - least + 1)
    np.maximum.at(widths, tip - steps[inside], limb.radius_m[inside])
    # Ragged ends of the sensor's view leave the first of an arm thinner than it is.
    arm = widths[: -int(_END_M / pixel_m)]
    if held and len(arm):
        peak, sure = _last_peak(arm), True
    else:
        peak, sure = _first_peak(widths, int(_USUAL_REACH_M / pixel_m) + 1)
    palm = farthest(np.where(steps == tip - peak, limb.radius_m * 1e4, 0).astype(np.int32))
    radius = widths[peak] / pixel_m
    first = peak + round(1.1 * radius)
    beyond = widths[first : peak + round(2.0 * radius) + 1]
    wrist = first + int(np.argmax(beyond < _NEARLY * beyond.min())) if len(beyond) else len(widths) - 1
    return palm, tip - wrist, sure


def _last_peak(widths: FloatArray) -> int:
    """Find the wide place next after the wrist as one comes from the arm.

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

    What ends in something thinner than a wrist is a finger, or an object held by the fingers.

    Args:
        widths: (n,) metres, from the tip on.
        usual: how far from the tip the palm is looked for where no wrist shows: a thick sleeve, a bent wrist.
    Returns:
        Its index, and whether a wrist shows.
    """
    peak = neck = 0
    for index, width in enumerate(widths):
        if width > widths[peak]:
            if index > 1.25 * usual:
                break  # the arm is wider than the palm; beyond a hand's reach it cannot be the palm itself
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
    limb: _Limb, steps: NDArray[np.int32], palm: tuple[int, int], wrist_step: int, longest_m: float
) -> BoolArray:
    part_mask = _part_with(limb.mask & (steps >= wrist_step), palm)
    at_wrist = np.argwhere(part_mask & (steps <= wrist_step + 1))
    if not len(at_wrist):
        return part_mask
    rows, columns = np.ogrid[: part_mask.shape[0], : part_mask.shape[1]]
    row, column = at_wrist.mean(axis=0)
    return np.asarray(part_mask & (np.hypot(rows - row, columns - column) * limb.pixel_m < longest_m))


def _free_share(limb: _Limb, part_mask: BoolArray, *, beside_mask: BoolArray) -> float:
    """Measure the share of a part's outline behind which there is nothing near.

    Args:
        part_mask: the part.
        beside_mask: what is not part of the outline.
    """
    part = part_mask.astype(np.uint8)
    # Two pixels on, past the mixed pixels of the rim.
    inner, outer = cv2.dilate(part, _SQUARE, iterations=2), cv2.dilate(part, _SQUARE, iterations=4)
    ring_mask = (outer > inner) & ~beside_mask
    beside = cv2.dilate(np.where(part_mask, limb.z, 0).astype(np.float32), np.ones((9, 9), np.uint8))
    ring_mask &= limb.z > beside - _FREE_M  # what hides the part does not bound it
    free = np.count_nonzero(ring_mask & (limb.z > beside + _FREE_M))
    return free / max(1, int(np.count_nonzero(ring_mask)))


def _direction_to_arm(limb: _Limb, hand_mask: BoolArray, steps: NDArray[np.int32], palm: tuple[int, int]) -> FloatArray:
    arm = (limb.mask & ~hand_mask).astype(np.uint8)
    wrist = np.argwhere(hand_mask & (cv2.dilate(arm, _SQUARE) > 0) & (steps <= steps[palm]))
    if not len(wrist):
        wrist = np.argwhere(hand_mask & (steps <= steps[hand_mask].min() + 1))
    row, column = wrist.mean(axis=0) - palm
    length = float(np.hypot(row, column))
    return np.array([column, row]) / length if length > 0 else np.array([0.0, 1.0])


def _outlined(depth_m: FloatArray, search: _Search, found: _Candidate, range_m: tuple[float, float]) -> Hand:
    """Outline the hand at full resolution."""
    stride, box = search.stride, found.limb.box
    x, y, width, height = cv2.boundingRect(found.limb_mask.astype(np.uint8))
    part = slice(y, y + height), slice(x, x + width)
    left = (x - 2 + box[1].start) * stride + search.origin[0]
    top = (y - 2 + box[0].start) * stride + search.origin[1]
    inside = slice(max(0, -top), depth_m.shape[0] - top), slice(max(0, -left), depth_m.shape[1] - left)
    hand, limb = (_enlarged(mask[part], stride)[inside] for mask in (found.hand_mask, found.limb_mask))
    left, top = max(0, left), max(0, top)
    z = depth_m[top : top + limb.shape[0], left : left + limb.shape[1]]
    z = np.where(np.isfinite(z), z, np.float32(np.inf))
    in_range = (z >= range_m[0]) & (z <= range_m[1])
    limb_mask = _largest(limb & in_range & ~_behind(z, _FINE_STEP_M))
    row, column = found.palm[0] + box[0].start, found.palm[1] + box[1].start
    palm_px = np.array([column, row], dtype=np.float64) * stride + search.origin
    radius_m = float(found.limb.radius_m[found.palm])
    return Hand((left, top), limb_mask & hand, limb_mask, palm_px, radius_m, found.to_arm)


def _enlarged(mask: BoolArray, stride: int) -> BoolArray:
    """Bring a part of the search to full resolution, a pixel of the search larger all round."""
    coarse = cv2.dilate(np.pad(mask.astype(np.uint8), 2), _SQUARE)
    return np.asarray(cv2.resize(coarse, None, fx=stride, fy=stride, interpolation=cv2.INTER_NEAREST) > 0)


def _largest(mask: BoolArray) -> BoolArray:
    _, labels, stats, _ = cv2.connectedComponentsWithStatsWithAlgorithm(
        mask.astype(np.uint8), 4, cv2.CV_32S, cv2.CCL_BBDT
    )
    return np.asarray(labels == (1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA])) if len(stats) > 1 else -1))
