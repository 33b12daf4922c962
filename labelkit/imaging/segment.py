"""Find the hand in a depth picture.

A hand is the free end of a limb: a strip as wide as an arm that stands in the air (whatever is behind
it is far behind), begins at the border of what the sensor saw or at something thicker (a body, a
sleeve), and ends freely or at something thicker that it holds. Walls, doors, heads and radiators are
thicker than any hand, and toys on shelves do not stand free. Sizes are metric: a pixel at depth z is
z / focal wide. The search runs on a small picture, the outline at full resolution in a window.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from labelkit.records import BoolArray, FloatArray, Reason, Rejection

# A pixel of the search is the nearest of four readings in 4 x 4 pixels of a Kinect v1: 5 mm at 0.7 m, a third of a
# finger; and where the sensor missed a pixel, another one speaks for it.
_SEARCH_COLUMNS = 160
# Skin 70 degrees oblique at 1 m falls back 21 mm from one pixel of the search to the next, and twice that where one
# reading is of a block's near end and the next of its far end; a hand before a chest is farther from it.
_STEP_M = 0.04
_FINE_STEP_M = 0.015
# A flat man's hand has an inscribed radius of 50 mm, a head of 70 mm and more; the nearest of four readings adds 3 mm.
_THICK_RADIUS_M = 0.062
# The palm of a large hand with its thumb at the side is as thick, but its disc is smaller than a head, and fingers of
# this area stand off from it.
_LEAST_THICK_M2 = 0.016
_FINGER_M2 = 6e-4
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
_HALF_PALM_M = 0.045
_AS_WIDE = 0.95
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
# What neither leaves the picture nor grows from anything has to be as long as a foreshortened hand and some of its arm.
_SHORTEST_M = 0.15
# The last of a limb, at either end.
_END_M = 0.06
# From its end on, a limb is as thin as two fingers side by side for this long, if it is an open hand's. What is blunt
# and wider than this is no fist either (57 mm recorded), but something held.
_FINGER_M = 0.05
_FINGER_RADIUS_M = 0.025
_WIDEST_PALM_M = 0.0585
# A limb may end at both sides, such as a sleeve seen from the elbow on.
_TIPS = 2

# Contact with the border is looked for within this many pixels of the search.
_BORDER = 1

_SQUARE = np.ones((3, 3), np.uint8)
_WIDE = np.ones((5, 5), np.uint8)
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
        distance_m: of the palm's middle, along z.
        palm_radius_m: radius of the largest circle in the silhouette of the palm.
        to_arm: (2,) unit: direction from the palm's middle to the wrist, in the picture.
    """

    corner: tuple[int, int]
    mask: BoolArray
    limb_mask: BoolArray
    palm_px: FloatArray
    palm_radius_m: float
    distance_m: float
    to_arm: FloatArray


@dataclass(frozen=True, eq=False)
class _Search:
    """The small depth picture and what is derived from it; all arrays have one shape."""

    stride: int
    origin: tuple[int, int]  # x, y of the first pixel in the full picture
    z: FloatArray  # metres; infinite where nothing was seen
    pixel_m: FloatArray  # width of a pixel at its depth; 0 outside the working range
    standing_mask: BoolArray  # within the working range, and not just behind an edge
    radius_m: FloatArray  # distance from the nearest edge in depth


@dataclass(frozen=True, eq=False)
class _Limb:
    """A part of the search thinner than a body, cut out with a border of four pixels.

    Attributes:
        row, column: (n,) its pixels, in the box.
        radius_m: (n,) how far each is from the nearest edge.
        pixel_m: (n,) width of each.
    """

    picture_shape: tuple[int, ...]
    box: tuple[slice, slice]
    mask: BoolArray
    core_mask: BoolArray  # what is thicker, and joined to it
    core_m2: float  # area of all of that
    border_mask: BoolArray  # the picture's border
    z: FloatArray
    row: NDArray[np.intp]
    column: NDArray[np.intp]
    radius_m: FloatArray
    pixel_m: FloatArray

    @property
    def is_rooted(self) -> bool:
        """Whether it comes from beyond the picture's border or grows from something thicker."""
        return self.core_m2 > 0 or bool((self.mask & self.border_mask).any())

    def of(self, picture: NDArray[Any]) -> NDArray[Any]:
        """Read a picture of the box at the limb's pixels: (n,)."""
        return np.asarray(picture[self.row, self.column])

    def place(self, pixel: int) -> tuple[int, int]:
        """Say where one of the limb's pixels is: row and column."""
        return int(self.row[pixel]), int(self.column[pixel])

    def far_from(self, place: tuple[float, float]) -> FloatArray:
        """Measure how far the limb's pixels are from a row and column: (n,), pixels."""
        return np.asarray(np.hypot(self.row - place[0], self.column - place[1]))

    def middle_of(self, chosen: BoolArray) -> tuple[float, float]:
        """Find the mean row and column of chosen (n,) pixels."""
        return float(self.row[chosen].mean()), float(self.column[chosen].mean())

    def marked(self, chosen: BoolArray) -> BoolArray:
        """Mark chosen (n,) pixels in the box."""
        marked = np.zeros(self.mask.shape, dtype=bool)
        marked[self.row[chosen], self.column[chosen]] = True
        return marked


