"""Settings: one frozen, strict schema per command.

Values come, weakest first, from the defaults here, a TOML file (`--config`), the environment
(`LABELKIT_<COMMAND>_<KEY>`) and the flags that were typed. An unknown key is an error that names its
nearest neighbour. The resolved settings are stored with the result.

Keys marked `how=True` say how to run, not what to make: they change no byte of the result and are
left out of its digest. Keys marked `which=True` choose the input. They are left out too, since the
result lists its input frame by frame.
"""

from __future__ import annotations

import hashlib
import json
import os
import tomllib
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, TypeVar, cast

from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter, ValidationError, model_validator

from labelkit.errors import SettingsError, nearest


class Settings(BaseModel):
    """The base of every command's schema."""

    # Built at first use: --help needs the keys, not the validators.
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)

    command: ClassVar[str]

    @classmethod
    def expand(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        """Replace a name, such as a preset's, by the values it stands for. The base class has no such names."""
        return dict(values)

    def digest(self) -> str:
        """Hash the settings that decide the result: the same digest, the same result."""
        return hashlib.sha256(json.dumps(self.select_deciding(), sort_keys=True).encode()).hexdigest()

    def select_deciding(self) -> dict[str, Any]:
        """Take the settings that decide the result, as plain values: none marked `how` or `which`."""
        return {key: value for key, value in self.model_dump(mode="json").items() if _decides(type(self), key)}


def _decides(schema: type[Settings], key: str) -> bool:
    extra = schema.model_fields[key].json_schema_extra
    return not (isinstance(extra, dict) and (extra.get("how") or extra.get("which")))


HOW: dict[str, JsonValue] = {"how": True}
WHICH: dict[str, JsonValue] = {"which": True}

S = TypeVar("S", bound=Settings)


class SimulateSettings(Settings):
    """Settings of `labelkit simulate`."""

    command: ClassVar[str] = "simulate"

    participants: int = Field(8, ge=1, le=999, description="participants to simulate")
    frames: int = Field(60, ge=1, le=100_000, description="frames per participant")
    seed: int = Field(1, ge=0, description="the same seed gives the same files")
    # The study's disc. Inside it a hand is at most 48 degrees oblique (docs/conventions.md).
    reach_deg: float = Field(45.0, gt=0, le=60, description="radius of the disc of centred angles, degrees")
    # Arms: the networks that are shipped, the golden recording and the figures of docs/ were made with them.
    subjects: Literal["arms", "people"] = Field(
        "arms", description="arms before painted walls, or whole people in the light of real places"
    )
    hands: Literal["open", "relaxed", "gestures"] = Field("open", description="people: how they hold the fingers")
    room: Literal["any", "body", "wall", "none"] = Field(
        "any", description="people: all of the body is seen, or only the arm, before a wall or nothing"
    )
    # 1: an open hand, as participants are asked for. At 3, fingers bend by 60 degrees, as in a relaxed hand, or 140.
    curl: float = Field(1.0, ge=0, le=3, description="arms: how much the fingers bend; 1: an open hand")
    # Off: the published noise models treat pixels as independent. docs/simulator.md compares both with real boards.
    correlated_noise: bool = Field(
        False, description="correlate the noise of neighbouring depth pixels, as in real sensors"
    )
    # Off: only the benchmarks that fit the true palm pixels read the masks.
    with_masks: bool = Field(False, description="write masks to OUT/truth/: palm, fingers, forearm and sleeve")
    workers: int = Field(0, ge=0, description="processes; 0 takes one per core", json_schema_extra=HOW)

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if self.subjects == "arms" and (self.hands != "open" or self.room != "any"):
            raise ValueError("hands and room need subjects people; the hands of arms bend by curl")
        if self.subjects == "people" and self.curl != 1.0:
            raise ValueError("curl needs subjects arms; people hold the fingers as hands says: open, relaxed, gestures")
        return self


class RecordSettings(Settings):
    """Settings of `labelkit record`."""

    command: ClassVar[str] = "record"

    source: str = Field(
        "", description="sensor to record from: simulated, realsense, kinect-v1, or one of another package"
    )
    participant: str = Field("", description="participant; names the folder below RAW")
    session: str = Field("", description="name of a subfolder, if a participant has several recordings")
    handedness: Literal["right", "left"] = Field("right", description="hand that is recorded")
    # 15: at 30, neighbouring frames are near-copies, which rarely count as distinct and fill the disk twice as fast.
    fps: float = Field(15.0, gt=0, le=120, description="frames per second")
    seconds: float = Field(0.0, ge=0, description="duration, s; 0: until Ctrl-C")


class InspectSettings(Settings):
    """Settings of `labelkit inspect`."""

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
    # Plane: hypotheses at 10 mm, then refits at 4 mm, err least on hands with fingers.
    inlier_mm: float = Field(10.0, gt=0, le=100, description="distance from the plane within which a point votes, mm")
    refit_mm: float = Field(4.0, gt=0, le=100, description="the same for the refits, mm")
    crop: Literal["virtual-camera", "box"] = Field("virtual-camera", description="re-project the hand, or cut it out")
    # A tenth on each side: the silhouette stays whole when the crop is turned or shifted by augmentation.
    crop_margin: float = Field(0.1, ge=0, le=1, description="free border round the hand, as a share of its size")
    with_depth: bool = Field(False, description="store the depth pyramid too")
    with_contour: bool = Field(False, description="store the contour features too, which forests are trained on")
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


class CoverageSettings(Settings):
    """How the coverage map counts: in `labelkit coverage-map`, `play` and `report`."""

    command: ClassVar[str] = "coverage-map"

    # The crop shows the hand in the view frame, and a network learns to read the crop.
    frame: Literal["view", "camera"] = Field(
        "view", description="axes of the angles: those of the viewing ray, as in the crop, or of the camera"
    )
    # Square: their sides are degrees of azimuth and elevation, the unit of the errors (labelkit/cells.py).
    cells: Literal["square", "equal-area"] = Field("square", description="cells with equal angles, or with equal areas")
    # 5 degrees: the study calls an error under 5 degrees a success. A cell under 2 degrees would be
    # hardly wider than the error of a label (about 1.2 degrees).
    cell_deg: float = Field(5.0, ge=2, le=45, description="side of a cell, degrees")
    # 45 degrees: the study's disc. From 64 on it would hold angles that are no orientation: at (45, 45) the palm
    # is seen from its edge.
    reach_deg: float = Field(45.0, gt=0, le=60, description="radius of the reachable disc of centred angles, degrees")
    # With ten, the mean error in a cell is known to a third of its spread (1 / sqrt 10), so that cells can be
    # compared. The study's 9,700 pictures would be 38 a cell if they were spread evenly.
    target: int = Field(10, ge=1, description="distinct samples that make a cell full")
    # A degree is about the error of a label (docs/accuracy.md); in 0.3 s a hand comes to rest or turns away.
    distinct_deg: float = Field(
        1.0,
        ge=0,
        le=45,
        description="turn of the hand after which a sample counts as distinct, degrees; 0: every sample counts",
    )
    distinct_s: float = Field(
        0.3, ge=0, le=10, description="seconds away from an orientation before it counts again; 0: every sample counts"
    )


# Presets: a name given as `model` stands for all of these keys; other keys can be set as well and win over the preset.
# `base` and `small` are ours (docs/networks.md has their errors and costs). They leave out pictures of 128 pixels,
# which take four fifths of the default network's time. They see colour, which separates the hand from the background
# once there are a dozen people to learn from. `small` has less than 1/50 of study-vanilla's parameters.
_OURS: dict[str, Any] = {"model": "vanilla", "resolutions": "64,32", "input": "rgb"}
# The study's three networks, with the settings it found best. The study leaves some things open (MobileNet's pooling
# and stride, parts of SqueezeNet); docs/training.md says what is chosen for them.
_STUDY: dict[str, Any] = {"input": "grey", "normalisation": "scale", "loss": "mae"}
PRESETS: Mapping[str, Mapping[str, Any]] = {
    "base": _OURS | {"filters": 16, "dense": 128},
    "small": _OURS | {"filters": 10, "dense": 48},
    "study-vanilla": _STUDY
    | {"model": "vanilla", "kernel_size": 3, "filters": 17, "dropout": 0.16, "dense": 24, "stages": 2}
    | {"growth": 1, "shrink": "none", "padding": "valid", "join": "flatten"},
    "study-squeezenet": _STUDY
    | {"model": "squeezenet", "kernel_size": 6, "filters": 16, "dropout": 0.53, "dense": 39, "stages": 2}
    | {"base": 61, "incr": 0, "squeeze_ratio": 0.48, "pct3x3": 0.73, "join": "average"},
    "study-mobilenet": _STUDY
    | {"model": "mobilenet", "kernel_size": 4, "filters": 14, "dropout": 0.51, "dense": 69, "stages": 2}
    | {"growth": 1, "norm": "batch", "shrink": "stride", "join": "average"},
}


FAMILIES = ("vanilla", "squeezenet", "mobilenet")  # of networks; labelkit/models/ has a function for each
FOREST = "forest"  # no network: labelkit/baselines/ has it
CONTOUR = "contour"  # the field that it reads
_READ_BY_FORESTS = ("model", "trees", "seed", "split_seed", "split", "validation", "test", "hold_out")


def check_model(model: str) -> None:
    """Refuse what is neither a network, a preset nor a forest.

    Raises:
        SettingsError: there is no such model.
    """
    if model not in (*FAMILIES, *PRESETS, FOREST):
        raise SettingsError(f"no model {model!r}; {nearest(model, [*FAMILIES, *PRESETS, FOREST])}")


def family_of(model: str) -> str:
    """Name the family of a network that is called by its family or by a preset.

    Raises:
        SettingsError: there is no such model, or it is no network.
    """
    check_model(model)
    if model == FOREST:
        raise SettingsError(f"{FOREST} is no network: it is trained by labelkit train --model {FOREST} alone")
    family: str = PRESETS[model]["model"] if model in PRESETS else model
    return family


class TrainSettings(Settings):
    """Settings of `labelkit train`."""

    command: ClassVar[str] = "train"

    model: str = Field("vanilla", description="network family, a preset (base, small, study-...), or forest")
    # Input, network and training were chosen together, by the error on people that the network had not seen
    # (docs/decisions/network.md). Grey: colour lets a network recognise the skin and background of the few people it
    # was trained on.
    input: Literal["rgb", "grey", "depth", "rgb-depth", "grey-depth"] = Field(
        "grey", description="input of the network"
    )
    resolutions: Literal["128,64,32", "128,64", "128,32", "64,32", "128", "64", "32"] = Field(
        "128,64,32", description="sizes of the pictures, pixels; one branch each"
    )
    normalisation: Literal["none", "scale", "standardise", "dataset"] = Field(
        "standardise",
        description="pixels: unchanged, -1..1, or mean 0 and deviation 1 in each sample or in the training set",
    )
    # The ranges of kernel size, filters, dropout, dense, base, squeeze ratio and pct3x3 are those of the study's search
    # (its Table 1; what it calls "bottleneck 1x1s" is `base`).
    kernel_size: int = Field(3, ge=2, le=7, description="side of the convolutions, pixels")
    filters: int = Field(16, ge=5, le=25, description="filters of the first convolution")
    growth: int = Field(2, ge=1, le=4, description="filters of a stage divided by those of the stage before")
    stages: int = Field(4, ge=1, le=4, description="stages in each branch")
    activation: Literal["leaky-relu", "rrelu", "relu"] = Field("leaky-relu", description="activation function")
    initializer: Literal["xavier", "he"] = Field("xavier", description="initialisation of the weights")
    # auto: LSUV takes seconds and changes only networks that need it, such as squeezenet and mobilenet (docs/study.md).
    start: Literal["auto", "plain", "lsuv"] = Field(
        "auto", description="first weights: as drawn (plain), scaled on a batch (lsuv), or scaled only if needed"
    )
    norm: Literal["none", "batch", "group"] = Field("none", description="normalisation layers in each stage")
    shrink: Literal["pool", "stride", "none"] = Field("pool", description="how each stage halves its picture")
    shrink_smallest: Literal["same", "pool", "stride", "none"] = Field(
        "same", description="the same for the branch of the smallest picture; same: as the others"
    )
    padding: Literal["same", "valid"] = Field("same", description="padding of the convolutions")
    join: Literal["flatten", "average"] = Field("flatten", description="how a branch ends before the dense layers")
    dense: int = Field(128, ge=16, le=256, description="neurons of the first dense layer")
    dropout: float = Field(0.2, ge=0, le=0.7, description="dropout rate before the dense layers")
    base: int = Field(32, ge=16, le=256, description="squeezenet: filters of the first Fire module")
    incr: int = Field(32, ge=0, le=256, description="squeezenet: filters added after every `freq` modules")
    freq: int = Field(2, ge=1, le=8, description="squeezenet: modules between two increases of the filters")
    pct3x3: float = Field(0.5, ge=0.15, le=0.75, description="squeezenet: share of 3x3 filters")
    squeeze_ratio: float = Field(
        0.125, ge=0.1, le=0.7, description="squeezenet: squeeze filters divided by expand filters"
    )
    residual: bool = Field(True, description="squeezenet: residual connections if the channels match")
    width: float = Field(1.0, gt=0, le=2, description="mobilenet: factor for all filters")
    resolution: float = Field(1.0, gt=0, le=1, description="mobilenet: factor for the sizes of the pictures")
    # 1000: as in Asad & Slabaugh 2014.
    trees: int = Field(1000, ge=1, le=10_000, description="forest: trees")
    loss: Literal["mae", "smooth-l1", "angular"] = Field(
        "mae", description="loss on the two angles (mae, smooth-l1), or angle between the normals (angular)"
    )
    uncertainty: Literal["none", "gaussian", "laplace"] = Field(
        "none", description="also learn how uncertain each prediction is, with this distribution"
    )
    # Measured on 12 participants of 200 frames (docs/training.md): with batches of 16 the validation error still falls
    # after 60 epochs, and with batches of 32 it ends 2 degrees higher. 8e-4 is the highest rate at which the first
    # steps do no harm.
    epochs: int = Field(80, ge=1, le=100_000, description="most passes over the training samples (see tries)")
    patience: int = Field(25, ge=1, description="stop after so many epochs without a better validation CMAE")
    batch_size: int = Field(16, ge=1, le=65_536, description="samples per step")
    learning_rate: float = Field(8e-4, gt=0, le=1, description="Adam's learning rate at the start")
    schedule: Literal["cosine", "constant"] = Field(
        "cosine", description="learning rate: falling along half a cosine, or constant"
    )
    sampling: Literal["shuffle", "balanced"] = Field(
        "shuffle", description="each sample once per epoch, or all cells of orientations equally often"
    )
    augment: bool = Field(True, description="rotate, mirror and relight the training pictures; labels follow")
    # The standard deviation of the hands' own rotation in the simulator. Larger angles cost accuracy: with up to 90
    # degrees the error on unseen people was 11.9 degrees after five epochs, with these 8.9 (docs/networks.md).
    turn_deg: float = Field(20.0, ge=0, le=180, description="augmentation: largest rotation of a picture, degrees")
    # Off: the default settings were measured without noise and blur (docs/decisions/network.md).
    noise: float = Field(0.0, ge=0, le=50, description="augmentation: largest noise, grey levels")
    blur: float = Field(0.0, ge=0, le=5, description="augmentation: largest blur, pixels of a 128-pixel picture")
    guard: bool = Field(True, description="if a network collapses: report why, then go back, restart or go on")
    # With 3, one network of 96 ended with nothing learned: its second start went on in vain, and its third start was
    # not allowed to go on (docs/study.md).
    tries: int = Field(
        4,
        ge=0,
        le=20,
        description="how often the guard may go back, restart or go on; each time the epochs count from 0",
    )
    seed: int = Field(0, ge=0, description="seed of the weights, the order and the split")
    # A search compares many seeds of the weights on one split.
    split_seed: int = Field(-1, ge=-1, description="seed of the split; -1: as seed")
    split: Literal["participants", "leave-one-out", "frames"] = Field(
        "participants", description="by participant; each participant as the test once; or by frame, which leaks"
    )
    validation: float = Field(0.15, gt=0, lt=1, description="share of the validation set")
    test: float = Field(0.15, gt=0, lt=1, description="share of the test set")
    hold_out: str = Field("", description="the one participant to test on, instead of a share")
    # auto: mixed on a GPU that computes in bfloat16, which needs no scaling of the loss.
    precision: Literal["auto", "float32", "mixed"] = Field("auto", description="numerical precision on a GPU")
    diagnostics: bool = Field(True, description="store statistics of weights and activations", json_schema_extra=HOW)
    report: bool = Field(True, description="at the end, write the report and time the network", json_schema_extra=HOW)
    # A checkpoint of the default network takes 0.1 s; one every 30 s costs nothing, and little is lost.
    checkpoint_s: float = Field(30.0, ge=0, description="time between checkpoints, s", json_schema_extra=HOW)

    @classmethod
    def expand(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        """Add the values of a preset; values that are given as well win over it."""
        preset = PRESETS.get(str(values.get("model")), {})
        return {key: value for key, value in preset.items() if key != "model"} | dict(values)

    @model_validator(mode="before")
    @classmethod
    def _of_preset(cls, values: Any) -> Any:
        return cls.expand(values) if isinstance(values, dict) else values

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if self.uncertainty != "none" and self.loss == "smooth-l1":
            raise ValueError("uncertainty needs the loss mae or angular; smooth-l1 is no likelihood")
        foreign = self._name_foreign()
        if foreign:
            whose, whom = ("networks", "a forest") if self.model == FOREST else ("a forest", f"{self.model}")
            raise ValueError(f"{foreign.replace('_', '-')} is a setting of {whose}, not of {whom}; leave it out")
        if self.hold_out and self.split != "participants":
            raise ValueError(f"hold-out needs split participants; {self.split} chooses the test set itself")
        return self

    def _name_foreign(self) -> str | None:
        """Name a setting that is not the default's, though a forest, or a network, does not read it."""
        for key in self.select_deciding():
            changed = getattr(self, key) != type(self).model_fields[key].default
            if changed and (key == "trees" if self.model != FOREST else key not in _READ_BY_FORESTS):
                return key
        return None

    @property
    def seed_of_split(self) -> int:
        """The seed of the split."""
        return self.seed if self.split_seed < 0 else self.split_seed

    @property
    def sizes(self) -> tuple[int, ...]:
        """Sizes of the pictures that the network sees, pixels, largest first."""
        return tuple(int(size) for size in self.resolutions.split(","))

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields of the dataset that the network, or the forest, sees."""
        if self.model == FOREST:
            return (CONTOUR,)
        kinds = (["rgb"] if self.input != "depth" else []) + (["depth"] if self.input.endswith("depth") else [])
        return tuple(f"{kind}{size}" for kind in kinds for size in self.sizes)


class EvaluateSettings(Settings):
    """Settings of `labelkit evaluate`."""

    command: ClassVar[str] = "evaluate"

    # Larger than the cells of coverage: of a test set of a few hundred samples, each of the 60 cells holds 5 to 10.
    cell_deg: float = Field(10.0, ge=2, le=45, description="side of a cell of the error map, degrees")
    reach_deg: float = Field(45.0, gt=0, le=60, description="radius of the error map's disc of centred angles, degrees")
    latency: bool = Field(
        True, description="measure the time per picture on one core, in a separate process (takes seconds)"
    )


class LatencySettings(Settings):
    """Settings of `labelkit latency`."""

    command: ClassVar[str] = "latency"

    # 1.5 s is several hundred calls of a network that takes 2 ms. Slow networks are still called 30 times.
    seconds: float = Field(1.5, gt=0, le=600, description="measuring time per network, s; at least 30 calls")
    # Converting takes some twenty seconds a run.
    engines: Literal["all", "keras"] = Field(
        "all", description="runtimes: Keras, LiteRT and ONNX Runtime side by side, or Keras alone"
    )


class ExportSettings(Settings):
    """Settings of `labelkit export`."""

    command: ClassVar[str] = "export"

    to: Literal["litert", "onnx", "keras"] = Field("litert", description="format of the file")
    # Weights alone: pictures and sums stay float32. With all of it in int8 (tf.lite's static quantisation) the file is
    # as small, and `small` takes longer and errs more (docs/deploy.md).
    int8: bool = Field(False, description="litert: store weights in 8 bits, a quarter of the size")

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if self.int8 and self.to != "litert":
            raise ValueError(f"int8 goes with to = litert, not with {self.to}; leave it out")
        return self

    @property
    def weights(self) -> Literal["float32", "int8"]:
        """Type of the stored weights."""
        return "int8" if self.int8 else "float32"


class PredictSettings(Settings):
    """Settings of `labelkit predict`."""

    command: ClassVar[str] = "predict"

    handedness: Literal["right", "left"] = Field("right", description="hand that the pictures show")
    # The Kinect v1 has 0.82 times its width, most telephones 0.7 to 0.8 times their longer side.
    focal_px: float = Field(
        0.0, ge=0, description="with --box: focal length of the camera, pixels; 0: 0.8 times the picture's longer side"
    )
    seconds: float = Field(0.0, ge=0, description="with --camera: how long, s; 0: until Ctrl-C")


class TuneSettings(Settings):
    """What `labelkit tune` searches: a file of ranges and structures."""

    command: ClassVar[str] = "tune"

    name: str = Field(
        "search",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
        description="its folder is searches/NAME",
        json_schema_extra=WHICH,
    )
    # Numbers as in the study (Laboyrie 2017): 32 trials a structure, scored by the mean error of its best 16.
    max_trials: int = Field(32, ge=1, le=100_000, description="trials of each structure", json_schema_extra=HOW)
    best_of: int = Field(
        16, ge=1, description="a structure's score is the mean of so many errors", json_schema_extra=HOW
    )
    sampler: Literal["tpe", "gp", "random"] = Field(
        "tpe", description="what proposes trials: TPE, a Gaussian process (needs torch), or chance"
    )
    objectives: Literal["cmae", "cmae,latency"] = Field(
        "cmae", description="what is made small: the validation CMAE, or that and the time for a picture"
    )
    seed: int = Field(
        0, ge=0, description="seed of proposals, weights and order; and of the split, unless it has its own"
    )
    # By then a network that learns at all is better than the constant predictor, and the guard has tried twice.
    grace: int = Field(
        12, ge=1, description="epochs after which a run that is no better than the constant predictor is stopped"
    )
    latency: bool = Field(True, description="time every trial's network for one picture (seconds each)")
    jobs: int = Field(0, ge=0, description="trials at a time; 0 takes one per core", json_schema_extra=HOW)
    train: dict[str, Any] = Field({}, description="settings of `labelkit train` that all trials share")
    ranges: dict[str, dict[str, Any]] = Field({}, description="settings of `labelkit train` that are searched")
    structures: list[dict[str, Any]] = Field(
        [], description="networks that are searched by themselves: a name and settings each"
    )

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if "latency" in self.objectives and not self.latency:
            raise ValueError("the objective latency needs latency to be measured; leave out --no-latency")
        return self


class DemoSettings(Settings):
    """Settings of `labelkit demo`."""

    command: ClassVar[str] = "demo"

    # The test error was 56, 68 and 57 % of the constant predictor's with seeds 1 to 3. With 50 epochs in grey it was
    # 69 % (seed 1), as with 48 people of 40 frames.
    participants: int = Field(96, ge=3, le=999, description="participants to simulate")
    frames: int = Field(20, ge=8, le=10_000, description="frames per participant")
    epochs: int = Field(100, ge=1, description="passes over the training samples")
    seed: int = Field(1, ge=0, description="seed of all random choices")


def settings_of(schema: type[S], settings: S | None, keywords: Mapping[str, Any]) -> S:
    """Resolve what a function of the Python API got: a settings object, keywords, or both; then keywords win.

    Raises:
        SettingsError: an unknown keyword, or a value outside its range.
    """
    if not keywords:
        return settings or schema()
    given = settings.model_dump(exclude_unset=True) if settings else {}
    return from_plain(schema, given | schema.expand(keywords), "keywords")


def load_settings(
    schema: type[S],
    *,
    config: Path | None = None,
    typed: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
    command: str | None = None,
) -> S:
    """Resolve a command's settings from file, environment and flags, weakest first.

    Args:
        schema: the command's schema.
        config: a TOML file with the schema's keys at its top.
        typed: what the user typed, by key.
        environment: instead of os.environ.
        command: named in messages; several commands share a schema. The schema's own if None.
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
        _refuse_unknown(schema, values, source, command)
        expanded = schema.expand(values)  # here, so that a preset wins over weaker sources
        merged |= expanded
        origin |= dict.fromkeys(expanded, source)
    try:
        return schema.model_validate(merged)
    except ValidationError as error:
        raise SettingsError(_first_complaint(schema, error, origin)) from None


def _refuse_unknown(schema: type[Settings], values: Mapping[str, Any], source: str, command: str | None = None) -> None:
    for key in values:
        if key not in schema.model_fields:
            known = nearest(key, schema.model_fields)
            raise SettingsError(f"{source}: unknown setting {key!r} for {command or schema.command}; {known}")


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
            found.append((name, {key: text}))  # the caller refuses it and names the nearest key
            continue
        try:
            adapter = TypeAdapter[Any](cast(type, field.annotation))
            is_list = typing.get_origin(field.annotation) is tuple  # written as in TOML: ["a", "b"]
            value = adapter.validate_json(text) if is_list else adapter.validate_strings(text)
        except ValidationError as error:
            raise SettingsError(_first_complaint(schema, error, {key: name}, key)) from None
        found.append((name, {key: value}))
    return found


def _first_complaint(
    schema: type[Settings], error: ValidationError, origin: Mapping[str, str], key: str | None = None
) -> str:
    first = error.errors(include_url=False)[0]
    key = key or ".".join(str(part) for part in first["loc"])
    where = origin.get(key) or origin.get(key.partition(".")[0], "settings")
    expected = first["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
    if not key:  # two keys contradict each other
        return f"{where}: {expected}"
    allowed = _range(schema, key)
    return (
        f"{where}: {key.replace('_', '-')} must be {expected}, not {first['input']!r}"
        f"{f' (allowed: {allowed})' if allowed else ''}"
    )


def _range(schema: type[Settings], key: str) -> str:
    """Describe the range of a key; "" unless it has bounds on both sides."""
    bounds = {
        name: value
        for bound in (schema.model_fields[key].metadata if key in schema.model_fields else ())
        for name in ("gt", "ge", "lt", "le")
        if (value := getattr(bound, name, None)) is not None
    }
    if len(bounds) < 2:
        return ""
    low = f"{bounds['ge']:g}" if "ge" in bounds else f"more than {bounds['gt']:g}"
    return f"{low} to {bounds['le']:g}" if "le" in bounds else f"{low} to less than {bounds['lt']:g}"


def as_toml(settings: Settings) -> str:
    """Write settings as TOML; `--config` reads the same settings back."""
    # JSON strings, numbers, booleans and flat lists are TOML as well, and no schema holds anything else.
    values = settings.model_dump(mode="json").items()
    return "".join(f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in values)


def from_plain(schema: type[S], values: Mapping[str, Any], where: str) -> S:
    """Read settings back from what `model_dump` gave, as a manifest holds them.

    Raises:
        SettingsError: they are not of this version's schema.
    """
    _refuse_unknown(schema, values, where)
    try:
        return schema.model_validate(dict(values))
    except ValidationError as error:
        raise SettingsError(_first_complaint(schema, error, dict.fromkeys(values, where))) from None
