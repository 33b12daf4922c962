"""recording.toml: the metadata of a recording that its files do not hold.

It lies in the folder of the frames or in any folder above, up to RAW itself; for each key the nearest file
wins. Formats, profiles and defaults use the same tables, so all layers of statements are alike: each key
has a value and its origin.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from labelkit.errors import RecordingError, nearest
from labelkit.recordings.encodings import ENCODINGS
from labelkit.recordings.listing import read_text
from labelkit.recordings.profiles import PROFILES
from labelkit.records import Handedness

FILE_NAME = "recording.toml"

_MOST_BYTES = 1_000_000

_DISTORTION_LENGTHS = (0, 4, 5, 8, 12, 14)  # what OpenCV's camera models take


PARTICIPANT = "recording.participant"
PARTICIPANTS = "participants"  # the key of the whole table of that name: glob of a recording's name -> participant

# In a participant's name: the recording's own folder, the folder that holds it, the nth folder below RAW.
PLACES = re.compile(r"\{(?:(recording|parent)|folder:([1-9]\d?))\}")


class _Table(BaseModel):
    model_config = ConfigDict(strict=True, allow_inf_nan=False)


T = TypeVar("T", bound=_Table)


class _Recording(_Table):
    participant: str = Field("", min_length=1)
    handedness: Handedness = "right"
    sensor: str = ""
    simulated: bool = False
    layout: str = ""
    # 1 cm per step is already too coarse for a hand; 1.0 would mean metres, which no PNG can hold.
    depth_unit_m: float = Field(0.001, gt=0, le=0.01)
    depth_stored_as: str = ""
    stamp_unit_s: float = Field(1.0, gt=0)
    registered: bool = True
    depth_only: bool = False
    range_m: Annotated[list[float], Field(min_length=2, max_length=2)] = []

    @field_validator("participant")
    @classmethod
    def _check_participant(cls, participant: str) -> str:
        if participant == "?" or set("{}") & set(PLACES.sub("", participant)):
            raise ValueError("a name, or one with {recording}, {parent} or {folder:1} in it")
        return participant

    @field_validator("sensor")
    @classmethod
    def _check_sensor(cls, sensor: str) -> str:
        if sensor not in PROFILES:
            raise ValueError(f"a known sensor; {nearest(sensor, PROFILES)}")
        return sensor

    @field_validator("depth_stored_as")
    @classmethod
    def _check_encoding(cls, encoding: str) -> str:
        if encoding not in ENCODINGS:
            raise ValueError(f"a known encoding; {nearest(encoding, ENCODINGS)}")
        return encoding

    @field_validator("range_m")
    @classmethod
    def _check_range(cls, range_m: list[float]) -> list[float]:
        if not 0 <= range_m[0] < range_m[1]:
            raise ValueError("two distances in metres, the nearer first")
        return range_m


class _Files(_Table):
    color: str = ""
    depth: str = ""


class _Intrinsics(_Table):
    fx: float = Field(1.0, gt=0)
    fy: float = Field(1.0, gt=0)
    cx: float = 0.0
    cy: float = 0.0
    width: int = Field(1, gt=0, le=65535)
    height: int = Field(1, gt=0, le=65535)
    distortion: list[float] = []

    @field_validator("distortion")
    @classmethod
    def _check_distortion(cls, distortion: list[float]) -> list[float]:
        if len(distortion) not in _DISTORTION_LENGTHS:
            raise ValueError(f"a list of {_DISTORTION_LENGTHS} numbers, in OpenCV's order")
        return distortion


_THREE = Field(min_length=3, max_length=3)
_Row = Annotated[list[float], _THREE]


class _Transform(_Table):
    rotation: Annotated[list[_Row], _THREE] = []
    translation_m: _Row = []

    @field_validator("rotation")
    @classmethod
    def _check_rotation(cls, rotation: list[list[float]]) -> list[list[float]]:
        R = np.array(rotation)
        if not np.allclose(R @ R.T, np.eye(3), atol=1e-3) or np.linalg.det(R) < 0:
            raise ValueError("a rotation: orthonormal rows, determinant +1")
        return rotation


TABLES: Mapping[str, type[_Table]] = {
    "recording": _Recording,
    "files": _Files,
    "intrinsics": _Intrinsics,
    "color_intrinsics": _Intrinsics,
    "color_from_depth": _Transform,
}


class Statement(NamedTuple):
    """A value and its origin."""

    value: Any
    origin: str


# "table.key" -> statement; `combine_sidecars` joins those of two files.
Sidecar = Mapping[str, Statement]


def statements_from_tables(tables: Mapping[str, Any], origin: str) -> Sidecar:
    """Check tables against the schema and flatten them.

    Args:
        tables: as recording.toml holds them.
        origin: where the values come from, for messages.
    Raises:
        RecordingError: an unknown table or key (the message suggests the nearest one), or a value out of range.
    """
    flat: dict[str, Statement] = {}
    for table, values in tables.items():
        if table not in TABLES and table != PARTICIPANTS:
            raise RecordingError(_describe_unknown_table(table))
        if not isinstance(values, Mapping):
            raise RecordingError(f"[{table}] must be a table, not {values!r}")
        if table == PARTICIPANTS:
            names = {
                glob: _check(table, _Recording, {"participant": name}, key=repr(glob)) for glob, name in values.items()
            }
            flat[PARTICIPANTS] = Statement({glob: name.participant for glob, name in names.items()}, origin)
            continue
        schema = TABLES[table]
        for key in values:
            if key not in schema.model_fields:
                raise RecordingError(f"unknown key {key!r} in [{table}]; {nearest(key, schema.model_fields)}")
        checked = _check(table, schema, values)
        flat |= {f"{table}.{key}": Statement(getattr(checked, key), origin) for key in values}
    return flat


def _check(table: str, schema: type[T], values: Mapping[str, Any], *, key: str = "") -> T:
    try:
        return schema.model_validate(dict(values))
    except ValidationError as error:
        raise RecordingError(f"[{table}] {_first_complaint(error, key)}") from None


def combine_sidecars(far: Sidecar, near: Sidecar) -> Sidecar:
    """Combine what two files state; the nearer one wins, and its participant over the farther one's table of them."""
    if PARTICIPANT in near:
        far = {key: stated for key, stated in far.items() if key != PARTICIPANTS}
    return {**far, **near}