@dataclass(frozen=True, eq=False)
class _Candidate:
    """A hand as the search sees it."""

    limb: _Limb
    hand: BoolArray  # (n,) of the limb's pixels
    with_wrist: BoolArray  # the same with the wrist, wherever it is exactly
    palm: int  # the pixel in its middle
    to_arm: FloatArray
    cut: bool  # by the picture's border
    sure: bool  # a wrist shows

    @property
    def z(self) -> float:
        return float(self.limb.z[self.limb.place(self.palm)])


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
    # A bar that hangs in the air is no second hand beside one on an arm that comes in from somewhere.
    whole = [candidate for candidate in whole if candidate.limb.is_rooted] or whole
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
    placed[candidate.limb.box] = candidate.limb.marked(candidate.hand)
    return placed


def _search(depth_m: FloatArray, focal_px: float, range_m: tuple[float, float]) -> _Search | None:
    stride = 2 * max(1, round(depth_m.shape[1] / (2 * _SEARCH_COLUMNS)))
    z = _shrunk(depth_m, stride, range_m[0])
    if not z.size:
        return None
    rows, columns = _live(np.isfinite(z))
    z = z[rows, columns]
    in_range = z <= range_m[1]
    if not in_range.any():
        return None
    standing_mask = in_range & ~_behind(z, _STEP_M)
    pixel_m = np.where(in_range, z * np.float32(stride / focal_px), np.float32(0))
    origin = (columns.start * stride, rows.start * stride)
    return _Search(stride, origin, z, pixel_m, standing_mask, _radius_px(standing_mask) * pixel_m)


