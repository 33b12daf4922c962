"""The nouns that travel between rooms: calibrations, frames, samples, rejections.

Conventions (docs/conventions.md): camera frame x right, y down, z forward, metres; integer pixel
coordinates are pixel centres; depth is float32 metres with NaN where the sensor saw nothing; colour
is RGB uint8; a unit normal faces the camera (n . p < 0 for points p on the plane).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating[Any]]
BoolArray = NDArray[np.bool_]
ColorImage = NDArray[np.uint8]

Handedness = Literal["right", "left"]

PYRAMID_SIZES = (128, 64, 32)  # pixels; the three inputs of the study's network
CONTOUR_POINTS = 1000  # of a hand's outline, as in Asad & Slabaugh 2014 (imaging/contour.py)

# Where a hand may be when neither the sidecar nor the command line says: closer, a Kinect v1 sees
# nothing; farther, the hand is under 60 pixels high and its plane is noise (depth in steps of 2.8 mm at 1 m).
DEFAULT_RANGE_M = (0.4, 1.5)


class Reason(StrEnum):
    """Why a source frame did not become a sample."""

    NO_HAND = "no-hand"
    TWO_HANDS = "two-hands"
    HAND_CUT_BY_BORDER = "hand-cut-by-border"
    TOO_FEW_POINTS = "too-few-points"
    NOT_PLANAR = "not-planar"
    TOO_OBLIQUE = "too-oblique"
    MISSING_PAIR = "missing-pair"
    DECODE = "decode"
    IO = "io"
    DUPLICATE = "duplicate"
    UNIT = "unit"
    SIZE = "size"
    TOO_DARK = "too-dark"
    WORKER_CRASH = "worker-crash"
    EXCLUDED = "excluded"


@dataclass(frozen=True)
class Intrinsics:
    """A pinhole camera: focal lengths and principal point in pixels, distortion in OpenCV's order."""

    fx: float
    fy: float
    cx: float
    cy: float
    width: int
    height: int
    distortion: tuple[float, ...] = ()

    @property
    def matrix(self) -> FloatArray:
        """The (3, 3) matrix K that takes camera coordinates to homogeneous pixels."""
        return np.array([[self.fx, 0.0, self.cx], [0.0, self.fy, self.cy], [0.0, 0.0, 1.0]])


@dataclass(frozen=True, eq=False)
class Calibration:
    """Both cameras of a sensor, and how they stand to each other.

    Attributes:
        depth: intrinsics of the depth picture.
        color: intrinsics of the colour picture; the same object if the two are registered.
        color_from_depth: (4, 4), metres; takes points from the depth camera's frame to the colour
            camera's. The identity if the two are registered.
    """

    depth: Intrinsics
    color: Intrinsics
    color_from_depth: FloatArray = field(default_factory=lambda: np.eye(4))

    @property
    def registered(self) -> bool:
        """Whether colour and depth share one pixel grid."""
        return self.depth == self.color and bool(np.array_equal(self.color_from_depth, np.eye(4)))


@dataclass(frozen=True, eq=False)
class Frame:
    """One source frame: a depth picture, and the colour picture taken with it.

    The colour picture is decoded only when asked for, so that a frame without a hand costs no more
    than its depth.

    Attributes:
        depth_m: (H, W) float32, metres, NaN where the sensor saw nothing.
        read_color: gives the (H, W, 3) RGB uint8 picture; raises RawFrameError if it cannot be
            decoded, OSError if it cannot be read. None in a recording of depth only.
        stamp: seconds, as the recording gives it; NaN if it gives none.
    """

    depth_m: FloatArray
    read_color: Callable[[], ColorImage] | None
    stamp: float


@dataclass(frozen=True)
class Unreadable:
    """A source frame that its recording could not deliver."""

    reason: Reason
    detail: str


