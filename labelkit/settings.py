"""Settings: one frozen, strict schema per command.

Values come, weakest first, from the defaults here, a TOML file (`--config`), the environment
(`LABELKIT_<COMMAND>_<KEY>`) and the flags that were typed. An unknown key is an error that names its
nearest neighbour. The resolved settings are written beside the result.

Keys marked `how=True` say how to run, not what to make: they change no byte of the result and stay
out of its digest. So do those marked `which=True`, which say what to make it of: the result tells that
itself, frame by frame.
"""

from __future__ import annotations

import hashlib
import json
import os
import tomllib
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar, cast

from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter, ValidationError

from labelkit.errors import SettingsError, nearest


class Settings(BaseModel):
    """What every command's schema has in common."""

    # Built at first use: --help needs the keys, not the validators.
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)

    command: ClassVar[str]

    def digest(self) -> str:
        """Hash of all that decides what is made; the same digest, the same result."""
        return hashlib.sha256(json.dumps(self.deciding(), sort_keys=True).encode()).hexdigest()

    def deciding(self) -> dict[str, Any]:
        """The keys that decide what is made (not how, nor of which frames), as plain values."""
        return {key: value for key, value in self.model_dump(mode="json").items() if _decides(type(self), key)}


def _decides(schema: type[Settings], key: str) -> bool:
    extra = schema.model_fields[key].json_schema_extra
    return not (isinstance(extra, dict) and (extra.get("how") or extra.get("which")))


HOW: dict[str, JsonValue] = {"how": True}
WHICH: dict[str, JsonValue] = {"which": True}

S = TypeVar("S", bound=Settings)


class SimulateSettings(Settings):
    """What `labelkit simulate` records."""

    command: ClassVar[str] = "simulate"

    participants: int = Field(8, ge=1, le=999, description="participants to simulate")
    frames: int = Field(60, ge=1, le=100_000, description="frames per participant")
    seed: int = Field(1, ge=0, description="the same seed gives the same files")
    # The study's disc (FACTS, geometry of the label): inside it a hand is at most 48 degrees oblique.
    reach_deg: float = Field(45.0, gt=0, le=60, description="radius of the disc of centred angles, degrees")
    # Off: the published models are of single pixels. docs/simulator.md shows what real boards say.
    correlated_noise: bool = Field(False, description="let neighbouring depth pixels err together, as real ones do")
    # Off: only benchmarks that fit the true palm's pixels read them.
    with_masks: bool = Field(False, description="write OUT/truth/: which pixel shows palm, fingers, forearm, sleeve")
    workers: int = Field(0, ge=0, description="processes; 0 takes one per core", json_schema_extra=HOW)


class InspectSettings(Settings):
    """How `labelkit inspect` reads recordings."""

    command: ClassVar[str] = "inspect"

    # As BuildSettings.max_gap_s, so that inspect counts the pairs that a build will find.
    max_gap_s: float = Field(0.02, ge=0, description="time between a depth and a colour picture that are one frame, s")


