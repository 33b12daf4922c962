"""Run folder in, one file for another runtime out, with a card that says how to use it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from labelkit import __version__
from labelkit.dataset.dataset import Dataset
from labelkit.deploy.conversion import keras_bytes, litert_bytes, onnx_bytes, open_keras
from labelkit.deploy.engines import Engine, open_litert, open_onnx
from labelkit.deploy.network_card import (
    AnswerCheck,
    CropRule,
    NetworkCard,
    NetworkInput,
    Origin,
    card_path,
    hash_content,
)
from labelkit.errors import OutputError, RunError, SettingsError
from labelkit.evaluation.predictions import predictions_from_output
from labelkit.files import make_folder, sha256_of, write_bytes
from labelkit.geometry.orientation import angle_between
from labelkit.runs.folder import BEST, REPORT, read_json, write_json
from labelkit.runs.plan import read_dataset
from labelkit.settings import BuildSettings, ExportSettings, TrainSettings, settings_of
from labelkit.training.load import TrainedRun, dataset_of, load_run
from labelkit.training.predict import ask_network
from labelkit.training.samples import Samples, read_samples, take_sides
from labelkit.wording import number_of

log = logging.getLogger(__name__)

SUFFIXES = {"litert": ".tflite", "onnx": ".onnx", "keras": ".keras"}

# Of the angle between the normals that Keras and the file answer with, over all pictures that are compared. Float32
# differs by rounding alone, so more is a fault. Weights of 8 bits cost something; more than this is said aloud.
_LIMIT_DEG = {"float32": 0.001, "int8": 0.7}
_COMPARED = 256  # pictures

_ERRORS = (
    *("cmae_deg", "constant_cmae_deg", "mae_azimuth_deg", "mae_elevation_deg", "normal_mean_deg", "normal_median_deg"),
    *("under_5", "under_10", "under_15", "samples"),
)

_CONVENTIONS = (
    "The view frame: z passes through the middle of the crop, away from the camera; x right, y down in the crop.",
    "The normal is of the palm, a unit vector toward the camera (n_z < 0).",
    "Centred angles: azimuth = asin(n_x), elevation = asin(n_y); 0, 0 faces the camera, positive is right and down.",
    "Label angles, 0 to 180 degrees: azimuth = arccos(n_x), elevation = arccos(n_y), so 90 - centred.",
    "Right hands. Show a left hand mirrored (left to right), and change the sign of n_x and of the centred azimuth.",
)
_CROPS = {
    "virtual-camera": "A camera turned so that it looks along the ray through the middle of the hand's box; its square "
    "picture holds the hand and a border of `margin` times its size on each side.",
    "box": "A square about the middle of the hand's box, as large as the box's longer side and a border of `margin` "
    "times that on each side.",
}
_PYRAMID = (
    " First 128 x 128 pixels, the picture's edge repeated outwards; then halved by exact 2 x 2 means, rounded half up."
)


@dataclass(frozen=True)
class ExportResult:
    """What was written.

    Attributes:
        file, card: the network, and the JSON file next to it.
        bytes: of the network.
        pictures: how many the file's answers were compared on.
        largest_deg, mean_deg: between the normals that Keras and the file answer with.
    """

    file: str
    card: str
    format: str
    weights: str
    bytes: int
    pictures: int
    largest_deg: float
    mean_deg: float


def export(
    run: Path | str,
    *,
    out: Path | str | None = None,
    dataset: Path | str | None = None,
    settings: ExportSettings | None = None,
    **keywords: Any,
) -> ExportResult:
    """Convert a run's network for another runtime, and compare its answers with Keras's before it is kept.

    Args:
        run: a run folder.
        out: the file to write, .tflite, .onnx or .keras; its card gets the same name and .json. If None,
            network.tflite (network-int8.tflite, network.onnx, network.keras) in the run folder.
        dataset: where the run's dataset is now; the path that the run holds if None. 256 of its validation
            pictures are compared (all of them if there are fewer), and its manifest says how crops are made.
        keywords: single settings, as of `ExportSettings`; they win over `settings`.
    Raises:
        RunError: no run, or a file with float32 weights does not answer as Keras does.
        DatasetError: the dataset is missing.
        SettingsError: `out` has another suffix, or int8 is asked of another format than litert.
        MissingExtraError: a converter or the engine is not installed.
        OutputError: no space or permission.
    """
    settings = settings_of(ExportSettings, settings, keywords)
    weights = settings.weights
    path = _out_path(Path(run), out, settings)
    trained, data = load_run(run), dataset_of(run, dataset)
    log.info("%s: converting its network (%s, %s weights)", run, settings.to, weights)
    content, engine = convert(trained, settings)
    samples = take_sides(read_samples(data), trained.split).validation
    check = compare_answers(engine, trained, samples, _LIMIT_DEG[weights])
    if check.largest_deg > check.limit_deg:
        found = (
            f"{run}: converted for {settings.to} ({weights} weights) it answers up to {check.largest_deg:.2g} degrees "
            f"from Keras's answers on {number_of(check.pictures, 'validation picture')}, {check.mean_deg:.2g} in the "
            f"mean, where {check.limit_deg:g} are expected at most"
        )
        if not settings.int8:
            raise RunError(f"{found}; nothing was written")
        log.warning("%s; without --int8 it is exact", found)
    card = NetworkCard(
        labelkit=__version__,
        format=settings.to,
        weights=weights,
        file_sha256=hash_content(content),
        origin=_origin(trained),
        inputs=_inputs(trained),
        columns=_columns(trained.settings),
        loss=trained.settings.loss,
        uncertainty=trained.settings.uncertainty,
        crop=_crop_rule(data),
        conventions=_CONVENTIONS,
        errors=_errors(trained.path),
        check=check,
    )
    make_folder(path.parent)
    write_bytes(path, content)
    write_json(card_path(path), card.to_json())
    return ExportResult(
        file=str(path),
        card=str(card_path(path)),
        format=settings.to,
        weights=weights,
        bytes=len(content),
        pictures=check.pictures,
        largest_deg=check.largest_deg,
        mean_deg=check.mean_deg,
    )


def _out_path(run: Path, out: Path | str | None, settings: ExportSettings) -> Path:
    suffix = SUFFIXES[settings.to]
    if out is None:
        return run / f"network{'-int8' if settings.int8 else ''}{suffix}"
    path = Path(out)
    if path.suffix != suffix:
        raise SettingsError(
            f"--out {out}: --to {settings.to} writes {suffix} files; name it {path.with_suffix(suffix)}"
        )
    if path.is_dir():
        raise OutputError(f"--out {out}: is a folder; name a file in it, such as {path / f'network{suffix}'}")
    return path


def convert(trained: TrainedRun, settings: ExportSettings) -> tuple[bytes, Engine]:
    """Convert a network, and open the result in the runtime that it is for."""
    if settings.to == "litert":
        content = litert_bytes(trained.model, int8=settings.int8)
        return content, open_litert(content)
    if settings.to == "onnx":
        content = onnx_bytes(trained.model)
        return content, open_onnx(content)
    content = keras_bytes(trained.model)
    return content, open_keras(content)


def compare_answers(engine: Engine, trained: TrainedRun, samples: Samples, limit_deg: float) -> AnswerCheck:
    """Compare an exported network's normals with those of its run, on samples spread over all that are given."""
    chosen = samples.at(np.unique(np.linspace(0, len(samples) - 1, _COMPARED).round().astype(np.int64)))
    pictures = chosen.source.gather_fields(trained.settings.fields, chosen.indices)
    normals = [_normals(ask, trained.settings, pictures) for ask in (engine, _keras_engine(trained))]
    apart_deg = np.rad2deg(angle_between(*normals))
    return AnswerCheck(
        pictures=len(chosen),
        largest_deg=round(float(apart_deg.max()), 6),
        mean_deg=round(float(apart_deg.mean()), 6),
        limit_deg=limit_deg,
    )