@dataclass(frozen=True)
class FrameName:
    """What a source frame is called: its files relative to RAW, with forward slashes.

    Exactly one of the two may be None: a depth picture without colour, or the reverse.
    """

    depth: str | None
    color: str | None
    stamp: float = float("nan")  # seconds

    @property
    def key(self) -> str:
        """The name under which the frame stands in the label table."""
        key = self.depth or self.color
        assert key is not None
        return key


def compose_name(name: str) -> str:
    """Write a name in Unicode's form NFC; some systems write the same letters in another form."""
    return unicodedata.normalize("NFC", name)


def fold_name(name: str) -> str:
    """Write a name so that its spellings (NFC or NFD, capital letters or not) become equal."""
    return compose_name(compose_name(name).casefold())


class Recording(Protocol):
    """One recording as a sequence of source frames. Knows files; knows no geometry."""

    @property
    def name(self) -> str: ...  # what a dataset calls it: its place, or a pseudonym
    @property
    def place(self) -> str: ...  # relative to RAW, with forward slashes; "." for RAW itself
    @property
    def layout(self) -> str: ...  # the reader's name
    @property
    def participant(self) -> str: ...
    @property
    def handedness(self) -> Handedness: ...
    @property
    def sensor(self) -> str | None: ...  # profile, see recordings/profiles
    @property
    def simulated(self) -> bool: ...  # no person was recorded
    @property
    def range_m(self) -> tuple[float, float]: ...  # where a hand may be
    @property
    def depth_unit_m(self) -> float: ...
    @property
    def calibration(self) -> Calibration: ...
    @property
    def stated(self) -> Mapping[str, str]: ...  # key of recording.toml -> where its value came from

    def __len__(self) -> int: ...
    def frame_name(self, index: int) -> FrameName: ...  # what a dataset calls it: its files, or a number
    def files(self, index: int) -> FrameName: ...
    def __getitem__(self, index: int) -> Frame | Unreadable: ...
    def under_pseudonyms(self, participant: str, name: str) -> Recording: ...


@dataclass(frozen=True)
class Rejection:
    """A source frame that was left out, with why."""

    reason: Reason
    detail: str


@dataclass(frozen=True, eq=False)
class Sample:
    """A labelled hand. Arrays are in the frame of the colour camera; see docs/conventions.md.

    Attributes:
        normal: (3,) unit, camera frame.
        view_normal: (3,) unit, view frame.
        normal_cov: (2, 2) deg^2, covariance of the normal's direction in its tangent plane.
        in_plane_deg: direction of the fingers in the crop, 0 = up, clockwise, -180..180.
        plane_rms_mm, inlier_ratio, points, distance_m: the fit.
        ray: (3,) unit, camera frame: the ray through the crop's centre.
        crop: x, y, width, height of the hand in the colour picture, pixels.
        padded: share of the crop's pixels that lie outside the colour picture.
        mirrored: whether a left hand was mirrored to a right one.
        rgb: the pyramid, (128, 128, 3), (64, 64, 3), (32, 32, 3) uint8; empty for a recording of depth only.
        depth_mm: the same for depth, (S, S) uint16 millimetres, 0 where nothing was seen; or None.
        contour: (CONTOUR_POINTS,) distances of the hand's outline from the wrist point (imaging/contour.py); or None.
    """

    normal: FloatArray
    view_normal: FloatArray
    normal_cov: FloatArray
    in_plane_deg: float
    plane_rms_mm: float
    inlier_ratio: float
    points: int
    distance_m: float
    ray: FloatArray
    crop: tuple[int, int, int, int]
    padded: float
    mirrored: bool
    rgb: tuple[ColorImage, ...]
    depth_mm: tuple[NDArray[np.uint16], ...] | None = None
    contour: FloatArray | None = None

    @property
    def normal_sd_deg(self) -> float:
        """One standard deviation of the normal's direction, averaged over its tangent plane."""
        return float(np.sqrt(np.trace(self.normal_cov) / 2.0))