class BuildSettings(Settings):
    """How `labelkit build-dataset` turns frames into samples."""

    command: ClassVar[str] = "build-dataset"

    seed: int = Field(0, ge=0, description="seed of every random choice")
    region: Literal["palm", "hand"] = Field("palm", description="what the normal is of: the palm, or all skin seen")
    # Open3D's is there to compare with; docs/accuracy.md does.
    plane_engine: Literal["labelkit", "open3d"] = Field("labelkit", description="what fits the plane")
    # Plane: FACTS, fitting a plane: hypotheses at 10 mm, then refits at 4 mm, err least on hands with fingers.
    inlier_mm: float = Field(10.0, gt=0, le=100, description="distance from the plane within which a point votes, mm")
    refit_mm: float = Field(4.0, gt=0, le=100, description="the same for the refits, mm")
    crop: Literal["virtual-camera", "box"] = Field("virtual-camera", description="re-project the hand, or cut it out")
    # A tenth on each side: the silhouette stays whole when the crop is turned or shifted by augmentation.
    crop_margin: float = Field(0.1, ge=0, le=1, description="free border round the hand, as a share of its size")
    with_depth: bool = Field(False, description="store the depth pyramid too")
    min_points: int = Field(300, ge=3, description="points a plane needs")
    # Over what the sensor's noise explains; real open palms reach 3.6 mm, a closing hand 4 mm (docs/labels.md).
    max_rms_mm: float = Field(3.8, gt=0, description="unevenness (rms) above which a hand is not planar, mm")
    min_inliers: float = Field(0.7, ge=0, le=1, description="share of inliers under which a hand is not planar")
    # 48 degrees is the steepest tilt on the disc of 45 degrees; beyond 60 the palm shows half its width.
    max_tilt_deg: float = Field(
        60.0, gt=0, lt=90, description="tilt against the viewing ray beyond which is too oblique"
    )
    # The TUM tools' own default; at 30 frames/s neighbours are 33 ms apart, so a pair is never ambiguous.
    max_gap_s: float = Field(0.02, ge=0, description="time between a depth and a colour picture that are one frame, s")
    # 256 frames are about 16 MB a shard: small enough to rebuild, large enough to keep files few.
    shard_frames: int = Field(256, ge=1, le=100_000, description="source frames a shard covers")
    # Not strict: TOML and the command line hold lists.
    exclude: tuple[str, ...] = Field(
        (),
        strict=False,
        description="leave out the frames whose file, or a folder above it, matches GLOB (below RAW); repeatable",
        json_schema_extra=WHICH,
    )
    workers: int = Field(0, ge=0, description="processes; 0 takes one per core", json_schema_extra=HOW)
    max_rejected: float = Field(
        0.5,
        ge=0,
        le=1,
        description="share of rejected frames above which the exit code is 3",
        json_schema_extra=HOW,
    )

    def labelling(self) -> dict[str, Any]:
        """The keys that `labelling.label.label_frame` takes."""
        other = {"seed", "max_gap_s", "shard_frames", "exclude", "workers", "max_rejected"}
        return self.model_dump(exclude=other)


class CoverageSettings(Settings):
    """How `labelkit coverage-map` counts."""

    command: ClassVar[str] = "coverage-map"

    # The crop shows the hand as the view frame has it, and that is what a network learns to read.
    frame: Literal["view", "camera"] = Field(
        "view", description="axes of the angles: the viewing ray's, as the crop shows the hand, or the camera's"
    )
    # 5 degrees: the study calls an error under 5 degrees a success. Under 2, a cell would be
    # not much wider than the error of a label (about 1.2 degrees).
    cell_deg: float = Field(5.0, ge=2, le=45, description="side of a cell, degrees")
    # 45 degrees: the study's disc. Beyond 63 it would hold pairs that are no orientation: (45, 45) is edge-on.
    reach_deg: float = Field(45.0, gt=0, le=60, description="radius of the reachable disc of centred angles, degrees")
    # With ten, the mean error within a cell is known to a third of its spread (1 / sqrt 10), so that cells
    # can be compared; the study's 9,700 pictures, spread evenly, would hold 38.
    target: int = Field(10, ge=1, description="samples that make a cell full")


class TrainSettings(Settings):
    """How `labelkit train` trains."""

    command: ClassVar[str] = "train"

    model: str = Field("vanilla", description="network family")
    # What the network sees, its size and its fit were chosen together, by the error on unseen people
    # (docs/decisions/network.md). Grey: by skin and backdrop a network knows the few people it was trained on.
    input: Literal["rgb", "grey"] = Field("grey", description="what the network sees")
    normalisation: Literal["scale", "standardise"] = Field(
        "standardise", description="pixels to -1..1, or each sample to mean 0 and deviation 1"
    )
    kernel_size: int = Field(3, ge=1, le=31, description="side of the convolutions, pixels")
    filters: int = Field(16, ge=1, le=512, description="filters of the first stage; each next has twice as many")
    stages: int = Field(4, ge=1, le=8, description="convolutions in each branch, each halved after")
    dense: int = Field(128, ge=1, le=4096, description="neurons of the first dense layer")
    dropout: float = Field(0.2, ge=0, lt=1, description="share of the dense layers' inputs dropped")
    # Measured on 12 participants of 200 frames (docs/training.md): validation still falls after 60 passes of batches
    # of 16, and batches of 32 end 2 degrees worse. 8e-4 is as fast as that goes without early steps that undo it.
    epochs: int = Field(80, ge=1, le=100_000, description="passes over the training samples, at most")
    patience: int = Field(25, ge=1, description="epochs without a better validation CMAE before stopping")
    batch_size: int = Field(16, ge=1, le=65_536, description="samples a step")
    learning_rate: float = Field(8e-4, gt=0, le=1, description="Adam's step size at the start")
    augment: bool = Field(True, description="turn, mirror and light the training pictures, and their labels")
    seed: int = Field(0, ge=0, description="seed of weights, order and split")
    validation: float = Field(0.15, gt=0, lt=1, description="share of the participants for validation")
    test: float = Field(0.15, gt=0, lt=1, description="share of the participants for the test")