def _keras_engine(trained: TrainedRun) -> Engine:
    return lambda pictures: np.concatenate(ask_network(trained.model, dict(pictures)))


def _normals(ask: Engine, settings: TrainSettings, pictures: Mapping[str, Any]) -> Any:
    said = np.asarray(ask(pictures), dtype=np.float64)
    return predictions_from_output(said, settings.loss, settings.uncertainty).normals


def _origin(trained: TrainedRun) -> Origin:
    return Origin(
        run=trained.path.resolve().name,
        model=trained.settings.model,
        parameters=trained.model.count_params(),
        weights_sha256=sha256_of(trained.path / BEST),
        dataset_sha256=read_dataset(trained.path)[0],
    )


def _inputs(trained: TrainedRun) -> tuple[NetworkInput, ...]:
    says = {
        "rgb": "red, green, blue, 0 to 255",
        "depth": "millimetres along the camera's z axis, 0 where nothing is seen",
    }
    return tuple(
        NetworkInput(
            name=each.name,
            shape=tuple(each.shape[1:]),
            dtype="uint8" if each.name.startswith("rgb") else "uint16",
            says=says[each.name.rstrip("0123456789")],
        )
        for each in trained.model.inputs
    )


def _columns(settings: TrainSettings) -> tuple[str, ...]:
    angles = ("centred azimuth, radians", "centred elevation, radians")
    answer = ("n_x", "n_y", "n_z") if settings.loss == "angular" else angles
    scale = {
        "none": (),
        "gaussian": ("ln of the normal's standard deviation along each axis, radians",),
        "laplace": ("ln of the scale, radians; the standard deviation along each axis is sqrt(3) times the scale",),
    }
    return answer + scale[settings.uncertainty]


def _crop_rule(data: Dataset) -> CropRule:
    stated, default = data.manifest.settings, BuildSettings()
    rule = stated.get("crop", default.crop)
    return CropRule(
        rule=rule, margin=float(stated.get("crop_margin", default.crop_margin)), says=_CROPS[rule] + _PYRAMID
    )


def _errors(run: Path) -> dict[str, Any]:
    """Give the errors that a finished run reports; none if it is not finished."""
    if not (run / REPORT).is_file():
        return {}
    report = read_json(run, REPORT)
    return {
        side: {key: report[side][key] for key in _ERRORS if key in report.get(side, {})}
        | {"participants": len(report.get(side, {}).get("participants", ()))}
        for side in ("validation", "test")
    }
