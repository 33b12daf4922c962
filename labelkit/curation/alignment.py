"""Whether colour and depth pictures show the same things at the same pixels.

What ends in depth (a hand before a wall) mostly ends in colour, too. So edges of depth are laid over edges of
colour at every shift, and the shift at which most of them meet is where depth lies. Chance makes the same shift the
best in no two frames, so a few frames are enough: the peak of a sound recording stands 15 to 170 standard deviations
above what other shifts give. Edges count by their direction. What stands still in all frames is taken out: a
table has parallel edges that meet at wrong shifts, and it fits even if colour comes a second after depth.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

import cv2
import numpy as np
from numpy.typing import NDArray

from labelkit.geometry.camera import deproject, project, transform_points
from labelkit.records import BoolArray, Calibration, ColorImage, FloatArray

WIDTH = 320  # pixels of the maps: half of a Kinect's; at a quarter a shift is known to 4 pixels only
_DIRECTIONS = 4
_JUMP = 1.06  # an edge is where depth grows by this factor: 5 cm at 0.8 m
_RIM = 3  # map pixels at the border, which is an edge of both pictures
_REACH = 0.1  # largest shift that is looked for, as a share of the width: 64 of 640 pixels
# Registered recordings of real sensors meet within 5 of 640 pixels (docs/alignment.md); a crop's margin is about 9.
_TOLERANCE = 8 / 640
# In standard deviations. Unrelated pictures reach 8, sound recordings of 6 frames have 14 and more.
_FOUND = 10.0
_CLEAR = 1.5  # a true peak is so many times that of the mirror image, or more: 4 times in all recordings looked at
CERTAIN = 20.0
_FEWEST_EDGES = 60  # map pixels a frame; a hand at arm's length has 300
_FEWEST_FRAMES = 3  # to tell what moves
_ENOUGH_FRAMES = 8  # to say that nothing fits
_MOVING = 0.4  # share of the edges; if less moves, what stands still decides


class Fit(StrEnum):
    """What an alignment comes to."""

    ALIGNED = "aligned"
    SHIFTED = "shifted"
    MIRRORED = "mirrored"
    UNRELATED = "unrelated"  # edges enough, and they meet at no shift
    UNKNOWN = "unknown"  # too few edges or frames to tell


@dataclass(frozen=True)
class Alignment:
    """How depth lies on colour.

    Attributes:
        frames: with edges enough to count.
        shift_px: (x, y) from where depth says a thing is to where colour shows it, pixels of the colour picture;
            of the mirrored depth picture where that fits. None where nothing fits.
        strength: of the best shift, in standard deviations of all shifts.
    """

    fit: Fit
    frames: int
    shift_px: tuple[float, float] | None
    strength: float


def describe_misfit(fit: str, shift_px: tuple[float, float] | None) -> str | None:
    """Say in words what is wrong and what to do; None if nothing is known to be wrong.

    Args:
        fit, shift_px: of an Alignment.
    """
    if fit == Fit.SHIFTED and shift_px is not None:
        x, y = shift_px
        return (
            f"colour and depth do not lie on each other: colour shows things {_way(x, y)} of where depth has them; "
            "check the calibration in recording.toml, or register the pictures again"
        )
    if fit == Fit.MIRRORED:
        return "the depth pictures are the mirror image of the colour pictures; mirror one of the two"
    if fit == Fit.UNRELATED:
        return (
            "what moves in depth does not move in colour: they are not of the same moments, or not of one scene; "
            "check the time stamps and how the pictures are paired"
        )
    return None


def _way(x: float, y: float) -> str:
    across, down = f"{abs(x):.0f} px {'right' if x > 0 else 'left'}", f"{abs(y):.0f} px {'below' if y > 0 else 'above'}"
    return " and ".join(way for way, n in ((across, x), (down, y)) if round(n))


class EdgeMaps:
    """The edges of some frames of one recording, in depth and in colour."""

    def __init__(self, calibration: Calibration, range_m: tuple[float, float], *, width: int = WIDTH) -> None:
        """Begin with no frame.

        Args:
            calibration: if it says that the pictures are not registered, depth is carried into the colour picture.
            range_m: what is nearer or farther has no part in it: where a hand may be.
            width: of the maps, pixels.
        """
        self._calibration = calibration
        self._range_m = range_m
        self._step = max(1, round(calibration.color.width / width))
        self._depth: list[FloatArray] = []
        self._color: list[FloatArray] = []

    def __len__(self) -> int:
        return len(self._depth)

    def add(self, depth_m: FloatArray, color: ColorImage) -> None:
        """Take a frame; one with few edges in depth is passed over.

        Args:
            depth_m: (H, W) metres, NaN where nothing was seen.
            color: (H, W, 3) RGB.
        """
        small = cv2.resize(color, None, fx=1 / self._step, fy=1 / self._step, interpolation=cv2.INTER_AREA)
        depth = self._depth_edges(depth_m, small.shape[:2])
        if np.count_nonzero(depth) < _FEWEST_EDGES:
            return
        self._depth.append(depth)
        self._color.append(_color_edges(small))

    def _depth_edges(self, depth_m: FloatArray, shape: tuple[int, int]) -> FloatArray:
        edges, directions = depth_edges(depth_m, self._range_m, self._step)
        if self._calibration.registered:
            x, y = np.nonzero(edges)[::-1]
            pixels = np.stack([x, y], axis=-1)
        else:
            mask = np.zeros(depth_m.shape, bool)
            mask[:: self._step, :: self._step][: edges.shape[0], : edges.shape[1]] = edges
            points = transform_points(
                self._calibration.color_from_depth, deproject(depth_m, mask, self._calibration.depth)
            )
            pixels = np.round(project(points, self._calibration.color) / self._step).astype(int)
        seen = ((pixels >= _RIM) & (pixels < np.array(shape[::-1]) - _RIM)).all(axis=1)
        maps = np.zeros((_DIRECTIONS, *shape), np.float32)
        x, y = pixels[seen].T
        for channel, share in _channels(directions[edges][seen]):
            maps[channel, y, x] = share
        return maps

    def measure(self) -> Alignment:
        """Find the shift at which most edges meet."""
        frames = len(self)
        if not frames:
            return Alignment(Fit.UNKNOWN, 0, None, 0.0)
        depth, color = np.stack(self._depth), np.stack(self._color)
        moves = frames >= _FEWEST_FRAMES and _moving_share(depth) >= _MOVING
        if moves:  # what stands still says nothing about colour that comes late
            depth, color = depth - depth.mean(axis=0), color - color.mean(axis=0)
        best, mirrored = _peak(depth, color), _peak(_mirror(depth), color)
        peak, rival = (best, mirrored) if best.strength >= mirrored.strength else (mirrored, best)
        if peak.strength < max(_FOUND, _CLEAR * rival.strength):
            fit = Fit.UNRELATED if moves and frames >= _ENOUGH_FRAMES else Fit.UNKNOWN
            return Alignment(fit, frames, None, peak.strength)
        return self._judge(peak, Fit.ALIGNED if peak is best else Fit.MIRRORED, frames)

    def _judge(self, peak: _Peak, fit: Fit, frames: int) -> Alignment:
        shift_px = (peak.x * self._step, peak.y * self._step)
        if fit is Fit.ALIGNED and np.hypot(*shift_px) > _TOLERANCE * self._calibration.color.width:
            fit = Fit.SHIFTED
        return Alignment(fit, frames, shift_px, peak.strength)


@dataclass(frozen=True)
class _Peak:
    x: float
    y: float
    strength: float


def depth_edges(depth_m: FloatArray, range_m: tuple[float, float], step: int) -> tuple[BoolArray, FloatArray]:
    """Find where near things end in depth.

    Returns:
        Edges (h, w) of every `step`-th pixel, on the near side; the direction across each, radians from 0 to pi.
    """
    depth = depth_m[::step, ::step].astype(np.float32)
    near = (depth >= range_m[0]) & (depth <= range_m[1])
    far = np.where(np.isfinite(depth), depth, np.float32(8.0))
    grown = cv2.dilate(far, np.ones((3, 3), np.uint8))
    edges = near & (grown > _JUMP * far)
    edges[:_RIM] = edges[-_RIM:] = edges[:, :_RIM] = edges[:, -_RIM:] = False
    return np.asarray(edges), _direction(cv2.GaussianBlur(np.log(np.clip(far, 0.2, 8.0)), (0, 0), 2.0))[1]


def _color_edges(color: ColorImage) -> FloatArray:
    """Measure how strongly colour changes, compared with what is around: (directions, h, w)."""
    blurred = cv2.GaussianBlur(color, (0, 0), 1.0).astype(np.float32)
    strength, direction = _direction(cv2.cvtColor(blurred, cv2.COLOR_RGB2GRAY))
    strength = np.minimum(strength / (cv2.blur(strength, (31, 31)) + np.median(strength) + 1.0), 3.0)
    maps = np.zeros((_DIRECTIONS, *strength.shape), np.float32)
    for channel, share in _channels(direction.ravel()):
        maps.reshape(_DIRECTIONS, -1)[channel, np.arange(strength.size)] = share * strength.ravel()
    maps -= maps.mean(axis=(1, 2), keepdims=True)
    for rim in (np.s_[:, :_RIM], np.s_[:, -_RIM:], np.s_[:, :, :_RIM], np.s_[:, :, -_RIM:]):
        maps[rim] = 0.0
    return maps


def _direction(picture: FloatArray) -> tuple[FloatArray, FloatArray]:
    x, y = cv2.Sobel(picture, cv2.CV_32F, 1, 0), cv2.Sobel(picture, cv2.CV_32F, 0, 1)
    return np.hypot(x, y), np.arctan2(y, x) % np.pi


def _channels(direction: FloatArray) -> Iterable[tuple[NDArray[np.intp], FloatArray]]:
    """Share a direction between the two channels it lies between."""
    place = direction * (_DIRECTIONS / np.pi)
    below = np.floor(place)
    yield below.astype(int) % _DIRECTIONS, (1 - (place - below)).astype(np.float32)
    yield (below.astype(int) + 1) % _DIRECTIONS, (place - below).astype(np.float32)


def _mirror(maps: FloatArray) -> FloatArray:
    """Mirror edge maps: (frames, directions, h, w), left to right; the directions turn with them."""
    return np.roll(maps[:, ::-1, :, ::-1], 1, axis=1)


def _moving_share(depth: FloatArray) -> float:
    """Say which share of the edges is not the same in all frames."""
    changing = np.square(depth - depth.mean(axis=0), dtype=np.float64).sum() * len(depth) / (len(depth) - 1)
    return float(changing / np.square(depth, dtype=np.float64).sum())


def _peak(depth: FloatArray, color: FloatArray) -> _Peak:
    """Find the shift at which edges meet best; both (frames, directions, h, w)."""
    height, width = depth.shape[-2:]
    total = np.zeros((height, width), np.float64)
    for ours, theirs in zip(depth, color, strict=True):
        scale = np.sqrt(np.square(ours, dtype=np.float64).sum() * np.square(theirs, dtype=np.float64).mean())
        product = (np.conj(np.fft.rfft2(ours)) * np.fft.rfft2(theirs)).sum(axis=0)
        total += np.fft.irfft2(product, s=(height, width)) / max(scale, 1e-9)
    total = np.fft.fftshift(total)
    reach = min(int(_REACH * width), height // 2 - 1, width // 2 - 1)
    window = total[height // 2 - reach :, width // 2 - reach :][: 2 * reach + 1, : 2 * reach + 1]
    y, x = (int(place) for place in np.unravel_index(window.argmax(), window.shape))
    typical = np.median(total)
    spread = 1.4826 * np.median(np.abs(total - typical))
    return _Peak(
        float(x - reach + _beyond(window[y], x)),
        float(y - reach + _beyond(window[:, x], y)),
        float((window.max() - typical) / max(spread, 1e-12)),
    )


def _beyond(line: FloatArray, at: int) -> float:
    """Refine the place of a maximum by the parabola through it and its neighbours."""
    if not 0 < at < len(line) - 1:
        return 0.0
    left, top, right = (float(line[at + k]) for k in (-1, 0, 1))
    curve = left - 2 * top + right
    return 0.5 * (left - right) / curve if curve < 0 else 0.0
