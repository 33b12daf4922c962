"""The exact truth of a simulated frame: one row of truth.csv."""

from __future__ import annotations

import csv
import dataclasses
import io
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from labelkit.geometry.camera import project
from labelkit.geometry.orientation import angle_between, angles_deg_from_normal, view_from_camera
from labelkit.records import FloatArray, Intrinsics
from labelkit.simulator.people import Moment, Participant
from labelkit.simulator.render import Rendered
from labelkit.simulator.rig import BodyPart
from labelkit.simulator.skeleton import FOREARM_BONE, UPPER_ARM_BONE, digit_bone
from labelkit.simulator.stage import Staged

_DIGITS = ("thumb", "index", "middle", "ring", "little")


@dataclass(frozen=True)
class TruthRow:
    """One frame of truth.csv (docs/simulator.md describes the columns); None is an empty field."""

    participant: str
    recording: str  # folder relative to raw/
    frame: str  # depth file relative to raw/, with forward slashes
    hand: int  # 0: no hand
    handedness: str
    sleeve: int
    backdrop: str
    nx: float | None = None
    ny: float | None = None
    nz: float | None = None
    azimuth: float | None = None
    elevation: float | None = None
    view_azimuth: float | None = None
    view_elevation: float | None = None
    in_plane: float | None = None
    tilt: float | None = None
    distance: float | None = None
    palm_x: float | None = None
    palm_y: float | None = None
    palm_z: float | None = None
    palm_u: float | None = None
    palm_v: float | None = None
    box_x0: float | None = None
    box_y0: float | None = None
    box_x1: float | None = None
    box_y1: float | None = None
    wrist_u: float | None = None
    wrist_v: float | None = None
    thumb_u: float | None = None
    thumb_v: float | None = None
    index_u: float | None = None
    index_v: float | None = None
    middle_u: float | None = None
    middle_v: float | None = None
    ring_u: float | None = None
    ring_v: float | None = None
    little_u: float | None = None
    little_v: float | None = None
    wrist_bend: float | None = None
    wrist_flexion: float | None = None
    wrist_deviation: float | None = None
    palm_pixels: int | None = None
    hand_pixels: int | None = None


@dataclass(frozen=True)
class PersonRow(TruthRow):
    """One frame of truth.csv with whole people: the joint plane, 21 joints, and how many pixels show what."""

    joints_nx: float | None = None
    joints_ny: float | None = None
    joints_nz: float | None = None
    joint_angle: float | None = None
    forearm_pixels: int | None = None
    sleeve_pixels: int | None = None
    body_pixels: int | None = None
    second_hand_pixels: int | None = None
    joints: tuple[float | None, ...] = (None,) * 63  # x y z of each joint


_NESTED = {"joints": tuple(f"joint{k}_{axis}" for k in range(21) for axis in "xyz")}


def truth_of_empty(participant: Participant, frame: str, *, people: bool = False) -> TruthRow:
    """Make the row of a frame without a hand."""
    return (PersonRow if people else TruthRow)(
        participant=participant.name,
        recording=participant.name,
        frame=frame,
        hand=0,
        handedness=participant.handedness,
        sleeve=int(participant.shape.sleeve_mm is not None),
        backdrop=participant.backdrop,
    )