class DemoSettings(Settings):
    """What `labelkit demo` makes."""

    command: ClassVar[str] = "demo"

    # Eight people of 120 frames and 40 passes: two minutes on two cores, and the network learns (CMAE 12 of 19).
    participants: int = Field(8, ge=3, le=99, description="participants to simulate")
    frames: int = Field(120, ge=8, le=10_000, description="frames per participant")
    epochs: int = Field(40, ge=1, description="passes over the training samples, at most")
    seed: int = Field(1, ge=0, description="seed of everything")


def load_settings(
    schema: type[S],
    *,
    config: Path | None = None,
    typed: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
) -> S:
    """Resolve a command's settings from file, environment and flags, weakest first.

    Args:
        schema: the command's schema.
        config: a TOML file with the schema's keys at its top.
        typed: what was typed, by key.
        environment: in place of os.environ.
    Raises:
        SettingsError: an unknown key, or a value outside its range; says where it came from.
    """
    environment = os.environ if environment is None else environment
    merged: dict[str, Any] = {}
    origin: dict[str, str] = {}
    for source, values in (
        *((f"{config}", _from_file(config)) for config in [config] if config),
        *_from_environment(schema, environment),
        ("command line", dict(typed or {})),
    ):
        _refuse_unknown(schema, values, source)
        merged |= values
        origin |= dict.fromkeys(values, source)
    try:
        return schema.model_validate(merged)
    except ValidationError as error:
        raise SettingsError(_first_complaint(error, origin)) from None


def _refuse_unknown(schema: type[Settings], values: Mapping[str, Any], source: str) -> None:
    for key in values:
        if key not in schema.model_fields:
            known = nearest(key, schema.model_fields)
            raise SettingsError(f"{source}: unknown setting {key!r} for {schema.command}; {known}")


def _from_file(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{path}: cannot read the settings file ({error.strerror})") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: not a TOML file: {error}") from None


def _from_environment(schema: type[Settings], environment: Mapping[str, str]) -> list[tuple[str, dict[str, Any]]]:
    prefix = f"LABELKIT_{schema.command.replace('-', '_').upper()}_"
    found = []
    for name in sorted(environment):
        if not name.startswith(prefix):
            continue
        key, text = name.removeprefix(prefix).lower(), environment[name]
        field = schema.model_fields.get(key)
        if field is None:
            found.append((name, {key: text}))  # the caller names the nearest key
            continue
        try:
            adapter = TypeAdapter[Any](cast(type, field.annotation))
            is_list = typing.get_origin(field.annotation) is tuple  # written as in TOML: ["a", "b"]
            value = adapter.validate_json(text) if is_list else adapter.validate_strings(text)
        except ValidationError as error:
            raise SettingsError(_first_complaint(error, {key: name}, key)) from None
        found.append((name, {key: value}))
    return found


def _first_complaint(error: ValidationError, origin: Mapping[str, str], key: str | None = None) -> str:
    first = error.errors(include_url=False)[0]
    key = key or ".".join(str(part) for part in first["loc"])
    where = origin.get(key, "settings")
    expected = first["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
    return f"{where}: {key.replace('_', '-')} must be {expected}, not {first['input']!r}"


def as_toml(settings: Settings) -> str:
    """Write settings as a TOML file that `--config` reads back to the same settings."""
    return "".join(f"{key} = {_toml_value(value)}\n" for key, value in settings.model_dump(mode="json").items())


def _toml_value(value: Any) -> str:
    # JSON's strings, numbers, booleans and flat lists are TOML's too; nothing else stands in a schema.
    return json.dumps(value, ensure_ascii=False)


def from_plain(schema: type[S], values: Mapping[str, Any], where: str) -> S:
    """Read settings back from what `model_dump` gave, as a manifest holds them.

    Raises:
        SettingsError: they are not of this version's schema.
    """
    _refuse_unknown(schema, values, where)
    try:
        return schema.model_validate(dict(values))
    except ValidationError as error:
        raise SettingsError(_first_complaint(error, dict.fromkeys(values, where))) from None
