"""Sensor profiles: what is known of a recording once its sensor is named.

Never the unit of a plain PNG: the same sensor's pictures come in millimetres, in fifths of them and in
raw disparity, according to the program that saved them. The sensor's noise is known under the same
name in geometry/noise.py.
"""

from __future__ import annotations

from dataclasses import dataclass

from labelkit.records import DEFAULT_RANGE_M, Intrinsics

_FAR_M = DEFAULT_RANGE_M[1]


@dataclass(frozen=True)
class Profile:
    """What a sensor supplies where the recording itself states nothing.

    Attributes:
        range_m: where a hand may be; the near end is where the sensor begins to see.
        registered_intrinsics: nominal ones of its registered picture, used for that size only; None
            where units differ so much that each must state its own.
    """

    range_m: tuple[float, float]
    registered_intrinsics: Intrinsics | None = None


PROFILES = {
    # The drivers' (OpenNI, libfreenect) nominal camera after registration; units differ by about 1 %.
    "kinect-v1": Profile((0.4, _FAR_M), Intrinsics(525.0, 525.0, 319.5, 239.5, 640, 480)),
    "kinect-v2": Profile((0.5, _FAR_M)),
    "azure-kinect": Profile((0.25, _FAR_M)),  # wide field of view; the narrow one begins at 0.5 m
    "realsense": Profile((0.2, _FAR_M)),
    "structured-light": Profile(DEFAULT_RANGE_M),
    "tof": Profile(DEFAULT_RANGE_M),
}