def _shrunk(depth_m: FloatArray, stride: int, nearest_m: float) -> FloatArray:
    """Take the nearest of four readings of each block of `stride` pixels; infinite where there is none."""
    fine = np.array(depth_m[:: stride // 2, :: stride // 2], dtype=np.float32, order="C")
    fine = fine[: fine.shape[0] // 2 * 2]
    if not fine.size:
        return fine
    cv2.patchNaNs(fine, np.inf)
    if cv2.minMaxLoc(fine)[0] < nearest_m:
        fine[fine < nearest_m] = np.inf
    lines = np.minimum(fine[::2], fine[1::2])
    even = lines.shape[1] // 2 * 2
    return np.asarray(np.minimum(lines[:, :even:2], lines[:, 1:even:2]))


def _radius_px(mask: BoolArray) -> FloatArray:
    """Measure each marked pixel's distance (H, W) from the nearest edge, in pixels."""
    # OpenCV counts no border as an edge, so what leaves the picture counts as going on.
    if mask.all():
        return np.full(mask.shape, np.float32(max(mask.shape)))
    return np.asarray(cv2.distanceTransform(mask.view(np.uint8), cv2.DIST_L2, 5))


def _live(seen_mask: BoolArray) -> tuple[slice, slice]:
    """Leave out the margins in which a registered sensor never sees anything.

    A margin is dead where its lines are nearly empty though most others are well filled; where nothing
    is seen behind the hand, few lines are, and the picture's own border stands.
    """
    return _live_lines(seen_mask.mean(axis=1)), _live_lines(seen_mask.mean(axis=0))


def _live_lines(filled: FloatArray) -> slice:
    return slice(_dead_lines(filled), len(filled) - _dead_lines(filled[::-1]))


def _dead_lines(filled: FloatArray) -> int:
    if filled[0] >= _DEAD_FILLED:
        return 0
    margin = filled[: int(len(filled) * _DEAD_MARGIN) + 1]
    full = 0.9 * float(margin.max())
    return int(np.argmax(margin >= full)) if min(full, float(np.median(filled))) > _DEAD_FILLED else 0


def _behind(z: FloatArray, step_m: float) -> BoolArray:
    """Mark pixels that lie behind a neighbour by more than a step: they part surfaces at their edges."""
    nearest = cv2.erode(z, _CROSS, borderType=cv2.BORDER_REPLICATE)
    with np.errstate(invalid="ignore"):  # infinity less infinity, where nothing was seen
        return np.asarray(z - nearest > step_m)


def _limbs(search: _Search) -> Iterator[_Limb]:
    """Cut every standing surface into what is thicker than a hand and the limbs that remain."""
    border_mask = np.ones(search.z.shape, dtype=bool)
    border_mask[_BORDER:-_BORDER, _BORDER:-_BORDER] = False
    for surface_mask, box in _large_parts(search.standing_mask, search.pixel_m):
        radius_m, pixel_m = search.radius_m[box], search.pixel_m[box]
        core_mask = _thick(surface_mask, radius_m, pixel_m)
        core_m2 = float((pixel_m[core_mask] ** 2).sum())
        for limb_mask, inner in _large_parts(surface_mask & ~core_mask, pixel_m) if core_m2 else [(surface_mask, ...)]:
            y, x = (box[k].start + (0 if inner is ... else inner[k].start) for k in range(2))
            inside = (slice(y, y + limb_mask.shape[0]), slice(x, x + limb_mask.shape[1]))
            row, column = np.nonzero(limb_mask)
            yield _Limb(
                picture_shape=search.z.shape,
                box=inside,
                mask=limb_mask,
                core_mask=core_mask[inner],
                core_m2=core_m2,
                border_mask=border_mask[inside],
                z=search.z[inside],
                row=row,
                column=column,
                radius_m=search.radius_m[inside][row, column],
                pixel_m=search.pixel_m[inside][row, column],
            )


def _large_parts(mask: BoolArray, pixel_m: FloatArray) -> Iterator[tuple[BoolArray, tuple[slice, slice]]]:
    """Yield the connected parts of a mask that are as large as a hand, each in its box."""
    count, labels, stats, _ = cv2.connectedComponentsWithStatsWithAlgorithm(
        mask.view(np.uint8), 4, cv2.CV_16U, cv2.CCL_BBDT
    )
    least = _LEAST_AREA_M2 / float(pixel_m.max()) ** 2
    for label in 1 + np.flatnonzero(stats[1:count, cv2.CC_STAT_AREA] >= least):
        x, y, width, height = (int(value) for value in stats[label, :4])
        box = (slice(max(y - 4, 0), y + height + 4), slice(max(x - 4, 0), x + width + 4))
        part_mask = labels[box] == label
        if float((pixel_m[box][part_mask] ** 2).sum()) >= _LEAST_AREA_M2:
            yield part_mask, box


def _thick(surface_mask: BoolArray, radius_m: FloatArray, pixel_m: FloatArray) -> BoolArray:
    """Open a surface with a disc wider than any hand."""
    middle = surface_mask & (radius_m > _THICK_RADIUS_M)
    if not middle.any():
        return middle
    core_mask = surface_mask & (_radius_px(~middle) * pixel_m < _THICK_RADIUS_M)
    if (pixel_m[core_mask] ** 2).sum() < _LEAST_THICK_M2 and _has_fingers(surface_mask & ~core_mask, pixel_m):
        return np.zeros_like(core_mask)
    return core_mask


def _has_fingers(around_mask: BoolArray, pixel_m: FloatArray) -> bool:
    """Say whether an arm and at least two fingers stand off from something thick."""
    count, labels = cv2.connectedComponents(around_mask.view(np.uint8), connectivity=4, ltype=cv2.CV_16U)
    areas = np.bincount(labels[around_mask], pixel_m[around_mask] ** 2, count)
    return int(np.count_nonzero(areas > _FINGER_M2)) > 2


def _free_end(limb: _Limb) -> _Candidate | None:
    """Find the hand at a free end of a limb: if it has several, where a wrist shows and nearest to the camera."""
    if _free_share(limb, limb.mask, beside_mask=limb.mask) < _LEAST_FREE:
        return None
    hands = [
        (hand.cut, not hand.sure, order, hand.z, hand)
        for order, root in enumerate(_roots(limb))
        for hand in _hands_from(limb, root)
    ]
    return min(hands, key=lambda ranked: ranked[:-1])[-1] if hands else None


def _hands_from(limb: _Limb, root: tuple[float, float]) -> Iterator[_Candidate]:
    """Look from a limb's root to its tips, the places farthest from it, and take the hands there."""
    from_root = limb.far_from(root)
    tip = int(np.argmax(from_root))
    for _ in range(_TIPS):
        from_tip = limb.far_from(limb.place(tip))
        if hand := _hand_at(limb, from_root, from_tip, tip):
            yield hand
        apart = np.minimum(from_root, from_tip)
        tip = int(np.argmax(apart))
        if apart[tip] * limb.pixel_m[tip] < _LONGEST_M:
            break  # another finger of the same hand


def _roots(limb: _Limb) -> list[tuple[float, float]]:
    """Say where a limb begins: at the picture's border, else at something thicker, else at its ends, thicker first."""
    on_border = limb.mask & limb.border_mask
    if on_border.any():  # at several places: an arm is wider there than a finger
        _, _, stats, middles = cv2.connectedComponentsWithStats(on_border.view(np.uint8), connectivity=8)
        x, y = middles[1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))]
        return [(float(y), float(x))]
    at_core = limb.of(_beside(limb.core_mask)) if limb.core_m2 else np.zeros(0, dtype=bool)
    if at_core.any():
        return [limb.middle_of(at_core)]
    middle = int(np.argmax(limb.radius_m))
    first = limb.place(int(np.argmax(limb.far_from(limb.place(middle)))))
    from_first = limb.far_from(first)
    if from_first.max() * limb.pixel_m[middle] < _SHORTEST_M:
        return []
    last = limb.place(int(np.argmax(from_first)))
    end = max(1.0, _FINGER_M / float(limb.pixel_m[middle]))
    near, far = from_first < end, from_first > from_first.max() - end
    return [first, last] if limb.radius_m[near].max() > limb.radius_m[far].max() else [last, first]


def _beside(mask: BoolArray) -> BoolArray:
    return np.asarray(cv2.dilate(mask.view(np.uint8), _SQUARE) > 0)


def _hand_at(limb: _Limb, from_root: FloatArray, from_tip: FloatArray, tip: int) -> _Candidate | None:
    """Take the hand that ends at a tip of the limb, or None.

    Args:
        from_root, from_tip: (n,) how far the limb's pixels are from its root, and from the tip, pixels.
        tip: a pixel of the limb.
    """
    pixel_m = float(limb.pixel_m[tip])
    reach = _SEARCHED_M / pixel_m
    branch = (from_tip <= reach) & (from_root >= from_root[tip] - reach)
    if from_root[branch].max() > from_root[tip] + _BORDER:
        return None  # the limb goes on: no tip
    held = _holds(limb, branch & (from_tip * pixel_m < _HELD_M)) or _is_blunt(limb, from_tip * pixel_m)
    if held:
        branch = from_tip <= reach
    if not limb.radius_m[branch].any():
        return None
    palm, wrist, sure = _palm_and_wrist(limb, from_tip, branch, pixel_m, held=held)
    if limb.radius_m[palm] < _LEAST_RADIUS_M or (held and limb.radius_m[palm] > _WIDEST_PALM_M):
        return None
    longest_m = _LONGEST_GRIP_M if held else _LONGEST_M
    hand, wrist_place = _hand_part(limb, from_tip, palm, wrist, longest_m)
    with_wrist = hand | _hand_part(limb, from_tip, palm, wrist + _WRIST_M / pixel_m, longest_m)[0]
    if float((limb.pixel_m[hand] ** 2).sum()) < _LEAST_AREA_M2:
        return None
    if _free_share(limb, limb.marked(hand), beside_mask=limb.mask | limb.core_mask) < _LEAST_FREE:
        return None
    # Where an arm comes in, its wrist may be; of palm and fingers nothing may be beyond the border.
    whole = from_tip < from_tip[palm] + limb.radius_m[palm] / pixel_m
    cut = int(np.count_nonzero(limb.of(limb.border_mask)[hand & whole])) > _BORDER
    row, column = np.subtract(wrist_place, limb.place(palm))
    length = float(np.hypot(row, column))
    to_arm = np.array([column, row]) / length if length > 0 else np.array([0.0, 1.0])
    return _Candidate(limb, hand, with_wrist, palm, to_arm, cut, sure)


def _holds(limb: _Limb, end: BoolArray) -> bool:
    """Say whether a limb that comes from the picture's border ends at something thicker: an object held."""
    if not 0 < limb.core_m2 < _LARGEST_HELD_M2 or not (limb.mask & limb.border_mask).any():
        return False
    return bool(limb.of(_beside(limb.core_mask))[end].any())


def _is_blunt(limb: _Limb, from_tip_m: FloatArray) -> bool:
    """Say whether a limb that comes from the picture's border ends in something wider than a palm, without fingers."""
    end = from_tip_m < _FINGER_M
    blunt = limb.radius_m[end].max() > _FINGER_RADIUS_M
    wide = limb.radius_m[from_tip_m < _HELD_M].max() > _WIDEST_PALM_M
    return bool(blunt and wide and (limb.mask & limb.border_mask).any())


def _palm_and_wrist(
    limb: _Limb, from_tip: FloatArray, branch: BoolArray, pixel_m: float, *, held: bool
) -> tuple[int, int, bool]:
    """Follow a limb's width from its tip: the palm is the first wide place, the wrist the narrowing after.

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
    # Ragged ends of the sensor's view leave the first of an arm thinner than it is.
    arm = widths[: -max(1, int(_END_M / pixel_m))]
    if held and len(arm):
        peak, sure = _last_peak(arm), True
    else:
        peak, sure = _first_peak(widths, int(_USUAL_REACH_M / pixel_m) + 1)
    # A palm is as wide for a while: its middle is that of its widest stretch.
    stretch = widths[peak : peak + max(1, int(_HALF_PALM_M / pixel_m))]
    peak += int(np.flatnonzero(stretch >= _AS_WIDE * widths[peak])[-1]) // 2
    palm = int(np.flatnonzero(branch)[np.argmax(np.where(index == peak, radius_m, 0))])
    radius = widths[peak] / pixel_m
    first = peak + round(1.1 * radius)
    beyond = widths[first : peak + round(2.0 * radius) + 1]
    wrist = first + int(np.argmax(beyond < _NEARLY * beyond.min())) if len(beyond) else len(widths) - 1
    return palm, wrist, sure


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
    limb: _Limb, from_tip: FloatArray, palm: int, wrist: float, longest_m: float
) -> tuple[BoolArray, tuple[float, float]]:
    """Take the part of a limb from its tip to the wrist that holds the palm, and the wrist's row and column."""
    part_mask = limb.marked(from_tip <= wrist)
    _, labels = cv2.connectedComponents(part_mask.view(np.uint8), connectivity=4, ltype=cv2.CV_16U)
    part = limb.of(labels == labels[limb.place(palm)])
    at_wrist = part & (from_tip > wrist - 1.5)
    if not at_wrist.any():
        at_wrist = part & (from_tip >= from_tip[part].max() - 1)
    place = limb.middle_of(at_wrist)
    return part & (limb.far_from(place) * limb.pixel_m < longest_m), place


def _free_share(limb: _Limb, part_mask: BoolArray, *, beside_mask: BoolArray) -> float:
    """Measure the share of a part's outline behind which there is nothing near.

    Args:
        part_mask: the part.
        beside_mask: what is not part of the outline.
    """
    # A pixel on, past the mixed pixels of the rim.
    inner = cv2.dilate(part_mask.view(np.uint8), _SQUARE)
    ring_mask = (cv2.dilate(inner, _SQUARE) > inner) & ~beside_mask
    beside = cv2.dilate(np.where(part_mask, limb.z, np.float32(0)), _WIDE)[ring_mask]
    z = limb.z[ring_mask]
    bounding = z > beside - _FREE_M  # what hides the part does not bound it
    free = np.count_nonzero(bounding & (z > beside + _FREE_M))
    return free / max(1, int(np.count_nonzero(bounding)))


def _outlined(depth_m: FloatArray, search: _Search, found: _Candidate, range_m: tuple[float, float]) -> Hand:
    """Outline the hand at full resolution: what is not behind the pixels of the search that show it."""
    stride, limb = search.stride, found.limb
    y, x = (axis.start for axis in limb.box)
    with_wrist = limb.marked(found.with_wrist)
    part = _window(with_wrist)
    # A pixel of the search larger all round, where the sensor saw the rim a little differently.
    reach = cv2.dilate(np.where(with_wrist, limb.z, np.float32(0))[part], _SQUARE)
    beside = cv2.dilate(limb.marked(found.hand).view(np.uint8)[part], _SQUARE)
    left, top = search.origin[0] + stride * (x + part[1].start), search.origin[1] + stride * (y + part[0].start)
    z = depth_m[top : top + stride * reach.shape[0], left : left + stride * reach.shape[1]]
    reach, beside = (_enlarged(picture, stride)[: z.shape[0], : z.shape[1]] for picture in (reach, beside))
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
    )


def _window(mask: BoolArray) -> tuple[slice, slice]:
    """Box a mask with a pixel's margin, as far as it goes."""
    x, y, width, height = cv2.boundingRect(mask.view(np.uint8))
    return slice(max(0, y - 1), y + height + 1), slice(max(0, x - 1), x + width + 1)


def _enlarged(picture: NDArray[Any], stride: int) -> NDArray[Any]:
    return np.asarray(cv2.resize(picture, None, fx=stride, fy=stride, interpolation=cv2.INTER_NEAREST))