def read_sidecar(folder: Path, origin: str) -> Sidecar:
    """Read a folder's recording.toml; empty if there is none.

    Args:
        origin: the file's name relative to RAW.
    Raises:
        RecordingError: it is not TOML, or does not follow the schema.
    """
    path = folder / FILE_NAME
    try:
        if not path.is_file():
            return {}
        return statements_from_tables(tomllib.loads(read_text(path, "utf-8-sig", most=_MOST_BYTES)), origin)
    except OSError as error:
        raise RecordingError(f"{FILE_NAME} cannot be read ({error.strerror})") from None
    except RecordingError as error:
        raise RecordingError(f"{FILE_NAME}: {error}") from None
    except (ValueError, RecursionError) as error:  # not TOML, not UTF-8, or a number with too many digits
        raise RecordingError(f"{FILE_NAME} is not TOML: {error}") from None


def _describe_unknown_table(name: str) -> str:
    for table, schema in TABLES.items():
        if name in schema.model_fields:
            return f"{name!r} belongs under [{table}]"
    return f"unknown table [{name}]; {nearest(name, [*TABLES, PARTICIPANTS])}"


def _first_complaint(error: ValidationError, key: str = "") -> str:
    first = error.errors(include_url=False)[0]
    expected = first["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
    return f"{key or first['loc'][0]} must be {expected}, not {first['input']!r}"