def truth_of(
    participant: Participant,
    frame: str,
    moment: Moment,
    staged: Staged,
    rendered: Rendered,
    intrinsics: Intrinsics,
) -> TruthRow:
    """Make the row of a frame with a hand."""
    normal = staged.normal
    view = view_from_camera(staged.ray)
    fingers = view @ -staged.turn[:, 1]
    forearm = staged.joints[UPPER_ARM_BONE] - staged.joints[FOREARM_BONE]
    azimuth, elevation = angles_deg_from_normal(normal)
    view_azimuth, view_elevation = angles_deg_from_normal(view @ normal)
    palm_u, palm_v = project(staged.centre, intrinsics)
    flexion, deviation = np.rad2deg(moment.pose.wrist)
    # the thumb's second joint is its knuckle, as in hand models with 21 joints; its first is at the wrist
    roots = [FOREARM_BONE, digit_bone(0, 1), *(digit_bone(digit, 0) for digit in range(1, 5))]
    at: dict[str, Any] = {
        f"{name}_{axis}": float(value)
        for name, pixel in zip(("wrist", *_DIGITS), project(staged.joints[roots], intrinsics), strict=True)
        for axis, value in zip("uv", pixel, strict=True)
    }
    return dataclasses.replace(
        truth_of_empty(participant, frame),
        hand=1,
        nx=float(normal[0]),
        ny=float(normal[1]),
        nz=float(normal[2]),
        azimuth=float(azimuth),
        elevation=float(elevation),
        view_azimuth=float(view_azimuth),
        view_elevation=float(view_elevation),
        in_plane=float(np.rad2deg(np.arctan2(fingers[0], -fingers[1]))),
        tilt=float(np.rad2deg(angle_between(normal, -staged.centre))),
        distance=float(np.linalg.norm(staged.centre)),
        palm_x=float(staged.centre[0]),
        palm_y=float(staged.centre[1]),
        palm_z=float(staged.centre[2]),
        palm_u=float(palm_u),
        palm_v=float(palm_v),
        box_x0=float(staged.box[0]),
        box_y0=float(staged.box[1]),
        box_x1=float(staged.box[2]),
        box_y1=float(staged.box[3]),
        **at,
        wrist_bend=float(np.rad2deg(angle_between(forearm, staged.turn[:, 1]))),
        wrist_flexion=float(flexion),
        wrist_deviation=float(deviation),
        palm_pixels=int(np.count_nonzero(rendered.parts == BodyPart.PALM)),
        hand_pixels=int(np.isin(rendered.parts, [BodyPart.PALM, BodyPart.FINGERS, BodyPart.EDGE]).sum()),
    )


def truth_of_person(row: TruthRow, staged: Staged, rendered: Rendered) -> PersonRow:
    """Add what only whole people have to a frame's row."""
    assert staged.marks is not None
    normal = joint_plane_normal(staged.marks)
    normal *= -np.sign(normal @ staged.marks[0])
    seen = np.bincount(rendered.parts.ravel(), minlength=len(BodyPart))
    return PersonRow(
        **{field.name: getattr(row, field.name) for field in dataclasses.fields(TruthRow)},
        joints_nx=float(normal[0]),
        joints_ny=float(normal[1]),
        joints_nz=float(normal[2]),
        joint_angle=float(np.rad2deg(angle_between(normal, staged.normal))),
        forearm_pixels=int(seen[BodyPart.FOREARM]),
        sleeve_pixels=int(seen[BodyPart.SLEEVE]),
        body_pixels=int(seen[BodyPart.BODY]),
        second_hand_pixels=int(seen[BodyPart.SECOND_HAND]),
        joints=tuple(float(x) for x in staged.marks.ravel()),
    )


def joint_plane_normal(joints: FloatArray) -> FloatArray:
    """Fit the plane through the wrist and the four knuckles of 21 joints (21, 3); its unit normal has either sign."""
    five = joints[[0, 5, 9, 13, 17]]
    return np.asarray(np.linalg.svd(five - five.mean(axis=0))[2][2])


def as_csv(rows: Iterable[TruthRow]) -> str:
    """Write rows as CSV with a header; numbers have eight decimals, and None becomes an empty field."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    header: list[str] = []
    for row in rows:
        values = _flat(row)
        if not header:
            header = list(values)
            writer.writerow(header)
        writer.writerow(_text_from_value(value) for value in values.values())
    return text.getvalue()


def _flat(row: TruthRow) -> dict[str, Any]:
    """List a row's columns in order; a tuple has one column for each of its numbers."""
    flat: dict[str, Any] = {}
    for field in dataclasses.fields(row):
        value = getattr(row, field.name)
        names = _NESTED.get(field.name)
        flat.update(zip(names, value, strict=True) if names else [(field.name, value)])
    return flat


def _text_from_value(value: str | float | None) -> str:
    if value is None:
        return ""
    return f"{value:.8f}" if isinstance(value, float) else str(value)
