"""Sensor profiles: what is known of a recording if its sensor is named.

A profile never gives the unit of a plain PNG: it depends on the program that saved the pictures, and may be
millimetres, fifths of a millimetre or raw disparity. geometry/noise.py has the noise of the sensors, under
the same names.
"""

from __future__ import annotations

from dataclasses import dataclass

from labelkit.records import DEFAULT_RANGE_M, Intrinsics

_FAR_M = DEFAULT_RANGE_M[1]


@dataclass(frozen=True)
class Profile:
    """Values for a recording that does not state them itself.

    Attributes:
        range_m: distances at which a hand may be; the near end is the nearest that the sensor measures.
        registered_intrinsics: nominal intrinsics of the registered picture, used for this size only; None
            if single sensors differ so much that each recording must state its own.
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
